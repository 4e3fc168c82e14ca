# `cmake --install`: libraries, headers, the program, and the package that find_package(SyclDcn) finds.
include(CMakePackageConfigHelpers)

install(TARGETS dcn EXPORT SyclDcnTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/dcn DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(SYCLDCN_BUILD_CENTERNET)
  install(TARGETS centernet EXPORT SyclDcnTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  # Included as "centernet/detector.hpp", "nn/plan.hpp", "checkpoint/checkpoint.hpp".
  install(FILES src/centernet/detection.hpp src/centernet/detector.hpp src/centernet/model.hpp
                src/centernet/postprocess.hpp src/centernet/preprocess.hpp
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/sycldcn/centernet)
  install(FILES src/nn/network.hpp src/nn/plan.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/sycldcn/nn)
  install(FILES src/checkpoint/checkpoint.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/sycldcn/checkpoint)
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/SyclDcn)
install(EXPORT SyclDcnTargets NAMESPACE SyclDcn:: DESTINATION ${package_dir})
configure_package_config_file(cmake/SyclDcnConfig.cmake.in ${PROJECT_BINARY_DIR}/SyclDcnConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/SyclDcnConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/SyclDcnConfig.cmake ${PROJECT_BINARY_DIR}/SyclDcnConfigVersion.cmake
              cmake/OpenCvModules.cmake
        DESTINATION ${package_dir})
