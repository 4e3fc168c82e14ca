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

/// The fused kernels. Work is cut into slices (the channels of one panel, which share their group and deformable group)
/// and strands (a segment of one picture's output pixels); one work-group runs one slice of one strand, so that it is
/// the only one to add to its sums.
struct DeformConv2dBackwardFusedArgs {
  DeformConv2dBackwardArgs call;
  const void* zeros;     ///< zeros of the element type, read in place of corners outside of the picture
  float* packed_weight;  ///< [slices][taps][group_outputs][panel width]
  float* weight_sums;    ///< [strands][slices][taps][padded_outputs][panel width]
  float* input_sums;     ///< [strands][height * width][slices * panel width]; null: grad_input is added to directly
  float* position_sums;  ///< [strands][slices][taps][3: mask, y, x][round_pixels]
  float* bias_sums;      ///< [bias_parts][out_channels]

  long long first_picture;   ///< of this launch; strand s takes picture first_picture + s / segments
  long long segment_pixels;  ///< output pixels of a segment
  long long round_first;  ///< this launch takes output pixels [round_first, round_first + round_pixels) of each segment
  long long round_pixels;
  int strands, segments;
  int slices;
  int padded_outputs;  ///< outputs of a group, in whole register blocks
  int tile_pixels;     ///< output pixels that are held in local memory at a time
  int clear_input;     ///< first round of a picture: set the sums of grad_input to zero
  int clear_weight;    ///< first launch: set the sums of grad_weight to zero
  int bias_parts;
};
static_assert(sizeof(DeformConv2dBackwardFusedArgs) <= 1024, "argument space of some devices");

/// The tiled kernels. Work is cut into slices (up to 64 input channels that share their group and deformable group),
/// output slices (some output channels of a group), taps and ranges of output pixels; work-groups add to the sums
/// atomically. A launch takes some pictures and slices.
struct DeformConv2dBackwardTiledArgs {
  DeformConv2dBackwardArgs call;
  const void* zeros;     ///< 16 bytes of zeros, read in place of what does not exist
  void* packed_weight;   ///< [slices][output_slices][taps], each as place_of() has it
  float* weight_sums;    ///< [slices][output_slices][taps][outputs of a slice][channels of a slice]
  float* bias_sums;      ///< [out_channels]
  float* position_sums;  ///< [output pixels of the launch][deformable_groups * taps][3: mask, y, x]
  float* input_sums;     ///< [pictures of the launch][height][width][slices of the launch][channels of a slice]...
  long long input_sum_step[3];  ///< ... or grad_input itself: elements from picture to picture, row to row, and column
                                ///< to column
  long long first_picture, pictures;  ///< of this launch
  long long range_tiles;              ///< tiles of a work-group
  int first_slice, slices;            ///< of this launch
  int all_slices, output_slices;
  int direct_input;  ///< input_sums is grad_input: a slice starts at its first channel
};
static_assert(sizeof(DeformConv2dBackwardTiledArgs) <= 1024, "argument space of some devices");
