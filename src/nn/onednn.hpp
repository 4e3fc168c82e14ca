/// \file onednn.hpp
/// oneDNN on a queue: engine, stream, memory descriptors and their names. Free of SYCL headers.
#pragma once

#include <array>
#include <cstdint>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dcn/device.hpp"
#include "dcn/tensor.hpp"

namespace dcn::nn {

/// N, C, H, W.
using Sizes = std::array<std::int64_t, 4>;

/// \throws Error kInternal for a type that activations cannot have.
[[nodiscard]] dnnl::memory::data_type to_onednn(DataType type);

/// A dense activation.
[[nodiscard]] dnnl::memory::desc activation_desc(const Sizes& sizes, DataType type, MemoryFormat format);

/// The format by name: "nhwc", "nchw", "nChw16c", or for weights (`letters` "oihw", "goihw", "iohw") such as
/// "OIhw16i16o".
[[nodiscard]] std::string format_name(const dnnl::memory::desc& desc, std::string_view letters = "nchw");

/// What a failed oneDNN call becomes: kUnsupported for what it does not implement, kOutOfMemory, else kDevice.
[[noreturn]] void rethrow(const dnnl::error& error, const std::string& what);

/// An engine and an in-order stream on the queue's device. Everything that runs here runs on the queue, in order.
class OneDnn {
 public:
  /// Nothing when oneDNN has no engine for the device.
  /// \throws Error kDevice when it cannot ask the runtime for devices.
  static std::optional<OneDnn> make(const Queue& queue);

  [[nodiscard]] const dnnl::engine& engine() const noexcept { return engine_; }
  [[nodiscard]] dnnl::stream& stream() noexcept { return stream_; }
  [[nodiscard]] const Queue& queue() const noexcept { return queue_; }
  /// A memory object over USM memory, which may be set later (`set_data_handle`).
  [[nodiscard]] dnnl::memory memory(const dnnl::memory::desc& desc, void* data) const;
  /// Submits a copy from one format and type to another.
  void reorder(const dnnl::memory& source, const dnnl::memory& destination);

 private:
  OneDnn(const Queue& queue, const dnnl::engine& engine);

  Queue queue_;
  dnnl::engine engine_;
  dnnl::stream stream_;
};

}  // namespace dcn::nn
