#include "runtime/native.hpp"

#include <chrono>
#include <sycl/sycl.hpp>
#include <utility>

#include "runtime/cuda_code.hpp"
#include "runtime/kernel_key.hpp"
#include "runtime/sycl_library.hpp"
#include "runtime/verbose.hpp"

namespace dcn::runtime {

namespace {

namespace syclexp = sycl::ext::oneapi::experimental;

std::string native_key(const SourceKey& source, const DeviceInfo& device) {
  static const std::string runtime = sycl_version();
  const NativeKey key{.source = source,
                      .device = device.name,
                      .driver = device.driver,
                      .backend = device.backend,
                      .isa = device.kind == "cpu" ? cpu_isa() : "",
                      .runtime = runtime,
                      .environment = codegen_environment()};
  return key.to_text();
}

}  // namespace

NativeCode::NativeCode(const Queue& queue, KernelSource source)
    : source_(std::move(source)),
      key_(native_key(source_.key, queue.device())),
      context_(queue.native().get_context()),
      devices_{queue.native().get_device()} {}

std::optional<LoadedBundle> NativeCode::load(const DiskCache& cache) const {
  std::optional<std::vector<char>> content = cache.load(key_);
  if (!content) return std::nullopt;
  try {
    LoadedBundle bundle = read(*std::move(content));
    if (!bundle.executable.empty()) return bundle;
    verbose(Topic::kCompile, "{}: the cached code is refused and will be rebuilt: it is empty", source_.key.name);
  } catch (const sycl::exception& error) {
    verbose(Topic::kCompile, "{}: the cached code is refused and will be rebuilt: {}", source_.key.name, error.what());
  }
  return std::nullopt;
}

LoadedBundle NativeCode::link(std::vector<char> object) const {
  const auto start = std::chrono::steady_clock::now();
  auto bytes = std::make_shared<std::vector<char>>(std::move(object));
  auto bundle = syclexp::get_kernel_bundle<sycl::bundle_state::object>(context_, devices_,
                                                                       sycl::span<char>(bytes->data(), bytes->size()));
  Executable executable = sycl::link(bundle, devices_);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  verbose(Topic::kCompile, "{}: linked in {:.1f} ms", source_.key.name, took.count());
  return {std::move(bytes), std::move(bundle), std::move(executable)};
}

LoadedBundle NativeCode::read_ptx(std::vector<char> content) const {
  mend_target(content);
  mark_executable(content);
  limit_registers(content);
  raise_target(content);
  return read(std::move(content));
}

void NativeCode::store(const DiskCache& cache, const LoadedBundle& bundle) const {
  std::string why = "it comes without code";
  try {
    const std::vector<char> content = bundle.executable.ext_oneapi_get_content();
    // Some bundles give a shell without code: look before it replaces anything.
    if (!read(content).executable.empty()) {
      cache.store(key_, content);
      return;
    }
  } catch (const sycl::exception& error) {
    why = error.what();
  }
  verbose(Topic::kCompile, "{}: not cached, the runtime gives no native code for it: {}", source_.key.name, why);
}

LoadedBundle NativeCode::read(std::vector<char> content) const {
  auto bytes = std::make_shared<std::vector<char>>(std::move(content));
  Executable executable = syclexp::get_kernel_bundle<sycl::bundle_state::executable>(
      context_, devices_, sycl::span<char>(bytes->data(), bytes->size()));
  return {std::move(bytes), std::nullopt, std::move(executable)};
}

}  // namespace dcn::runtime
