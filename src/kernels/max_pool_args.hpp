/// \file max_pool_args.hpp
/// Arguments of max_pool.hpp, for both sides. A plain struct: no includes, no host code.
#pragma once

struct MaxPoolArgs {
  const void* input;
  void* output;
  long long input_stride[4], output_stride[4];  ///< of n, c, y, x, in elements
  long long batch, channels;
  long long height, width, out_height, out_width;
  int kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w;
};
