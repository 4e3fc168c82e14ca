#include "ops/deform_conv2d_backward_plan.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "dcn/status.hpp"
#include "runtime/verbose.hpp"

namespace dcn::ops {

namespace {

/// Best first; the last takes every call.
constexpr std::array<std::string_view, 1> kVariants{"reference"};

constexpr std::int64_t kPlaneScratch = std::int64_t{64} << 20;  // bytes; the reference's sums of grad_input

/// Why the variant cannot run the call at all; empty when it can.
std::string why_unable(std::string_view variant, const DeformConv2dBackwardDesc& /*desc*/,
                       const DeviceFacts& /*device*/) {
  if (variant == "reference") return {};
  return {};
}

/// Why another variant in the list will be faster; empty when this one suits.
std::string why_unsuited(std::string_view variant, const DeformConv2dBackwardDesc& /*desc*/,
                         const DeviceFacts& /*device*/) {
  if (variant == "reference") return {};
  return {};
}

std::string_view choose_variant(const DeformConv2dBackwardDesc& desc, const DeviceFacts& device,
                                std::string_view force) {
  if (!force.empty() && std::find(kVariants.begin(), kVariants.end(), force) == kVariants.end()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("deform_conv2d_backward: forced variant '{}' does not exist: one of {}", force,
                            fmt::join(kVariants, ", ")));
  }
  for (const std::string_view variant : kVariants) {
    if (!force.empty() && variant != force) continue;
    std::string why = why_unable(variant, desc, device);
    if (!force.empty() && !why.empty()) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("deform_conv2d_backward: forced variant '{}' declines: {}", force, why));
    }
    if (force.empty() && why.empty()) why = why_unsuited(variant, desc, device);
    if (why.empty()) return variant;
    runtime::verbose(runtime::Topic::kDispatch, "deform_conv2d_backward: {} declines: {}", variant, why);
  }
  throw Error(ErrorCode::kInternal, "deform_conv2d_backward: the reference declined");
}

void fill_args(DeformConv2dBackwardArgs& args, const DeformConv2dBackwardDesc& desc) {
  const DeformConv2dParams& params = desc.params;
  const DeformConv2dBackwardTensors& tensors = desc.tensors;
  const auto copy_strides = [](long long* to, const TensorView& view) {
    std::copy(view.strides.begin(), view.strides.end(), to);
  };
  const auto copy_if = [&](long long* to, const std::optional<TensorView>& view) {
    if (view) copy_strides(to, *view);
  };
  copy_strides(args.grad_output_stride, tensors.grad_output);
  copy_strides(args.input_stride, tensors.input);
  copy_strides(args.offset_stride, tensors.offset);
  copy_if(args.mask_stride, tensors.mask);
  copy_strides(args.weight_stride, tensors.weight);
  copy_if(args.grad_input_stride, tensors.grad_input);
  copy_if(args.grad_offset_stride, tensors.grad_offset);
  copy_if(args.grad_mask_stride, tensors.grad_mask);
  copy_if(args.grad_weight_stride, tensors.grad_weight);
  if (tensors.grad_bias) args.grad_bias_stride = tensors.grad_bias->strides[0];
  args.batch = tensors.input.sizes[0];
  args.in_channels = tensors.input.sizes[1];
  args.height = tensors.input.sizes[2];
  args.width = tensors.input.sizes[3];
  args.out_channels = tensors.grad_output.sizes[1];
  args.out_height = tensors.grad_output.sizes[2];
  args.out_width = tensors.grad_output.sizes[3];
  args.kernel_h = static_cast<int>(params.kernel_h);
  args.kernel_w = static_cast<int>(params.kernel_w);
  args.stride_h = static_cast<int>(params.stride_h);
  args.stride_w = static_cast<int>(params.stride_w);
  args.padding_h = static_cast<int>(params.padding_h);
  args.padding_w = static_cast<int>(params.padding_w);
  args.dilation_h = static_cast<int>(params.dilation_h);
  args.dilation_w = static_cast<int>(params.dilation_w);
  args.groups = static_cast<int>(params.groups);
  args.deformable_groups = static_cast<int>(params.deformable_groups);
  args.mask_is_logit = desc.mask_is_logit ? 1 : 0;
}

IndexWidth choose_index(const DeformConv2dBackwardDesc& desc) {
  if (desc.force_wide_index) return IndexWidth::k64;
  const DeformConv2dBackwardTensors& tensors = desc.tensors;
  const auto pointer = [](const std::optional<TensorView>& view) { return view ? &*view : nullptr; };
  return index_width({&tensors.grad_output, &tensors.input, &tensors.offset, pointer(tensors.mask), &tensors.weight,
                      pointer(tensors.grad_input), pointer(tensors.grad_offset), pointer(tensors.grad_mask),
                      pointer(tensors.grad_weight), pointer(tensors.grad_bias)});
}

}  // namespace

std::span<const std::string_view> deform_conv2d_backward_variant_list() noexcept { return kVariants; }

DeformConv2dBackwardSchedule plan_deform_conv2d_backward(const DeformConv2dBackwardDesc& desc,
                                                         const DeviceFacts& device, std::string_view force) {
  const DeformConv2dBackwardTensors& tensors = desc.tensors;
  expect_supported(tensors.input.type, device);

  DeformConv2dBackwardSchedule schedule;
  schedule.variant = choose_variant(desc, device, force);
  schedule.index = choose_index(desc);
  fill_args(schedule.args, desc);
  if (tensors.grad_input) {
    const auto real = static_cast<std::int64_t>(tensors.input.type == DataType::kF64 ? sizeof(double) : sizeof(float));
    const std::int64_t plane = tensors.input.sizes[2] * tensors.input.sizes[3] * real;
    const std::int64_t planes = tensors.input.sizes[0] * tensors.input.sizes[1];
    schedule.planes = std::min(planes, std::max<std::int64_t>(1, kPlaneScratch / plane));
    schedule.scratch_bytes = static_cast<std::size_t>(schedule.planes * plane);
  }
  return schedule;
}

}  // namespace dcn::ops
