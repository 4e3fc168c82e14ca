# fmt::fmt from headers alone, so that the Python package depends on no libfmt.so of the system: the system's headers
# (libfmt-dev on Debian), else the copy that comes with PyTorch.
find_path(SYCLDCN_FMT_INCLUDE fmt/format.h HINTS /usr/include /usr/local/include PATHS ${SYCLDCN_TORCH}/include)
if(NOT SYCLDCN_FMT_INCLUDE)
  message(FATAL_ERROR "fmt/format.h not found. On Debian: apt-get install libfmt-dev")
endif()
set(fmt_flags -fkeep-inline-functions -fvisibility=hidden -ffunction-sections -fdata-sections)
try_compile(SYCLDCN_FMT_ONCE
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/fmt_once.cpp ${CMAKE_CURRENT_LIST_DIR}/fmt_use.cpp
  CMAKE_FLAGS -DINCLUDE_DIRECTORIES=${SYCLDCN_FMT_INCLUDE}
  COMPILE_DEFINITIONS ${fmt_flags}
  CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON)
if(SYCLDCN_FMT_ONCE)
  add_library(sycldcn_fmt STATIC ${CMAKE_CURRENT_LIST_DIR}/fmt_once.cpp)
  target_compile_options(sycldcn_fmt PRIVATE ${fmt_flags})
  # What nobody uses of it goes again.
  target_link_options(sycldcn_fmt INTERFACE LINKER:--gc-sections LINKER:--exclude-libs,libsycldcn_fmt.a)
  target_include_directories(sycldcn_fmt SYSTEM PUBLIC ${SYCLDCN_FMT_INCLUDE})
  add_library(fmt::fmt ALIAS sycldcn_fmt)
else()  # another version, where the trick does not work: everywhere, then
  add_library(fmt::fmt INTERFACE IMPORTED GLOBAL)
  set_target_properties(fmt::fmt PROPERTIES INTERFACE_INCLUDE_DIRECTORIES ${SYCLDCN_FMT_INCLUDE}
                                            INTERFACE_COMPILE_DEFINITIONS FMT_HEADER_ONLY=1)
endif()
