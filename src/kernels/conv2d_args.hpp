/// \file conv2d_args.hpp
/// What the kernels of convolution are launched with. Shared by host and device.
#pragma once

/// Everything of one call. Strides count elements, in the order N, C, H, W; a dimension's extent is in the field of its
/// name.
struct Conv2dArgs {
  const void* input;
  const void* weight;    ///< packed by the kernel's own kernel
  const void* bias;      ///< f32, packed with the weights
  const void* zeros;     ///< tiled: 16 bytes, read in place of what is outside of the picture
  const void* residual;  ///< added before the activation; as the output lies; null: none
  void* output;

  long long input_stride[4];
  long long output_stride[4];

  long long batch;
  long long in_channels, height, width;
  long long out_channels, out_height, out_width;

  int kernel_h, kernel_w;
  int stride_h, stride_w;
  int padding_h, padding_w;  ///< of the near sides, may be negative
  int dilation_h, dilation_w;
  int groups;
  int relu;

  // The tiled kernel's, as in DeformConv2dArgs.
  int slices_per_group;
  int steps_per_group;
  int wide_input;
  int wide_output;
  int block_shift, blocks_across, blocks_down;
  int splits;
  int* arrived;
  void* partial;
};
