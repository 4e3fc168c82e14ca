/// \file tile_sample.hpp
/// Where the tiled kernels sample their input: output pixels, corners and weights. Part of them, with their macros.
#pragma once

#include <sycl/builtins.hpp>

#include "deform_common.hpp"
#include "tile_pixel.hpp"

/// One tap of one pixel: where its corners' channel 0 are, as element indices, below 0 outside.
struct alignas(16) Corners {
  Index at[4];
};
struct alignas(16) Weights {
  float of[4];
};

/// One output pixel, as a work-item sees it.
struct Pixel : OutputPixel {
  Index offset, mask;  ///< element indices
};

/// As find_output_pixel().
template <typename Args>
DCN_INLINE Pixel find_pixel(const Args& args, const long long (&output_stride)[4], long long first_picture,
                            long long pictures, Index id) {
  const OutputPixel at = find_output_pixel(args, output_stride, first_picture, pictures, id);
  const Index n = at.picture + static_cast<Index>(first_picture);
  Pixel pixel;
  static_cast<OutputPixel&>(pixel) = at;
  pixel.offset = n * static_cast<Index>(args.offset_stride[0]) + at.row * static_cast<Index>(args.offset_stride[2]) +
                 at.column * static_cast<Index>(args.offset_stride[3]);
  pixel.mask = n * static_cast<Index>(args.mask_stride[0]) + at.row * static_cast<Index>(args.mask_stride[2]) +
               at.column * static_cast<Index>(args.mask_stride[3]);
  return pixel;
}

/// One tap of one pixel.
struct Sample {
  Corners corners;
  Weights weights;     ///< times the mask
  Index row, column;   ///< of the upper left corner; -1 at the edge
  float low_y, low_x;  ///< fractions of the position
  float factor;        ///< the mask
  bool inside;         ///< at least one corner lies in the picture
};

/// A corner outside of the picture is marked: multiplying by a zero weight would let a NaN of an unrelated element
/// through.
template <typename Args>
DCN_INLINE Sample locate(const Args& args, const Pixel& pixel, int tap, int deformable_group) {
  const int taps = args.kernel_h * args.kernel_w;
  const int tap_y = tap / args.kernel_w;
  const int tap_x = tap - tap_y * args.kernel_w;
  const auto* offset = static_cast<const Element*>(args.offset);
  const auto* mask = static_cast<const Element*>(args.mask);
  const Index dy_at = pixel.offset + static_cast<Index>(deformable_group * 2 * taps + 2 * tap) *
                                         static_cast<Index>(args.offset_stride[1]);
  float y = static_cast<float>(pixel.y + tap_y * args.dilation_h) + load(offset[dy_at]);
  float x = static_cast<float>(pixel.x + tap_x * args.dilation_w) +
            load(offset[dy_at + static_cast<Index>(args.offset_stride[1])]);
  const float height = static_cast<float>(args.height);
  const float width = static_cast<float>(args.width);
  // False for NaN as well.
  const bool inside = pixel.valid & (y > -1.0f) & (x > -1.0f) & (y < height) & (x < width);
  y = inside ? y : 0.0f;
  x = inside ? x : 0.0f;
  float factor = 1.0f;
  if (mask != nullptr) {
    factor = load(
        mask[pixel.mask + static_cast<Index>(deformable_group * taps + tap) * static_cast<Index>(args.mask_stride[1])]);
    if (args.mask_is_logit) factor = 1.0f / (1.0f + sycl::exp(-factor));
    factor = inside ? factor : 0.0f;
  }
  const float floor_y = sycl::floor(y);
  const float floor_x = sycl::floor(x);
  const bool top = inside & (floor_y >= 0.0f);
  const bool bottom = inside & (floor_y < height - 1.0f);
  const bool left = floor_x >= 0.0f;
  const bool right = floor_x < width - 1.0f;
  const Index step_y = static_cast<Index>(args.input_stride[2]);
  const Index step_x = static_cast<Index>(args.input_stride[3]);
  Sample sample;
  sample.inside = inside;
  sample.factor = factor;
  sample.low_y = y - floor_y;
  sample.low_x = x - floor_x;
  sample.row = static_cast<Index>(floor_y);
  sample.column = static_cast<Index>(floor_x);
  const Index at = pixel.input + sample.row * step_y + sample.column * step_x;
  sample.corners = {{(top & left) ? at : -1, (top & right) ? at + step_x : -1, (bottom & left) ? at + step_y : -1,
                     (bottom & right) ? at + (step_y + step_x) : -1}};
  const float upper = (1.0f - sample.low_y) * factor;
  const float lower = sample.low_y * factor;
  sample.weights = {
      {upper * (1.0f - sample.low_x), upper * sample.low_x, lower * (1.0f - sample.low_x), lower * sample.low_x}};
  return sample;
}

/// The same bits whichever way the corners were read.
DCN_INLINE float weigh(const Weights& weights, float corner0, float corner1, float corner2, float corner3) {
  return sycl::fma(weights.of[3], corner3,
                   sycl::fma(weights.of[2], corner2, sycl::fma(weights.of[1], corner1, weights.of[0] * corner0)));
}
