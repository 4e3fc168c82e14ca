/// \file conv_pack_args.hpp
/// What the kernels that pack a convolution's weights are launched with. Shared by host and device.
#pragma once

/// Taps that the tiled kernels locate at a time.
constexpr int kTiledTaps = 9;

/// deform_conv2d_pack: weight [out_channels, group_channels, kernel_h, kernel_w] into f32 panels
/// [groups, panels_per_group, K, panel width], where K walks the channels of a group, cut where the deformable group
/// changes; within a cut, taps, and within a tap, channels. Columns past the last output channel are zero.
/// pack_weights() of tile_conv.hpp: the same for the tiled kernels, whose layout it describes; a panel is a slice
/// there.
struct ConvPackArgs {
  const void* weight;
  const void* bias;  ///< null: zeros are written
  void* packed_weight;
  float* packed_bias;  ///< [groups, panels_per_group, panel width]
  long long weight_stride[4];
  long long bias_stride;
  long long in_channels, out_channels;
  int kernel_h, kernel_w;
  int groups, deformable_groups;  ///< a convolution without offsets has one deformable group
  int panels_per_group;
  int steps_per_group;  ///< tiled
};
