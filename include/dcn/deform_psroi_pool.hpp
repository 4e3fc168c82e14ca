/// \file deform_psroi_pool.hpp
/// Deformable position-sensitive RoI pooling (Dai et al. 2017, arXiv:1703.06211) with the semantics of DCNv2's
/// `dcn_v2_pooling`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dcn/device.hpp"
#include "dcn/tensor.hpp"

namespace dcn {

struct DeformPsroiPoolParams {
  double spatial_scale = 1.0;        ///< picture coordinates to feature coordinates
  std::int64_t output_dim = 1;       ///< channels of the output
  std::int64_t group_size = 1;       ///< channel groups per side: bin (y, x) reads the group that lies there
  std::int64_t pooled_size = 1;      ///< output height and width
  std::int64_t part_size = 1;        ///< height and width of the offset grid
  std::int64_t sample_per_part = 4;  ///< samples of a bin per side
  double trans_std = 0.0;            ///< scale of the normalised offsets
  std::string force_variant{};       ///< empty: the first variant that suits
};

/// input, offset and output have one type (f32, f16, bf16 or f64); rois and count are f32 (f64 for f64), because half
/// types cannot hold picture coordinates. Positions and sums are computed in that type as well.
///
/// output[r, o, y, x] is the mean over the sample_per_part^2 samples of bin (y, x) of RoI r that lie in the picture
/// (at most half a pixel outside), 0 when none does; count says how many did. Sample positions are
///     start + bin * bin_size + offset * trans_std * RoI size + i * bin_size / sample_per_part,
/// with start = round(x1) * spatial_scale - 0.5, and end = (round(x2) + 1) * spatial_scale - 0.5.
/// The bin reads offset [r, 2 * class + {0: x, 1: y}, y * part_size / pooled_size, x * part_size / pooled_size].
struct DeformPsroiPoolTensors {
  TensorView input;                    ///< [N, output_dim * group_size^2, H, W], any strides
  TensorView rois;                     ///< [R, 5]: batch index, x1, y1, x2, y2 in picture coordinates
  std::optional<TensorView> offset{};  ///< [R, 2 * classes, part_size, part_size]; absent: none
  TensorView output;                   ///< [R, output_dim, pooled_size, pooled_size], strides that do not overlap
  TensorView count;                    ///< the same sizes
};

/// Asynchronous. R = 0 is valid. A RoI whose batch index is no picture's, or that is not finite, gives zeros.
/// \throws Error kInvalidArgument naming the tensor; kUnsupported when the device has no such type or the forced
///         variant declines.
void deform_psroi_pool(Queue& queue, const DeformPsroiPoolParams& params, const DeformPsroiPoolTensors& tensors);

/// Names of all variants in the order in which they are tried; the last is "reference", which takes every call.
[[nodiscard]] std::vector<std::string> deform_psroi_pool_variants();

/// The tensors of one backward call. Types as in the forward call; gradients have the type of the input.
///
/// A gradient that is absent is not computed and costs nothing. One that is given is overwritten, not added to. Sums
/// are accumulated in f32 (f64 for f64) and rounded once. RoIs have no gradient. How many samples of a bin count is
/// computed again, so the forward call's count is not needed.
struct DeformPsroiPoolBackwardTensors {
  TensorView grad_output;              ///< [R, output_dim, pooled_size, pooled_size], any strides
  TensorView input;                    ///< as in the forward call, like rois and offset
  TensorView rois;                     ///<
  std::optional<TensorView> offset{};  ///<

  std::optional<TensorView> grad_input{};   ///< sizes of input, strides that do not overlap
  std::optional<TensorView> grad_offset{};  ///< sizes of offset, which must be given; strides that do not overlap
};

/// Asynchronous but for the release of its scratch, at most 64 MiB or one channel of one picture, whatever the batch.
/// R = 0 is valid: grad_input is then zeros. `params.force_variant` names a variant of the backward list. Every variant
/// gives the same bits in each run on one device.
/// \throws Error kInvalidArgument naming the tensor; kUnsupported when the device has no such type or the forced
///         variant declines.
void deform_psroi_pool_backward(Queue& queue, const DeformPsroiPoolParams& params,
                                const DeformPsroiPoolBackwardTensors& tensors);

/// Names of all variants in the order in which they are tried; the last is "reference", which takes every call.
[[nodiscard]] std::vector<std::string> deform_psroi_pool_backward_variants();

}  // namespace dcn
