#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>
#include <string_view>

#include "dcn/deform_conv2d.hpp"
#include "dcn/deform_conv2d_backward.hpp"
#include "ops/check.hpp"
#include "ops/deform_conv2d_backward_plan.hpp"
#include "ops/deform_conv2d_plan.hpp"

namespace dcn {

namespace {

std::int64_t output_extent(std::int64_t input, std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                           std::int64_t dilation) {
  const std::int64_t room = input + 2 * padding - (dilation * (kernel - 1) + 1);
  return room < 0 ? 0 : room / stride + 1;
}

}  // namespace

std::int64_t DeformConv2dParams::output_h(std::int64_t height) const noexcept {
  return output_extent(height, kernel_h, stride_h, padding_h, dilation_h);
}

std::int64_t DeformConv2dParams::output_w(std::int64_t width) const noexcept {
  return output_extent(width, kernel_w, stride_w, padding_w, dilation_w);
}

namespace ops {

namespace {

/// Far above anything useful, and low enough that no product of a few of them overflows.
constexpr std::int64_t kMaxParameter = 1 << 15;
/// f32 positions count single pixels up to here.
constexpr std::int64_t kMaxExtent = 1 << 24;

void check_params(const DeformConv2dParams& params) {
  expect_range("kernel_h", params.kernel_h, 1, kMaxParameter);
  expect_range("kernel_w", params.kernel_w, 1, kMaxParameter);
  expect_range("stride_h", params.stride_h, 1, kMaxParameter);
  expect_range("stride_w", params.stride_w, 1, kMaxParameter);
  expect_range("padding_h", params.padding_h, 0, kMaxParameter);
  expect_range("padding_w", params.padding_w, 0, kMaxParameter);
  expect_range("dilation_h", params.dilation_h, 1, kMaxParameter);
  expect_range("dilation_w", params.dilation_w, 1, kMaxParameter);
  expect_range("groups", params.groups, 1, kMaxExtent);
  expect_range("deformable_groups", params.deformable_groups, 1, kMaxExtent);
}

/// The tensors that forward and backward have in common. `result` is the output, or its gradient.
struct Operands {
  const TensorView& input;
  const TensorView& offset;
  const std::optional<TensorView>& mask;
  const TensorView& weight;
  const TensorView& result;
  std::string_view result_name;
};

void check_operands(const DeformConv2dParams& params, const Operands& tensors, bool mask_is_logit) {
  check_params(params);

  const TensorView& input = tensors.input;
  if (!is_floating(input.type)) {
    throw invalid("input: type {}, expected f32, f16, bf16 or f64", to_string(input.type));
  }
  expect_view("input", input, 4, "[N, in_channels, H, W]");
  const auto [batch, channels, height, width] = input.sizes;
  expect_range("input: in_channels", channels, 1, kMaxExtent);
  expect_range("input: H", height, 1, kMaxExtent);
  expect_range("input: W", width, 1, kMaxExtent);
  if (channels % params.groups != 0) {
    throw invalid("input: {} channels, expected a multiple of groups = {}", channels, params.groups);
  }
  if (channels % params.deformable_groups != 0) {
    throw invalid("input: {} channels, expected a multiple of deformable_groups = {}", channels,
                  params.deformable_groups);
  }

  const TensorView& weight = tensors.weight;
  expect_view("weight", weight, 4, "[out_channels, in_channels / groups, kernel_h, kernel_w]");
  expect_type("weight", weight, input.type, "input");
  expect_range("weight: out_channels", weight.sizes[0], 1, kMaxExtent);
  if (weight.sizes[0] % params.groups != 0) {
    throw invalid("weight: {} output channels, expected a multiple of groups = {}", weight.sizes[0], params.groups);
  }
  expect_equal("weight", weight.sizes[1], "input channels per group", channels / params.groups,
               "input's channels / groups");
  expect_equal("weight", weight.sizes[2], "rows", params.kernel_h, "kernel_h");
  expect_equal("weight", weight.sizes[3], "columns", params.kernel_w, "kernel_w");

  const std::int64_t out_height = params.output_h(height);
  const std::int64_t out_width = params.output_w(width);
  if (out_height < 1 || out_width < 1) {
    throw invalid("input: {}x{} with padding {}x{} is smaller than the dilated kernel of {}x{}", height, width,
                  params.padding_h, params.padding_w, params.dilation_h * (params.kernel_h - 1) + 1,
                  params.dilation_w * (params.kernel_w - 1) + 1);
  }

  const std::int64_t taps = params.kernel_h * params.kernel_w;
  const auto check_plane = [&](std::string_view name, const TensorView& view) {
    expect_equal(name, view.sizes[0], "pictures", batch, "input's batch");
    expect_equal(name, view.sizes[2], "rows", out_height, "output height");
    expect_equal(name, view.sizes[3], "columns", out_width, "output width");
  };
  expect_view("offset", tensors.offset, 4, "[N, 2 * deformable_groups * kernel_h * kernel_w, OH, OW]");
  expect_type("offset", tensors.offset, input.type, "input");
  expect_equal("offset", tensors.offset.sizes[1], "channels", 2 * params.deformable_groups * taps,
               "2 * deformable_groups * kernel_h * kernel_w");
  check_plane("offset", tensors.offset);
  if (tensors.mask) {
    expect_view("mask", *tensors.mask, 4, "[N, deformable_groups * kernel_h * kernel_w, OH, OW]");
    expect_type("mask", *tensors.mask, input.type, "input");
    expect_equal("mask", tensors.mask->sizes[1], "channels", params.deformable_groups * taps,
                 "deformable_groups * kernel_h * kernel_w");
    check_plane("mask", *tensors.mask);
  } else if (mask_is_logit) {
    throw invalid("mask: absent, expected one (mask_is_logit is set)");
  }

  expect_view(tensors.result_name, tensors.result, 4, "[N, out_channels, OH, OW]");
  expect_type(tensors.result_name, tensors.result, input.type, "input");
  expect_equal(tensors.result_name, tensors.result.sizes[1], "channels", weight.sizes[0], "weight's output channels");
  check_plane(tensors.result_name, tensors.result);
}

void check_bias(std::string_view name, const TensorView& bias, const TensorView& weight, std::string_view like) {
  expect_view(name, bias, 1, "[out_channels]");
  expect_type(name, bias, weight.type, like);
  expect_equal(name, bias.sizes[0], "values", weight.sizes[0], "weight's output channels");
}

/// A gradient has the sizes and type of its tensor, and a place for each element.
void check_gradient(std::string_view name, const std::optional<TensorView>& gradient, const TensorView& of,
                    std::string_view of_name) {
  if (!gradient) return;
  expect_view(name, *gradient, of.rank, of_name);
  expect_type(name, *gradient, of.type, of_name);
  for (std::size_t d = 0; d < static_cast<std::size_t>(of.rank); ++d) {
    if (gradient->sizes[d] != of.sizes[d]) {
      throw invalid("{}: [{}], expected [{}] (the sizes of {})", name, fmt::join(gradient->shape(), ", "),
                    fmt::join(of.shape(), ", "), of_name);
    }
  }
  expect_no_overlap(name, *gradient);
}

}  // namespace

void check_deform_conv2d(const DeformConv2dDesc& desc) {
  const DeformConv2dTensors& tensors = desc.tensors;
  check_operands(desc.params, {tensors.input, tensors.offset, tensors.mask, tensors.weight, tensors.output, "output"},
                 desc.mask_is_logit);
  if (tensors.bias) check_bias("bias", *tensors.bias, tensors.weight, "input");
  expect_no_overlap("output", tensors.output);
}

void check_deform_conv2d_backward(const DeformConv2dBackwardDesc& desc) {
  const DeformConv2dBackwardTensors& tensors = desc.tensors;
  check_operands(desc.params,
                 {tensors.input, tensors.offset, tensors.mask, tensors.weight, tensors.grad_output, "grad_output"},
                 desc.mask_is_logit);
  check_gradient("grad_input", tensors.grad_input, tensors.input, "input");
  check_gradient("grad_offset", tensors.grad_offset, tensors.offset, "offset");
  if (tensors.grad_mask) {
    if (!tensors.mask) throw invalid("grad_mask: given, but there is no mask");
    check_gradient("grad_mask", tensors.grad_mask, *tensors.mask, "mask");
  }
  check_gradient("grad_weight", tensors.grad_weight, tensors.weight, "weight");
  if (tensors.grad_bias) {
    check_bias("grad_bias", *tensors.grad_bias, tensors.weight, "input");
    expect_no_overlap("grad_bias", *tensors.grad_bias);
  }
}

}  // namespace ops

}  // namespace dcn
