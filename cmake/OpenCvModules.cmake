# sycldcn_opencv: the four OpenCV 4 modules in use. Looked up by file, because the package that holds
# OpenCVConfig.cmake on Debian pulls in every module with several hundred MB of dependencies.
find_path(OPENCV_INCLUDE_DIR opencv2/core.hpp PATH_SUFFIXES opencv4)
add_library(sycldcn_opencv INTERFACE)
foreach(module core imgproc imgcodecs videoio)
  find_library(OPENCV_${module}_LIBRARY opencv_${module})
  if(NOT OPENCV_INCLUDE_DIR OR NOT OPENCV_${module}_LIBRARY)
    message(FATAL_ERROR "OpenCV's ${module} module not found. On Debian: apt-get install libopencv-${module}-dev")
  endif()
  target_link_libraries(sycldcn_opencv INTERFACE ${OPENCV_${module}_LIBRARY})
endforeach()
target_include_directories(sycldcn_opencv SYSTEM INTERFACE ${OPENCV_INCLUDE_DIR})
