/// \file channels_last.hpp
/// Pictures of a tensor that is not channels-last, copied into scratch memory that is, a few at a time: the tiled
/// kernels then read whole lines of the cache. Internal.
#pragma once

#include <cstddef>
#include <cstdint>

#include "dcn/device.hpp"
#include "dcn/tensor.hpp"
#include "ops/index_width.hpp"
#include "runtime/kernel.hpp"

namespace dcn::ops {

/// How many pictures of the tensor fit into `bytes`; 0: not one.
[[nodiscard]] std::int64_t staged_pictures(const TensorView& view, std::size_t bytes);

/// The channels-last view that stands in for `view`.
[[nodiscard]] TensorView staged_view(const TensorView& view);

class ChannelsLast {
 public:
  /// \param view  the tensor as planned, without data. \param pictures  most that run() is asked for.
  ChannelsLast(Queue queue, const TensorView& view, std::int64_t pictures, IndexWidth index);

  /// Submits the copy of pictures [first, first + count) of `source`, and returns where they are: dense.
  void* run(const void* source, std::int64_t first, std::int64_t count) const;
  [[nodiscard]] std::size_t bytes() const noexcept { return buffer_.bytes(); }

 private:
  Queue queue_;
  TensorView view_;
  runtime::Kernel kernel_;
  DeviceBuffer buffer_;
};

}  // namespace dcn::ops
