/// \file deform_psroi_pool.hpp
/// Deformable position-sensitive RoI pooling (Dai et al. 2017, arXiv:1703.06211) with the semantics of DCNv2's
/// `dcn_v2_pooling`.
#pragma once

#include <cstdint>
#include <optional>

#include "dcn/device.hpp"
#include "dcn/tensor.hpp"

namespace dcn {

struct DeformPsroiPoolParams {
  double spatial_scale = 1.0;   ///< picture coordinates to feature coordinates
  std::int64_t output_dim = 1;  ///< channels of the output
  std::int64_t group_size = 1;
  std::int64_t pooled_size = 1;  ///< output height and width
  std::int64_t part_size = 1;    ///< height and width of the offset grid
  std::int64_t sample_per_part = 4;
  double trans_std = 0.0;  ///< scale of the normalised offsets
};

struct DeformPsroiPoolTensors {
  TensorView input;                  ///< [N, output_dim * group_size^2, H, W], NHWC or NCHW
  TensorView rois;                   ///< [R, 5]: batch index, x1, y1, x2, y2 in picture coordinates
  std::optional<TensorView> offset;  ///< [R, 2 * classes, part_size, part_size]; absent: no_trans
  TensorView output;                 ///< [R, output_dim, pooled_size, pooled_size]
  TensorView count;                  ///< [R, output_dim, pooled_size, pooled_size]: samples inside, f32 (f64 for f64)
};

/// Asynchronous. R = 0 is valid. \throws Error kInvalidArgument naming the tensor.
void deform_psroi_pool(Queue& queue, const DeformPsroiPoolParams& params, const DeformPsroiPoolTensors& tensors);

}  // namespace dcn
