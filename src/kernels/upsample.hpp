/// \file upsample.hpp
/// Transposed convolution of each channel by itself (bilinear up-sampling is one), plus bias, residual and ReLU.
///
/// Output (y, x) reads input (iy, ix) through weight (ky, kx) wherever y + padding = iy * stride + ky, and likewise for
/// x: kernel / stride taps in each direction.
///
/// Macros: DCN_T_* and DCN_INDEX as in deform_common.hpp;
///   DCN_LANES  size of the sub-group of upsample_nhwc
///   DCN_TAPS   upsample_nhwc: kernel / stride, the same in both directions, no remainder
#include <sycl/sub_group.hpp>

#include "deform_common.hpp"
#include "upsample_args.hpp"

namespace syclexp = sycl::ext::oneapi::experimental;

inline float finish(float value, int relu) {
  // Not fmax: NaN must stay NaN.
  return relu != 0 && value < 0.0f ? 0.0f : value;
}

/// Work-groups: [segments of a row, rows of all pictures], one sub-group each; lanes are channels, all strides of
/// channels are 1. Positions are uniform across the sub-group.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<2>))
    SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::sub_group_size<DCN_LANES>)) SYCL_EXT_ONEAPI_FUNCTION_PROPERTY(
        (syclexp::work_group_size<1, DCN_LANES>)) void upsample_nhwc(UpsampleArgs args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<2>();
  const int lane = static_cast<int>(item.get_local_id(1));
  const int row = static_cast<int>(item.get_group(1));
  const int n = row / args.out_height;
  const int y = row - n * args.out_height;
  const int first = static_cast<int>(item.get_group(0)) * args.segment;
  const int last = first + args.segment < args.out_width ? first + args.segment : args.out_width;

  const auto* input = static_cast<const Element*>(args.input) + n * args.input_stride[0];
  const auto* residual = static_cast<const Element*>(args.residual);
  auto* output = static_cast<Element*>(args.output) + n * args.output_stride[0] + y * args.output_stride[2];
  if (residual != nullptr) residual += n * args.residual_stride[0] + y * args.residual_stride[2];

  // The input row of tap j is top - j, its weights are those of row phase_y + j * stride.
  const int top = (y + args.padding_h) / args.stride_h;
  const int phase_y = (y + args.padding_h) - top * args.stride_h;
  for (int x = first; x < last; ++x) {
    const int left = (x + args.padding_w) / args.stride_w;
    const int phase_x = (x + args.padding_w) - left * args.stride_w;
    const Element* source[DCN_TAPS * DCN_TAPS];
    const float* weight[DCN_TAPS * DCN_TAPS];
    bool all_inside = true;
#pragma unroll
    for (int j = 0; j < DCN_TAPS; ++j) {
#pragma unroll
      for (int i = 0; i < DCN_TAPS; ++i) {
        const int iy = top - j;
        const int ix = left - i;
        const int tap = j * DCN_TAPS + i;
        const bool valid = iy >= 0 && iy < args.height && ix >= 0 && ix < args.width;
        all_inside = all_inside && valid;
        source[tap] = valid ? input + iy * args.input_stride[2] + ix * args.input_stride[3] : nullptr;
        weight[tap] = args.weight +
                      static_cast<long>((phase_y + j * args.stride_h) * args.kernel_w + phase_x + i * args.stride_w) *
                          args.channels;
      }
    }
    Element* to = output + x * args.output_stride[3];
    const Element* add = residual == nullptr ? nullptr : residual + x * args.residual_stride[3];
    if (all_inside) {
      for (int c = lane; c < args.channels; c += DCN_LANES) {
        float sum = args.bias != nullptr ? args.bias[c] : 0.0f;
#pragma unroll
        for (int tap = 0; tap < DCN_TAPS * DCN_TAPS; ++tap) sum += weight[tap][c] * load(source[tap][c]);
        if (add != nullptr) sum += load(add[c]);
        to[c] = store(finish(sum, args.relu));
      }
    } else {
      for (int c = lane; c < args.channels; c += DCN_LANES) {
        float sum = args.bias != nullptr ? args.bias[c] : 0.0f;
#pragma unroll
        for (int tap = 0; tap < DCN_TAPS * DCN_TAPS; ++tap) {
          if (source[tap] != nullptr) sum += weight[tap][c] * load(source[tap][c]);
        }
        if (add != nullptr) sum += load(add[c]);
        to[c] = store(finish(sum, args.relu));
      }
    }
  }
}

/// One work-item per element in the order n, c, y, x; any strides, kernel and stride.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void upsample_any(UpsampleArgs args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const long i = static_cast<long>(item.get_global_id(0));
  const long plane = static_cast<long>(args.out_height) * args.out_width;
  if (i < args.batch * args.channels * plane) {
    const long image_channel = i / plane;
    const int pixel = static_cast<int>(i - image_channel * plane);
    const long n = image_channel / args.channels;
    const int c = static_cast<int>(image_channel - n * args.channels);
    const int y = pixel / args.out_width;
    const int x = pixel - y * args.out_width;
    const auto* input = static_cast<const Element*>(args.input) + n * args.input_stride[0] + c * args.input_stride[1];
    float sum = args.bias != nullptr ? args.bias[c] : 0.0f;
    for (int ky = (y + args.padding_h) % args.stride_h; ky < args.kernel_h; ky += args.stride_h) {
      const int iy = (y + args.padding_h - ky) / args.stride_h;
      if (y + args.padding_h < ky || iy >= args.height) continue;
      for (int kx = (x + args.padding_w) % args.stride_w; kx < args.kernel_w; kx += args.stride_w) {
        const int ix = (x + args.padding_w - kx) / args.stride_w;
        if (x + args.padding_w < kx || ix >= args.width) continue;
        sum += args.weight[static_cast<long>(ky * args.kernel_w + kx) * args.channels + c] *
               load(input[iy * args.input_stride[2] + ix * args.input_stride[3]]);
      }
    }
    if (args.residual != nullptr) {
      sum +=
          load(static_cast<const Element*>(args.residual)[n * args.residual_stride[0] + c * args.residual_stride[1] +
                                                          y * args.residual_stride[2] + x * args.residual_stride[3]]);
    }
    static_cast<Element*>(args.output)[n * args.output_stride[0] + c * args.output_stride[1] +
                                       y * args.output_stride[2] + x * args.output_stride[3]] =
        store(finish(sum, args.relu));
  }
}
