/// \file commands.hpp
/// The subcommands. Each add_* declares one with its options and help; parsing the command line sets `run` to what was
/// chosen.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace dcn::cli {

/// Exit codes, as docs/cli.md tells them. Ctrl-C gives 128 + the signal's number.
enum ExitCode : int {
  kSuccess = 0,
  kIncomplete = 1,  ///< done, but some inputs could not be read
  kFailure = 2,     ///< wrong usage, or something prevented the work; one line says what
};

using Run = std::function<int()>;

void add_detect(CLI::App& app, Run& run);
void add_eval(CLI::App& app, Run& run);
void add_inspect(CLI::App& app, Run& run);
void add_convert(CLI::App& app, Run& run);
void add_devices(CLI::App& app, Run& run);
void add_bench(CLI::App& app, Run& run);

}  // namespace dcn::cli
