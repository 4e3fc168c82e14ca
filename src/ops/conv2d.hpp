/// \file conv2d.hpp
/// Convolution by this library's own kernels, for devices on which oneDNN has no engine. Internal: networks are its
/// only users (nn/kernel_steps.cpp). The semantics are torch.nn.functional.conv2d's, with sums in f32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "dcn/deform_conv2d.hpp"
#include "dcn/device.hpp"
#include "dcn/tensor.hpp"
#include "kernels/conv2d_args.hpp"
#include "ops/conv_tile.hpp"
#include "ops/device_facts.hpp"
#include "ops/index_width.hpp"
#include "ops/split_sums.hpp"

namespace dcn::ops {

/// Output pixel (y, x) reads input (y * stride_h - padding_h + tap_y * dilation_h, ...). The output's size is the
/// caller's: what is read outside of the input is zero.
struct Conv2dParams {
  std::int64_t kernel_h = 1, kernel_w = 1;
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t padding_h = 0, padding_w = 0;    ///< of the near sides; may be negative
  std::int64_t dilation_h = 1, dilation_w = 1;  ///< may be negative: taps in reverse order
  std::int64_t groups = 1;
};

/// One type for all tensors: f32, bf16, f16 or f64.
struct Conv2dDesc {
  Conv2dParams params;
  TensorView input;                ///< [N, C, H, W]
  TensorView weight;               ///< [O, C / groups, kernel_h, kernel_w]
  std::optional<TensorView> bias;  ///< [O]
  TensorView output;               ///< [N, O, H', W']
  Activation activation = Activation::kNone;
  bool allow_tf32 = false;         ///< f32 may be multiplied on matrix units in tf32
  bool force_wide_index = false;   ///< tests
  int force_splits = 0;            ///< as DeformConv2dDesc's
  std::string force_variant = {};  ///< one of conv2d_variant_list() by name
};

/// One way to run the operator.
struct Conv2dVariant {
  enum class Kernel : std::uint8_t { kTiled, kDirect };
  std::string_view name;
  Kernel kernel = Kernel::kDirect;
  ConvTile tile{};
};

[[nodiscard]] std::span<const Conv2dVariant> conv2d_variant_list() noexcept;

/// What launching takes.
struct Conv2dSchedule {
  Conv2dVariant variant;
  IndexWidth index = IndexWidth::k32;
  Conv2dArgs args{};  ///< without pointers
  int lanes = 0;      ///< tiled
  int depth = 0;      ///< tiled: channels of one step
  std::size_t pixels = 0;
  std::size_t tiles = 0;     ///< tiled: of all pictures
  std::size_t panels = 0;    ///< slices of the output channels, of all groups
  bool ptx = false;          ///< tiled: as DeviceFacts has it
  bool whole_steps = false;  ///< tiled: every channel of every step exists
  std::size_t local_bytes = 0;
  std::size_t packed_weight_elements = 0;
  DataType packed_type = DataType::kF32;
  std::size_t packed_bias_elements = 0;  ///< f32
  MatrixShape matrix{};
};

/// Touches no device.
/// \throws Error kInvalidArgument naming the tensor or parameter that does not fit, kUnsupported when a forced variant
///         cannot run this call, or the device has no such type.
[[nodiscard]] Conv2dSchedule plan_conv2d(const Conv2dDesc& desc, const DeviceFacts& device);

/// Kernels chosen and weights packed for one shape.
class Conv2dPlan {
 public:
  Conv2dPlan(Queue queue, const Conv2dDesc& desc);

  /// Submits the packing; the tensors must live until it has run.
  void set_weights(const TensorView& weight, const std::optional<TensorView>& bias);
  /// Submits the convolution. \param residual  null, or what is added before the activation: as the output lies.
  void run(const void* input, const void* residual, void* output) const;

  [[nodiscard]] std::string_view variant() const noexcept { return schedule_.variant.name; }
  /// Packed weights and bias.
  [[nodiscard]] std::size_t weight_bytes() const noexcept;

 private:
  Queue queue_;
  Conv2dDesc desc_;
  Conv2dSchedule schedule_;
  runtime::Kernel kernel_, pack_;
  DeviceBuffer weight_, bias_, zeros_;
  SplitSums splits_;
};

}  // namespace dcn::ops
