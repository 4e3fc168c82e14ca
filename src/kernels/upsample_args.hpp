/// \file upsample_args.hpp
/// Arguments of upsample.hpp, for both sides. A plain struct: no includes, no host code.
#pragma once

struct UpsampleArgs {
  const void* input;
  const void* residual;  ///< added before the activation; nullptr for none
  const float* weight;   ///< [kernel_h][kernel_w][channels]
  const float* bias;     ///< [channels]; nullptr for none
  void* output;
  long input_stride[4], residual_stride[4], output_stride[4];  ///< of n, c, y, x, in elements
  int batch, channels;
  int height, width, out_height, out_width;
  int kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w;
  int segment;  ///< upsample_nhwc: output columns of one work-group
  int relu;
};
