# fmt::fmt as headers alone, so that the Python package depends on no libfmt.so of the system: the system's headers
# (libfmt-dev on Debian), else the copy that comes with PyTorch.
find_path(SYCLDCN_FMT_INCLUDE fmt/format.h HINTS /usr/include /usr/local/include PATHS ${SYCLDCN_TORCH}/include)
if(NOT SYCLDCN_FMT_INCLUDE)
  message(FATAL_ERROR "fmt/format.h not found. On Debian: apt-get install libfmt-dev")
endif()
add_library(fmt::fmt INTERFACE IMPORTED GLOBAL)
set_target_properties(fmt::fmt PROPERTIES INTERFACE_INCLUDE_DIRECTORIES ${SYCLDCN_FMT_INCLUDE}
                                          INTERFACE_COMPILE_DEFINITIONS FMT_HEADER_ONLY=1)
