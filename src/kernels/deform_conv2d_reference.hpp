/// \file deform_conv2d_reference.hpp
/// Deformable convolution straight from its formula: one work-item computes one element of the output. Any type, any
/// strides, any size. What the fused kernels are measured against, and what runs where they cannot.
#include <sycl/builtins.hpp>

#include "deform_common.hpp"
#include "deform_conv2d_args.hpp"

/// Value at (y, x) of one channel; zero outside of the picture.
inline Real pixel(const Element* channel, const DeformConv2dArgs& args, Index y, Index x) {
  if (y < 0 || x < 0 || y >= args.height || x >= args.width) return 0;
  return load(channel[y * static_cast<Index>(args.input_stride[2]) + x * static_cast<Index>(args.input_stride[3])]);
}

extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY(
    (sycl::ext::oneapi::experimental::nd_range_kernel<1>)) void deform_conv2d_reference(DeformConv2dArgs args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const long long id = static_cast<long long>(item.get_global_id(0));
  if (id >= args.batch * args.out_height * args.out_width * args.out_channels) return;
  // Output channels fastest: neighbours share their samples, and write side by side in NHWC.
  const Index o = static_cast<Index>(id % args.out_channels);
  const Index out_x = static_cast<Index>(id / args.out_channels % args.out_width);
  const Index out_y = static_cast<Index>(id / args.out_channels / args.out_width % args.out_height);
  const Index n = static_cast<Index>(id / args.out_channels / args.out_width / args.out_height);

  const auto* input = static_cast<const Element*>(args.input) + n * static_cast<Index>(args.input_stride[0]);
  const auto* offset = static_cast<const Element*>(args.offset) + n * static_cast<Index>(args.offset_stride[0]) +
                       out_y * static_cast<Index>(args.offset_stride[2]) +
                       out_x * static_cast<Index>(args.offset_stride[3]);
  const auto* mask = static_cast<const Element*>(args.mask);
  if (mask != nullptr) {
    mask += n * static_cast<Index>(args.mask_stride[0]) + out_y * static_cast<Index>(args.mask_stride[2]) +
            out_x * static_cast<Index>(args.mask_stride[3]);
  }
  const Index group_channels = static_cast<Index>(args.in_channels) / args.groups;
  const Index group_outputs = static_cast<Index>(args.out_channels) / args.groups;
  const Index deformable_channels = static_cast<Index>(args.in_channels) / args.deformable_groups;
  const Index first_channel = o / group_outputs * group_channels;
  const Index taps = static_cast<Index>(args.kernel_h) * args.kernel_w;
  const auto* weight = static_cast<const Element*>(args.weight) + o * group_channels * taps;
  const auto* bias = static_cast<const Element*>(args.bias);

  Real sum = bias != nullptr ? load(bias[o]) : Real(0);
  const Index last_channel = first_channel + group_channels;
  for (Index cut = first_channel; cut < last_channel;) {
    // Channels [cut, cut_end) share their offsets.
    const Index deformable_group = cut / deformable_channels;
    Index cut_end = (deformable_group + 1) * deformable_channels;
    if (cut_end > last_channel) cut_end = last_channel;
    for (Index tap = 0; tap < taps; ++tap) {
      const Index at = deformable_group * taps + tap;
      const Index tap_y = tap / args.kernel_w;
      const Index tap_x = tap - tap_y * args.kernel_w;
      const Real y = static_cast<Real>(out_y * args.stride_h - args.padding_h + tap_y * args.dilation_h) +
                     load(offset[2 * at * static_cast<Index>(args.offset_stride[1])]);
      const Real x = static_cast<Real>(out_x * args.stride_w - args.padding_w + tap_x * args.dilation_w) +
                     load(offset[(2 * at + 1) * static_cast<Index>(args.offset_stride[1])]);
      // Written so that NaN is outside.
      if (!(y > Real(-1) && x > Real(-1) && y < static_cast<Real>(args.height) && x < static_cast<Real>(args.width))) {
        continue;
      }
      const Index top = static_cast<Index>(sycl::floor(y));
      const Index left = static_cast<Index>(sycl::floor(x));
      const Real low_y = y - static_cast<Real>(top);
      const Real low_x = x - static_cast<Real>(left);
      Real factor = Real(1);
      if (mask != nullptr) {
        factor = load(mask[at * static_cast<Index>(args.mask_stride[1])]);
        if (args.mask_is_logit) factor = Real(1) / (Real(1) + sycl::exp(-factor));
      }
      for (Index c = cut; c < cut_end; ++c) {
        const Element* plane = input + c * static_cast<Index>(args.input_stride[1]);
        const Real value = (Real(1) - low_y) * (Real(1) - low_x) * pixel(plane, args, top, left) +
                           (Real(1) - low_y) * low_x * pixel(plane, args, top, left + 1) +
                           low_y * (Real(1) - low_x) * pixel(plane, args, top + 1, left) +
                           low_y * low_x * pixel(plane, args, top + 1, left + 1);
        sum += value * factor * load(weight[(c - first_channel) * taps + tap]);
      }
    }
    cut = cut_end;
  }
  if (args.relu) sum = sum < Real(0) ? Real(0) : sum;
  auto* output = static_cast<Element*>(args.output);
  output[n * static_cast<Index>(args.output_stride[0]) + o * static_cast<Index>(args.output_stride[1]) +
         out_y * static_cast<Index>(args.output_stride[2]) + out_x * static_cast<Index>(args.output_stride[3])] =
      store(sum);
}

/// One work-item per element of the weight, then of the bias.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY(
    (sycl::ext::oneapi::experimental::nd_range_kernel<1>)) void deform_conv2d_copy(DeformConv2dCopyArgs args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const long long id = static_cast<long long>(item.get_global_id(0));
  const long long taps = static_cast<long long>(args.kernel_h) * args.kernel_w;
  const long long weights = args.out_channels * args.group_channels * taps;
  if (id < weights) {
    const long long tap = id % taps;
    const long long channel = id / taps % args.group_channels;
    const long long output = id / taps / args.group_channels;
    const long long at = output * args.weight_stride[0] + channel * args.weight_stride[1] +
                         tap / args.kernel_w * args.weight_stride[2] + tap % args.kernel_w * args.weight_stride[3];
    static_cast<Element*>(args.dense_weight)[id] = static_cast<const Element*>(args.weight)[at];
  } else if (id < weights + args.out_channels && args.bias != nullptr) {
    const long long output = id - weights;
    static_cast<Element*>(args.dense_bias)[output] = static_cast<const Element*>(args.bias)[output * args.bias_stride];
  }
}
