/// \file tensors.hpp
/// PyTorch tensors as views, through functions of the stable ABI that exist since PyTorch 2.9.
#pragma once

#include <torch/csrc/stable/tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "dcn/tensor.hpp"

namespace dcn::torch_binding {

using torch::stable::Tensor;

/// Where a tensor lives.
struct Place {
  std::int32_t type = 0;  ///< PyTorch's number of the device's type
  std::int32_t index = 0;
  friend bool operator==(const Place&, const Place&) = default;
};
[[nodiscard]] Place place_of(const Tensor& tensor);

/// A view of the tensor's memory, nothing copied.
/// \throws Error kInvalidArgument naming the tensor when it is not on `place`, has more than four dimensions or a type
///         that operators do not compute on.
[[nodiscard]] TensorView view_of(std::string_view name, const Tensor& tensor, const Place& place);
[[nodiscard]] std::optional<TensorView> view_of(std::string_view name, const std::optional<Tensor>& tensor,
                                                const Place& place);

/// Uninitialised memory from PyTorch's allocator, of the type of `like`: row-major, or, for four dimensions, channels
/// last when `like` is (see `is_channels_last`).
[[nodiscard]] Tensor empty_activation(std::span<const std::int64_t> sizes, const Tensor& like, const Place& place);
/// Row-major, of the type of `like` whatever its layout.
[[nodiscard]] Tensor empty(std::span<const std::int64_t> sizes, const Tensor& like, const Place& place);
/// What stands for a gradient that nobody asked for: no elements.
[[nodiscard]] Tensor nothing(const Tensor& like, const Place& place);

/// True when channels lie side by side and the tensor is not row-major: results then are channels last, too. Slices and
/// expanded batches of channels-last tensors count.
[[nodiscard]] bool is_channels_last(const Tensor& tensor);

}  // namespace dcn::torch_binding
