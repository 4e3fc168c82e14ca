#include "dcn/deform_psroi_pool.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "kernels/deform_psroi_pool_args.hpp"
#include "ops/check.hpp"
#include "ops/device_facts.hpp"
#include "ops/index_width.hpp"
#include "runtime/kernel.hpp"
#include "runtime/launch.hpp"
#include "runtime/verbose.hpp"

namespace dcn {

namespace {

using runtime::div_up;

constexpr std::int64_t kMaxExtent = 1 << 24;
constexpr std::int64_t kMaxSize = 1 << 12;  // of pooled, part, group, samples

/// Best first; the last takes every call.
constexpr std::array<std::string_view, 2> kVariants{"channels", "reference"};

constexpr std::array<std::string_view, 1> kBackwardVariants{"reference"};

constexpr std::int64_t kPlaneScratch = std::int64_t{64} << 20;  // bytes; sums of grad_input

struct Schedule {
  std::string_view variant;
  ops::IndexWidth index = ops::IndexWidth::k32;
  DeformPsroiPoolArgs args{};
};

std::int64_t classes_of(const std::optional<TensorView>& offset) { return offset ? offset->sizes[1] / 2 : 1; }

/// An output or its gradient.
void check_result(const DeformPsroiPoolParams& params, std::int64_t rois, std::string_view name, const TensorView& view,
                  DataType type, std::string_view as) {
  ops::expect_view(name, view, 4, "[R, output_dim, pooled_size, pooled_size]");
  ops::expect_type(name, view, type, as);
  ops::expect_equal(name, view.sizes[0], "RoIs", rois, "rows of rois");
  ops::expect_equal(name, view.sizes[1], "channels", params.output_dim, "output_dim");
  ops::expect_equal(name, view.sizes[2], "rows", params.pooled_size, "pooled_size");
  ops::expect_equal(name, view.sizes[3], "columns", params.pooled_size, "pooled_size");
  ops::expect_data(name, view);
}

/// What rois, counts, positions and sums are kept in.
DataType real_of(DataType type) { return type == DataType::kF64 ? DataType::kF64 : DataType::kF32; }

/// The parameters, and the tensors that forward and backward have in common.
template <typename Tensors>
void check_inputs(const DeformPsroiPoolParams& params, const Tensors& tensors) {
  ops::expect_range("output_dim", params.output_dim, 1, kMaxExtent);
  ops::expect_range("group_size", params.group_size, 1, kMaxSize);
  ops::expect_range("pooled_size", params.pooled_size, 1, kMaxSize);
  ops::expect_range("part_size", params.part_size, 1, kMaxSize);
  ops::expect_range("sample_per_part", params.sample_per_part, 1, kMaxSize);
  if (!std::isfinite(params.spatial_scale) || params.spatial_scale <= 0) {
    throw ops::invalid("spatial_scale: value {}, expected a positive number", params.spatial_scale);
  }
  if (!std::isfinite(params.trans_std)) throw ops::invalid("trans_std: value {}, expected a number", params.trans_std);

  const TensorView& input = tensors.input;
  if (!ops::is_floating(input.type)) {
    throw ops::invalid("input: type {}, expected f32, f16, bf16 or f64", to_string(input.type));
  }
  ops::expect_view("input", input, 4, "[N, output_dim * group_size^2, H, W]");
  ops::expect_equal("input", input.sizes[1], "channels", params.output_dim * params.group_size * params.group_size,
                    "output_dim * group_size^2");
  ops::expect_range("input: H", input.sizes[2], 1, kMaxExtent);
  ops::expect_range("input: W", input.sizes[3], 1, kMaxExtent);
  ops::expect_data("input", input);

  const DataType real = real_of(input.type);
  ops::expect_view("rois", tensors.rois, 2, "[R, 5]");
  ops::expect_type("rois", tensors.rois, real, "positions");
  ops::expect_equal("rois", tensors.rois.sizes[1], "columns", 5, "batch index, x1, y1, x2, y2");
  ops::expect_data("rois", tensors.rois);
  const std::int64_t rois = tensors.rois.sizes[0];

  if (tensors.offset) {
    const TensorView& offset = *tensors.offset;
    ops::expect_view("offset", offset, 4, "[R, 2 * classes, part_size, part_size]");
    ops::expect_type("offset", offset, input.type, "input");
    ops::expect_equal("offset", offset.sizes[0], "RoIs", rois, "rows of rois");
    if (offset.sizes[1] < 2 || offset.sizes[1] % 2 != 0 || params.output_dim % (offset.sizes[1] / 2) != 0) {
      throw ops::invalid("offset: {} channels, expected 2 * classes with output_dim = {} a multiple of classes",
                         offset.sizes[1], params.output_dim);
    }
    ops::expect_equal("offset", offset.sizes[2], "rows", params.part_size, "part_size");
    ops::expect_equal("offset", offset.sizes[3], "columns", params.part_size, "part_size");
    ops::expect_data("offset", offset);
  }
}

void check(const DeformPsroiPoolParams& params, const DeformPsroiPoolTensors& tensors) {
  check_inputs(params, tensors);
  const std::int64_t rois = tensors.rois.sizes[0];
  const DataType type = tensors.input.type;
  check_result(params, rois, "output", tensors.output, type, "input");
  ops::expect_no_overlap("output", tensors.output);
  check_result(params, rois, "count", tensors.count, real_of(type), "positions");
  ops::expect_no_overlap("count", tensors.count);
}

void check(const DeformPsroiPoolParams& params, const DeformPsroiPoolBackwardTensors& tensors) {
  check_inputs(params, tensors);
  check_result(params, tensors.rois.sizes[0], "grad_output", tensors.grad_output, tensors.input.type, "input");
  const auto check_gradient = [](std::string_view name, const TensorView& view, const TensorView& of,
                                 std::string_view of_name) {
    ops::expect_view(name, view, of.rank, of_name);
    ops::expect_type(name, view, of.type, of_name);
    if (view.sizes != of.sizes) {
      throw ops::invalid("{}: [{}], expected [{}] (the sizes of {})", name, fmt::join(view.shape(), ", "),
                         fmt::join(of.shape(), ", "), of_name);
    }
    ops::expect_no_overlap(name, view);
    ops::expect_data(name, view);
  };
  if (tensors.grad_input) check_gradient("grad_input", *tensors.grad_input, tensors.input, "input");
  if (tensors.grad_offset) {
    if (!tensors.offset) throw ops::invalid("grad_offset: given, but there is no offset");
    check_gradient("grad_offset", *tensors.grad_offset, *tensors.offset, "offset");
  }
}

/// Why the variant cannot run the call; empty when it can.
std::string why_not(std::string_view variant, const DeformPsroiPoolParams& params,
                    const DeformPsroiPoolTensors& tensors, const ops::DeviceFacts& device) {
  if (variant == "reference") return {};
  if (params.group_size != 1) return fmt::format("group_size is {}, it takes 1", params.group_size);
  if (tensors.input.strides[1] != 1) {
    return fmt::format("the input's channel stride is {}, it takes 1", tensors.input.strides[1]);
  }
  const std::int64_t channels = params.output_dim / classes_of(tensors.offset);
  if (channels % device.lanes != 0) {
    return fmt::format("{} channels per class are no multiple of the sub-group of {}", channels, device.lanes);
  }
  return {};
}

std::string_view choose(const DeformPsroiPoolParams& params, const DeformPsroiPoolTensors& tensors,
                        const ops::DeviceFacts& device) {
  const std::string& force = params.force_variant;
  if (!force.empty() && std::find(kVariants.begin(), kVariants.end(), force) == kVariants.end()) {
    throw ops::invalid("deform_psroi_pool: forced variant '{}' does not exist: one of {}", force,
                       fmt::join(kVariants, ", "));
  }
  for (const std::string_view variant : kVariants) {
    if (!force.empty() && variant != force) continue;
    const std::string why = why_not(variant, params, tensors, device);
    if (why.empty()) return variant;
    if (!force.empty()) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("deform_psroi_pool: forced variant '{}' declines: {}", force, why));
    }
    runtime::verbose(runtime::Topic::kDispatch, "deform_psroi_pool: {} declines: {}", variant, why);
  }
  throw Error(ErrorCode::kInternal, "deform_psroi_pool: the reference declined");
}

template <std::size_t Rank>
void copy_strides(long long (&to)[Rank], const TensorView& view) {
  std::copy(view.strides.begin(), view.strides.begin() + view.rank, to);
}

/// What forward and backward have in common.
template <typename Tensors>
void fill_args(DeformPsroiPoolArgs& args, const DeformPsroiPoolParams& params, const Tensors& tensors) {
  args.input = tensors.input.data;
  args.rois = tensors.rois.data;
  args.offset = tensors.offset ? tensors.offset->data : nullptr;
  copy_strides(args.input_stride, tensors.input);
  copy_strides(args.rois_stride, tensors.rois);
  if (tensors.offset) copy_strides(args.offset_stride, *tensors.offset);
  args.batch = tensors.input.sizes[0];
  args.height = tensors.input.sizes[2];
  args.width = tensors.input.sizes[3];
  args.rois_count = tensors.rois.sizes[0];
  args.output_dim = params.output_dim;
  args.group_size = params.group_size;
  args.pooled_size = params.pooled_size;
  args.part_size = params.part_size;
  args.sample_per_part = params.sample_per_part;
  args.classes = classes_of(tensors.offset);
  args.spatial_scale = params.spatial_scale;
  args.trans_std = params.trans_std;
}

Schedule plan(const DeformPsroiPoolParams& params, const DeformPsroiPoolTensors& tensors,
              const ops::DeviceFacts& device) {
  ops::expect_supported(tensors.input.type, device);
  Schedule schedule;
  schedule.variant = choose(params, tensors, device);
  const TensorView* offset = tensors.offset ? &*tensors.offset : nullptr;
  schedule.index = ops::index_width({&tensors.input, &tensors.rois, offset, &tensors.output, &tensors.count});

  fill_args(schedule.args, params, tensors);
  DeformPsroiPoolArgs& args = schedule.args;
  args.output = tensors.output.data;
  args.count = tensors.count.data;
  copy_strides(args.output_stride, tensors.output);
  copy_strides(args.count_stride, tensors.count);
  return schedule;
}

void launch(const Queue& queue, const Schedule& schedule, DataType type, const ops::DeviceFacts& device) {
  const DeformPsroiPoolArgs& args = schedule.args;
  runtime::KernelRequest request{
      .source = "deform_psroi_pool.hpp",
      .entry = schedule.variant == "channels" ? "deform_psroi_pool_channels" : "deform_psroi_pool_reference",
      .macros = {{ops::element_macro(type), "1"},
                 {"DCN_INDEX", ops::to_macro(schedule.index)},
                 {"DCN_LANES", std::to_string(device.lanes)}}};
  const runtime::Kernel kernel = runtime::get_kernel(queue, request);
  const auto bins = static_cast<std::size_t>(args.rois_count * args.pooled_size * args.pooled_size);
  const auto channels = static_cast<std::size_t>(args.output_dim);
  if (schedule.variant == "channels") {
    const auto lanes = static_cast<std::size_t>(device.lanes);
    runtime::launch(queue, kernel, runtime::range_2d({channels / lanes, bins}, {1, lanes}), args);
  } else {
    runtime::launch(queue, kernel, runtime::range_elements(bins * channels), args);
  }
}

void launch_flat(const Queue& queue, const runtime::Kernel& kernel, std::int64_t items,
                 const DeformPsroiPoolBackwardArgs& args) {
  constexpr std::size_t kGroup = 64;
  runtime::launch(queue, kernel, runtime::range_1d(div_up(static_cast<std::size_t>(items), kGroup), kGroup), args);
}

}  // namespace

void deform_psroi_pool(Queue& queue, const DeformPsroiPoolParams& params, const DeformPsroiPoolTensors& tensors) {
  check(params, tensors);
  const ops::DeviceFacts device = ops::device_facts(queue);
  const Schedule schedule = plan(params, tensors, device);
  runtime::verbose(runtime::Topic::kDispatch, "deform_psroi_pool: {}", schedule.variant);
  if (schedule.args.rois_count == 0) return;
  launch(queue, schedule, tensors.input.type, device);
}

std::vector<std::string> deform_psroi_pool_variants() { return {kVariants.begin(), kVariants.end()}; }

void deform_psroi_pool_backward(Queue& queue, const DeformPsroiPoolParams& params,
                                const DeformPsroiPoolBackwardTensors& tensors) {
  check(params, tensors);
  const std::string& force = params.force_variant;
  if (!force.empty() &&
      std::find(kBackwardVariants.begin(), kBackwardVariants.end(), force) == kBackwardVariants.end()) {
    throw ops::invalid("deform_psroi_pool_backward: forced variant '{}' does not exist: one of {}", force,
                       fmt::join(kBackwardVariants, ", "));
  }
  const ops::DeviceFacts device = ops::device_facts(queue);
  const DataType type = tensors.input.type;
  ops::expect_supported(type, device);
  runtime::verbose(runtime::Topic::kDispatch, "deform_psroi_pool_backward: {}", kBackwardVariants.back());

  DeformPsroiPoolBackwardArgs args{};
  fill_args(args.pool, params, tensors);
  args.pool.output = tensors.grad_output.data;
  copy_strides(args.pool.output_stride, tensors.grad_output);
  const auto pointer = [](const std::optional<TensorView>& view) { return view ? &*view : nullptr; };
  const ops::IndexWidth index =
      ops::index_width({&tensors.input, &tensors.rois, pointer(tensors.offset), &tensors.grad_output,
                        pointer(tensors.grad_input), pointer(tensors.grad_offset)});
  const auto kernel = [&](std::string_view entry) {
    return runtime::get_kernel(queue,
                               {.source = "deform_psroi_pool_backward.hpp",
                                .entry = entry,
                                .macros = {{ops::element_macro(type), "1"}, {"DCN_INDEX", ops::to_macro(index)}}});
  };
  if (tensors.grad_offset) {
    args.grad_offset = tensors.grad_offset->data;
    copy_strides(args.grad_offset_stride, *tensors.grad_offset);
    launch_flat(queue, kernel("deform_psroi_pool_backward_offset"),
                args.pool.rois_count * args.pool.classes * params.part_size * params.part_size, args);
  }
  if (!tensors.grad_input || tensors.input.elements() == 0) return;
  args.grad_input = tensors.grad_input->data;
  copy_strides(args.grad_input_stride, *tensors.grad_input);
  const std::int64_t planes = tensors.input.sizes[0] * tensors.input.sizes[1];
  const std::int64_t plane = args.pool.height * args.pool.width * static_cast<std::int64_t>(size_of(real_of(type)));
  const std::int64_t per_launch = std::min(planes, std::max<std::int64_t>(1, kPlaneScratch / plane));
  const DeviceBuffer scratch(queue, static_cast<std::size_t>(per_launch * plane));
  args.scratch = scratch.data();
  const runtime::Kernel input = kernel("deform_psroi_pool_backward_input");
  for (args.first_plane = 0; args.first_plane < planes; args.first_plane += per_launch) {
    args.plane_count = std::min<std::int64_t>(per_launch, planes - args.first_plane);
    launch_flat(queue, input, args.plane_count, args);
  }
}

std::vector<std::string> deform_psroi_pool_backward_variants() {
  return {kBackwardVariants.begin(), kBackwardVariants.end()};
}

}  // namespace dcn
