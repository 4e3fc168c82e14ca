/// \file deform_conv2d.hpp
/// Deformable convolution, v1 (Dai et al. 2017, arXiv:1703.06211) and v2 (modulated; Zhu et al. 2018,
/// arXiv:1811.11168), with the semantics of DCNv2's `dcn_v2_conv` and `torchvision.ops.deform_conv2d`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dcn/device.hpp"
#include "dcn/tensor.hpp"

namespace dcn {

/// Geometry, as in PyTorch.
struct DeformConv2dParams {
  std::int64_t kernel_h = 3, kernel_w = 3;
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t padding_h = 1, padding_w = 1;
  std::int64_t dilation_h = 1, dilation_w = 1;
  std::int64_t groups = 1;             ///< splits input and output channels, as in any convolution
  std::int64_t deformable_groups = 1;  ///< splits input channels; each part has offsets (and masks) of its own

  /// Output height for an input of `height` rows; not positive when the kernel does not fit.
  [[nodiscard]] std::int64_t output_h(std::int64_t height) const noexcept;
  [[nodiscard]] std::int64_t output_w(std::int64_t width) const noexcept;
};

/// What happens to the result before it is written once.
enum class Activation : std::uint8_t { kNone, kRelu };

/// The tensors of one call.
///
/// output[n, o, y, x] = bias[o] + sum over taps (i, j) and channels c of o's group of
///     weight[o, c, i, j] * mask[n, g, i, j, y, x] * bilinear(input[n, c], py, px)
/// with (dy, dx) = offset[n, g, i, j, :, y, x], g the deformable group of c,
///     py = y * stride_h - padding_h + i * dilation_h + dy,  px = x * stride_w - padding_w + j * dilation_w + dx.
/// bilinear() is zero at and beyond one pixel outside of the picture, and for positions that are not finite; each
/// corner outside counts as zero.
///
/// All are in memory that the queue's device can reach, logical sizes in the order N, C, H, W.
/// The data type is one for all of them: f32, f16, bf16 or f64. Positions are computed, and sums accumulated, in
/// f32 (f64 for f64) whatever the type.
struct DeformConv2dTensors {
  TensorView input;                  ///< [N, in_channels, H, W], NHWC (native), NCHW, sliced or expanded
  TensorView offset;                 ///< [N, 2 * deformable_groups * kernel_h * kernel_w, OH, OW]; per tap (dy, dx)
  std::optional<TensorView> mask{};  ///< [N, deformable_groups * kernel_h * kernel_w, OH, OW]; absent: v1
  TensorView weight;                 ///< [out_channels, in_channels / groups, kernel_h, kernel_w], any strides
  std::optional<TensorView> bias{};  ///< [out_channels]
  TensorView output;                 ///< [N, out_channels, OH, OW], any strides that do not overlap; not the input
};

/// What a plan is made for: everything of a call but the pointers.
struct DeformConv2dDesc {
  DeformConv2dParams params;
  DeformConv2dTensors tensors;  ///< `data` pointers are ignored
  bool mask_is_logit = false;   ///< apply a sigmoid to the mask while it is read (DCNv2's conv_offset_mask)
  Activation activation = Activation::kNone;
  bool allow_tf32 = false;  ///< f32 tensors: products may be rounded to tf32 where the device has matrix units for it
  std::string force_variant{};  ///< empty: environment DCN_FORCE_VARIANT, else the first that suits
  /// Most scratch memory for channels-last copies of tensors that are not, a few pictures at a time. Kernels for GPUs
  /// make them, which read several times faster then; without room for one picture they read the tensors as they are.
  std::size_t staging_bytes = std::size_t{64} << 20U;
  bool force_wide_index = false;  ///< 64-bit index arithmetic although the sizes do not need it
  /// Tiled variants: among how many work-groups a tile's channels are divided, if there are so many; 0: the plan
  /// chooses.
  int force_splits = 0;
};

/// A checked, planned call: chooses the variant, packs weights once, then runs any number of times with no allocation.
///
///     dcn::Queue queue = dcn::Queue::create();
///     dcn::DeformConv2dPlan plan(queue, {.params = params, .tensors = tensors});
///     plan.set_weights(tensors.weight, tensors.bias);
///     plan.run(tensors);   // asynchronous on the queue
///     queue.wait();
class DeformConv2dPlan {
 public:
  /// \throws Error kInvalidArgument naming the tensor, what it has and what is expected; kUnsupported when no (or not
  ///         the forced) variant accepts, saying why each declined.
  DeformConv2dPlan(Queue queue, const DeformConv2dDesc& desc);
  ~DeformConv2dPlan();
  DeformConv2dPlan(DeformConv2dPlan&&) noexcept;
  DeformConv2dPlan& operator=(DeformConv2dPlan&&) noexcept;

  /// Packs weight and bias (device-reachable memory) into the variant's own layout, kept inside the plan. Asynchronous:
  /// both must live until the queue has come to it. May be called again with new values.
  /// \throws Error kInvalidArgument when they are not of the desc's sizes and types.
  void set_weights(const TensorView& weight, const std::optional<TensorView>& bias);
  /// Submits the work. Sizes, strides and types must be those of the desc; weight and bias of `tensors` are ignored.
  /// \throws Error kInvalidArgument naming the tensor that differs or has no data, or when set_weights was not called.
  void run(const DeformConv2dTensors& tensors) const;

  [[nodiscard]] const std::string& variant() const noexcept;  ///< name of the variant that runs
  /// Device memory that the plan holds besides packed weights: one pixel of zeros, whatever batch and size.
  [[nodiscard]] std::size_t scratch_bytes() const noexcept;
  /// Local memory of one work-group, in which the sampled tile lives; at most what the device has.
  [[nodiscard]] std::size_t local_bytes() const noexcept;
  /// One line on how the work is cut, for logs and reports.
  [[nodiscard]] std::string describe() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// One call: plan, pack, run. Returns when the output is written, because the packed weights belong to the call. Batch
/// 0 is valid and does nothing.
void deform_conv2d(Queue& queue, const DeformConv2dParams& params, const DeformConv2dTensors& tensors);

/// Names of all variants in the order in which they are tried; the last is "reference", which takes every call.
[[nodiscard]] std::vector<std::string> deform_conv2d_variants();

}  // namespace dcn
