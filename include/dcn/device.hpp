/// \file device.hpp
/// Choosing a SYCL device, and the queue that every operator runs on. Free of SYCL headers; include
/// <sycl/sycl.hpp> yourself to use `Queue::native()` or to wrap a queue you already have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dcn/tensor.hpp"

namespace sycl {
inline namespace _V1 {  // NOLINT(readability-identifier-naming)
class queue;
}  // namespace _V1
}  // namespace sycl

namespace dcn {

/// What `centernet devices` shows of one SYCL device.
struct DeviceInfo {
  int index = 0;     ///< what `--device <index>` takes; -1 for a wrapped queue of a device that is not listed
  std::string name;  ///< e.g. "Intel(R) Xeon(R) Processor"
  std::string vendor;
  std::string kind;          ///< "cpu", "gpu", "accelerator"
  std::string backend;       ///< "opencl", "level_zero", "cuda", "hip"
  std::string driver;        ///< driver version
  std::uint64_t memory = 0;  ///< global memory in bytes
  std::uint32_t compute_units = 0;
  bool fp16 = false;
  bool bf16 = false;  ///< kernels may use sycl::ext::oneapi::bfloat16
  bool fp64 = false;
  bool usable = false;       ///< kernels can be compiled for it and device memory allocated on it
  std::string why_unusable;  ///< one sentence with the remedy, empty when usable
};

/// Every SYCL device of every backend. Never throws for a device that cannot be used: that is what
/// DeviceInfo::why_unusable is for. The CPU device is found with no variable exported.
[[nodiscard]] std::vector<DeviceInfo> list_devices();
/// Why devices of a backend are missing in that list though it is installed: its driver failed when it was asked. One
/// line with the remedy; empty when every backend answered.
[[nodiscard]] std::string discovery_problem();

/// NVIDIA GPUs only: the file of built-in functions that the run-time compiler links into kernels. The compiler carries
/// it inside, but (2026.2) looks for it as a file of the system.
[[nodiscard]] std::string cuda_builtins_path();
/// Writes that file as the compiler of this process carries it, to cuda_builtins_path() below `root`. Needs the right
/// to write there; once per machine.
/// \returns where it lies
/// \throws Error kIo when it cannot be read or written, kBadFile when the compiler carries none.
std::string install_cuda_builtins(const std::string& root = "/");

/// A shared handle to an in-order SYCL queue on one device. Copies refer to the same queue. Submissions are
/// asynchronous; errors of the device surface as dcn::Error from the next call that waits.
class Queue {
 public:
  /// \param device "auto" (a GPU that works, else the CPU), "cpu", "gpu" (any GPU), "xpu" (an Intel GPU), "cuda"
  ///        (an NVIDIA GPU) or an index of list_devices().
  /// \throws Error kNoDevice naming what was asked for, what there is, and the package to install.
  static Queue create(std::string_view device = "auto");
  /// Wraps an existing in-order queue, such as that of another library (PyTorch's current stream, dpctl). The wrapper
  /// shares the queue: what it submits runs in the queue's order, after what the owner submitted, and the owner keeps
  /// the queue and the memory it passes. \throws Error kInvalidArgument for an out-of-order queue.
  static Queue wrap(const sycl::queue& queue);

  [[nodiscard]] const DeviceInfo& device() const noexcept;
  [[nodiscard]] sycl::queue& native() const noexcept;

  /// USM device memory, 64-byte aligned at least. `bytes` 0 gives nullptr. \throws Error kOutOfMemory with the size.
  [[nodiscard]] void* allocate(std::size_t bytes) const;
  /// Frees what allocate() gave, or nullptr. No submitted work may still use it: wait() first.
  void free(void* pointer) const noexcept;
  /// Asynchronous copy between any host or USM pointers; the host side must live until wait().
  void copy(void* destination, const void* source, std::size_t bytes) const;
  void fill(void* destination, unsigned char value, std::size_t bytes) const;
  /// Blocks until all submitted work is done. \throws Error kDevice with what the runtime reported.
  void wait() const;

 private:
  struct State;
  explicit Queue(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

/// Device memory with an owner. Move-only. Freed when the queue's work is done, so it may go out of scope while kernels
/// that use it still run.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  /// \throws Error kOutOfMemory with the size.
  DeviceBuffer(Queue queue, std::size_t bytes);
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : memory_(std::move(other.memory_)), bytes_(std::exchange(other.bytes_, 0)) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    memory_ = std::move(other.memory_);
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }
  ~DeviceBuffer() = default;

  [[nodiscard]] void* data() const noexcept { return memory_.get(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  std::shared_ptr<void> memory_;
  std::size_t bytes_ = 0;
};

}  // namespace dcn
