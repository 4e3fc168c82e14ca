/// \file deform_conv2d_args.hpp
/// What the kernels of deformable convolution are launched with. Shared by host and device.
#pragma once

/// Parts of the fused kernel's local memory start at this address.
constexpr unsigned kFusedAlignment = 64;

/// Taps that the tiled kernel locates at a time.
constexpr int kTiledTaps = 9;

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
};
static_assert(sizeof(DeformConv2dArgs) <= 1024, "argument space of some devices");

/// deform_conv2d_pack: weight [out_channels, group_channels, kernel_h, kernel_w] into f32 panels
/// [groups, panels_per_group, K, panel width], where K walks the channels of a group, cut where the deformable group
/// changes; within a cut, taps, and within a tap, channels. Columns past the last output channel are zero.
/// deform_conv2d_tiled_pack: the same for the tiled kernel, whose layout it describes; a panel is a slice there.
struct DeformConv2dPackArgs {
  const void* weight;
  const void* bias;  ///< null: zeros are written
  void* packed_weight;
  float* packed_bias;  ///< [groups, panels_per_group, panel width]
  long long weight_stride[4];
  long long bias_stride;
  long long in_channels, out_channels;
  int kernel_h, kernel_w;
  int groups, deformable_groups;
  int panels_per_group;
  int steps_per_group;  ///< tiled
};

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
