#include "runtime/compiler.hpp"

#include <fmt/format.h>

#include <mutex>
#include <sycl/sycl.hpp>

#include "dcn/status.hpp"
#include "runtime/cuda_code.hpp"
#include "runtime/sha256.hpp"
#include "runtime/sources.hpp"
#include "runtime/sycl_library.hpp"

namespace dcn::runtime {

namespace {

namespace syclexp = sycl::ext::oneapi::experimental;

/// What portable code is made for: OpenCL and Level Zero share one.
std::string target_of(const DeviceInfo& device) {
  if (device.backend == "opencl" || device.backend == "level_zero") return "spirv";
  if (device.backend == "cuda") return "ptx";
  return device.backend;
}

/// One image for the whole file. The compiler would put entries with different sub-group or work-group sizes into
/// images of their own, and of several images that are linked the runtime gives no native code to keep.
constexpr const char* kOneImage = "-fsycl-device-code-split=off";

/// The compiler's log without the runtime's own headings.
std::string_view log_of(std::string_view message) {
  for (const std::string_view heading : {"Device compilation failed", "\n", "Detailed information:", "\n", "\t"}) {
    if (message.starts_with(heading)) message.remove_prefix(heading.size());
  }
  const std::size_t last = message.find_last_not_of(" \t\r\n");
  return message.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

using SourceBundle = sycl::kernel_bundle<sycl::bundle_state::ext_oneapi_source>;

/// The first thing that the compiler (2026.2) makes PTX of in a process comes out with calls of built-in functions that
/// are not inlined and loops that are not unrolled, up to 40 times slower. So that first thing is nothing.
void wake_ptx_compiler(const Queue& queue) {
  constexpr const char* kNothing = R"(
#include <sycl/ext/oneapi/free_function_queries.hpp>
#include <sycl/ext/oneapi/kernel_properties/properties.hpp>
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((sycl::ext::oneapi::experimental::nd_range_kernel<1>)) void nothing() {}
)";
  static const bool awake = [&] {
    sycl::kernel_bundle bundle = syclexp::create_kernel_bundle_from_source(
        queue.native().get_context(), syclexp::source_language::sycl, std::string(kNothing));
    (void)syclexp::compile(bundle, {queue.native().get_device()});
    return true;
  }();
  (void)awake;
}

/// `use(source bundle, properties)`, with the compiler to itself and errors in our words.
template <typename Use>
auto with_compiler(const Queue& queue, const KernelSource& source, Use use) {
  // The compiler is one big library that keeps state: one thread at a time.
  static std::mutex mutex;
  const std::scoped_lock lock(mutex);
  try {
    if (queue.device().backend == "cuda") wake_ptx_compiler(queue);
    SourceBundle bundle = syclexp::create_kernel_bundle_from_source(queue.native().get_context(),
                                                                    syclexp::source_language::sycl, source.text);
    return use(bundle, syclexp::properties{syclexp::build_options{source.options}});
  } catch (const sycl::exception& error) {
    // All that the runtime says when it cannot load its compiler.
    const bool no_compiler = std::string_view(error.what()).find("from source not supported") != std::string_view::npos;
    const std::string log = no_compiler ? fmt::format(
                                              "the run-time compiler libsycl-jit.so was not found in {}: reinstall "
                                              "the wheel intel-sycl-rt",
                                              sycl_library().parent_path().string())
                                        : restore_locations(log_of(error.what()), source.text);
    if (std::string_view(error.what()).find(cuda_builtins_path()) != std::string_view::npos) {
      throw Error(ErrorCode::kCompile,
                  fmt::format("{} is missing, which the run-time compiler needs for NVIDIA GPUs. It carries the file "
                              "inside; once, as root: centernet devices --install-cuda-builtins (or python -m "
                              "sycl_dcn.doctor --install-cuda-builtins)",
                              cuda_builtins_path()));
    }
    throw Error(ErrorCode::kCompile,
                fmt::format("kernel file {} does not compile for {} ({})\noptions: {}\n{}", source.key.name,
                            queue.device().name, queue.device().backend, source.key.options, log));
  }
}

}  // namespace

KernelSource prepare_source(const KernelRequest& request, const DeviceInfo& device) {
  std::string_view text = request.text;
  if (text.empty()) {
    const std::optional<std::string_view> found = find_source(request.source);
    if (!found) {
      throw Error(ErrorCode::kInternal, fmt::format("kernel file {} is not in this library", request.source));
    }
    text = *found;
  }
  KernelSource source;
  source.text = expand_source(request.source, text, find_source);
  if (device.backend == "cuda") source.text = split_entries(source.text);
  source.options = compile_options(request.macros, request.options);
  source.options.emplace_back(kOneImage);
  source.key = {.name = std::string(request.source),
                .source_hash = to_hex(sha256(source.text)),
                .options = join_options(source.options),
                .target = target_of(device)};
  return source;
}

std::vector<char> compile_to_object(const Queue& queue, const KernelSource& source) {
  return with_compiler(queue, source, [&](SourceBundle& bundle, const auto& properties) {
    return syclexp::compile(bundle, {queue.native().get_device()}, properties).ext_oneapi_get_content();
  });
}

sycl::kernel_bundle<sycl::bundle_state::executable> build_executable(const Queue& queue, const KernelSource& source) {
  return with_compiler(queue, source, [&](SourceBundle& bundle, const auto& properties) {
    return syclexp::build(bundle, {queue.native().get_device()}, properties);
  });
}

}  // namespace dcn::runtime
