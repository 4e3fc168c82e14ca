/// pyproject.toml of a migrated extension: `pip install .` builds with what is installed, through csy_build.
#include <sstream>

#include "migrate/migrate.hpp"

namespace dcn::migrate {

std::string with_build_backend(const std::string& text) {
  if (text.find("\"csy_build\"") != std::string::npos) return text;
  std::string rest;
  bool replaced = false;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find_first_not_of(" \t");
    if (first != std::string::npos && line[first] == '[') {
      // A line of an array that begins with a bracket is indented, a table's name is not.
      if (first == 0) replaced = line.starts_with("[build-system]");
    }
    if (!replaced) rest += line + "\n";
  }
  return "[build-system]\nrequires = []\nbuild-backend = \"csy_build\"\nbackend-path = [\"csy\"]\n" +
         (rest.empty() ? rest : "\n" + rest);
}

}  // namespace dcn::migrate
