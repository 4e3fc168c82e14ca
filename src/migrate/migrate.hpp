/// \file migrate.hpp
/// The migration as a function: a project in, texts and a report out. Nothing here prints or writes, but
/// `write_output`.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "migrate/project.hpp"
#include "migrate/unit.hpp"

namespace dcn::migrate {

struct Place {
  int number = 0;
  unsigned line = 0;
  std::string detail;
};

struct FileResult {
  std::string input;   ///< relative to the input root
  std::string output;  ///< relative to the output root
  std::string before, after;
  bool text = true;  ///< false: copied as it is
  std::vector<Edit> edits;
  std::map<std::string, unsigned> rules;  ///< edits by rule
  std::vector<Place> leftovers, notes;
  unsigned kernels = 0, launches = 0, launches_migrated = 0;

  bool changed() const { return before != after || input != output; }
};

/// A pyproject.toml whose table [build-system] names csy_build, from the project's own (empty when it has none).
std::string with_build_backend(const std::string& text);

struct Result {
  std::string root;
  std::vector<FileResult> files;
  std::map<std::string, std::string> added;  ///< files that the migration brings: csy/..., by output name
  std::vector<ParseMessage> parse_errors;    ///< paths relative to the root
  unsigned parsed = 0;

  std::size_t changed() const;
  std::size_t leftovers() const;
  bool broken() const;  ///< a leftover because the parser failed at CUDA code
};

/// Runs all rules. Throws dcn::Error for unusable input; what cannot be migrated is in the result.
Result migrate(const Options& options);

/// Writes every file of the result, each in one step, and the report.
void write_output(const Result& result, const Options& options);

/// cuda2sycl-report.md, cuda2sycl-report.json and MainSourceFiles.yaml.
std::string report_markdown(const Result& result);
std::string report_json(const Result& result);
std::string main_source_files(const Result& result, const Options& options);
/// A unified diff of all changed files.
std::string unified_diff(const Result& result);

/// Python sources. `relative` is the file's name below the root.
struct PythonResult {
  std::string text;
  std::map<std::string, unsigned> rules;
  std::vector<Place> leftovers;
  bool needs_helper = false;
};
PythonResult migrate_python(const std::string& text, const std::string& relative, const std::string& path_to_csy);
/// CMakeLists.txt and *.cmake. `path_to_csy` leads from the file's folder to the folder csy.
PythonResult migrate_cmake(const std::string& text, const std::string& path_to_csy);

}  // namespace dcn::migrate
