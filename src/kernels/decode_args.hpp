/// \file decode_args.hpp
/// Arguments of the kernels in decode.hpp, for both sides. Plain structs: no includes, no host code.
#pragma once

/// A head's output: f32, logical sizes N, C, H, W, strides in elements.
struct DecodeHead {
  const float* data;
  long stride_n, stride_c, stride_y, stride_x;
  int channels;  ///< 0: the network has no such head
};

/// A candidate's key orders by score, best first, then by place: the bits of the score (not negative, so they order as
/// integers) above the complement of (channel * height + y) * width + x.
typedef unsigned long DecodeKey;

/// A list of candidates ends with room for so many sub-groups of places that decode_peaks has still to look at.
constexpr int kDecodeWaiting = 5;

/// Arguments of decode_peaks(). A list is what one sub-group finds; lists of one image follow each other.
///
/// A row of the heat map is walked in runs: run r of row y starts at y * stride_y + r * run_stride and has run_length
/// places, step apart. Channels along the run (NHWC): place p is column r + p / channels, channel p % channels; else
/// run r is channel r, and place p is column p.
struct DecodePeaksArgs {
  DecodeHead heat;  ///< before the sigmoid
  int height, width;
  int flip;          ///< element 2i + 1 is picture 2i mirrored: average both
  int swap_sides;    ///< flip: channels 1 and 2, 3 and 4, ... change places (left and right joints)
  int run_channels;  ///< channels lie along the run
  int runs, run_length;
  long run_stride, step;
  int pieces_y;          ///< rows are split into so many lists
  int pieces_runs;       ///< and the runs of a row into so many
  int keep;              ///< best candidates that a list must hold at least, if there are so many
  int capacity;          ///< room of a list, at least keep + (1 + kDecodeWaiting) sub-groups
  float floor;           ///< scores must be greater, or 0 to take any
  DecodeKey* keys;       ///< [images][pieces_runs][pieces_y][capacity], a list in any order
  int* counts;           ///< [images][pieces_runs][pieces_y]
  unsigned* thresholds;  ///< [images]: bits of a score that `keep` candidates of the image are known to reach; 0 before
};

/// The best `keep` of an image's candidates, in order: of all, or of each channel apart.
struct DecodeMergeArgs {
  const DecodeKey* keys;  ///< [images][lists][capacity]
  const int* counts;      ///< [images][lists]
  int lists, capacity;
  unsigned* thresholds;  ///< [images]: set back to 0 for the next run
  int keep;
  DecodeKey* merged;  ///< [groups][merged_capacity]: scratch
  int merged_capacity;
  DecodeKey* sorted;   ///< [groups][keep]
  int* sorted_counts;  ///< [groups]
};

/// Arguments of decode_joints(): merges the candidates of each joint of each image and places them on the grid.
struct DecodeJointsArgs {
  DecodeMergeArgs merge;  ///< groups are images x joints
  DecodeHead offset;
  int joints, height, width;
  int flip;
  float* points;  ///< [images][joints][keep][2]: x, y, best first; merge.sorted_counts of them
};

/// Arguments of decode_rows(): merges the candidates of each image and writes its rows.
struct DecodeRowsArgs {
  DecodeMergeArgs merge;  ///< groups are images
  DecodeHead size, offset, joints, rotation, depth, dimensions;
  const float* joint_points;    ///< of decode_joints(); null without a joint heat map
  const int* joint_counts;      ///< [images][joint_count]
  int task;                     ///< 0 ctdet, 1 multi_pose, 2 ddd
  int channels, height, width;  ///< of the heat map
  int flip;
  int size_per_class;  ///< the size head has two channels per class
  int joint_count;
  int rows, columns;  ///< rows = min(keep, channels * height * width)
  float* out;         ///< [images][rows][columns]
};
