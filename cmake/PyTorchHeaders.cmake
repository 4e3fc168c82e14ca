# SYCLDCN_TORCH: the folder of the Python package torch, for its headers of the stable ABI. Found without importing it.
if(NOT SYCLDCN_TORCH)
  find_package(Python REQUIRED COMPONENTS Interpreter)
  execute_process(
    COMMAND ${Python_EXECUTABLE} -c
            "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
    OUTPUT_VARIABLE SYCLDCN_TORCH OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
if(NOT EXISTS "${SYCLDCN_TORCH}/include/torch/csrc/stable/library.h")
  message(FATAL_ERROR "PyTorch's headers not found (SYCLDCN_TORCH='${SYCLDCN_TORCH}'): install PyTorch 2.9 or newer, "
                      "or set SYCLDCN_TORCH to the folder of the package torch")
endif()
