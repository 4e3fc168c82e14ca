# Builds the libraries of the Python package against the project's libdcn. Part of the tests, because PyTorch's headers are
# not there yet while the project is built.
#   cmake -DSOURCE_DIR=. -DBUILD_DIR=build -DWHEELS=.venv -DPYTHON=.venv/bin/python -P tests/python/build.cmake
execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${SOURCE_DIR}/python -B ${BUILD_DIR}/python -G Ninja -DSYCLDCN_WHEELS=${WHEELS}
          -DSYCLDCN_LIBRARY=${BUILD_DIR}/lib/libdcn.so -DPython_EXECUTABLE=${PYTHON}
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD_DIR}/python COMMAND_ERROR_IS_FATAL ANY)
