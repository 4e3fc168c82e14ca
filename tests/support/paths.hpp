/// \file paths.hpp
/// Where tests find data.
#pragma once

#include <filesystem>

namespace dcn::test {

/// The repository.
inline std::filesystem::path source_dir() { return SYCLDCN_SOURCE_DIR; }
/// What tests/support/generate.py wrote.
inline std::filesystem::path generated_dir() { return std::filesystem::path(SYCLDCN_BINARY_DIR) / "test-data"; }
/// tests/data/parity: reference data of the original CenterNet.
inline std::filesystem::path parity_dir() { return source_dir() / "tests" / "data" / "parity"; }

}  // namespace dcn::test
