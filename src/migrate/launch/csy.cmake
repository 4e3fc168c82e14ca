# What a migrated CMake project needs: g++ with C++20, the SYCL runtime, the headers of this folder. Included after
# project(); holds for all targets of its folder and below. `-DCSY_SYCL_ROOT=` names the prefix of the SYCL runtime
# (include/sycl, lib/libsycl.so), else it is that of the wheel intel-sycl-rt beside the Python that CMake finds.
include_guard(GLOBAL)
find_package(Python3 COMPONENTS Interpreter REQUIRED)

# Runs one line of Python; its output is in `result`.
function(csy_ask result line)
  execute_process(COMMAND ${Python3_EXECUTABLE} -c "${line}" OUTPUT_VARIABLE out ERROR_VARIABLE error RESULT_VARIABLE status
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${Python3_EXECUTABLE}: ${error}")
  endif()
  set(${result} "${out}" PARENT_SCOPE)
endfunction()

if(NOT CSY_SYCL_ROOT)
  csy_ask(CSY_SYCL_ROOT "import sys; sys.path.insert(0, r'${CMAKE_CURRENT_LIST_DIR}'); import csy_build; print(csy_build.sycl_root())")
endif()
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include_directories(${CMAKE_CURRENT_LIST_DIR})
include_directories(SYSTEM ${CSY_SYCL_ROOT}/include)
link_libraries(${CSY_SYCL_ROOT}/lib/libsycl.so)
# The run-time compiler must see the macros that g++ sees.
set(csy_plain "^[A-Za-z_0-9]+(=[A-Za-z0-9_.+-]*)?$")
add_compile_options("-DCSY_DEFINES=\"$<JOIN:$<FILTER:$<TARGET_PROPERTY:COMPILE_DEFINITIONS>,INCLUDE,${csy_plain}>,$<COMMA>>\"")
add_compile_options("-DCSY_INCLUDES=\"$<JOIN:$<FILTER:$<TARGET_PROPERTY:INCLUDE_DIRECTORIES>,EXCLUDE,[ :]>,:>\"")
add_compile_options(-fno-lto)

# find_package(Torch) without the CUDA toolkit that PyTorch's own CMake files ask for when it was built with CUDA.
macro(csy_find_torch)
  csy_ask(TORCH_INCLUDE_DIRS "from torch.utils.cpp_extension import include_paths; print(';'.join(include_paths()))")
  csy_ask(TORCH_INSTALL_PREFIX "import os, torch; print(os.path.dirname(torch.__file__))")
  csy_ask(csy_abi "import torch; print(int(torch._C._GLIBCXX_USE_CXX11_ABI))")
  csy_ask(csy_xpu "import torch; print(int(bool(getattr(torch.version, 'xpu', None))))")
  csy_ask(csy_cuda "import torch; v = (torch.version.cuda or '12.0').split('.'); print(int(v[0]) * 1000 + int(v[1]) * 10)")
  add_compile_definitions(CSY_CUDA_VERSION=${csy_cuda})
  set(TORCH_CXX_FLAGS "-D_GLIBCXX_USE_CXX11_ABI=${csy_abi}")
  set(TORCH_LIBRARIES)
  foreach(library torch torch_cpu c10)
    list(APPEND TORCH_LIBRARIES ${TORCH_INSTALL_PREFIX}/lib/lib${library}.so)
  endforeach()
  if(csy_xpu)
    add_compile_definitions(CSY_TORCH_XPU)
    list(APPEND TORCH_LIBRARIES ${TORCH_INSTALL_PREFIX}/lib/libc10_xpu.so)
  endif()
  if(NOT TARGET torch)
    add_library(torch INTERFACE IMPORTED)
    set_target_properties(torch PROPERTIES INTERFACE_LINK_LIBRARIES "${TORCH_LIBRARIES}"
                          INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${TORCH_INCLUDE_DIRS}" INTERFACE_INCLUDE_DIRECTORIES "${TORCH_INCLUDE_DIRS}"
                          INTERFACE_COMPILE_OPTIONS "${TORCH_CXX_FLAGS}")
  endif()
  set(TORCH_LIBRARIES torch)
  set(Torch_FOUND TRUE)
  set(TORCH_FOUND TRUE)
endmacro()
