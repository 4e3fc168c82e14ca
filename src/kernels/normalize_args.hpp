/// \file normalize_args.hpp
/// Arguments of normalize.hpp, for both sides. A plain struct: no includes, no host code.
#pragma once

struct NormalizeArgs {
  const unsigned char* pixels;  ///< [images][height][width][3], B G R
  const float* table;           ///< [3][256]: value of each level
  float* out;                   ///< [images * (1 + flip)][3][height][width] with the strides below
  long stride_n, stride_c, stride_y, stride_x;
  int images, height, width;
  int flip;  ///< element 2i is picture i, element 2i + 1 its mirror image
};
