/// \file tile_sample.hpp
/// Where the tiled kernels sample their input: output pixels, corners and weights. Part of them, with their macros.
#pragma once

#include <sycl/builtins.hpp>

#include "bilinear.hpp"
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
                            const OutputPlace& place) {
  const OutputPixel at = find_output_pixel(args, output_stride, first_picture, place);
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

/// What the tensors say of one tap of one pixel.
struct Reading {
  float dy, dx;
  float mask;
};

template <typename Args>
DCN_INLINE Reading read_tap(const Args& args, const Pixel& pixel, int tap, int deformable_group) {
  const int taps = args.kernel_h * args.kernel_w;
  const auto* offset = static_cast<const Element*>(args.offset);
  const Index dy_at = pixel.offset + static_cast<Index>(deformable_group * 2 * taps + 2 * tap) *
                                         static_cast<Index>(args.offset_stride[1]);
  const Index mask_channel = static_cast<Index>(deformable_group * taps + tap);
  return {load(offset[dy_at]), load(offset[dy_at + static_cast<Index>(args.offset_stride[1])]),
          read_mask(args, pixel.mask + mask_channel * static_cast<Index>(args.mask_stride[1]))};
}

/// A corner outside of the picture is marked: multiplying by a zero weight would let a NaN of an unrelated element
/// through.
template <typename Args>
DCN_INLINE Sample locate(const Args& args, const Pixel& pixel, int tap, const Reading& reading) {
  const int tap_y = tap / args.kernel_w;
  const int tap_x = tap - tap_y * args.kernel_w;
  const float y = static_cast<float>(pixel.y + tap_y * args.dilation_h) + reading.dy;
  const float x = static_cast<float>(pixel.x + tap_x * args.dilation_w) + reading.dx;
  const Bilinear at = place(args, y, x, pixel.valid, reading.mask);
  const Index step_y = static_cast<Index>(args.input_stride[2]);
  const Index step_x = static_cast<Index>(args.input_stride[3]);
  Sample sample;
  sample.inside = at.inside;
  sample.factor = at.factor;
  sample.low_y = at.low_y;
  sample.low_x = at.low_x;
  sample.row = static_cast<Index>(at.row);
  sample.column = static_cast<Index>(at.column);
  const Index corner = pixel.input + sample.row * step_y + sample.column * step_x;
  sample.corners = {{at.top_left ? corner : -1, at.top_right ? corner + step_x : -1,
                     at.bottom_left ? corner + step_y : -1, at.bottom_right ? corner + (step_y + step_x) : -1}};
  sample.weights = {{at.weight[0], at.weight[1], at.weight[2], at.weight[3]}};
  return sample;
}

/// The same bits whichever way the corners were read.
DCN_INLINE float weigh(const Weights& weights, float corner0, float corner1, float corner2, float corner3) {
  return sycl::fma(weights.of[3], corner3,
                   sycl::fma(weights.of[2], corner2, sycl::fma(weights.of[1], corner1, weights.of[0] * corner0)));
}
