/// \file queues.hpp
/// The SYCL queue on which work for somebody else's memory runs, in the order that its owner expects.
#pragma once

#include <cstdint>

#include "dcn/device.hpp"

namespace dcn::torch_binding {

/// The CPU device's queue, one for the process. CPU memory is used in place; callers wait for the result.
[[nodiscard]] Queue& cpu_queue();

/// PyTorch's current stream of an XPU device: a SYCL queue of PyTorch's own.
/// \throws Error kUnsupported when this PyTorch has no XPU support.
[[nodiscard]] Queue xpu_queue(std::int32_t device_index);

/// A SYCL queue over PyTorch's current CUDA stream.
/// \throws Error kNoDevice naming what to install when SYCL does not see the GPU.
[[nodiscard]] Queue cuda_queue(std::int32_t device_index);

/// Work on a queue that somebody else owns. An in-order queue is used as it is; for an out-of-order one, an in-order
/// queue of the same context and device, tied to it: our work begins after what was submitted to theirs before, and
/// what they submit after the destructor begins after our work.
class ForeignQueue {
 public:
  /// \param queue a `sycl::queue*`. \throws Error kDevice when the runtime refuses.
  explicit ForeignQueue(void* queue);
  ForeignQueue(const ForeignQueue&) = delete;
  ForeignQueue& operator=(const ForeignQueue&) = delete;
  ~ForeignQueue();

  [[nodiscard]] Queue& get() noexcept { return queue_; }

 private:
  const sycl::queue* theirs_ = nullptr;  ///< set when it is out of order
  Queue queue_;
};

}  // namespace dcn::torch_binding
