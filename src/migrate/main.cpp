/// The program `cuda2sycl`.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "dcn/status.hpp"
#include "migrate/migrate.hpp"

namespace {

using dcn::migrate::Options;
using dcn::migrate::Result;

// What scripts may rely on.
constexpr int kDone = 0;
constexpr int kNothingToDo = 1;
constexpr int kLeftovers = 2;
constexpr int kParseErrors = 3;
constexpr int kUsage = 4;

int explain(const std::string& id) {
  const std::string digits = id.starts_with("C2S") ? id.substr(3) : id;
  int number = 0;
  for (const char c : digits) number = c >= '0' && c <= '9' && number < 100000 ? number * 10 + (c - '0') : -1000000;
  const auto& text = dcn::migrate::diagnostic(number);
  fmt::print("C2S{}: {}.\nRemedy: {}.\n", text.number, text.what, text.remedy);
  return kDone;
}

int tell(const Result& result, const Options& options, bool quiet) {
  unsigned kernels = 0, launches = 0, migrated = 0;
  for (const auto& file : result.files) {
    kernels += file.kernels, launches += file.launches, migrated += file.launches_migrated;
    for (const auto& place : file.leftovers)
      fmt::print(stderr, "{}:{}: C2S{}: {}{}{}\n", file.input, place.line, place.number, place.detail,
                 place.detail.empty() ? "" : ": ", dcn::migrate::diagnostic(place.number).what);
  }
  if (!quiet) {
    fmt::print("{} files, {} changed; {} kernels, {} of {} launches; {} left to a person", result.files.size(),
               result.changed(), kernels, migrated, launches, result.leftovers());
    if (!options.out_root.empty()) fmt::print("; {}/cuda2sycl-report.md", options.out_root);
    fmt::print("\n");
  }
  if (result.broken()) return kParseErrors;
  if (result.leftovers() > 0) return kLeftovers;
  return result.changed() > 0 ? kDone : kNothingToDo;
}

int run(int argc, char** argv) {
  CLI::App app{"Migrates a CUDA extension of PyTorch to SYCL: no CUDA toolkit and no SYCL compiler needed.",
               "cuda2sycl"};
  app.set_version_flag("--version", "cuda2sycl " CUDA2SYCL_VERSION, "print the version");
  app.set_help_flag("-h,--help", "print this help");
  Options options;
  bool check = false, diff = false, rules = false, diagnostics = false, quiet = false;
  std::string explained;
  app.add_option("INPUT", options.inputs, "a folder (with setup.py, or of sources), or files");
  app.add_option("--out,--out-root", options.out_root, "folder to write; the whole project is there afterwards");
  app.add_option("--in-root", options.in_root, "the project's folder when INPUT names files");
  app.add_option("--in-root-exclude", options.exclude, "folders that are left alone");
  app.add_option("-p", options.compile_commands, "compile_commands.json, or the folder that holds it");
  app.add_option("--build-log", options.build_log, "what a build printed, to learn its flags from");
  app.add_option("--extra-arg", options.extra, "a further argument for the parser");
  app.add_option("--torch-include", options.torch_include, "PyTorch's own headers instead of the built-in stubs");
  app.add_option("-j,--jobs", options.jobs, "sources parsed at a time [processors]");
  app.add_flag("--check,--analysis-mode", check, "write nothing; the exit code says whether anything is left");
  app.add_flag("--diff", diff, "write nothing; print a diff");
  app.add_flag("--keep-going", options.keep_going, "no #error at what is left to a person, only the comment");
  app.add_flag("--keep-original-code", options.keep_original, "the input beside each output, as NAME.orig");
  app.add_flag("-q,--quiet", quiet, "print what is left to a person, nothing else");
  app.add_flag("--rules", rules, "list the rules");
  app.add_flag("--diagnostics", diagnostics, "list the diagnostics");
  app.add_option("--explain", explained, "explain one diagnostic: C2S1004");
  app.footer(
      "Examples:\n  cuda2sycl DCNv2_latest/ --out DCNv2_sycl/\n  cuda2sycl DCNv2_latest/ --check\n  cuda2sycl "
      "--explain C2S1004\n\n"
      "Exit code: 0 all migrated; 1 nothing to do; 2 something is left to a person; 3 CUDA code that could not be "
      "parsed; 4 an error.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    app.exit(success);
    return kDone;
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "cuda2sycl: {}; see cuda2sycl --help\n", error.what());
    return kUsage;
  }
  if (rules) {
    for (const auto& rule : dcn::migrate::rule_texts()) fmt::print("{:<14} {}\n", rule.name, rule.what);
    return kDone;
  }
  if (diagnostics) {
    for (const auto& text : dcn::migrate::diagnostics()) fmt::print("C2S{}  {}\n", text.number, text.what);
    return kDone;
  }
  if (!explained.empty()) return explain(explained);
  if (options.out_root.empty() && !check && !diff)
    throw dcn::Error(dcn::ErrorCode::kInvalidArgument,
                     "no output folder: give --out DIR, or --check or --diff to write nothing");
  if (check || diff) options.out_root.clear();
  options.progress = !quiet && ::isatty(STDERR_FILENO) != 0;
  const Result result = dcn::migrate::migrate(options);
  if (diff) fmt::print("{}", dcn::migrate::unified_diff(result));
  if (!options.out_root.empty()) dcn::migrate::write_output(result, options);
  return tell(result, options, quiet || diff);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "cuda2sycl: out of memory: parse fewer sources at a time with --jobs 1\n");
  } catch (const std::exception& error) {
    fmt::print(stderr, "cuda2sycl: {}\n", error.what());
  }
  return kUsage;
}
