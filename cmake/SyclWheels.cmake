# The SYCL runtime and oneDNN from the wheels of requirements.txt, as the imported targets
# sycldcn::sycl (headers, libsycl) and sycldcn::onednn (headers, libdnnl).

if(NOT EXISTS "${SYCLDCN_WHEELS}/include/sycl/sycl.hpp")
  message(FATAL_ERROR
    "SYCL headers not found under SYCLDCN_WHEELS=${SYCLDCN_WHEELS}.\n"
    "Install the wheels: python3 -m venv .venv && .venv/bin/pip install -r requirements.txt\n"
    "or run ./demo, which does it.")
endif()

function(sycldcn_import target library)
  if(NOT EXISTS "${SYCLDCN_WHEELS}/lib/${library}")
    message(FATAL_ERROR "${SYCLDCN_WHEELS}/lib/${library} is missing: reinstall the wheels of requirements.txt")
  endif()
  add_library(${target} SHARED IMPORTED GLOBAL)
  set_target_properties(${target} PROPERTIES
    IMPORTED_LOCATION "${SYCLDCN_WHEELS}/lib/${library}"
    INTERFACE_INCLUDE_DIRECTORIES "${SYCLDCN_WHEELS}/include"
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${SYCLDCN_WHEELS}/include"
    INTERFACE_LINK_OPTIONS "-Wl,-rpath-link,${SYCLDCN_WHEELS}/lib")
endfunction()

sycldcn_import(sycldcn::sycl libsycl.so)
target_compile_options(sycldcn::sycl INTERFACE -Wno-deprecated-declarations)
if(SYCLDCN_BUILD_CENTERNET)
  sycldcn_import(sycldcn::onednn libdnnl.so)
endif()

# An RPATH, not a RUNPATH: it also serves the libraries that our libraries need. Debian's OpenCV needs libtbb.so.12, and
# if the system's older one is loaded first, the wheels' CPU driver cannot start and there is no device.
add_link_options(-Wl,--disable-new-dtags)
set(CMAKE_BUILD_RPATH "${SYCLDCN_WHEELS}/lib")
# Installed programs find their own libraries beside themselves and the wheels where they were at build time.
set(CMAKE_INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR};$ORIGIN;${SYCLDCN_WHEELS}/lib")
