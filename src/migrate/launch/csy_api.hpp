/// \file csy_api.hpp
/// What stands for CUDA's runtime API and PyTorch's CUDA parts in migrated host code. Included by csy.hpp; README.md
/// lists the CUDA name of each.
#pragma once

namespace csy {

#if !CSY_AOT
// ---- Global variables of the device ----

template <typename T>
struct global {
  T value{};  ///< what it starts with
  detail::global_variable record;
  global(detail::unit& in, const char* name) : record{detail::name_of(name), &value, sizeof(T), {}} {
    in.globals.push_back(&record);
  }
  global(detail::unit& in, const char* name, const T& initial) : global(in, name) {
    std::memcpy(&value, &initial, sizeof(T));
  }
  T& get() { return value; }
};
/// `__device__ T name = initial;` is CSY_GLOBAL(name, T, initial); kernels use name.get().
#define CSY_GLOBAL(name, type, ...)                                                 \
  extern csy::global<std::type_identity_t<type>> name;                              \
  csy::global<std::type_identity_t<type>> name {                                    \
    csy::this_unit::get(), csy::detail::spelled<&name>() __VA_OPT__(, ) __VA_ARGS__ \
  }

template <typename T>
error memcpy_to_symbol(global<T>& to, const void* from, std::size_t n, std::size_t offset = 0) {
  sycl::queue& queue = *current_stream();
  queue.memcpy(static_cast<char*>(to.record.on(queue)) + offset, from, n).wait_and_throw();
  return success;
}
template <typename T>
error memcpy_from_symbol(void* to, global<T>& from, std::size_t n, std::size_t offset = 0) {
  sycl::queue& queue = *current_stream();
  queue.memcpy(to, static_cast<char*>(from.record.on(queue)) + offset, n).wait_and_throw();
  return success;
}
template <typename T, typename P>
error symbol_address(P** p, global<T>& of) {
  *p = static_cast<P*>(of.record.on(*current_stream()));
  return success;
}
#endif

// ---- CUDA's runtime API. Functions throw on failure; they return `success`, so that checks stay valid. ----

namespace detail {
template <typename T>
error allocated(T** p, void* memory, std::size_t bytes) {
  if (memory == nullptr && bytes != 0) fail("out of memory: " + std::to_string(bytes) + " bytes");
  *p = static_cast<T*>(memory);
  return success;
}
inline error done(sycl::event event, bool wait) {
  if (wait) event.wait_and_throw();
  return success;
}
}  // namespace detail
template <typename T>
error malloc(T** p, std::size_t bytes) {
  return detail::allocated(p, sycl::malloc_device(bytes, *current_stream()), bytes);
}
template <typename T>
error malloc_host(T** p, std::size_t bytes) {
  return detail::allocated(p, sycl::malloc_host(bytes, *current_stream()), bytes);
}
template <typename T>
error malloc_managed(T** p, std::size_t bytes) {
  return detail::allocated(p, sycl::malloc_shared(bytes, *current_stream()), bytes);
}
inline error free(const void* p) {
  current_stream()->wait_and_throw();
  if (p != nullptr) sycl::free(const_cast<void*>(p), *current_stream());
  return success;
}
inline error memcpy(void* to, const void* from, std::size_t n) {
  return detail::done(current_stream()->memcpy(to, from, n), true);
}
inline error memcpy_async(void* to, const void* from, std::size_t n, stream s = nullptr) {
  auto& queue = detail::queue_of(s);
  return detail::done(queue.memcpy(to, from, n), queue.get_device().is_cpu());
}
inline error memcpy_2d(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t width,
                       std::size_t height) {
  for (std::size_t y = 0; y < height; ++y) {
    current_stream()->memcpy(static_cast<char*>(to) + y * to_pitch, static_cast<const char*>(from) + y * from_pitch,
                             width);
  }
  current_stream()->wait_and_throw();
  return success;
}
inline error memset(void* p, int value, std::size_t n) {
  return detail::done(current_stream()->memset(p, value, n), true);
}
inline error memset_async(void* p, int value, std::size_t n, stream s = nullptr) {
  auto& queue = detail::queue_of(s);
  return detail::done(queue.memset(p, value, n), queue.get_device().is_cpu());
}
inline error stream_create(stream* s) {
  *s = new sycl::queue(current_stream()->get_context(), current_stream()->get_device(),
                       sycl::property::queue::in_order());
  return success;
}
inline error stream_synchronize(stream s) { return detail::queue_of(s).wait_and_throw(), success; }
inline error stream_query(stream s) { return detail::queue_of(s).ext_oneapi_empty() ? success : not_ready; }
inline error stream_destroy(stream s) { return stream_synchronize(s), delete s, success; }
inline error device_synchronize() { return stream_synchronize(nullptr); }

/// Recording waits for the work before it, so that times are those of the host's clock.
using event = std::chrono::steady_clock::time_point*;
inline error event_create(event* e) { return *e = new std::chrono::steady_clock::time_point(), success; }
inline error event_destroy(event e) { return delete e, success; }
inline error event_record(event e, stream s = nullptr) {
  return stream_synchronize(s), *e = std::chrono::steady_clock::now(), success;
}
inline error event_synchronize(event) { return success; }
inline error event_query(event) { return success; }
inline error stream_wait_event(stream, event) { return success; }
inline error event_elapsed_time(float* milliseconds, event from, event to) {
  *milliseconds = std::chrono::duration<float, std::milli>(*to - *from).count();
  return success;
}

struct device_properties {
  char name[256];
  std::size_t totalGlobalMem, sharedMemPerBlock, sharedMemPerBlockOptin, sharedMemPerMultiprocessor;
  int warpSize, maxThreadsPerBlock, maxThreadsDim[3], maxGridSize[3], multiProcessorCount, maxThreadsPerMultiProcessor;
  int major, minor, clockRate, regsPerBlock;
};
inline error get_device_properties(device_properties* p, int = 0) {
  const sycl::device device = current_stream()->get_device();
  const int group = int(std::min<std::size_t>(device.get_info<sycl::info::device::max_work_group_size>(), 1024));
  const std::size_t local = device.get_info<sycl::info::device::local_mem_size>();
  *p = {{},
        device.get_info<sycl::info::device::global_mem_size>(),
        local,
        local,
        local,
        warp_size,
        group,
        {group, group, 64},
        {2147483647, 65535, 65535},
        int(device.get_info<sycl::info::device::max_compute_units>()),
        2048,
        8,
        0,
        int(device.get_info<sycl::info::device::max_clock_frequency>()) * 1000,
        65536};
  device.get_info<sycl::info::device::name>().copy(p->name, sizeof(p->name) - 1);
  return success;
}
CSY_OWN inline const device_properties* current_device_properties() {
  static const auto* const one = [] {
    auto* p = new device_properties;
    get_device_properties(p);
    return p;
  }();
  return one;
}
/// cudaDeviceGetAttribute(value, cudaDevAttrX, device): an attribute is a member of the properties.
template <typename Member>
error get_device_attribute(int* value, Member device_properties::* attribute, int = 0) {
  return *value = static_cast<int>(current_device_properties()->*attribute), success;
}
/// Blocks that fill the device: an estimate, by threads alone.
inline error max_active_blocks(int* blocks, int threads) {
  return *blocks = std::max(1, current_device_properties()->maxThreadsPerMultiProcessor / std::max(threads, 1)),
         success;
}
inline error potential_block_size(int* blocks, int* threads) {
  *threads = std::min(256, current_device_properties()->maxThreadsPerBlock);
  max_active_blocks(blocks, *threads);
  return *blocks *= current_device_properties()->multiProcessorCount, success;
}
inline error mem_get_info(std::size_t* available, std::size_t* total) {
  return *available = *total = current_device_properties()->totalGlobalMem, success;
}
/// With several XPUs, PyTorch's current one is used: these two count one device.
inline error get_device(int* index) { return *index = 0, success; }
inline error set_device(int) { return success; }
inline error get_device_count(int* count) { return *count = 1, success; }

// ---- PyTorch ----

/// Whether kernels may be given this tensor: x.is_cuda() of the original.
template <typename Tensor>
bool on_device(const Tensor& x) {
  return detail::chosen() == detail::choice::xpu ? x.is_xpu() : detail::chosen() == detail::choice::cpu && x.is_cpu();
}
/// at::checkAllSameGPU(function, {arguments...}) and at::checkSameGPU(function, a, b).
template <typename Name, typename Argument>
void check_on_device(const Name& function, std::initializer_list<Argument> list) {
  for (const Argument& one : list)
    if (one->defined() && !on_device(*one))
      detail::fail(std::string(function) + ": " + one.name + " is not on the device that kernels run on");
}
template <typename Name, typename Argument>
void check_on_device(const Name& function, const Argument& a, const Argument& b) {
  check_on_device(function, {a, b});
}
/// at::cuda::detail::canUse32BitIndexMath(x): whether all its elements have offsets below `limit`.
template <typename Tensor>
bool can_use_32bit_index_math(const Tensor& x, std::int64_t limit = std::numeric_limits<std::int32_t>::max()) {
  std::int64_t last = 0;
  for (std::int64_t d = 0; d < x.dim(); ++d) last += (x.size(d) - 1) * x.stride(d);
  return x.numel() == 0 || (x.numel() < limit && last < limit);
}
/// Where an extension registers code for CPU tensors beside its kernels: which of the two PyTorch is given. One
/// operator has one entry for the CPU; the kernels take it unless CSY_DEVICE=none, or they have the XPU's.
#if defined(CSY_TORCH_XPU)
inline bool own_cpu_code() { return true; }
inline bool kernels_registered() { return true; }
#else
inline bool own_cpu_code() { return detail::chosen() == detail::choice::none; }
inline bool kernels_registered() { return !own_cpu_code(); }
#endif
#if defined(CSY_HAS_TORCH)
inline c10::DeviceType device_type() {
  return detail::chosen() == detail::choice::xpu ? c10::DeviceType::XPU : c10::DeviceType::CPU;
}
#endif
#if defined(CSY_HAS_TORCH)
}  // namespace csy
namespace at {}
namespace csy::devices {
/// PyTorch's constants for macros that paste their names, at::k##name: CUDA's is the device that kernels run on. With
/// CSY_DEVICE=none it stays CUDA, which no tensor has.
using namespace at;
inline const c10::DeviceType kCUDA =
    detail::chosen() == detail::choice::none ? c10::DeviceType::CUDA : csy::device_type();
}  // namespace csy::devices
namespace csy {
#endif
/// at::cuda::CUDAGuard and its relatives: makes a tensor's XPU the current one; nothing to do on the CPU.
class device_guard {
 public:
  template <typename... Any>
  explicit device_guard([[maybe_unused]] const Any&... device) {
#if defined(CSY_TORCH_XPU)
    if constexpr ((std::is_convertible_v<Any, c10::Device> && ...)) (guard_.reset_device(device), ...);
#endif
  }
#if defined(CSY_TORCH_XPU)
 private:
  c10::OptionalDeviceGuard guard_;
#endif
};

}  // namespace csy
