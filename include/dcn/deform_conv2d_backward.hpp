/// \file deform_conv2d_backward.hpp
/// Gradients of deformable convolution (dcn/deform_conv2d.hpp), v1 and v2, as DCNv2 and torchvision define them.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dcn/deform_conv2d.hpp"
#include "dcn/device.hpp"
#include "dcn/tensor.hpp"

namespace dcn {

/// The tensors of one backward call. One data type for all of them: f32, f16, bf16 or f64. Sums are accumulated in f32
/// (f64 for f64) whatever the type, and rounded once.
///
/// A gradient that is absent is not computed and costs nothing. One that is given is overwritten, not added to. Each
/// must have a place for every element, and must not share memory with any other tensor of the call. Strides are free
/// (not negative): NHWC is native, NCHW, slices and expanded inputs (stride 0) are read as they are.
///
/// With column[n, c, i, j, y, x] = sum over outputs o of c's group of grad_output[n, o, y, x] * weight[o, c, i, j]:
///     grad_input   = column * mask * bilinear weight, summed at each corner that lies in the picture
///     grad_offset  = sum over c of column * mask * (derivative of bilinear() by dy, dx)
///     grad_mask    = sum over c of column * bilinear()
///     grad_weight  = sum over n, y, x of grad_output * mask * bilinear()
///     grad_bias    = sum over n, y, x of grad_output
/// Where bilinear() has a kink (a whole-numbered position) its derivative is the one towards larger positions.
/// Positions at or beyond one pixel outside of the picture, and those that are not finite, give zero gradients.
struct DeformConv2dBackwardTensors {
  TensorView grad_output;            ///< [N, out_channels, OH, OW]; after the gradient of any activation
  TensorView input;                  ///< as in the forward call, like all up to the weight
  TensorView offset;                 ///<
  std::optional<TensorView> mask{};  ///< absent: v1
  TensorView weight;                 ///<

  std::optional<TensorView> grad_input{};   ///< sizes of input
  std::optional<TensorView> grad_offset{};  ///< sizes of offset
  std::optional<TensorView> grad_mask{};    ///< sizes of mask, which must be given; by the logit if mask_is_logit
  std::optional<TensorView> grad_weight{};  ///< sizes of weight
  std::optional<TensorView> grad_bias{};    ///< [out_channels]
};

/// What a backward plan is made for: everything of a call but the pointers.
struct DeformConv2dBackwardDesc {
  DeformConv2dParams params;
  DeformConv2dBackwardTensors tensors;  ///< `data` pointers are ignored
  bool mask_is_logit = false;           ///< the forward call applied a sigmoid to the mask
  /// Runs on the same device with the same inputs give the same bits. Variants that do not promise it decline.
  bool deterministic = false;
  bool allow_tf32 = false;  ///< f32 tensors: products may be rounded to tf32 where the device has matrix units for it
  std::string force_variant{};  ///< empty: environment DCN_FORCE_VARIANT_BACKWARD, else the first that suits
  /// Most scratch memory for channels-last copies of tensors that are not, a few pictures at a time. Kernels for GPUs
  /// make them, which read several times faster then; without room for one picture they read the tensors as they are.
  std::size_t staging_bytes = std::size_t{64} << 20U;
  bool force_wide_index = false;  ///< 64-bit index arithmetic although the sizes do not need it
};

/// A checked, planned backward call: chooses the variant and allocates its scratch once, then runs any number of times.
///
///     dcn::DeformConv2dBackwardPlan plan(queue, {.params = params, .tensors = tensors});
///     plan.run(tensors);   // asynchronous on the queue
///     queue.wait();
class DeformConv2dBackwardPlan {
 public:
  /// \throws Error kInvalidArgument naming the tensor, what it has and what is expected; kUnsupported when no (or not
  ///         the forced) variant accepts, saying why each declined.
  DeformConv2dBackwardPlan(Queue queue, const DeformConv2dBackwardDesc& desc);
  ~DeformConv2dBackwardPlan();
  DeformConv2dBackwardPlan(DeformConv2dBackwardPlan&&) noexcept;
  DeformConv2dBackwardPlan& operator=(DeformConv2dBackwardPlan&&) noexcept;

  /// Submits the work. Sizes, strides and types must be those of the desc. The scratch belongs to the plan: runs of one
  /// plan follow each other on its queue, and only one thread at a time may submit them.
  /// \throws Error kInvalidArgument naming the tensor that differs or has no data.
  void run(const DeformConv2dBackwardTensors& tensors);

  [[nodiscard]] const std::string& variant() const noexcept;  ///< name of the variant that runs
  /// Device memory that the plan holds. It does not grow with the batch; docs/operators.md gives the sum.
  [[nodiscard]] std::size_t scratch_bytes() const noexcept;
  /// One line on how the work is cut, for logs and reports.
  [[nodiscard]] std::string describe() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// One call: plan and run. Returns when the gradients are written, because the scratch belongs to the call. A batch of
/// 0 is valid: grad_weight and grad_bias are then zeros.
void deform_conv2d_backward(Queue& queue, const DeformConv2dParams& params, const DeformConv2dBackwardTensors& tensors,
                            bool deterministic = false);

/// Names of all variants in the order in which they are tried; the last is "reference", which takes every call.
[[nodiscard]] std::vector<std::string> deform_conv2d_backward_variants();

}  // namespace dcn
