/// \file kernelc.cpp
/// sycldcn_kernelc OUTPUT.cpp OBJECTS NATIVE: part of the build only. Compiles the rows of prebuilt_kernels.def to
/// portable code, written as a C++ source that defines prebuilt_kernels(), and links them for the CPU of this machine
/// into the folder NATIVE, where the library looks for code that needs no linking. Rows whose source did not change
/// since the last run come from the folders OBJECTS and NATIVE.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <string>
#include <string_view>
#include <sycl/sycl.hpp>
#include <thread>
#include <vector>

#include "dcn/device.hpp"
#include "dcn/status.hpp"
#include "runtime/compiler.hpp"
#include "runtime/disk_cache.hpp"
#include "runtime/native.hpp"
#include "runtime/prebuilt.hpp"
#include "runtime/sycl_library.hpp"

namespace dcn::runtime {

/// The tool itself has none: it makes them.
std::span<const PrebuiltKernel> prebuilt_kernels() noexcept { return {}; }

namespace {

/// Each takes half a gigabyte.
constexpr std::size_t kMaxWorkers = 4;

struct Row {
  std::string_view source;
  std::vector<std::string_view> macros;
};

const std::vector<Row>& rows() {
  static const std::vector<Row> table{
#define DCN_PREBUILT(source, ...) {source, {__VA_ARGS__}},
#include "runtime/prebuilt_kernels.def"
#undef DCN_PREBUILT
  };
  return table;
}

KernelRequest to_request(const Row& row) {
  KernelRequest request{.source = row.source, .entry = {}};
  for (const std::string_view macro : row.macros) {
    const std::size_t equals = macro.find('=');
    if (equals == std::string_view::npos) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("prebuilt_kernels.def: {}: '{}', expected MACRO=value", row.source, macro));
    }
    request.macros.emplace_back(macro.substr(0, equals), macro.substr(equals + 1));
  }
  return request;
}

/// A C string literal; octal escapes cannot run into what follows when all have three digits.
std::string literal(std::string_view bytes) {
  std::string text = "\"";
  for (const char c : bytes) fmt::format_to(std::back_inserter(text), "\\{:03o}", static_cast<unsigned char>(c));
  return text + "\"";
}

/// Portable code of one row, from the cache when nothing it is made from changed.
std::vector<char> object_of(const Queue& queue, const KernelSource& source, const DiskCache& cache) {
  const std::string key = fmt::format("object\n{}runtime={}\n", source.key.to_text(), sycl_version());
  if (std::optional<std::vector<char>> known = cache.load(key)) return *std::move(known);
  std::vector<char> content = compile_to_object(queue, source);
  cache.store(key, content);
  return content;
}

/// Native code of one row, in `cache` under the key that is returned.
std::string link_row(const Queue& queue, const KernelSource& source, const std::vector<char>& object,
                     const DiskCache& cache) {
  const NativeCode code(queue, source);
  try {
    if (!cache.load(code.key())) code.store(cache, code.link(object));
  } catch (const sycl::exception& error) {
    // It would be built in and never used.
    throw Error(ErrorCode::kCompile, fmt::format("kernel file {} [{}] compiles and does not link: {}", source.key.name,
                                                 source.key.options, error.what()));
  }
  return code.key();
}

/// Fills the caches with several processes, since the compiler serves one thread at a time. Must run before the first
/// SYCL call. What a process fails at, run() does again and reports.
void compile_in_parallel(const char* object_folder, const char* native_folder) {
  const auto workers = std::min<std::size_t>({rows().size(), std::thread::hardware_concurrency(), kMaxWorkers});
  std::vector<pid_t> children;
  for (std::size_t worker = 0; worker < workers; ++worker) {
    const pid_t child = ::fork();
    if (child < 0) break;
    if (child > 0) {
      children.push_back(child);
      continue;
    }
    try {
      const Queue queue = Queue::create("cpu");
      for (std::size_t i = worker; i < rows().size(); i += workers) {
        const KernelSource source = prepare_source(to_request(rows()[i]), queue.device());
        link_row(queue, source, object_of(queue, source, DiskCache(object_folder)), DiskCache(native_folder));
      }
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): see above
    }
    std::_Exit(0);
  }
  for (const pid_t child : children) ::waitpid(child, nullptr, 0);
}

int run(const char* output, const char* object_folder, const char* native_folder) {
  compile_in_parallel(object_folder, native_folder);
  std::string entries;
  try {
    const Queue queue = Queue::create("cpu");
    const DiskCache objects(object_folder);
    const DiskCache native(native_folder);
    std::vector<std::string> native_keys;
    for (const Row& row : rows()) {
      const KernelSource source = prepare_source(to_request(row), queue.device());
      const std::vector<char> content = object_of(queue, source, objects);
      native_keys.push_back(link_row(queue, source, content, native));
      const std::string key = source.key.to_text();
      entries += fmt::format("    {{{{{}, {}}}, {{{}, {}}}}},\n", literal(key), key.size(),
                             literal({content.data(), content.size()}), content.size());
    }
    native.keep_only(native_keys);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNoDevice) throw;
    fmt::print(stderr, "warning: no kernels are built in, they will be compiled at run time: {}\n", error.what());
    entries.clear();
  }
  std::ofstream file(output);
  file.exceptions(std::ios::failbit | std::ios::badbit);
  file << fmt::format(
      "// Generated by sycldcn_kernelc from prebuilt_kernels.def.\n#include \"runtime/prebuilt.hpp\"\n\n#include "
      "<vector>"
      "\n\nnamespace dcn::runtime {{\n\nstd::span<const PrebuiltKernel> prebuilt_kernels() noexcept {{\n"
      "  static const std::vector<PrebuiltKernel> kernels{{\n{}  }};\n  return kernels;\n}}\n\n}}  // namespace "
      "dcn::runtime\n",
      entries);
  file.close();
  return 0;
}

}  // namespace

}  // namespace dcn::runtime

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: sycldcn_kernelc OUTPUT.cpp OBJECTS NATIVE\n", stderr);
    return 2;
  }
  try {
    return dcn::runtime::run(argv[1], argv[2], argv[3]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
