/// \file deform_conv2d_backward_reference.hpp
/// Gradients of deformable convolution straight from their formulas, one kernel for each. Any type, any strides, any
/// size; no atomics, so each run gives the same bits. What the fused kernels are measured against, and what runs where
/// they cannot.
#include <sycl/builtins.hpp>

#include "deform_common.hpp"
#include "deform_conv2d_backward_args.hpp"

namespace syclexp = sycl::ext::oneapi::experimental;

/// Where one tap of one output pixel samples.
struct Tap {
  bool inside;
  Index top, left;
  Real low_y, low_x;
  Real factor;  ///< the mask
};

inline Tap locate_tap(const DeformConv2dBackwardArgs& args, Index n, Index out_y, Index out_x, Index deformable_group,
                      Index tap) {
  const auto* offset = static_cast<const Element*>(args.offset) + n * static_cast<Index>(args.offset_stride[0]) +
                       out_y * static_cast<Index>(args.offset_stride[2]) +
                       out_x * static_cast<Index>(args.offset_stride[3]);
  const Index at = deformable_group * static_cast<Index>(args.kernel_h * args.kernel_w) + tap;
  const Index tap_y = tap / args.kernel_w;
  const Index tap_x = tap - tap_y * args.kernel_w;
  const Real y = static_cast<Real>(out_y * args.stride_h - args.padding_h + tap_y * args.dilation_h) +
                 load(offset[2 * at * static_cast<Index>(args.offset_stride[1])]);
  const Real x = static_cast<Real>(out_x * args.stride_w - args.padding_w + tap_x * args.dilation_w) +
                 load(offset[(2 * at + 1) * static_cast<Index>(args.offset_stride[1])]);
  Tap where;
  // Written so that NaN is outside.
  where.inside =
      y > Real(-1) && x > Real(-1) && y < static_cast<Real>(args.height) && x < static_cast<Real>(args.width);
  where.top = where.inside ? static_cast<Index>(sycl::floor(y)) : Index(0);
  where.left = where.inside ? static_cast<Index>(sycl::floor(x)) : Index(0);
  where.low_y = y - static_cast<Real>(where.top);
  where.low_x = x - static_cast<Real>(where.left);
  where.factor = Real(1);
  if (args.mask != nullptr && where.inside) {
    where.factor = load(static_cast<const Element*>(
        args.mask)[n * static_cast<Index>(args.mask_stride[0]) + at * static_cast<Index>(args.mask_stride[1]) +
                   out_y * static_cast<Index>(args.mask_stride[2]) + out_x * static_cast<Index>(args.mask_stride[3])]);
    if (args.mask_is_logit) where.factor = Real(1) / (Real(1) + sycl::exp(-where.factor));
  }
  return where;
}

/// Value at (y, x) of one channel; zero outside of the picture.
inline Real pixel(const Element* channel, const DeformConv2dBackwardArgs& args, Index y, Index x) {
  if (y < 0 || x < 0 || y >= args.height || x >= args.width) return 0;
  return load(channel[y * static_cast<Index>(args.input_stride[2]) + x * static_cast<Index>(args.input_stride[3])]);
}

inline const Element* input_plane(const DeformConv2dBackwardArgs& args, Index n, Index c) {
  return static_cast<const Element*>(args.input) + n * static_cast<Index>(args.input_stride[0]) +
         c * static_cast<Index>(args.input_stride[1]);
}

/// The gradient of one sampled, modulated value: sum over outputs of the channel's group.
inline Real grad_column(const DeformConv2dBackwardArgs& args, Index n, Index c, Index out_y, Index out_x, Index tap) {
  const Index group_channels = static_cast<Index>(args.in_channels) / args.groups;
  const Index group_outputs = static_cast<Index>(args.out_channels) / args.groups;
  const Index group = c / group_channels;
  const Index tap_y = tap / args.kernel_w;
  const auto* grad_output =
      static_cast<const Element*>(args.grad_output) + n * static_cast<Index>(args.grad_output_stride[0]) +
      group * group_outputs * static_cast<Index>(args.grad_output_stride[1]) +
      out_y * static_cast<Index>(args.grad_output_stride[2]) + out_x * static_cast<Index>(args.grad_output_stride[3]);
  const auto* weight = static_cast<const Element*>(args.weight) +
                       group * group_outputs * static_cast<Index>(args.weight_stride[0]) +
                       (c - group * group_channels) * static_cast<Index>(args.weight_stride[1]) +
                       tap_y * static_cast<Index>(args.weight_stride[2]) +
                       (tap - tap_y * args.kernel_w) * static_cast<Index>(args.weight_stride[3]);
  Real sum = Real(0);
  for (Index o = 0; o < group_outputs; ++o) {
    sum += load(grad_output[o * static_cast<Index>(args.grad_output_stride[1])]) *
           load(weight[o * static_cast<Index>(args.weight_stride[0])]);
  }
  return sum;
}

/// grad_input: one work-item owns one channel of one picture. `scratch` is [height * width][plane_count].
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void deform_conv2d_backward_input(
    DeformConv2dBackwardArgs args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const long long id = static_cast<long long>(item.get_global_id(0));
  if (id >= args.plane_count) return;
  const Index n = static_cast<Index>((args.first_plane + id) / args.in_channels);
  const Index c = static_cast<Index>((args.first_plane + id) % args.in_channels);
  const Index deformable_group = c / (static_cast<Index>(args.in_channels) / args.deformable_groups);
  const Index height = static_cast<Index>(args.height);
  const Index width = static_cast<Index>(args.width);
  const Index taps = static_cast<Index>(args.kernel_h) * args.kernel_w;
  auto* sums = static_cast<Real*>(args.scratch) + id;
  for (long long at = 0; at < args.height * args.width; ++at) sums[at * args.plane_count] = Real(0);
  for (Index out_y = 0; out_y < args.out_height; ++out_y) {
    for (Index out_x = 0; out_x < args.out_width; ++out_x) {
      for (Index tap = 0; tap < taps; ++tap) {
        const Tap where = locate_tap(args, n, out_y, out_x, deformable_group, tap);
        if (!where.inside) continue;
        const Real value = grad_column(args, n, c, out_y, out_x, tap) * where.factor;
        for (Index i = 0; i < 2; ++i) {
          const Index y = where.top + i;
          if (y < 0 || y >= height) continue;
          const Real weight_y = i == 0 ? Real(1) - where.low_y : where.low_y;
          for (Index j = 0; j < 2; ++j) {
            const Index x = where.left + j;
            if (x < 0 || x >= width) continue;
            const Real weight_x = j == 0 ? Real(1) - where.low_x : where.low_x;
            sums[(static_cast<long long>(y) * width + x) * args.plane_count] += weight_y * weight_x * value;
          }
        }
      }
    }
  }
  auto* grad_input = static_cast<Element*>(args.grad_input) + n * static_cast<Index>(args.grad_input_stride[0]) +
                     c * static_cast<Index>(args.grad_input_stride[1]);
  for (Index y = 0; y < height; ++y) {
    for (Index x = 0; x < width; ++x) {
      grad_input[y * static_cast<Index>(args.grad_input_stride[2]) +
                 x * static_cast<Index>(args.grad_input_stride[3])] =
          store(sums[(static_cast<long long>(y) * width + x) * args.plane_count]);
    }
  }
}

/// grad_offset and grad_mask: one work-item per picture, deformable group, tap and output pixel.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void deform_conv2d_backward_position(
    DeformConv2dBackwardArgs args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const long long id = static_cast<long long>(item.get_global_id(0));
  const Index taps = static_cast<Index>(args.kernel_h) * args.kernel_w;
  const long long planes = static_cast<long long>(args.deformable_groups) * taps;
  if (id >= args.batch * args.out_height * args.out_width * planes) return;
  const Index plane = static_cast<Index>(id % planes);
  const Index out_x = static_cast<Index>(id / planes % args.out_width);
  const Index out_y = static_cast<Index>(id / planes / args.out_width % args.out_height);
  const Index n = static_cast<Index>(id / planes / args.out_width / args.out_height);
  const Index deformable_group = plane / taps;
  const Index tap = plane - deformable_group * taps;
  const Index deformable_channels = static_cast<Index>(args.in_channels) / args.deformable_groups;

  Real grad_y = Real(0);
  Real grad_x = Real(0);
  Real grad_factor = Real(0);
  const Tap where = locate_tap(args, n, out_y, out_x, deformable_group, tap);
  if (where.inside) {
    for (Index i = 0; i < deformable_channels; ++i) {
      const Index c = deformable_group * deformable_channels + i;
      const Element* channel = input_plane(args, n, c);
      const Real value = grad_column(args, n, c, out_y, out_x, tap);
      const Real top_left = pixel(channel, args, where.top, where.left);
      const Real top_right = pixel(channel, args, where.top, where.left + 1);
      const Real bottom_left = pixel(channel, args, where.top + 1, where.left);
      const Real bottom_right = pixel(channel, args, where.top + 1, where.left + 1);
      const Real top = (Real(1) - where.low_x) * top_left + where.low_x * top_right;
      const Real bottom = (Real(1) - where.low_x) * bottom_left + where.low_x * bottom_right;
      grad_factor += value * ((Real(1) - where.low_y) * top + where.low_y * bottom);
      grad_y += value * (bottom - top);
      grad_x += value * ((Real(1) - where.low_y) * (top_right - top_left) + where.low_y * (bottom_right - bottom_left));
    }
  }
  const Index channel = deformable_group * taps + tap;
  if (args.grad_offset != nullptr) {
    auto* grad_offset = static_cast<Element*>(args.grad_offset) + n * static_cast<Index>(args.grad_offset_stride[0]) +
                        2 * channel * static_cast<Index>(args.grad_offset_stride[1]) +
                        out_y * static_cast<Index>(args.grad_offset_stride[2]) +
                        out_x * static_cast<Index>(args.grad_offset_stride[3]);
    grad_offset[0] = store(where.factor * grad_y);
    grad_offset[args.grad_offset_stride[1]] = store(where.factor * grad_x);
  }
  if (args.grad_mask != nullptr) {
    if (args.mask_is_logit) grad_factor *= where.factor * (Real(1) - where.factor);
    static_cast<Element*>(args.grad_mask)[n * static_cast<Index>(args.grad_mask_stride[0]) +
                                          channel * static_cast<Index>(args.grad_mask_stride[1]) +
                                          out_y * static_cast<Index>(args.grad_mask_stride[2]) +
                                          out_x * static_cast<Index>(args.grad_mask_stride[3])] = store(grad_factor);
  }
}

/// grad_weight: one work-item per element, input channels fastest.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void deform_conv2d_backward_weight(
    DeformConv2dBackwardArgs args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const long long id = static_cast<long long>(item.get_global_id(0));
  const Index group_channels = static_cast<Index>(args.in_channels) / args.groups;
  const Index group_outputs = static_cast<Index>(args.out_channels) / args.groups;
  const Index taps = static_cast<Index>(args.kernel_h) * args.kernel_w;
  if (id >= args.out_channels * taps * group_channels) return;
  const Index group_channel = static_cast<Index>(id % group_channels);
  const Index tap = static_cast<Index>(id / group_channels % taps);
  const Index o = static_cast<Index>(id / group_channels / taps);
  const Index c = o / group_outputs * group_channels + group_channel;
  const Index deformable_group = c / (static_cast<Index>(args.in_channels) / args.deformable_groups);
  Real sum = Real(0);
  for (Index n = 0; n < args.batch; ++n) {
    const Element* channel = input_plane(args, n, c);
    const auto* grad_output = static_cast<const Element*>(args.grad_output) +
                              n * static_cast<Index>(args.grad_output_stride[0]) +
                              o * static_cast<Index>(args.grad_output_stride[1]);
    for (Index out_y = 0; out_y < args.out_height; ++out_y) {
      for (Index out_x = 0; out_x < args.out_width; ++out_x) {
        const Tap where = locate_tap(args, n, out_y, out_x, deformable_group, tap);
        if (!where.inside) continue;
        const Real value =
            (Real(1) - where.low_y) * (Real(1) - where.low_x) * pixel(channel, args, where.top, where.left) +
            (Real(1) - where.low_y) * where.low_x * pixel(channel, args, where.top, where.left + 1) +
            where.low_y * (Real(1) - where.low_x) * pixel(channel, args, where.top + 1, where.left) +
            where.low_y * where.low_x * pixel(channel, args, where.top + 1, where.left + 1);
        sum += value * where.factor *
               load(grad_output[out_y * static_cast<Index>(args.grad_output_stride[2]) +
                                out_x * static_cast<Index>(args.grad_output_stride[3])]);
      }
    }
  }
  const Index tap_y = tap / args.kernel_w;
  static_cast<Element*>(
      args.grad_weight)[o * static_cast<Index>(args.grad_weight_stride[0]) +
                        group_channel * static_cast<Index>(args.grad_weight_stride[1]) +
                        tap_y * static_cast<Index>(args.grad_weight_stride[2]) +
                        (tap - tap_y * args.kernel_w) * static_cast<Index>(args.grad_weight_stride[3])] = store(sum);
}

/// grad_bias: one work-item per output channel.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void deform_conv2d_backward_bias(
    DeformConv2dBackwardArgs args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const long long id = static_cast<long long>(item.get_global_id(0));
  if (id >= args.out_channels) return;
  const Index o = static_cast<Index>(id);
  Real sum = Real(0);
  for (Index n = 0; n < args.batch; ++n) {
    for (Index out_y = 0; out_y < args.out_height; ++out_y) {
      // A row at a time: fewer roundings of one long sum.
      Real row = Real(0);
      const auto* grad_output =
          static_cast<const Element*>(args.grad_output) + n * static_cast<Index>(args.grad_output_stride[0]) +
          o * static_cast<Index>(args.grad_output_stride[1]) + out_y * static_cast<Index>(args.grad_output_stride[2]);
      for (Index out_x = 0; out_x < args.out_width; ++out_x) {
        row += load(grad_output[out_x * static_cast<Index>(args.grad_output_stride[3])]);
      }
      sum += row;
    }
  }
  static_cast<Element*>(args.grad_bias)[o * static_cast<Index>(args.grad_bias_stride)] = store(sum);
}
