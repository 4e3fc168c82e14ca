/// \file window_args.hpp
/// What the argument structs of all convolutions' kernels have in common.
#pragma once

#include <algorithm>

#include "dcn/tensor.hpp"

namespace dcn::ops {

inline void copy_strides(long long (&to)[4], const TensorView& view) {
  std::copy(view.strides.begin(), view.strides.begin() + 4, to);
}

/// Extents, window and groups.
/// \param output  or its gradient.
template <typename Args, typename Params>
void fill_window(Args& args, const Params& params, const TensorView& input, const TensorView& output) {
  args.batch = input.sizes[0];
  args.in_channels = input.sizes[1];
  args.height = input.sizes[2];
  args.width = input.sizes[3];
  args.out_channels = output.sizes[1];
  args.out_height = output.sizes[2];
  args.out_width = output.sizes[3];
  args.kernel_h = static_cast<int>(params.kernel_h);
  args.kernel_w = static_cast<int>(params.kernel_w);
  args.stride_h = static_cast<int>(params.stride_h);
  args.stride_w = static_cast<int>(params.stride_w);
  args.padding_h = static_cast<int>(params.padding_h);
  args.padding_w = static_cast<int>(params.padding_w);
  args.dilation_h = static_cast<int>(params.dilation_h);
  args.dilation_w = static_cast<int>(params.dilation_w);
  args.groups = static_cast<int>(params.groups);
}

}  // namespace dcn::ops
