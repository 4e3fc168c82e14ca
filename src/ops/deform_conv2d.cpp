#include "dcn/deform_conv2d.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>

#include "dcn/status.hpp"
#include "kernels/conv_pack_args.hpp"
#include "ops/channels_last.hpp"
#include "ops/check.hpp"
#include "ops/deform_conv2d_plan.hpp"
#include "ops/split_sums.hpp"
#include "runtime/kernel.hpp"
#include "runtime/launch.hpp"
#include "runtime/verbose.hpp"

namespace dcn {

namespace {

using ops::DeformConv2dSchedule;
using Kernel = ops::DeformConv2dVariant::Kernel;
using runtime::div_up;

runtime::KernelRequest request(const DeformConv2dSchedule& schedule, DataType type, std::string_view entry) {
  runtime::KernelRequest request;
  request.entry = entry;
  request.macros = {{ops::element_macro(type), "1"}, {"DCN_INDEX", ops::to_macro(schedule.index)}};
  if (schedule.variant.kernel == Kernel::kReference) {
    request.source = "deform_conv2d_reference.hpp";
    return request;
  }
  request.macros.emplace_back("DCN_LANES", std::to_string(schedule.lanes));
  if (schedule.variant.kernel == Kernel::kTiled) {
    request.source = "deform_conv2d_tiled.hpp";
    ops::add_tile_macros(schedule.variant.tile, schedule.chunk, schedule.whole_steps, schedule.matrix, schedule.ptx,
                         request);
    return request;
  }
  request.source = "deform_conv2d_fused.hpp";
  request.macros.emplace_back("DCN_ROWS", std::to_string(schedule.variant.rows));
  request.macros.emplace_back("DCN_VECTORS", std::to_string(schedule.variant.panel / schedule.lanes));
  request.macros.emplace_back("DCN_CHUNK", std::to_string(schedule.chunk));
  return request;
}

std::string forced_variant(const DeformConv2dDesc& desc) {
  if (!desc.force_variant.empty()) return desc.force_variant;
  const char* variable = std::getenv("DCN_FORCE_VARIANT");
  return variable == nullptr ? std::string() : std::string(variable);
}

}  // namespace

struct DeformConv2dPlan::State {
  State(Queue on, const DeformConv2dDesc& of) : queue(std::move(on)), desc(of) {}

  Queue queue;
  DeformConv2dDesc desc;
  std::string variant;
  DeformConv2dSchedule schedule;
  runtime::Kernel kernel;
  runtime::Kernel pack;  // or the copy for the reference
  DeviceBuffer weight;   // packed, or a copy for the reference
  DeviceBuffer bias;
  DeviceBuffer zeros;
  ops::SplitSums splits;
  std::optional<ops::ChannelsLast> staging;
  bool has_weights = false;

  void run_tiled(DeformConv2dArgs args) const;
};

DeformConv2dPlan::DeformConv2dPlan(Queue queue, const DeformConv2dDesc& desc) {
  ops::check_deform_conv2d(desc);
  state_ = std::make_unique<State>(std::move(queue), desc);
  State& state = *state_;
  const ops::DeviceFacts device = ops::device_facts(state.queue);
  state.schedule = ops::plan_deform_conv2d(desc, device, forced_variant(desc));
  state.variant = state.schedule.variant.name;
  runtime::verbose(runtime::Topic::kDispatch, "deform_conv2d: {}", describe());
  if (state.schedule.empty) return;

  const DataType type = desc.tensors.input.type;
  if (state.schedule.variant.kernel == Kernel::kReference) {
    state.kernel = runtime::get_kernel(state.queue, request(state.schedule, type, "deform_conv2d_reference"));
    state.pack = runtime::get_kernel(state.queue, request(state.schedule, type, "deform_conv2d_copy"));
    state.weight = DeviceBuffer(state.queue, static_cast<std::size_t>(desc.tensors.weight.elements()) * size_of(type));
    if (desc.tensors.bias) {
      state.bias = DeviceBuffer(state.queue, static_cast<std::size_t>(desc.tensors.bias->elements()) * size_of(type));
    }
    return;
  }
  const bool tiled = state.schedule.variant.kernel == Kernel::kTiled;
  state.kernel = runtime::get_kernel(
      state.queue, request(state.schedule, type, tiled ? "deform_conv2d_tiled" : "deform_conv2d_fused"));
  state.pack = runtime::get_kernel(
      state.queue, request(state.schedule, type, tiled ? "deform_conv2d_tiled_pack" : "deform_conv2d_pack"));
  state.weight = DeviceBuffer(state.queue, state.schedule.packed_weight_elements * size_of(state.schedule.packed_type));
  state.bias = DeviceBuffer(state.queue, state.schedule.packed_bias_elements * sizeof(float));
  state.zeros = DeviceBuffer(state.queue, state.schedule.zero_elements * size_of(type));
  state.queue.fill(state.zeros.data(), 0, state.zeros.bytes());
  if (tiled) {
    state.splits = ops::SplitSums(state.queue, state.schedule.variant.tile,
                                  state.schedule.tiles * state.schedule.slices, state.schedule.args.splits);
  }
  if (state.schedule.staged_pictures != 0) {
    state.staging.emplace(state.queue, desc.tensors.input, state.schedule.staged_pictures, state.schedule.index);
  }
}

DeformConv2dPlan::~DeformConv2dPlan() = default;
DeformConv2dPlan::DeformConv2dPlan(DeformConv2dPlan&&) noexcept = default;
DeformConv2dPlan& DeformConv2dPlan::operator=(DeformConv2dPlan&&) noexcept = default;

void DeformConv2dPlan::set_weights(const TensorView& weight, const std::optional<TensorView>& bias) {
  State& state = *state_;
  const DeformConv2dTensors& planned = state.desc.tensors;
  ops::expect_same("weight", weight, planned.weight);
  ops::expect_data("weight", weight);
  if (bias.has_value() != planned.bias.has_value()) {
    throw ops::invalid("bias: {}, but the plan was made {} one", bias ? "given" : "absent",
                       planned.bias ? "with" : "without");
  }
  if (bias) {
    ops::expect_same("bias", *bias, *planned.bias);
    ops::expect_data("bias", *bias);
  }
  state.has_weights = true;
  if (state.schedule.empty) return;

  if (state.schedule.variant.kernel == Kernel::kReference) {
    DeformConv2dCopyArgs copy{};
    copy.weight = weight.data;
    copy.bias = bias ? bias->data : nullptr;
    copy.dense_weight = state.weight.data();
    copy.dense_bias = state.bias.data();
    std::copy(weight.strides.begin(), weight.strides.end(), copy.weight_stride);
    copy.bias_stride = bias ? bias->strides[0] : 0;
    copy.out_channels = weight.sizes[0];
    copy.group_channels = weight.sizes[1];
    copy.kernel_h = state.schedule.args.kernel_h;
    copy.kernel_w = state.schedule.args.kernel_w;
    const auto elements = static_cast<std::size_t>(weight.elements() + weight.sizes[0]);
    runtime::launch(state.queue, state.pack, runtime::range_elements(elements), copy);
    return;
  }
  const DeformConv2dArgs& args = state.schedule.args;
  ConvPackArgs pack{};
  pack.weight = weight.data;
  pack.bias = bias ? bias->data : nullptr;
  pack.packed_weight = state.weight.data();
  pack.packed_bias = static_cast<float*>(state.bias.data());
  pack.in_channels = args.in_channels;
  pack.out_channels = args.out_channels;
  std::copy(weight.strides.begin(), weight.strides.end(), pack.weight_stride);
  pack.bias_stride = bias ? bias->strides[0] : 0;
  pack.kernel_h = args.kernel_h;
  pack.kernel_w = args.kernel_w;
  pack.groups = args.groups;
  pack.deformable_groups = args.deformable_groups;
  pack.panels_per_group = args.panels_per_group;
  pack.steps_per_group = args.steps_per_group;
  // The fused kernel's takes a channel of a panel at a time, the tiled kernel's 16 bytes of packed weights.
  const bool tiled = state.schedule.variant.kernel == Kernel::kTiled;
  const std::size_t panels = static_cast<std::size_t>(args.groups) * static_cast<std::size_t>(args.panels_per_group);
  const std::size_t items = tiled ? state.schedule.packed_weight_elements / (16 / size_of(state.schedule.packed_type))
                                  : panels * static_cast<std::size_t>(args.in_channels / args.groups);
  const std::size_t elements = items + state.schedule.packed_bias_elements;
  runtime::launch(state.queue, state.pack, runtime::range_elements(elements), pack);
}

void DeformConv2dPlan::run(const DeformConv2dTensors& tensors) const {
  const State& state = *state_;
  const DeformConv2dTensors& planned = state.desc.tensors;
  const auto expect = [](std::string_view name, const TensorView& view, const TensorView& as) {
    ops::expect_same(name, view, as);
    ops::expect_data(name, view);
  };
  expect("input", tensors.input, planned.input);
  expect("offset", tensors.offset, planned.offset);
  if (tensors.mask.has_value() != planned.mask.has_value()) {
    throw ops::invalid("mask: {}, but the plan was made {} one", tensors.mask ? "given" : "absent",
                       planned.mask ? "with" : "without");
  }
  if (tensors.mask) expect("mask", *tensors.mask, *planned.mask);
  expect("output", tensors.output, planned.output);
  if (!state.has_weights) throw ops::invalid("weight: not set: call set_weights before run");
  if (state.schedule.empty) return;

  DeformConv2dArgs args = state.schedule.args;
  args.input = tensors.input.data;
  args.offset = tensors.offset.data;
  args.mask = tensors.mask ? tensors.mask->data : nullptr;
  args.weight = state.weight.data();
  args.bias = state.bias.data();
  args.zeros = state.zeros.data();
  args.output = tensors.output.data;
  if (state.schedule.variant.kernel == Kernel::kReference) {
    const auto elements = static_cast<std::size_t>(tensors.output.elements());
    runtime::launch(state.queue, state.kernel, runtime::range_elements(elements), args);
    return;
  }
  if (state.schedule.variant.kernel == Kernel::kTiled) {
    state.run_tiled(args);
    return;
  }
  runtime::launch(state.queue, state.kernel,
                  runtime::range_2d({state.schedule.slices, state.schedule.tiles},
                                    {1, static_cast<std::size_t>(state.schedule.lanes)}),
                  args, state.schedule.local_bytes);
}

void DeformConv2dPlan::State::run_tiled(DeformConv2dArgs args) const {
  const ops::ConvTile& tile = schedule.variant.tile;
  const auto threads = static_cast<std::size_t>(schedule.lanes * tile.row_teams * tile.column_teams);
  const auto element = static_cast<long long>(size_of(desc.tensors.input.type));
  const long long batch = args.batch;
  const long long step = staging ? schedule.staged_pictures : batch;
  splits.give(args);
  const DeformConv2dArgs call = args;
  for (long long first = 0; first < batch; first += step) {
    const auto at = [&](const void* data, const long long(&stride)[4]) -> const void* {
      return data == nullptr ? nullptr : static_cast<const unsigned char*>(data) + first * stride[0] * element;
    };
    args.batch = std::min(step, batch - first);
    if (staging) args.input = staging->run(call.input, first, args.batch);
    args.offset = at(call.offset, call.offset_stride);
    args.mask = at(call.mask, call.mask_stride);
    args.output = static_cast<unsigned char*>(call.output) + first * call.output_stride[0] * element;
    args.wide_input = call.wide_input != 0 && ops::is_aligned(args.input) ? 1 : 0;
    args.wide_output = call.wide_output != 0 && ops::is_aligned(args.output) ? 1 : 0;
    const std::size_t slices = schedule.slices * static_cast<std::size_t>(args.splits);
    runtime::launch(queue, kernel, runtime::range_2d({slices, ops::count_tiles(args, tile.pixels)}, {1, threads}), args,
                    schedule.local_bytes);
  }
}

const std::string& DeformConv2dPlan::variant() const noexcept { return state_->variant; }

std::size_t DeformConv2dPlan::scratch_bytes() const noexcept {
  return state_->zeros.bytes() + state_->splits.bytes() + (state_->staging ? state_->staging->bytes() : 0);
}

std::size_t DeformConv2dPlan::local_bytes() const noexcept { return state_->schedule.local_bytes; }

std::string DeformConv2dPlan::describe() const {
  const DeformConv2dSchedule& schedule = state_->schedule;
  const char* index = schedule.index == ops::IndexWidth::k32 ? "32-bit" : "64-bit";
  if (schedule.variant.kernel == Kernel::kReference) return fmt::format("{}, {} indices", schedule.variant.name, index);
  if (schedule.variant.kernel == Kernel::kTiled) {
    return fmt::format("{}, {} tiles x {} slices{}, {}, {} lanes, {} indices, {} bytes of local memory{}",
                       schedule.variant.name, schedule.tiles, schedule.slices,
                       schedule.args.splits == 1 ? "" : fmt::format(" by {} work-groups each", schedule.args.splits),
                       ops::describe(schedule.matrix), schedule.lanes, index, schedule.local_bytes,
                       schedule.staged_pictures == 0
                           ? ""
                           : fmt::format(", {} pictures at a time as channels-last", schedule.staged_pictures));
  }
  return fmt::format(
      "{}, {} tiles of {} pixels x {} slices of {} panels, {} lanes, {} indices, {} bytes of local memory",
      schedule.variant.name, schedule.tiles, schedule.args.tile_pixels, schedule.slices, schedule.args.slice_panels,
      schedule.lanes, index, schedule.local_bytes);
}

void deform_conv2d(Queue& queue, const DeformConv2dParams& params, const DeformConv2dTensors& tensors) {
  DeformConv2dPlan plan(queue, {.params = params, .tensors = tensors});
  plan.set_weights(tensors.weight, tensors.bias);
  plan.run(tensors);
  queue.wait();
}

std::vector<std::string> deform_conv2d_variants() {
  std::vector<std::string> names;
  for (const ops::DeformConv2dVariant& variant : ops::deform_conv2d_variant_list()) names.emplace_back(variant.name);
  return names;
}

}  // namespace dcn
