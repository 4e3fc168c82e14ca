/// \file conv2d_direct.hpp
/// Convolution without a tile, where tiles would be mostly padding: few channels in a group, as in a network's first
/// layer or in depth-wise layers.
///
/// Macros: DCN_T_*, DCN_INDEX (deform_common.hpp);
///   DCN_BLOCK  output channels of one work-item
#include "conv2d_args.hpp"
#include "conv_pack_args.hpp"
#include "deform_common.hpp"

namespace syclexp = sycl::ext::oneapi::experimental;

constexpr int kBlock = DCN_BLOCK;

/// One work-item per output pixel and block of output channels: [groups * blocks per group, pixels], so that work-items
/// side by side read the same weights. Weights: [group][block][taps][channels][kBlock].
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<2>)) void conv2d_direct(Conv2dArgs args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<2>();
  const Index id = static_cast<Index>(item.get_global_id(1));
  if (id >= static_cast<Index>(args.batch * args.out_height * args.out_width)) return;
  const Index width = static_cast<Index>(args.out_width);
  const Index height = static_cast<Index>(args.out_height);
  const Index line = id / width;
  const Index column = id - line * width;
  const Index n = line / height;
  const Index row = line - n * height;
  const int y = static_cast<int>(row) * args.stride_h - args.padding_h;
  const int x = static_cast<int>(column) * args.stride_w - args.padding_w;

  const int panel = static_cast<int>(item.get_group(0));
  const int group = panel / args.slices_per_group;
  const int channels = static_cast<int>(args.in_channels) / args.groups;
  const int outputs = static_cast<int>(args.out_channels) / args.groups;
  const Index channel_step = static_cast<Index>(args.input_stride[1]);
  const auto* input = static_cast<const Element*>(args.input) + n * static_cast<Index>(args.input_stride[0]) +
                      static_cast<Index>(group) * channels * channel_step;
  const auto* weight =
      static_cast<const Real*>(args.weight) + static_cast<Index>(panel) * args.steps_per_group * kBlock;
  const auto* bias = static_cast<const float*>(args.bias) + panel * kBlock;

  Real sum[kBlock];
#pragma unroll
  for (int o = 0; o < kBlock; ++o) sum[o] = bias[o];
  for (int tap_y = 0; tap_y < args.kernel_h; ++tap_y) {
    const int at_y = y + tap_y * args.dilation_h;
    for (int tap_x = 0; tap_x < args.kernel_w; ++tap_x, weight += channels * kBlock) {
      const int at_x = x + tap_x * args.dilation_w;
      if ((at_y < 0) | (at_y >= args.height) | (at_x < 0) | (at_x >= args.width)) continue;
      const Element* from = input + static_cast<Index>(at_y) * static_cast<Index>(args.input_stride[2]) +
                            static_cast<Index>(at_x) * static_cast<Index>(args.input_stride[3]);
      for (int c = 0; c < channels; ++c) {
        const Real value = load(from[c * channel_step]);
#pragma unroll
        for (int o = 0; o < kBlock; ++o) sum[o] += value * weight[c * kBlock + o];
      }
    }
  }
  const int first = (panel - group * args.slices_per_group) * kBlock;
  const Index to = n * static_cast<Index>(args.output_stride[0]) +
                   static_cast<Index>(group * outputs + first) * static_cast<Index>(args.output_stride[1]) +
                   row * static_cast<Index>(args.output_stride[2]) + column * static_cast<Index>(args.output_stride[3]);
#pragma unroll
  for (int o = 0; o < kBlock; ++o) {
    if (first + o >= outputs) break;
    const Index at = to + o * static_cast<Index>(args.output_stride[1]);
    Real value = sum[o];
    if (args.residual != nullptr) value += load(static_cast<const Element*>(args.residual)[at]);
    // Not fmax: NaN must stay NaN.
    static_cast<Element*>(args.output)[at] = store((args.relu != 0) & (value < 0) ? Real{0} : value);
  }
}

/// One work-item per element of the packed weights, then of the packed bias [group][block][kBlock]. What is past the
/// last output channel is zero.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void conv2d_direct_pack(ConvPackArgs args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const Index id = static_cast<Index>(item.get_global_id(0));
  const Index panels = static_cast<Index>(args.groups) * args.panels_per_group;
  const Index channels = static_cast<Index>(args.in_channels) / args.groups;
  const Index outputs = static_cast<Index>(args.out_channels) / args.groups;
  const Index weights = panels * args.steps_per_group * kBlock;
  if (id >= weights + panels * kBlock) return;
  const bool is_bias = id >= weights;
  const Index within = is_bias ? id - weights : id;
  const Index step = is_bias ? 0 : within / kBlock % args.steps_per_group;
  const Index panel = is_bias ? within / kBlock : within / kBlock / args.steps_per_group;
  const Index group = panel / args.panels_per_group;
  const Index output = (panel - group * args.panels_per_group) * kBlock + within % kBlock;
  const bool inside = output < outputs;
  if (is_bias) {
    const auto* bias = static_cast<const Element*>(args.bias);
    args.packed_bias[within] =
        inside && bias != nullptr ? load(bias[(group * outputs + output) * static_cast<Index>(args.bias_stride)]) : 0;
    return;
  }
  const Index tap = step / channels;
  const Index at = (group * outputs + output) * static_cast<Index>(args.weight_stride[0]) +
                   (step - tap * channels) * static_cast<Index>(args.weight_stride[1]) +
                   tap / args.kernel_w * static_cast<Index>(args.weight_stride[2]) +
                   tap % args.kernel_w * static_cast<Index>(args.weight_stride[3]);
  static_cast<Real*>(args.packed_weight)[id] = inside ? load(static_cast<const Element*>(args.weight)[at]) : 0;
}
