/// \file csy_host.hpp
/// The host's side of csy.hpp: the device, the run-time compiler, launches.
#pragma once

#include <dlfcn.h>
#include <stdlib.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#if __has_include(<c10/core/Device.h>)
#include <c10/core/Device.h>
#define CSY_HAS_TORCH 1
#endif
#if defined(CSY_TORCH_XPU)  // a PyTorch with XPU support: its queues, its devices
#include <c10/core/DeviceGuard.h>
#include <c10/xpu/XPUFunctions.h>
#include <c10/xpu/XPUStream.h>
#define CSY_DISPATCH_KEY XPU
#else
#define CSY_DISPATCH_KEY CPU
#endif

namespace csy {

using stream = sycl::queue*;

enum error : int { success = 0, invalid_value = 1, not_ready = 600 };
inline const char* error_string(error e) {
  return e == success ? "no error" : e == not_ready ? "not ready" : "invalid value";
}
inline error last_error() { return success; }

/// Marks what every migrated library has a copy of its own of, although several live in one process.
#define CSY_OWN __attribute__((visibility("hidden")))

/// Held while the run-time compiler, which keeps state, works for any of the process's migrated libraries.
inline std::mutex compiler_mutex;

namespace detail {

[[noreturn]] inline void fail(const std::string& message) { throw std::runtime_error(message); }

inline std::filesystem::path sycl_folder() {
  Dl_info where{};
  if (dladdr(reinterpret_cast<void*>(&sycl::device::get_devices), &where) == 0) return {};
  return std::filesystem::path(where.dli_fname).parent_path();
}

/// Must come before the first SYCL call: shows the OpenCL loader the CPU device beside the SYCL runtime, which is
/// registered nowhere, and keeps compiled kernels on disk. Variables that the user has set are left alone.
CSY_OWN inline const bool announced = [] {
  std::error_code ignored;
  const auto driver = sycl_folder() / "libintelocl.so";
  if (std::filesystem::exists(driver, ignored)) setenv("OCL_ICD_FILENAMES", driver.c_str(), 0);
  setenv("SYCL_CACHE_PERSISTENT", "1", 0);
  return true;
}();

enum class choice { cpu, xpu, none };
CSY_OWN inline choice chosen() {
  static const choice value = [] {
    const char* text = std::getenv("CSY_DEVICE");
    const std::string_view word = text == nullptr || *text == 0 ? "auto" : text;
#if defined(CSY_TORCH_XPU)
    const bool xpu = c10::xpu::device_count() > 0;
#else
    const bool xpu = false;
#endif
    if (word == "xpu" && !xpu) fail("CSY_DEVICE=xpu, but this build of PyTorch has no XPU, or none is present");
    if (word == "auto") return xpu ? choice::xpu : choice::cpu;
    if (word == "cpu" || word == "xpu") return word == "cpu" ? choice::cpu : choice::xpu;
    if (word == "none") return choice::none;
    fail("CSY_DEVICE=" + std::string(word) + ": expected auto, cpu, xpu or none");
  }();
  return value;
}

/// Leaked, like all that SYCL objects hold here: drivers may be gone when destructors run at the end of the process.
CSY_OWN inline sycl::queue& cpu_queue() {
  static auto* const queue = [] {
    try {
      return new sycl::queue(sycl::cpu_selector_v, sycl::property::queue::in_order());
    } catch (const sycl::exception& e) {
      fail("no SYCL CPU device: pip install intel-opencl-rt into the environment that holds " + sycl_folder().string() +
           " (" + e.what() + ")");
    }
  }();
  return *queue;
}

}  // namespace detail
}  // namespace csy

#include "csy_text.hpp"

namespace csy {
/// How a kernel is launched.
struct config {
  struct bytes {
    std::size_t count;
    template <typename I>
    bytes(I value) : count(static_cast<std::size_t>(value)) {}
  };
  dim3 grid, block;
  bytes dynamic = 0;
  stream queue = nullptr;
};

namespace detail {

// ---- Instances of kernels, and what they are compiled to ----

struct unit;
struct instance;
/// A launch whose arguments are given by their addresses, as cudaLaunchKernel's are.
using launcher = void (*)(instance&, const config&, void** arguments);
/// One kernel with its template arguments.
struct instance {
  unit* owner;
  std::string name;                           ///< as the source would write it
  std::string overload;                       ///< "void(float*, int)" where the name has several meanings
  launcher launch = nullptr;                  ///< of kernels that are named by void*
  std::map<std::size_t, sycl::kernel> built;  ///< by queue's context and device
};
/// A __device__ or __constant__ variable. Kernels find it through a pointer that each of their bundles is given, so all
/// bundles share it.
struct global_variable {
  std::string name;
  const void* initial;
  std::size_t size;
  std::map<std::size_t, void*> storage;  ///< by queue's context and device
  void* on(sycl::queue& queue);
};
/// One .dp.cpp file.
struct unit {
  std::string file;
  std::vector<instance*> instances;
  std::vector<global_variable*> globals;
  std::mutex mutex;
};

template <auto F>
constexpr const char* spelled() {
  return __PRETTY_FUNCTION__;
}
template <typename F>
constexpr const char* spelled() {
  return __PRETTY_FUNCTION__;
}
/// "k<float>" of g++'s "... [with auto F = {anonymous}::k<float>]".
inline std::string name_of(std::string text) {
  text = text.substr(text.find("F = ") + 4);
  text.resize(text.rfind(']'));
  for (const std::string_view noise : {"{anonymous}::", "<unnamed>::", "(anonymous namespace)::", "(& ", "&"}) {
    for (std::size_t at; (at = text.find(noise)) != text.npos;) text.erase(at, noise.size());
  }
  if (text.find('<') == text.npos && text.ends_with(')') && text.find('(') == text.npos) text.pop_back();
  return text;
}

/// Instances that are compiled together: those of one unit with the same types as template arguments. Others may need
/// what the device lacks (double), and would only cost time. So would those that are named by void*: functions that
/// choose a kernel name many, of which few run; each is compiled by itself.
inline std::string batch_of(const instance& one) {
  if (one.launch != nullptr) return one.name;
  std::string key, argument;
  int depth = 0;
  for (const char c : one.name.substr(std::min(one.name.find('<'), one.name.size()))) {
    depth += c == '<' ? 1 : c == '>' ? -1 : 0;
    if (c == '<' && depth == 1) continue;
    if ((c == ',' && depth == 1) || depth == 0) {
      const std::size_t first = argument.find_first_not_of(' ');
      const bool value = first == argument.npos || std::strchr("0123456789-('", argument[first]) != nullptr ||
                         argument.substr(first) == "true" || argument.substr(first) == "false";
      if (!value) key += argument.substr(first) + ",";
      argument.clear();
    } else {
      argument += c;
    }
  }
  return key;
}

inline std::size_t key_of(const sycl::queue& queue) {
  return std::hash<sycl::context>{}(queue.get_context()) * 31 + std::hash<sycl::device>{}(queue.get_device());
}

/// Submits a kernel with its arguments, {block, arguments...}, in groups of block.
inline void submit(sycl::queue& queue, const sycl::kernel& kernel, dim3 grid, dim3 block, std::size_t dynamic,
                   const void* data, std::size_t size) {
  // Kernels with sub-groups of a fixed size are those that were compiled for flat groups.
  const bool flat =
      kernel.get_info<sycl::info::kernel_device_specific::compile_sub_group_size>(queue.get_device()) != 0;
  const sycl::range<3> local =
      flat ? sycl::range<3>(1, 1, block.x * block.y * block.z) : sycl::range<3>(block.z, block.y, block.x);
  queue.submit([&](sycl::handler& handler) {
    handler.set_arg(0, syclexp::raw_kernel_arg(data, size));
    handler.set_arg(1, sycl::local_accessor<char, 1>(dynamic + 16, handler));
    handler.parallel_for(sycl::nd_range<3>(sycl::range<3>(grid.z, grid.y, grid.x) * local, local), kernel);
  });
}

inline void* global_variable::on(sycl::queue& queue) {
  static std::mutex guard;
  const std::scoped_lock lock(guard);
  void*& place = storage[key_of(queue)];
  if (place == nullptr) {
    place = sycl::malloc_device(size, queue);
    if (place == nullptr) fail("out of memory: " + name);
    queue.memcpy(place, initial, size).wait_and_throw();
  }
  return place;
}
/// Tells a bundle, by its entry for that, where a global variable lives.
inline void place(sycl::queue& queue, const sycl::kernel& kernel, void* where) {
  const struct {
    block_shape block;
    void* where;
  } call{{1, 1, 1}, where};
  submit(queue, kernel, 1, 1, 0, &call, sizeof(call));
  queue.wait_and_throw();
}

/// Compiles the batch of `wanted` for the queue's device.
inline void build(instance& wanted, sycl::queue& queue) {
  unit& from = *wanted.owner;
  const std::size_t key = key_of(queue);
  std::vector<instance*> batch;
  for (instance* one : from.instances)
    if (batch_of(*one) == batch_of(wanted)) batch.push_back(one);
  std::sort(batch.begin(), batch.end(), [](auto* a, auto* b) { return a->name + a->overload < b->name + b->overload; });
  std::string body;
  std::vector<std::string> open;
  const auto* file = resolve(from.file, "");
  if (file == nullptr) fail("the text of " + from.file + " is not in this library");
  paste(*file, open, body);
  std::string text = "#define CSY_JIT 1\n";
  if (body.find("csy::warp_") != body.npos) text += "#define CSY_FLAT 1\n";
  paste(*resolve("csy.hpp", ""), open, text);
  text += defines() + body;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const std::string& type = batch[i]->overload;
    text += "CSY_ENTRY(" + std::to_string(i) + ", " +
            (type.empty() ? "(" : "static_cast<std::add_pointer_t<" + type + ">>(") + "&" + batch[i]->name + "))\n";
  }
  for (std::size_t i = 0; i < from.globals.size(); ++i) {
    text +=
        "CSY_ENTRY(" + std::to_string(batch.size() + i) + ", &csy::detail::place<&" + from.globals[i]->name + ">)\n";
  }
  std::vector<std::string> options = build_options();
  if (!from.globals.empty()) options.emplace_back("-fsycl-device-code-split=off");
  const char* verbose = std::getenv("CSY_VERBOSE");
  if (verbose != nullptr && std::string_view(verbose) == "2") std::fputs(text.c_str(), stderr);
  const auto start = std::chrono::steady_clock::now();
  try {
    const std::scoped_lock lock(compiler_mutex);
    auto source = syclexp::create_kernel_bundle_from_source(queue.get_context(), syclexp::source_language::sycl, text);
    auto bundle = syclexp::build(source, {queue.get_device()}, syclexp::properties{syclexp::build_options{options}});
    for (std::size_t i = 0; i < batch.size(); ++i) {
      batch[i]->built.emplace(key, bundle.ext_oneapi_get_kernel("csy_entry_" + std::to_string(i)));
    }
    for (std::size_t i = 0; i < from.globals.size(); ++i) {
      const auto entry = bundle.ext_oneapi_get_kernel("csy_entry_" + std::to_string(batch.size() + i));
      place(queue, entry, from.globals[i]->on(queue));
    }
  } catch (const sycl::exception& e) {
    fail("kernel " + wanted.name + " of " + from.file + " does not compile for " +
         queue.get_device().get_info<sycl::info::device::name>() + ":\n" + e.what());
  }
  if (verbose != nullptr && *verbose != '0') {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::fprintf(stderr, "csy: %s: %zu kernels in %.2f s:", from.file.c_str(), batch.size(), took.count());
    for (const instance* one : batch) std::fprintf(stderr, " %s", one->name.c_str());
    std::fputs("\n", stderr);
  }
}

inline sycl::kernel built_for(instance& one, sycl::queue& queue) {
  const std::scoped_lock lock(one.owner->mutex);
  auto found = one.built.find(key_of(queue));
  if (found == one.built.end()) {
    build(one, queue);
    found = one.built.find(key_of(queue));
  }
  return found->second;
}
}  // namespace detail

// ---- Queues ----
/// PyTorch's current XPU queue, else the queue of the SYCL CPU device.
inline stream current_stream() {
#if defined(CSY_TORCH_XPU)
  if (detail::chosen() == detail::choice::xpu) return &c10::xpu::getCurrentXPUStream().queue();
#endif
  return &detail::cpu_queue();
}
namespace detail {
inline sycl::queue& queue_of(stream s) { return s == nullptr ? *current_stream() : *s; }
/// The CPU device works on the caller's own memory, which may be gone or read as soon as a call returns: wait there.
inline void settle(sycl::queue& queue) {
  if (queue.get_device().is_cpu()) queue.wait_and_throw();
}
}  // namespace detail

// ---- Launching ----

namespace detail {
template <typename List>
struct call {
  block_shape block;
  List list;
};
template <typename... P>
struct signature {};
template <typename... P>
signature<P...> signature_of(void (*)(P...));

template <typename Head, typename... Tail, typename A, typename... Rest>
arguments<Head, Tail...> pack(signature<Head, Tail...>, A&& a, Rest&&... rest) {
  if constexpr (sizeof...(Tail) == 0) {
    return {static_cast<Head>(std::forward<A>(a))};
  } else {
    return {static_cast<Head>(std::forward<A>(a)), pack(signature<Tail...>(), std::forward<Rest>(rest)...)};
  }
}
inline arguments<> pack(signature<>) { return {}; }

inline void run(instance& one, const config& c, const void* data, std::size_t size) {
  if (c.grid.x == 0 || c.grid.y == 0 || c.grid.z == 0) return;
  sycl::queue& queue = queue_of(c.queue);
  try {
    submit(queue, built_for(one, queue), c.grid, c.block, c.dynamic.count, data, size);
    settle(queue);
  } catch (const sycl::exception& e) {
    fail("kernel " + one.name + " <<<(" + std::to_string(c.grid.x) + "," + std::to_string(c.grid.y) + "," +
         std::to_string(c.grid.z) + "), (" + std::to_string(c.block.x) + "," + std::to_string(c.block.y) + "," +
         std::to_string(c.block.z) + "), " + std::to_string(c.dynamic.count) + ">>>: " + e.what());
  }
}

template <typename... P>
void launch_by_addresses(instance& one, const config& c, void** addresses) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    const call<arguments<P...> > packed{{c.block.x, c.block.y, c.block.z},
                                        pack(signature<P...>(), *static_cast<P*>(addresses[I])...)};
    run(one, c, &packed, sizeof(packed));
  }(std::index_sequence_for<P...>());
}
template <typename... P>
launcher launcher_of(signature<P...>) {
  return &launch_by_addresses<P...>;
}
/// Which void* are kernels: those of this library.
CSY_OWN inline std::set<const void*>& named_by_pointer() {
  static auto* const all = new std::set<const void*>;
  return *all;
}

/// `Overload`: the kernel's type where its name has several meanings, else void. `Pointer`: named by void*.
template <auto F, typename Unit, typename Overload, bool Pointer = false>
struct instance_of {
  /// Registered when the library is loaded, so that the first launch compiles its whole batch.
  static inline instance* const record = [] {
    auto* one = new instance{&Unit::get(), name_of(spelled<F>()), {}, nullptr, {}};
    if constexpr (Pointer) {
      one->launch = launcher_of(decltype(signature_of(F))());
      named_by_pointer().insert(one);
    }
    if constexpr (!std::is_void_v<Overload>) one->overload = name_of(spelled<Overload>());
    one->owner->instances.push_back(one);
    return one;
  }();
};
}  // namespace detail

namespace {
/// This translation unit: the file whose text holds the kernels that are launched here.
struct this_unit {
  static detail::unit& get() {
    static auto* const one =
        new detail::unit{std::filesystem::path(__BASE_FILE__).lexically_normal().string(), {}, {}, {}};
    return *one;
  }
};
}  // namespace

#if CSY_AOT
}  // namespace csy
#include "csy_aot.hpp"
namespace csy {
#else
/// A kernel chosen at run time: one type per signature.
template <typename... P>
struct kernel {
  detail::instance* one = nullptr;
};
template <auto F, typename Unit = this_unit, typename Overload = void>
auto kernel_ref() {
  return []<typename... P>(detail::signature<P...>) {
    return kernel<P...>{detail::instance_of<F, Unit, Overload>::record};
  }(decltype(detail::signature_of(F))());
}
template <typename... P, typename... A>
void launch(kernel<P...> which, const config& c, A&&... a) {
  const detail::call<detail::arguments<P...> > packed{{c.block.x, c.block.y, c.block.z},
                                                      detail::pack(detail::signature<P...>(), std::forward<A>(a)...)};
  detail::run(*which.one, c, &packed, sizeof(packed));
}
/// (void*)k<T>: a kernel whose parameters are known where it is launched only to those who name it here.
template <auto F, typename Unit = this_unit, typename Overload = void>
void* kernel_pointer() {
  return detail::instance_of<F, Unit, Overload, true>::record;
}
/// cudaLaunchKernel: the arguments by their addresses.
inline error launch_pointer(const void* kernel, dim3 grid, dim3 block, void** arguments, config::bytes dynamic = 0,
                            stream queue = nullptr) {
  if (detail::named_by_pointer().count(kernel) == 0) detail::fail("this pointer is no kernel of this library");
  auto& one = *static_cast<detail::instance*>(const_cast<void*>(kernel));
  return one.launch(one, {grid, block, dynamic, queue}, arguments), success;
}
template <typename... P>
error launch_pointer(kernel<P...> which, dim3 grid, dim3 block, void** arguments, config::bytes dynamic = 0,
                     stream queue = nullptr) {
  return detail::launch_by_addresses<P...>(*which.one, {grid, block, dynamic, queue}, arguments), success;
}
#endif
template <typename Overload, Overload* F, typename Unit = this_unit>
void* kernel_pointer() {
  return kernel_pointer<F, Unit, Overload>();
}
/// `launch<&k<T>>({grid, block, dynamic_bytes, stream}, arguments...)`: k<T><<<grid, block, bytes,
/// stream>>>(arguments...).
template <auto F, typename Unit = this_unit, typename... A>
void launch(const config& c, A&&... a) {
  launch(kernel_ref<F, Unit>(), c, std::forward<A>(a)...);
}
/// `launch<void(float*, int), &k>(...)`, `kernel_ref<void(float*, int), &k>()`: that one of several kernels of the name
/// k.
template <typename Overload, Overload* F, typename Unit = this_unit, typename... A>
void launch(const config& c, A&&... a) {
  launch(kernel_ref<F, Unit, Overload>(), c, std::forward<A>(a)...);
}
template <typename Overload, Overload* F, typename Unit = this_unit>
auto kernel_ref() {
  return kernel_ref<F, Unit, Overload>();
}

}  // namespace csy

#include "csy_api.hpp"
