/// \file bilinear.hpp
/// Where one bilinear sample lies and what its corners weigh, for the kernels that sample whole tiles. (The reference
/// kernels say the same in their own words: tests hold these against those.)
#pragma once

#include <sycl/builtins.hpp>

#include "deform_common.hpp"

struct Bilinear {
  bool inside;                     ///< at least one corner lies in the picture
  bool top_left, top_right;        ///< the corner lies in the picture
  bool bottom_left, bottom_right;  ///< likewise
  float row, column;               ///< of the upper left corner; -1 at the edge, 0 when not inside
  float low_y, low_x;              ///< fractions of the position
  float factor;                    ///< the mask; 0 when not inside
  float weight[4];                 ///< of the corners, row by row, times the mask
};

/// An element of args.mask, which may be null: 1 then.
template <typename Args>
DCN_INLINE float read_mask(const Args& args, Index at) {
  return args.mask == nullptr ? 1.0f : load(static_cast<const Element*>(args.mask)[at]);
}

/// \param valid  whether there is such a sample at all
/// \param mask   what read_mask() gave
template <typename Args>
DCN_INLINE Bilinear place(const Args& args, float y, float x, bool valid, float mask) {
  const float height = static_cast<float>(args.height);
  const float width = static_cast<float>(args.width);
  Bilinear at;
  // False for NaN as well.
  at.inside = valid & (y > -1.0f) & (x > -1.0f) & (y < height) & (x < width);
  y = at.inside ? y : 0.0f;
  x = at.inside ? x : 0.0f;
  at.factor = mask;
  if (args.mask != nullptr) {
    if (args.mask_is_logit) at.factor = 1.0f / (1.0f + sycl::exp(-at.factor));
    at.factor = at.inside ? at.factor : 0.0f;
  }
  at.row = sycl::floor(y);
  at.column = sycl::floor(x);
  at.low_y = y - at.row;
  at.low_x = x - at.column;
  const bool top = at.inside & (at.row >= 0.0f);
  const bool bottom = at.inside & (at.row < height - 1.0f);
  const bool left = at.column >= 0.0f;
  const bool right = at.column < width - 1.0f;
  at.top_left = top & left;
  at.top_right = top & right;
  at.bottom_left = bottom & left;
  at.bottom_right = bottom & right;
  const float upper = (1.0f - at.low_y) * at.factor;
  const float lower = at.low_y * at.factor;
  at.weight[0] = upper * (1.0f - at.low_x);
  at.weight[1] = upper * at.low_x;
  at.weight[2] = lower * (1.0f - at.low_x);
  at.weight[3] = lower * at.low_x;
  return at;
}
