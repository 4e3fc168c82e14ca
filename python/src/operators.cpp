/// \file operators.cpp
/// The operators `sycl_dcn::...` of PyTorch's dispatcher, through its stable ABI: one binary serves every PyTorch from
/// 2.9 on. Tensors become views of the same memory; checks and arithmetic are libdcn's.
///
/// Gradients, autocast, and shapes for tracing are registered in sycl_dcn/_operators.py.
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>

#include "dcn/deform_conv2d.hpp"
#include "dcn/deform_psroi_pool.hpp"
#include "dcn/status.hpp"
#include "params.hpp"
#include "plans.hpp"
#include "queues.hpp"
#include "tensors.hpp"
#include "text.hpp"

namespace dcn::torch_binding {

namespace {

/// Runs `submit(queue)` where the input lives, in the order of PyTorch's current stream there.
template <typename Submit>
void run_on(const Place& place, const Submit& submit) {
  if (place.type == aoti_torch_device_type_cpu()) {
    submit(cpu_queue());
    cpu_queue().wait();  // CPU tensors are ready when a call returns
    return;
  }
  Queue queue = place.type == aoti_torch_device_type_xpu() ? xpu_queue(place.index) : cuda_queue(place.index);
  submit(queue);
}

/// libdcn checks the rest; this is what sizes of results are computed from.
void expect_rank(std::string_view name, const Tensor& tensor, std::int64_t rank, std::string_view shape) {
  if (tensor.dim() != rank) {
    throw Error(ErrorCode::kInvalidArgument,
                text(name, ": ", tensor.dim(), " dimensions, expected ", rank, " ", shape));
  }
}

/// Above what libdcn takes, so that it is libdcn that refuses; low enough to allocate.
constexpr std::int64_t kMaxPooledSize = 4096;

/// What a convolution's forward and backward calls have in common.
struct Conv {
  Place place;
  DeformConv2dParams params;
};

Conv conv_of(const Tensor& input, const Tensor& offset, const Tensor& weight,
             const std::array<std::int64_t, kConvNumbers>& numbers) {
  expect_rank("input", input, 4, "[N, in_channels, H, W]");
  expect_rank("offset", offset, 4, "[N, 2 * deformable_groups * kernel_h * kernel_w, OH, OW]");
  expect_rank("weight", weight, 4, "[out_channels, in_channels / groups, kernel_h, kernel_w]");
  return {.place = place_of(input), .params = conv_params(weight.size(2), weight.size(3), numbers)};
}

Tensor deform_conv2d_op(const Tensor& input, const Tensor& offset, const std::optional<Tensor>& mask,
                        const Tensor& weight, const std::optional<Tensor>& bias, std::int64_t stride_h,
                        std::int64_t stride_w, std::int64_t padding_h, std::int64_t padding_w, std::int64_t dilation_h,
                        std::int64_t dilation_w, std::int64_t groups, std::int64_t deformable_groups) {
  const Conv conv =
      conv_of(input, offset, weight,
              {stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w, groups, deformable_groups});
  // The offsets' extent, not one computed here: libdcn compares it with what it must be.
  const std::array<std::int64_t, 4> sizes{input.size(0), weight.size(0), offset.size(2), offset.size(3)};
  const Tensor output = empty_activation(sizes, input, conv.place);
  const DeformConv2dTensors views{.input = view_of("input", input, conv.place),
                                  .offset = view_of("offset", offset, conv.place),
                                  .mask = view_of("mask", mask, conv.place),
                                  .weight = view_of("weight", weight, conv.place),
                                  .bias = view_of("bias", bias, conv.place),
                                  .output = view_of("output", output, conv.place)};
  run_on(conv.place, [&](Queue& queue) { run_deform_conv2d(queue, conv.params, views); });
  return output;
}

/// Which gradients a backward call computes, as bits of `wanted`. The same numbers as in sycl_dcn/_operators.py.
enum Wanted : std::int64_t { kInput = 1, kOffset = 2, kMask = 4, kWeight = 8, kBias = 16 };

/// Memory for one gradient, and the view of it that libdcn gets: none when nobody wants it.
struct Gradient {
  Tensor memory;
  std::optional<TensorView> view;
};

/// Laid out as `like`: channels last or row-major.
Gradient gradient(bool wanted, std::string_view name, const Tensor& like, const Place& place) {
  if (!wanted) return {nothing(like, place), std::nullopt};
  const auto sizes = like.sizes();
  Gradient grad{empty_activation({sizes.data(), sizes.size()}, like, place), std::nullopt};
  grad.view = view_of(name, grad.memory, place);
  return grad;
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> deform_conv2d_backward_op(
    const Tensor& grad_output, const Tensor& input, const Tensor& offset, const std::optional<Tensor>& mask,
    const Tensor& weight, std::int64_t stride_h, std::int64_t stride_w, std::int64_t padding_h, std::int64_t padding_w,
    std::int64_t dilation_h, std::int64_t dilation_w, std::int64_t groups, std::int64_t deformable_groups,
    std::int64_t wanted, bool deterministic) {
  const Conv conv =
      conv_of(input, offset, weight,
              {stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w, groups, deformable_groups});
  if (mask) expect_rank("mask", *mask, 4, "[N, deformable_groups * kernel_h * kernel_w, OH, OW]");
  const Gradient grad_input = gradient((wanted & kInput) != 0, "grad_input", input, conv.place);
  const Gradient grad_offset = gradient((wanted & kOffset) != 0, "grad_offset", offset, conv.place);
  const Gradient grad_mask = gradient((wanted & kMask) != 0 && mask, "grad_mask", mask ? *mask : offset, conv.place);
  const Gradient grad_weight = gradient((wanted & kWeight) != 0, "grad_weight", weight, conv.place);
  Gradient grad_bias{nothing(weight, conv.place), std::nullopt};
  if ((wanted & kBias) != 0) {
    const std::array<std::int64_t, 1> length{weight.size(0)};
    grad_bias.memory = empty(length, weight, conv.place);
    grad_bias.view = view_of("grad_bias", grad_bias.memory, conv.place);
  }
  const DeformConv2dBackwardTensors views{.grad_output = view_of("grad_output", grad_output, conv.place),
                                          .input = view_of("input", input, conv.place),
                                          .offset = view_of("offset", offset, conv.place),
                                          .mask = view_of("mask", mask, conv.place),
                                          .weight = view_of("weight", weight, conv.place),
                                          .grad_input = grad_input.view,
                                          .grad_offset = grad_offset.view,
                                          .grad_mask = grad_mask.view,
                                          .grad_weight = grad_weight.view,
                                          .grad_bias = grad_bias.view};
  run_on(conv.place, [&](Queue& queue) { run_deform_conv2d_backward(queue, conv.params, views, deterministic); });
  return {grad_input.memory, grad_offset.memory, grad_mask.memory, grad_weight.memory, grad_bias.memory};
}

std::tuple<Tensor, Tensor> deform_psroi_pool_op(const Tensor& input, const Tensor& rois,
                                                const std::optional<Tensor>& offset, double spatial_scale,
                                                std::int64_t output_dim, std::int64_t group_size,
                                                std::int64_t pooled_size, std::int64_t part_size,
                                                std::int64_t sample_per_part, double trans_std) {
  expect_rank("input", input, 4, "[N, output_dim * group_size^2, H, W]");
  expect_rank("rois", rois, 2, "[R, 5]");
  const Place place = place_of(input);
  const DeformPsroiPoolParams params =
      pool_params(spatial_scale, {output_dim, group_size, pooled_size, part_size, sample_per_part}, trans_std);
  const TensorView rois_view = view_of("rois", rois, place);
  const auto extent = [](std::int64_t size) { return std::clamp<std::int64_t>(size, 0, kMaxPooledSize); };
  const std::array<std::int64_t, 4> sizes{rois.size(0), std::clamp<std::int64_t>(output_dim, 0, input.size(1)),
                                          extent(pooled_size), extent(pooled_size)};
  const Tensor output = empty_activation(sizes, input, place);
  const Tensor count = empty(sizes, rois, place);
  const DeformPsroiPoolTensors views{.input = view_of("input", input, place),
                                     .rois = rois_view,
                                     .offset = view_of("offset", offset, place),
                                     .output = view_of("output", output, place),
                                     .count = view_of("count", count, place)};
  run_on(place, [&](Queue& queue) { deform_psroi_pool(queue, params, views); });
  return {output, count};
}

std::tuple<Tensor, Tensor> deform_psroi_pool_backward_op(const Tensor& grad_output, const Tensor& input,
                                                         const Tensor& rois, const std::optional<Tensor>& offset,
                                                         double spatial_scale, std::int64_t output_dim,
                                                         std::int64_t group_size, std::int64_t pooled_size,
                                                         std::int64_t part_size, std::int64_t sample_per_part,
                                                         double trans_std, std::int64_t wanted) {
  expect_rank("input", input, 4, "[N, output_dim * group_size^2, H, W]");
  if (offset) expect_rank("offset", *offset, 4, "[R, 2 * classes, part_size, part_size]");
  const Place place = place_of(input);
  const DeformPsroiPoolParams params =
      pool_params(spatial_scale, {output_dim, group_size, pooled_size, part_size, sample_per_part}, trans_std);
  const Gradient grad_input = gradient((wanted & kInput) != 0, "grad_input", input, place);
  const Gradient grad_offset =
      gradient((wanted & kOffset) != 0 && offset, "grad_offset", offset ? *offset : input, place);
  const DeformPsroiPoolBackwardTensors views{.grad_output = view_of("grad_output", grad_output, place),
                                             .input = view_of("input", input, place),
                                             .rois = view_of("rois", rois, place),
                                             .offset = view_of("offset", offset, place),
                                             .grad_input = grad_input.view,
                                             .grad_offset = grad_offset.view};
  run_on(place, [&](Queue& queue) { deform_psroi_pool_backward(queue, params, views); });
  return {grad_input.memory, grad_offset.memory};
}

}  // namespace

}  // namespace dcn::torch_binding

STABLE_TORCH_LIBRARY(sycl_dcn, m) {
  m.def(
      "deform_conv2d(Tensor input, Tensor offset, Tensor? mask, Tensor weight, Tensor? bias, int stride_h, int "
      "stride_w, "
      "int padding_h, int padding_w, int dilation_h, int dilation_w, int groups, int deformable_groups) -> Tensor");
  m.def(
      "deform_conv2d_backward(Tensor grad_output, Tensor input, Tensor offset, Tensor? mask, Tensor weight, int "
      "stride_h, "
      "int stride_w, int padding_h, int padding_w, int dilation_h, int dilation_w, int groups, int deformable_groups, "
      "int wanted, bool deterministic) -> (Tensor, Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "deform_psroi_pool(Tensor input, Tensor rois, Tensor? offset, float spatial_scale, int output_dim, int "
      "group_size, "
      "int pooled_size, int part_size, int sample_per_part, float trans_std) -> (Tensor, Tensor)");
  m.def(
      "deform_psroi_pool_backward(Tensor grad_output, Tensor input, Tensor rois, Tensor? offset, float spatial_scale, "
      "int "
      "output_dim, int group_size, int pooled_size, int part_size, int sample_per_part, float trans_std, int wanted) "
      "-> "
      "(Tensor, Tensor)");
}

// One implementation for all: it looks where the input lives.
#define SYCL_DCN_IMPLEMENT(m)                                                                    \
  (m).impl("deform_conv2d", TORCH_BOX(&dcn::torch_binding::deform_conv2d_op));                   \
  (m).impl("deform_conv2d_backward", TORCH_BOX(&dcn::torch_binding::deform_conv2d_backward_op)); \
  (m).impl("deform_psroi_pool", TORCH_BOX(&dcn::torch_binding::deform_psroi_pool_op));           \
  (m).impl("deform_psroi_pool_backward", TORCH_BOX(&dcn::torch_binding::deform_psroi_pool_backward_op))

STABLE_TORCH_LIBRARY_IMPL(sycl_dcn, CPU, m) { SYCL_DCN_IMPLEMENT(m); }
STABLE_TORCH_LIBRARY_IMPL(sycl_dcn, CUDA, m) { SYCL_DCN_IMPLEMENT(m); }
STABLE_TORCH_LIBRARY_IMPL(sycl_dcn, XPU, m) { SYCL_DCN_IMPLEMENT(m); }
