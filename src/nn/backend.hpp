/// \file backend.hpp
/// What computes a network's layers on a queue: oneDNN where it has an engine for the device, else this library's own
/// kernels. Free of SYCL headers.
#pragma once

#include <optional>

#include "dcn/device.hpp"
#include "nn/onednn.hpp"

namespace dcn::nn {

class Backend {
 public:
  /// \param own_kernels  to do without oneDNN where it has an engine, too.
  /// \throws Error kDevice when oneDNN cannot ask the runtime for devices.
  Backend(const Queue& queue, bool own_kernels);

  [[nodiscard]] const Queue& queue() const noexcept { return queue_; }
  /// nullptr where our own kernels compute everything; formats are then plain ones, never blocked.
  [[nodiscard]] OneDnn* onednn() noexcept { return onednn_ ? &*onednn_ : nullptr; }
  /// Submits a copy from one format and type to another.
  void reorder(const dnnl::memory::desc& from, void* source, const dnnl::memory::desc& to, void* destination);

 private:
  Queue queue_;
  std::optional<OneDnn> onednn_;
};

}  // namespace dcn::nn
