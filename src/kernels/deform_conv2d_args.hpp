/// \file deform_conv2d_args.hpp
/// What the kernels of deformable convolution are launched with. Shared by host and device.
#pragma once

/// Parts of the fused kernel's local memory start at this address.
constexpr unsigned kFusedAlignment = 64;

/// Everything of one call. Strides count elements, in the order N, C, H, W; a dimension's extent is in the field of its
/// name.
struct DeformConv2dArgs {
  const void* input;
  const void* offset;
  const void* mask;    ///< null: every tap counts fully
  const void* weight;  ///< reference: dense; fused, tiled: packed by their own kernels
  const void* bias;    ///< null: none. Reference: element type; fused, tiled: f32
  const void* zeros;   ///< fused, tiled: `in_channels` zeros, read in place of corners outside of the picture
  void* output;

  long long input_stride[4];
  long long offset_stride[4];
  long long mask_stride[4];
  long long output_stride[4];

  long long batch;
  long long in_channels, height, width;
  long long out_channels, out_height, out_width;

  int kernel_h, kernel_w;
  int stride_h, stride_w;
  int padding_h, padding_w;
  int dilation_h, dilation_w;
  int groups, deformable_groups;
  int mask_is_logit;
  int relu;

  // How the fused kernel cuts its work.
  int tile_pixels;       ///< output pixels of one work-group
  int slice_panels;      ///< weight panels of one work-group
  int slices_per_group;  ///< work-groups that share the output channels of one group; the tiled kernel's, too
  int panels_per_group;  ///< ceil(out_channels / groups / panel width)

  // The tiled kernel's.
  int steps_per_group;  ///< of the walk over taps and channels
  int wide_input;       ///< channels lie side by side, and every 16 bytes of them are aligned and of one cut
  int wide_output;      ///< the same of the output, whose slices are whole
  int block_shift;      ///< log2 of the columns of a tile, which is a block; below 0: output pixels one after another
  int blocks_across, blocks_down;  ///< of a picture
  int splits;                      ///< work-groups of a tile, each with some of its channels
  int* arrived;                    ///< splits: of each tile, 0 before and after a run
  void* partial;                   ///< splits: f32 [tiles][splits][tile's pixels][tile's outputs]
};
static_assert(sizeof(DeformConv2dArgs) <= 1024, "argument space of some devices");

/// deform_conv2d_copy: weight and bias of any strides into dense ones, for the reference.
struct DeformConv2dCopyArgs {
  const void* weight;
  const void* bias;  ///< null: none
  void* dense_weight;
  void* dense_bias;
  long long weight_stride[4];
  long long bias_stride;
  long long out_channels, group_channels;
  int kernel_h, kernel_w;
};
