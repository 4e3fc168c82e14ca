/// \file embedded.hpp
/// Files that travel inside the program.
#pragma once

#include <string>
#include <vector>

namespace dcn::migrate {

struct EmbeddedFile {
  std::string name;  ///< relative to src/migrate: "stubs/cuda.h", "launch/csy.hpp"
  std::string text;
};

/// Stub headers and launch files, in the order of their names.
const std::vector<EmbeddedFile>& embedded_files();

}  // namespace dcn::migrate
