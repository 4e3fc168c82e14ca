/// \file deform_psroi_pool_args.hpp
/// What the kernels of deformable position-sensitive RoI pooling are launched with. Shared by host and device.
#pragma once

/// Strides count elements: input in the order N, C, H, W; the others in the order of their own dimensions.
struct DeformPsroiPoolArgs {
  const void* input;
  const void* rois;    ///< Real (f32; f64 for f64): batch index, x1, y1, x2, y2
  const void* offset;  ///< null: none
  void* output;
  void* count;  ///< Real

  long long input_stride[4];
  long long rois_stride[2];
  long long offset_stride[4];
  long long output_stride[4];
  long long count_stride[4];

  long long batch, height, width;
  long long rois_count;
  long long output_dim, group_size, pooled_size, part_size, sample_per_part;
  long long classes;  ///< parts of output_dim with offsets of their own
  double spatial_scale, trans_std;
};
static_assert(sizeof(DeformPsroiPoolArgs) <= 1024, "argument space of some devices");

/// The backward call. `pool.output` is the gradient of the output; `pool.count` is not used.
struct DeformPsroiPoolBackwardArgs {
  DeformPsroiPoolArgs pool;
  void* grad_input;
  void* grad_offset;
  void* scratch;  ///< Real, [height * width][plane_count]
  long long grad_input_stride[4];
  long long grad_offset_stride[4];
  long long first_plane, plane_count;  ///< channels of pictures that a launch for grad_input takes
};
static_assert(sizeof(DeformPsroiPoolBackwardArgs) <= 1024, "argument space of some devices");
