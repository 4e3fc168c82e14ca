#include "queues.hpp"

#include <dlfcn.h>

#include <map>
#include <mutex>
#include <sycl/sycl.hpp>
#include <utility>

#include "dcn/status.hpp"
#include "text.hpp"

namespace dcn::torch_binding {

namespace {

/// `aoti_torch_get_current_{xpu,cuda}_stream`: parts of the stable ABI that only some builds of PyTorch have, so they
/// are looked up instead of linked.
using CurrentStream = std::int32_t (*)(std::int32_t device_index, void** stream);

void* current_stream(const char* function, std::string_view device, std::int32_t index) {
  auto* const look_up = reinterpret_cast<CurrentStream>(dlsym(RTLD_DEFAULT, function));
  auto* const get = look_up != nullptr ? look_up : [&]() -> CurrentStream {
    // Python loads extension modules with local symbols; libtorch is found by the name under which it is loaded.
    for (const char* library : {"libtorch_xpu.so", "libtorch_cuda.so", "libtorch.so"}) {
      void* handle = dlopen(library, RTLD_NOW | RTLD_NOLOAD);
      if (handle == nullptr) continue;
      if (void* symbol = dlsym(handle, function)) return reinterpret_cast<CurrentStream>(symbol);
    }
    return nullptr;
  }();
  if (get == nullptr) {
    throw Error(ErrorCode::kUnsupported, text("input: on ", device, ":", index, ", but this PyTorch has no ", function,
                                              " in its stable ABI: install a PyTorch built for ", device));
  }
  void* stream = nullptr;
  if (get(index, &stream) != 0) {
    throw Error(ErrorCode::kDevice, text("PyTorch gave no current stream of ", device, ":", index));
  }
  return stream;
}

/// What the runtime's and the driver's exceptions become.
template <typename Function>
auto translated(std::string_view what, const Function& function) {
  try {
    return function();
  } catch (const sycl::exception& error) {
    throw Error(ErrorCode::kDevice, text(what, ": ", error.what()));
  }
}

std::pair<sycl::device, sycl::context> cuda_device(std::int32_t index) {
  std::string seen;
  for (const sycl::platform& platform : sycl::platform::get_platforms()) {
    seen += text(seen.empty() ? "" : ", ", platform.get_info<sycl::info::platform::name>());
    if (platform.get_backend() != sycl::backend::ext_oneapi_cuda) continue;
    const std::vector<sycl::device> devices = platform.get_devices();
    // Both sides count the devices that CUDA_VISIBLE_DEVICES leaves, in CUDA's order.
    if (std::cmp_less(index, devices.size())) {
      return {devices[static_cast<std::size_t>(index)], platform.khr_get_default_context()};
    }
  }
  throw Error(ErrorCode::kNoDevice,
              text("input: on cuda:", index, ", which SYCL does not see (its platforms: ", seen.empty() ? "none" : seen,
                   "). Install the oneAPI plugin for NVIDIA GPUs (libur_adapter_cuda.so beside libsycl.so); `python -m "
                   "sycl_dcn.doctor` checks it"));
}

sycl::queue make_cuda_queue(std::int32_t index, void* stream) {
  const auto [device, context] = cuda_device(index);
  // What sycl::make_queue does, plus the property: a stream is in order, and the queue must say so.
  return sycl::detail::make_queue(reinterpret_cast<ur_native_handle_t>(stream), 0, context, &device,
                                  /*KeepOwnership=*/true, {sycl::property::queue::in_order()}, {},
                                  sycl::backend::ext_oneapi_cuda);
}

/// An in-order companion of an out-of-order queue. Kept for each context and device: making one costs a driver call.
Queue in_order_queue(const sycl::queue& queue) {
  static std::mutex mutex;
  static auto* companions = new std::vector<std::pair<sycl::queue, Queue>>;  // leaked: outlives the drivers otherwise
  const std::scoped_lock lock(mutex);
  for (const auto& [of, companion] : *companions) {
    if (of.get_context() == queue.get_context() && of.get_device() == queue.get_device()) return companion;
  }
  const Queue made =
      Queue::wrap(sycl::queue(queue.get_context(), queue.get_device(), sycl::property::queue::in_order()));
  companions->emplace_back(queue, made);
  return made;
}

}  // namespace

Queue& cpu_queue() {
  static auto* queue = new Queue(Queue::create("cpu"));  // leaked: outlives the drivers otherwise
  return *queue;
}

Queue xpu_queue(std::int32_t device_index) {
  const void* stream = current_stream("aoti_torch_get_current_xpu_stream", "xpu", device_index);
  return translated("xpu stream", [&] { return Queue::wrap(*static_cast<const sycl::queue*>(stream)); });
}

Queue cuda_queue(std::int32_t device_index) {
  void* stream = current_stream("aoti_torch_get_current_cuda_stream", "cuda", device_index);
  static std::mutex mutex;
  static auto* queues = new std::map<std::pair<std::int32_t, void*>, Queue>;  // PyTorch's streams live for ever, too
  const std::scoped_lock lock(mutex);
  const auto key = std::pair(device_index, stream);
  const auto known = queues->find(key);
  if (known != queues->end()) return known->second;
  return translated("cuda stream", [&] {
    return queues->emplace(key, Queue::wrap(make_cuda_queue(device_index, stream))).first->second;
  });
}

ForeignQueue::ForeignQueue(void* queue)
    : queue_(translated("queue", [&] {
        const auto& theirs = *static_cast<const sycl::queue*>(queue);
        return theirs.is_in_order() ? Queue::wrap(theirs) : in_order_queue(theirs);
      })) {
  const auto* theirs = static_cast<const sycl::queue*>(queue);
  if (theirs->is_in_order()) return;
  theirs_ = theirs;
  translated("queue", [&] {
    auto copy = *theirs_;
    queue_.native().ext_oneapi_submit_barrier({copy.ext_oneapi_submit_barrier()});
    return 0;
  });
}

ForeignQueue::~ForeignQueue() {
  if (theirs_ == nullptr) return;
  try {
    auto copy = *theirs_;
    copy.ext_oneapi_submit_barrier({queue_.native().ext_oneapi_submit_barrier()});
  } catch (const sycl::exception&) {
    // The device is lost; their next call reports it.
  }
}

}  // namespace dcn::torch_binding
