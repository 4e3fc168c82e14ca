/// \file sycl_library.hpp
/// The SYCL runtime that this process runs on, as a file.
#pragma once

#include <filesystem>
#include <string>

namespace dcn::runtime {

/// The loaded libsycl. Its folder (of the build tree, the install tree or a Python environment) holds the drivers and
/// the run-time compiler too. Empty when it cannot be told.
[[nodiscard]] std::filesystem::path sycl_library();

/// Changes when the runtime is exchanged for another one.
[[nodiscard]] std::string sycl_version();

}  // namespace dcn::runtime
