/// \file deform_slice.hpp
/// Slices of the input channels, by which the kernels of the gradients share their work.
#pragma once

#include "deform_conv2d_backward_args.hpp"

/// Channels [first, first + count) of a panel, and what they belong to.
struct Slice {
  int first, count;
  int group, deformable_group;
};

/// Walks the cuts (channels that share their group and deformable group) to the one that holds the slice.
/// \param panel  channels of a slice; the last of a cut may have fewer.
inline Slice find_slice(const DeformConv2dBackwardArgs& args, int slice, int panel) {
  const int channels = static_cast<int>(args.in_channels);
  const int group_channels = channels / args.groups;
  const int deformable_channels = channels / args.deformable_groups;
  int cut = 0;
  int cut_end = 0;
  while (true) {
    const int group_end = (cut / group_channels + 1) * group_channels;
    const int deformable_end = (cut / deformable_channels + 1) * deformable_channels;
    cut_end = group_end < deformable_end ? group_end : deformable_end;
    const int panels = (cut_end - cut + panel - 1) / panel;
    if (slice < panels || cut_end >= channels) break;
    slice -= panels;
    cut = cut_end;
  }
  Slice result;
  result.first = cut + slice * panel;
  result.count = cut_end - result.first < panel ? cut_end - result.first : panel;
  result.group = cut / group_channels;
  result.deformable_group = cut / deformable_channels;
  return result;
}
