#include "dcn/device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <span>
#include <sycl/sycl.hpp>
#include <utility>

#include "dcn/status.hpp"
#include "runtime/discovery.hpp"
#include "runtime/kernel.hpp"
#include "runtime/launch.hpp"
#include "runtime/select.hpp"
#include "runtime/sycl_error.hpp"
#include "runtime/sycl_library.hpp"
#include "runtime/verbose.hpp"

namespace dcn {

namespace {

using runtime::Topic;
using runtime::verbose;

constexpr std::size_t kAlignment = 64;  // a cache line, and an AVX-512 vector

/// Lets the OpenCL loader find the CPU device, which lies beside the SYCL runtime but is registered nowhere: the .icd
/// file of its wheel names a folder that does not exist. A variable that the user has set is left alone. Must run
/// before the first SYCL call of the process.
void announce_cpu_driver() {
  constexpr const char* kVariable = "OCL_ICD_FILENAMES";
  if (std::getenv(kVariable) != nullptr) return;
  std::error_code ignored;
  const std::filesystem::path driver = runtime::sycl_library().parent_path() / "libintelocl.so";
  if (std::filesystem::exists(driver, ignored)) setenv(kVariable, driver.c_str(), 0);
}

/// Runs when the library is loaded, so that a caller who makes a sycl::queue before any call of ours sees the CPU too.
const bool announced = [] {
  announce_cpu_driver();
  return true;
}();

/// Tells the run-time compiler which of NVIDIA's instruction sets to write, which it does not ask the device for: its
/// own choice has no matrix units for bf16 and tf32. One choice for the process, so the oldest device decides.
/// Variables that the user has set are left alone. Must run before the first compilation of the process.
void announce_cuda_target(std::span<const sycl::device> devices) {
  constexpr const char* kTarget = "SYCL_JIT_AMDGCN_PTX_TARGET_CPU";
  constexpr const char* kFeatures = "SYCL_JIT_AMDGCN_PTX_TARGET_FEATURES";
  if (std::getenv(kTarget) != nullptr || std::getenv(kFeatures) != nullptr) return;
  double oldest = 0.0;  // compute capability
  for (const sycl::device& device : devices) {
    if (device.get_backend() != sycl::backend::ext_oneapi_cuda) continue;
    const double capability = std::atof(device.get_info<sycl::info::device::backend_version>().c_str());
    oldest = oldest == 0.0 ? capability : std::min(oldest, capability);
  }
  if (oldest < 8.0) return;
  // The drivers of newer devices take code for older ones.
  setenv(kTarget, oldest < 9.0 ? "sm_80" : "sm_90", 0);
  setenv(kFeatures, oldest < 9.0 ? "+ptx70" : "+ptx78", 0);
}

std::string_view backend_name(sycl::backend backend) {
  switch (backend) {
    case sycl::backend::opencl:
      return "opencl";
    case sycl::backend::ext_oneapi_level_zero:
      return "level_zero";
    case sycl::backend::ext_oneapi_cuda:
      return "cuda";
    case sycl::backend::ext_oneapi_hip:
      return "hip";
    default:
      return "other";
  }
}

DeviceInfo describe(const sycl::device& device) {
  DeviceInfo info;
  info.name = device.get_info<sycl::info::device::name>();
  info.vendor = device.get_info<sycl::info::device::vendor>();
  info.kind = device.is_cpu() ? "cpu" : device.is_gpu() ? "gpu" : "accelerator";
  info.backend = backend_name(device.get_backend());
  info.driver = device.get_info<sycl::info::device::driver_version>();
  info.memory = device.get_info<sycl::info::device::global_mem_size>();
  info.compute_units = device.get_info<sycl::info::device::max_compute_units>();
  info.fp16 = device.has(sycl::aspect::fp16);
  info.fp64 = device.has(sycl::aspect::fp64);
  // sycl::ext::oneapi::bfloat16 is a storage type with conversions that every one of these backends has or emulates.
  info.bf16 = info.backend != "other";
  return info;
}

/// Every device with its description, in the order of the runtime, which is the meaning of an index. Found once: the
/// runtime itself looks for devices only once per process. Leaked: SYCL objects that are destroyed while the process
/// exits can meet drivers that are already gone.
class Registry {
 public:
  static Registry& get() {
    static auto* registry = new Registry;
    return *registry;
  }

  [[nodiscard]] std::span<const DeviceInfo> infos() const { return infos_; }
  [[nodiscard]] const sycl::device& device(std::size_t i) const { return devices_[i]; }
  [[nodiscard]] const std::string& problem() const { return problem_; }

  /// Description of a device of any origin. One that is not in the list (a sub-device) is described on the spot.
  [[nodiscard]] DeviceInfo info(const sycl::device& device) const {
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      if (devices_[i] == device) return infos_[i];
    }
    DeviceInfo info = describe(device);
    info.index = -1;
    return info;
  }

  /// Why kernels cannot run on infos()[i], empty when they can. Tried once, by running one.
  const std::string& probe(std::size_t i) {
    const std::scoped_lock lock(mutex_);
    const auto known = probed_.find(i);
    if (known != probed_.end()) return known->second;
    return probed_[i] = run_probe(devices_[i]);
  }

 private:
  Registry() {
    announce_cpu_driver();
    auto [found, problem] = runtime::discover();
    problem_ = std::move(problem);
    announce_cuda_target(found);
    for (const sycl::device& device : found) {
      DeviceInfo info;
      try {
        info = describe(device);
      } catch (const sycl::exception& error) {
        info.why_unusable = fmt::format("its driver does not answer ({}): reinstall it", error.what());
      }
      info.index = static_cast<int>(infos_.size());
      if (!info.why_unusable.empty()) probed_[infos_.size()] = info.why_unusable;
      infos_.push_back(std::move(info));
      devices_.push_back(device);
    }
  }

  static std::string run_probe(const sycl::device& device);

  std::vector<sycl::device> devices_;
  std::vector<DeviceInfo> infos_;
  std::string problem_;
  std::mutex mutex_;
  std::map<std::size_t, std::string> probed_;
};

/// Mirror of ProbeArgs in src/kernels/probe.hpp.
struct ProbeArgs {
  std::uint32_t* out;
  std::uint32_t value;
};

std::string Registry::run_probe(const sycl::device& device) {
  constexpr std::uint32_t kCount = 64;
  constexpr std::uint32_t kValue = 41;
  try {
    const Queue queue = Queue::wrap(sycl::queue(device, sycl::property::queue::in_order()));
    const DeviceBuffer out(queue, kCount * sizeof(std::uint32_t));
    const runtime::Kernel kernel = runtime::get_kernel(queue, {.source = "probe.hpp", .entry = "probe"});
    runtime::launch(queue, kernel, runtime::range_1d(1, kCount),
                    ProbeArgs{static_cast<std::uint32_t*>(out.data()), kValue});
    std::array<std::uint32_t, kCount> result{};
    queue.copy(result.data(), out.data(), out.bytes());
    queue.wait();
    for (std::uint32_t i = 0; i < kCount; ++i) {
      if (result[i] != kValue + i) return "a test kernel gave wrong results: update its driver";
    }
    return {};
  } catch (const Error& error) {
    return fmt::format("a test kernel failed ({}): update its driver or the SYCL runtime", error.what());
  } catch (const sycl::exception& error) {
    return fmt::format("a queue on it failed ({}): update its driver or the SYCL runtime", error.what());
  }
}

/// Set while the process exits, by a handler that is registered before any queue of ours is complete: queues with
/// static lifetime made by us are destroyed before it runs, everything that dies later must not touch the drivers.
std::atomic<bool> exiting{false};

void watch_exit() {
  static std::once_flag once;
  std::call_once(once, [] { (void)std::atexit([] { exiting = true; }); });
}

/// First asynchronous error of a queue since the last wait.
struct AsyncErrors {
  std::mutex mutex;
  std::string first;

  void add(const std::string& message) {
    const std::scoped_lock lock(mutex);
    if (first.empty()) first = message;
  }
  std::string take() {
    const std::scoped_lock lock(mutex);
    return std::exchange(first, {});
  }
};

}  // namespace

struct Queue::State {
  State(const sycl::queue& native, DeviceInfo device, std::shared_ptr<AsyncErrors> errors)
      : queue(new sycl::queue(native)), info(std::move(device)), async_errors(std::move(errors)) {
    watch_exit();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    // A queue that outlives main() is leaked on purpose: its driver may be unloaded already, and destroying it aborts.
    if (!exiting) delete queue;
  }

  sycl::queue* queue;
  DeviceInfo info;
  std::shared_ptr<AsyncErrors> async_errors;
};

std::vector<DeviceInfo> list_devices() {
  Registry& registry = Registry::get();
  std::vector<DeviceInfo> infos(registry.infos().begin(), registry.infos().end());
  for (std::size_t i = 0; i < infos.size(); ++i) {
    infos[i].why_unusable = registry.probe(i);
    infos[i].usable = infos[i].why_unusable.empty();
  }
  return infos;
}

std::string discovery_problem() { return Registry::get().problem(); }

Queue Queue::create(std::string_view device) {
  Registry& registry = Registry::get();
  const auto probe = [&](const DeviceInfo& info) { return registry.probe(static_cast<std::size_t>(info.index)); };
  const std::size_t i = runtime::select_device(device, registry.infos(), probe, registry.problem());
  DeviceInfo info = registry.infos()[i];
  verbose(Topic::kDispatch, "device '{}' is {}: {} ({}, {}, driver {})", device, info.index, info.name, info.kind,
          info.backend, info.driver);
  auto errors = std::make_shared<AsyncErrors>();
  const auto handler = [errors](const sycl::exception_list& list) {
    for (const std::exception_ptr& pointer : list) {
      try {
        std::rethrow_exception(pointer);
      } catch (const std::exception& error) {
        errors->add(error.what());
      }
    }
  };
  try {
    const sycl::queue native(registry.device(i), handler, sycl::property::queue::in_order());
    info.usable = true;
    return Queue(std::make_shared<State>(native, std::move(info), std::move(errors)));
  } catch (const sycl::exception& error) {
    throw runtime::translate(error, fmt::format("device {} ({}): no queue", info.index, info.name));
  }
}

Queue Queue::wrap(const sycl::queue& queue) {
  if (!queue.is_in_order()) {
    throw Error(ErrorCode::kInvalidArgument,
                "queue: out of order, expected in order: make it with sycl::property::queue::in_order()");
  }
  DeviceInfo info = Registry::get().info(queue.get_device());
  info.usable = true;
  return Queue(std::make_shared<State>(queue, std::move(info), std::make_shared<AsyncErrors>()));
}

const DeviceInfo& Queue::device() const noexcept { return state_->info; }

sycl::queue& Queue::native() const noexcept { return *state_->queue; }

void* Queue::allocate(std::size_t bytes) const {
  if (bytes == 0) return nullptr;
  const auto fail = [&](std::string_view why) {
    return Error(ErrorCode::kOutOfMemory, fmt::format("{} bytes of device memory on {} ({} bytes in all): {}", bytes,
                                                      device().name, device().memory, why));
  };
  try {
    void* pointer = sycl::aligned_alloc_device(kAlignment, bytes, native());
    if (pointer == nullptr) throw fail("the allocation failed");
    return pointer;
  } catch (const sycl::exception& error) {
    throw fail(error.what());
  }
}

void Queue::free(void* pointer) const noexcept {
  if (pointer == nullptr || exiting) return;
  try {
    sycl::free(pointer, native());
  } catch (const sycl::exception& error) {
    verbose(Topic::kExec, "free: {}", error.what());
  }
}

void Queue::copy(void* destination, const void* source, std::size_t bytes) const {
  if (bytes == 0) return;
  try {
    native().memcpy(destination, source, bytes);
  } catch (const sycl::exception& error) {
    throw runtime::translate(error, fmt::format("copy of {} bytes", bytes));
  }
}

void Queue::fill(void* destination, unsigned char value, std::size_t bytes) const {
  if (bytes == 0) return;
  try {
    native().memset(destination, value, bytes);
  } catch (const sycl::exception& error) {
    throw runtime::translate(error, fmt::format("fill of {} bytes", bytes));
  }
}

void Queue::wait() const {
  try {
    native().wait_and_throw();
  } catch (const sycl::exception& error) {
    throw runtime::translate(error, device().name);
  }
  const std::string error = state_->async_errors->take();
  if (!error.empty()) throw Error(ErrorCode::kDevice, fmt::format("{}: {}", device().name, error));
}

DeviceBuffer::DeviceBuffer(Queue queue, std::size_t bytes) : bytes_(bytes) {
  void* pointer = queue.allocate(bytes);
  memory_ = std::shared_ptr<void>(pointer, [queue = std::move(queue)](void* memory) {
    if (memory == nullptr || exiting) return;
    try {
      queue.native().wait();
    } catch (const sycl::exception& error) {
      verbose(Topic::kExec, "wait before free: {}", error.what());
    }
    queue.free(memory);
  });
}

}  // namespace dcn
