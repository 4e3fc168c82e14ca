/// \file project.hpp
/// Which files a migration is about, and how the parser has to read them.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "migrate/facts.hpp"
#include "migrate/source.hpp"

namespace dcn::migrate {

struct Options {
  std::vector<std::string> inputs;   ///< one folder, or files
  std::string in_root;               ///< default: the folder, or the files' common folder
  std::string out_root;              ///< empty: no output (check, diff)
  std::string compile_commands;      ///< compile_commands.json or its folder
  std::string build_log;             ///< what a build printed
  std::vector<std::string> exclude;  ///< folders of in_root that are left alone
  std::vector<std::string> extra;    ///< further arguments for the parser
  std::string torch_include;         ///< real PyTorch headers
  bool keep_going = false;           ///< no #error at leftovers
  bool keep_original = false;        ///< the input beside the output, as NAME.orig
  unsigned jobs = 0;                 ///< parser threads; 0: as many as processors
  bool progress = false;             ///< a progress line on standard error
};

struct Project {
  std::filesystem::path root;
  std::vector<std::filesystem::path> files;  ///< every file below the root that is to be in the output, sorted
  std::map<std::string, Source> sources;     ///< C++ and CUDA files by real path
  std::map<std::string, std::string> links;  ///< sources that are symbolic links: their targets' real paths
  std::vector<ParseJob> jobs;
  ParseSetup setup;
};

/// Finds and reads the files. Throws dcn::Error when there is nothing to read or an argument is wrong.
Project open_project(const Options& options);

/// The whole of a file; throws dcn::Error (io).
std::string read_file(const std::filesystem::path& path);
/// Replaces the file in one step: readers see the old text or the new one.
void write_file(const std::filesystem::path& path, const std::string& text);

}  // namespace dcn::migrate
