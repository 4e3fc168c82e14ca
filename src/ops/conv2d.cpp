#include "ops/conv2d.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>
#include <vector>

#include "dcn/status.hpp"
#include "kernels/conv_pack_args.hpp"
#include "ops/check.hpp"
#include "ops/rounding.hpp"
#include "ops/window_args.hpp"
#include "runtime/launch.hpp"
#include "runtime/verbose.hpp"

namespace dcn::ops {

namespace {

using ConvKernel = Conv2dVariant::Kernel;

constexpr int kDirectBlock = 8;       // output channels of one work-item of the direct kernel
constexpr int kDirectGroup = 128;     // its work-items side by side
constexpr std::int64_t kPast = 1024;  // work-items count past the last element

constexpr auto kConvVariants = [] {
  std::array<Conv2dVariant, kConvTiles.size() + 1> all{};
  std::size_t count = 0;
  for (const ConvTile& tile : kConvTiles) all[count++] = {tile.name, ConvKernel::kTiled, tile};
  all[count] = {"direct", ConvKernel::kDirect};
  return all;
}();

std::size_t window_bytes(IndexWidth index) { return index == IndexWidth::k32 ? 4 : 8; }

void check(const Conv2dDesc& desc) {
  const Conv2dParams& params = desc.params;
  expect_view("input", desc.input, 4, "[N, C, H, W]");
  expect_view("weight", desc.weight, 4, "[O, C / groups, kernel_h, kernel_w]");
  expect_view("output", desc.output, 4, "[N, O, H', W']");
  expect_no_overlap("output", desc.output);
  if (!is_floating(desc.input.type)) throw invalid("input: {}, expected a floating type", to_string(desc.input.type));
  expect_type("weight", desc.weight, desc.input.type, "input");
  expect_type("output", desc.output, desc.input.type, "input");
  const std::int64_t groups = params.groups;
  if (groups < 1 || desc.input.sizes[1] % groups != 0 || desc.weight.sizes[0] % groups != 0) {
    throw invalid("groups: {}, expected a divisor of {} input and {} output channels", groups, desc.input.sizes[1],
                  desc.weight.sizes[0]);
  }
  expect_equal("weight", desc.weight.sizes[1], "input channels", desc.input.sizes[1] / groups, "input and groups");
  expect_equal("weight", desc.weight.sizes[2], "rows", params.kernel_h, "kernel_h");
  expect_equal("weight", desc.weight.sizes[3], "columns", params.kernel_w, "kernel_w");
  expect_equal("output", desc.output.sizes[0], "pictures", desc.input.sizes[0], "input");
  expect_equal("output", desc.output.sizes[1], "channels", desc.weight.sizes[0], "weight");
  if (desc.bias) {
    expect_view("bias", *desc.bias, 1, "[O]");
    expect_type("bias", *desc.bias, desc.input.type, "input");
    expect_equal("bias", desc.bias->sizes[0], "values", desc.weight.sizes[0], "weight");
  }
}

TiledProblem tiled_problem(const Conv2dDesc& desc, const DeviceFacts& device) {
  const TensorView& output = desc.output;
  const std::int64_t chunks = div_up(desc.weight.sizes[1], std::int64_t{tiled_depth(desc.input.type)});
  return {.type = desc.input.type,
          .matrix = matrix_shape(desc.input.type, desc.allow_tf32, device),
          .pixels = output.sizes[0] * output.sizes[2] * output.sizes[3],
          .groups = desc.params.groups,
          .outputs = desc.weight.sizes[0] / desc.params.groups,
          .steps = chunks * desc.params.kernel_h * desc.params.kernel_w,
          .chunks = static_cast<int>(chunks),
          .force_splits = desc.force_splits,
          .position_bytes = window_bytes(IndexWidth::k64),
          .sample_cost = 2.0};
}

/// Why the tiled kernel would do more padding than work; empty when it suits.
std::string why_padding(const Conv2dDesc& desc) {
  const std::int64_t channels = desc.weight.sizes[1];
  const std::int64_t outputs = desc.weight.sizes[0] / desc.params.groups;
  const int depth = tiled_depth(desc.input.type);
  if (channels * 4 <= depth || outputs < kDirectBlock) {
    return fmt::format("groups of {} input and {} output channels would be mostly padding", channels, outputs);
  }
  return {};
}

const Conv2dVariant& find(std::string_view name) {
  const auto* const found = std::find_if(kConvVariants.begin(), kConvVariants.end(),
                                         [&](const auto& variant) { return variant.name == name; });
  if (found != kConvVariants.end()) return *found;
  std::vector<std::string_view> names;
  for (const auto& variant : kConvVariants) names.push_back(variant.name);
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("conv2d: forced variant '{}' does not exist: one of {}", name, fmt::join(names, ", ")));
}

const Conv2dVariant& choose(const Conv2dDesc& desc, const DeviceFacts& device) {
  const TiledProblem problem = tiled_problem(desc, device);
  const bool is_f64 = desc.input.type == DataType::kF64;
  if (!desc.force_variant.empty()) {
    const Conv2dVariant& forced = find(desc.force_variant);
    std::string why;
    if (forced.kernel == ConvKernel::kTiled) {
      why = is_f64 ? "it computes in f32, the tensors are f64" : why_unable(forced.tile, problem, device);
    }
    if (why.empty()) return forced;
    throw Error(ErrorCode::kUnsupported,
                fmt::format("conv2d: forced variant '{}' declines: {}", desc.force_variant, why));
  }
  std::string why = is_f64 ? "the tensors are f64" : why_padding(desc);
  if (why.empty()) {
    if (const ConvTile* const best = choose_conv_tile(problem, device)) return find(best->name);
    why = "no tile fits the device";
  }
  runtime::verbose(runtime::Topic::kDispatch, "conv2d: tiles decline: {}", why);
  return find("direct");
}

void fill_args(Conv2dArgs& args, const Conv2dDesc& desc) {
  copy_strides(args.input_stride, desc.input);
  copy_strides(args.output_stride, desc.output);
  fill_window(args, desc.params, desc.input, desc.output);
  args.relu = desc.activation == Activation::kRelu ? 1 : 0;
}

runtime::KernelRequest request(const Conv2dSchedule& schedule, DataType type, bool pack) {
  runtime::KernelRequest request;
  request.macros = {{element_macro(type), "1"}, {"DCN_INDEX", to_macro(schedule.index)}};
  if (schedule.variant.kernel == ConvKernel::kDirect) {
    request.source = "conv2d_direct.hpp";
    request.entry = pack ? "conv2d_direct_pack" : "conv2d_direct";
    request.macros.emplace_back("DCN_BLOCK", std::to_string(kDirectBlock));
    return request;
  }
  request.source = "conv2d_tiled.hpp";
  request.entry = pack ? "conv2d_tiled_pack" : "conv2d_tiled";
  request.macros.emplace_back("DCN_LANES", std::to_string(schedule.lanes));
  add_tile_macros(schedule.variant.tile, schedule.depth, schedule.whole_steps, schedule.matrix, schedule.ptx, request);
  return request;
}

}  // namespace

std::span<const Conv2dVariant> conv2d_variant_list() noexcept { return kConvVariants; }

Conv2dSchedule plan_conv2d(const Conv2dDesc& desc, const DeviceFacts& device) {
  check(desc);
  expect_supported(desc.input.type, device);
  Conv2dSchedule schedule;
  schedule.variant = choose(desc, device);
  fill_args(schedule.args, desc);
  const bool tiled = schedule.variant.kernel == ConvKernel::kTiled;
  const ConvTile& tile = schedule.variant.tile;
  const DataType type = desc.input.type;
  const std::int64_t groups = desc.params.groups;
  const std::int64_t channels = desc.weight.sizes[1];
  const std::int64_t outputs = desc.weight.sizes[0] / groups;
  const std::int64_t taps = desc.params.kernel_h * desc.params.kernel_w;
  const std::int64_t pixels = desc.output.sizes[0] * desc.output.sizes[2] * desc.output.sizes[3];
  if (tiled) {
    schedule.depth = tiled_depth(type);
    schedule.lanes = device.lanes;
    schedule.matrix = matrix_shape(type, desc.allow_tf32, device);
    schedule.packed_type = staged_type(type, schedule.matrix);
  } else {
    schedule.packed_type = type == DataType::kF64 ? DataType::kF64 : DataType::kF32;
  }
  const std::int64_t width = tiled ? tile.outputs : kDirectBlock;
  const std::int64_t steps = tiled ? taps * div_up(channels, std::int64_t{schedule.depth}) : taps * channels;
  const std::int64_t step_channels = tiled ? schedule.depth : 1;
  const std::int64_t slices = div_up(outputs, width);
  const std::int64_t packed = groups * slices * steps * step_channels * width;
  schedule.index = index_width({&desc.input, &desc.weight, &desc.output},
                               {pixels + kPast, packed + groups * slices * width + kPast});
  if (desc.force_wide_index) schedule.index = IndexWidth::k64;
  schedule.args.slices_per_group = static_cast<int>(slices);
  schedule.args.steps_per_group = static_cast<int>(steps);
  schedule.pixels = static_cast<std::size_t>(pixels);
  schedule.panels = static_cast<std::size_t>(groups * slices);
  schedule.packed_weight_elements = static_cast<std::size_t>(packed);
  schedule.packed_bias_elements = static_cast<std::size_t>(groups * slices * width);
  if (tiled) {
    set_blocks(schedule.args, tile.pixels);
    schedule.tiles = count_tiles(schedule.args, tile.pixels);
    schedule.args.splits = choose_splits(tile, tiled_problem(desc, device), device);
    schedule.ptx = device.ptx;
    schedule.whole_steps = channels % schedule.depth == 0;
    schedule.args.wide_input = is_wide(desc.input, channels) ? 1 : 0;
    schedule.args.wide_output = is_wide(desc.output, std::gcd(outputs, width)) ? 1 : 0;
    schedule.local_bytes = tiled_local_bytes(tile, window_bytes(schedule.index), schedule.depth, schedule.matrix, type);
  }
  return schedule;
}

Conv2dPlan::Conv2dPlan(Queue queue, const Conv2dDesc& desc)
    : queue_(std::move(queue)), desc_(desc), schedule_(plan_conv2d(desc, device_facts(queue_))) {
  const DataType type = desc.input.type;
  kernel_ = runtime::get_kernel(queue_, request(schedule_, type, false));
  pack_ = runtime::get_kernel(queue_, request(schedule_, type, true));
  weight_ = DeviceBuffer(queue_, schedule_.packed_weight_elements * size_of(schedule_.packed_type));
  bias_ = DeviceBuffer(queue_, schedule_.packed_bias_elements * sizeof(float));
  zeros_ = DeviceBuffer(queue_, 16);
  queue_.fill(zeros_.data(), 0, zeros_.bytes());
  if (schedule_.variant.kernel == ConvKernel::kTiled) {
    splits_ = SplitSums(queue_, schedule_.variant.tile, schedule_.tiles * schedule_.panels, schedule_.args.splits);
  }
}

void Conv2dPlan::set_weights(const TensorView& weight, const std::optional<TensorView>& bias) {
  expect_same("weight", weight, desc_.weight);
  expect_data("weight", weight);
  if (bias.has_value() != desc_.bias.has_value()) {
    throw invalid("bias: {}, but the plan was made {} one", bias ? "given" : "absent", desc_.bias ? "with" : "without");
  }
  if (bias) {
    expect_same("bias", *bias, *desc_.bias);
    expect_data("bias", *bias);
  }
  const Conv2dArgs& args = schedule_.args;
  ConvPackArgs pack{};
  pack.weight = weight.data;
  pack.bias = bias ? bias->data : nullptr;
  pack.packed_weight = weight_.data();
  pack.packed_bias = static_cast<float*>(bias_.data());
  std::copy(weight.strides.begin(), weight.strides.begin() + 4, pack.weight_stride);
  pack.bias_stride = bias ? bias->strides[0] : 0;
  pack.in_channels = args.in_channels;
  pack.out_channels = args.out_channels;
  pack.kernel_h = args.kernel_h;
  pack.kernel_w = args.kernel_w;
  pack.groups = args.groups;
  pack.deformable_groups = 1;
  pack.panels_per_group = args.slices_per_group;
  pack.steps_per_group = args.steps_per_group;
  // The tiled kernel's takes 16 bytes of packed weights at a time.
  const std::size_t at_a_time =
      schedule_.variant.kernel == ConvKernel::kTiled ? 16 / size_of(schedule_.packed_type) : 1;
  runtime::launch(
      queue_, pack_,
      runtime::range_elements(schedule_.packed_weight_elements / at_a_time + schedule_.packed_bias_elements), pack);
}

void Conv2dPlan::run(const void* input, const void* residual, void* output) const {
  if (schedule_.pixels == 0) return;
  Conv2dArgs args = schedule_.args;
  args.input = input;
  args.weight = weight_.data();
  args.bias = bias_.data();
  args.zeros = zeros_.data();
  args.residual = residual;
  args.output = output;
  if (schedule_.variant.kernel == ConvKernel::kDirect) {
    runtime::launch(
        queue_, kernel_,
        runtime::range_2d({schedule_.panels, runtime::div_up(schedule_.pixels, kDirectGroup)}, {1, kDirectGroup}),
        args);
    return;
  }
  args.wide_input = args.wide_input != 0 && is_aligned(input) ? 1 : 0;
  args.wide_output =
      args.wide_output != 0 && is_aligned(output) && (residual == nullptr || is_aligned(residual)) ? 1 : 0;
  const ConvTile& tile = schedule_.variant.tile;
  const auto threads = static_cast<std::size_t>(tile.row_teams * tile.column_teams * schedule_.lanes);
  splits_.give(args);
  const std::size_t panels = schedule_.panels * static_cast<std::size_t>(args.splits);
  runtime::launch(queue_, kernel_, runtime::range_2d({panels, schedule_.tiles}, {1, threads}), args,
                  schedule_.local_bytes);
}

std::size_t Conv2dPlan::weight_bytes() const noexcept { return weight_.bytes() + bias_.bytes(); }

}  // namespace dcn::ops
