/// \file deform_conv2d_backward_args.hpp
/// What the kernels of deformable convolution's gradients are launched with. Shared by host and device.
#pragma once

/// Everything of one call. Strides count elements, in the order N, C, H, W (weights: O, C, kernel row, kernel column).
struct DeformConv2dBackwardArgs {
  const void* grad_output;
  const void* input;
  const void* offset;
  const void* mask;  ///< null: every tap counts fully
  const void* weight;
  void* grad_input;  ///< this and those below: null when not wanted
  void* grad_offset;
  void* grad_mask;
  void* grad_weight;
  void* grad_bias;
  void* scratch;  ///< Real; what the kernel says

  long long grad_output_stride[4];
  long long input_stride[4];
  long long offset_stride[4];
  long long mask_stride[4];
  long long weight_stride[4];
  long long grad_input_stride[4];
  long long grad_offset_stride[4];
  long long grad_mask_stride[4];
  long long grad_weight_stride[4];
  long long grad_bias_stride;

  long long batch;
  long long in_channels, height, width;
  long long out_channels, out_height, out_width;

  int kernel_h, kernel_w;
  int stride_h, stride_w;
  int padding_h, padding_w;
  int dilation_h, dilation_w;
  int groups, deformable_groups;
  int mask_is_logit;

  // The reference: a launch of its kernel for grad_input takes planes (channels of pictures) [first, first + count).
  long long first_plane, plane_count;
};
static_assert(sizeof(DeformConv2dBackwardArgs) <= 1024, "argument space of some devices");
