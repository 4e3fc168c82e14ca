#include "dcn/deform_conv2d_backward.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>

#include "dcn/status.hpp"
#include "ops/channels_last.hpp"
#include "ops/check.hpp"
#include "ops/deform_conv2d_backward_plan.hpp"
#include "ops/deform_conv2d_plan.hpp"
#include "runtime/kernel.hpp"
#include "runtime/launch.hpp"
#include "runtime/verbose.hpp"

namespace dcn {

namespace {

using ops::DeformConv2dBackwardSchedule;
using BackwardKernel = ops::DeformConv2dBackwardVariant::Kernel;
using runtime::div_up;

constexpr int kRegisters = 128;         // of a tiled work-item: two work-groups of 256 share a unit
constexpr std::size_t kFlatGroup = 64;  // work-items of a group in kernels with one item per element

runtime::KernelRequest request(const DeformConv2dBackwardSchedule& schedule, DataType type, std::string_view entry) {
  const ops::DeformConv2dBackwardVariant& variant = schedule.variant;
  runtime::KernelRequest request;
  request.entry = entry;
  request.macros = {{ops::element_macro(type), "1"}, {"DCN_INDEX", ops::to_macro(schedule.index)}};
  if (variant.kernel == BackwardKernel::kReference) {
    request.source = "deform_conv2d_backward_reference.hpp";
    return request;
  }
  if (variant.kernel == BackwardKernel::kTiled) {
    request.source = "deform_conv2d_backward_tiled.hpp";
    const auto define = [&](const char* macro, int value) {
      request.macros.emplace_back(macro, std::to_string(value));
    };
    define("DCN_LANES", schedule.lanes);
    define("DCN_PIXELS", variant.rows);
    define("DCN_OUTPUTS", variant.panel);
    define("DCN_SLICE", variant.out_rows);
    define("DCN_DEPTH", schedule.depth);
    define("DCN_ROW_TEAMS", ops::kBackwardRowTeams);
    define("DCN_COLUMN_TEAMS", ops::kBackwardColumnTeams);
    define("DCN_REGISTERS", kRegisters);
    define("DCN_WIDE", schedule.wide ? 1 : 0);
    if (schedule.matrix.mma) define("DCN_MMA", 1);
    if (schedule.ptx) define("DCN_PTX", 1);
    return request;
  }
  request.source = "deform_conv2d_backward_fused.hpp";
  request.macros.emplace_back("DCN_LANES", std::to_string(schedule.lanes));
  request.macros.emplace_back("DCN_VECTORS", std::to_string(variant.panel / schedule.lanes));
  request.macros.emplace_back("DCN_ROWS", std::to_string(variant.rows));
  request.macros.emplace_back("DCN_OUT_ROWS", std::to_string(variant.out_rows));
  return request;
}

std::string forced_variant(const DeformConv2dBackwardDesc& desc) {
  if (!desc.force_variant.empty()) return desc.force_variant;
  const char* variable = std::getenv("DCN_FORCE_VARIANT_BACKWARD");
  return variable == nullptr ? std::string() : std::string(variable);
}

void expect_planned(std::string_view name, const std::optional<TensorView>& view,
                    const std::optional<TensorView>& planned) {
  if (view.has_value() != planned.has_value()) {
    throw ops::invalid("{}: {}, but the plan was made {} one", name, view ? "given" : "absent",
                       planned ? "with" : "without");
  }
  if (!view) return;
  ops::expect_same(name, *view, *planned);
  ops::expect_data(name, *view);
}

template <typename Args>
void launch_flat(const Queue& queue, const runtime::Kernel& kernel, std::int64_t items, const Args& args) {
  runtime::launch(queue, kernel, runtime::range_1d(div_up(static_cast<std::size_t>(items), kFlatGroup), kFlatGroup),
                  args);
}

}  // namespace

struct DeformConv2dBackwardPlan::State {
  State(Queue on, const DeformConv2dBackwardDesc& of) : queue(std::move(on)), desc(of) {}

  void get_reference();
  void get_fused();
  void get_tiled();
  void run_reference(DeformConv2dBackwardArgs args) const;
  void run_fused(const DeformConv2dBackwardArgs& args) const;
  void run_tiled(const DeformConv2dBackwardArgs& args) const;
  [[nodiscard]] runtime::Kernel kernel(std::string_view entry) const {
    return runtime::get_kernel(queue, request(schedule, desc.tensors.input.type, entry));
  }
  /// The parts of the scratch, in the order of the schedule.
  template <typename Args>
  void place_scratch(Args& args) const {
    auto* at = static_cast<unsigned char*>(scratch.data());
    const auto take = [&](std::size_t bytes) {
      auto* part = reinterpret_cast<float*>(bytes == 0 ? nullptr : at);
      at += bytes;
      return part;
    };
    args.input_sums = take(schedule.input_bytes);
    args.packed_weight = take(schedule.packed_bytes);
    args.weight_sums = take(schedule.weight_bytes);
    args.position_sums = take(schedule.position_bytes);
    args.bias_sums = take(schedule.bias_bytes);
    args.zeros = take(schedule.zero_bytes);
  }
  [[nodiscard]] bool wants_position() const { return desc.tensors.grad_offset || desc.tensors.grad_mask; }

  Queue queue;
  DeformConv2dBackwardDesc desc;
  std::string variant;
  DeformConv2dBackwardSchedule schedule;
  // One kernel for each gradient; in the fused variants, those that add up the parts that `fused` leaves.
  runtime::Kernel input, position, weight, bias;
  runtime::Kernel pack, fused, part_bias;  // `fused` is the tiled variants' kernel, too
  DeviceBuffer scratch;
  std::optional<ops::ChannelsLast> input_staging, grad_output_staging;
};

void DeformConv2dBackwardPlan::State::get_reference() {
  if (desc.tensors.grad_input) input = kernel("deform_conv2d_backward_input");
  if (wants_position()) position = kernel("deform_conv2d_backward_position");
  if (desc.tensors.grad_weight) weight = kernel("deform_conv2d_backward_weight");
  if (desc.tensors.grad_bias) bias = kernel("deform_conv2d_backward_bias");
}

void DeformConv2dBackwardPlan::State::get_fused() {
  if (desc.tensors.grad_input || desc.tensors.grad_weight || wants_position()) {
    fused = kernel("deform_conv2d_backward_fused");
  }
  if (desc.tensors.grad_input || wants_position()) pack = kernel("deform_conv2d_backward_pack");
  if (desc.tensors.grad_input && !schedule.direct_input) input = kernel("deform_conv2d_backward_sum_input");
  if (wants_position()) position = kernel("deform_conv2d_backward_sum_position");
  if (desc.tensors.grad_weight) weight = kernel("deform_conv2d_backward_sum_weight");
  if (desc.tensors.grad_bias) {
    part_bias = kernel("deform_conv2d_backward_part_bias");
    bias = kernel("deform_conv2d_backward_sum_bias");
  }
}

void DeformConv2dBackwardPlan::State::get_tiled() {
  const DeformConv2dBackwardTensors& wanted = desc.tensors;
  fused = kernel("deform_conv2d_backward_tiled");
  if (wanted.grad_input || wants_position()) pack = kernel("deform_conv2d_backward_tiled_pack");
  if (wanted.grad_input && !schedule.tiled.direct_input) input = kernel("deform_conv2d_backward_tiled_input");
  if (wants_position()) position = kernel("deform_conv2d_backward_tiled_position");
  if (wanted.grad_weight || wanted.grad_bias) weight = kernel("deform_conv2d_backward_tiled_weight");
  const std::int64_t pictures = schedule.tiled.pictures;
  if (schedule.stage_input) input_staging.emplace(queue, wanted.input, pictures, schedule.index);
  if (schedule.stage_grad_output) grad_output_staging.emplace(queue, wanted.grad_output, pictures, schedule.index);
}

DeformConv2dBackwardPlan::DeformConv2dBackwardPlan(Queue queue, const DeformConv2dBackwardDesc& desc) {
  ops::check_deform_conv2d_backward(desc);
  state_ = std::make_unique<State>(std::move(queue), desc);
  State& state = *state_;
  const ops::DeviceFacts device = ops::device_facts(state.queue);
  state.schedule = ops::plan_deform_conv2d_backward(desc, device, forced_variant(desc));
  state.variant = state.schedule.variant.name;
  runtime::verbose(runtime::Topic::kDispatch, "deform_conv2d_backward: {}", describe());

  switch (state.schedule.variant.kernel) {
    case BackwardKernel::kReference:
      state.get_reference();
      break;
    case BackwardKernel::kFused:
      state.get_fused();
      break;
    case BackwardKernel::kTiled:
      state.get_tiled();
      break;
  }
  state.scratch = DeviceBuffer(state.queue, state.schedule.scratch_bytes());
  if (state.schedule.zero_bytes != 0) {
    auto* end = static_cast<unsigned char*>(state.scratch.data()) + state.scratch.bytes();
    state.queue.fill(end - state.schedule.zero_bytes, 0, state.schedule.zero_bytes);
  }
}

DeformConv2dBackwardPlan::~DeformConv2dBackwardPlan() = default;
DeformConv2dBackwardPlan::DeformConv2dBackwardPlan(DeformConv2dBackwardPlan&&) noexcept = default;
DeformConv2dBackwardPlan& DeformConv2dBackwardPlan::operator=(DeformConv2dBackwardPlan&&) noexcept = default;

void DeformConv2dBackwardPlan::State::run_reference(DeformConv2dBackwardArgs args) const {
  const std::int64_t taps = std::int64_t{args.kernel_h} * args.kernel_w;
  if (args.grad_input != nullptr) {
    const std::int64_t planes = args.batch * args.in_channels;
    for (args.first_plane = 0; args.first_plane < planes; args.first_plane += schedule.planes) {
      args.plane_count = std::min<std::int64_t>(schedule.planes, planes - args.first_plane);
      launch_flat(queue, input, args.plane_count, args);
    }
  }
  if (args.grad_offset != nullptr || args.grad_mask != nullptr) {
    launch_flat(queue, position, args.batch * args.out_height * args.out_width * args.deformable_groups * taps, args);
  }
  if (args.grad_weight != nullptr) {
    launch_flat(queue, weight, args.out_channels * taps * (args.in_channels / args.groups), args);
  }
  if (args.grad_bias != nullptr) launch_flat(queue, bias, args.out_channels, args);
}

void DeformConv2dBackwardPlan::State::run_fused(const DeformConv2dBackwardArgs& call) const {
  DeformConv2dBackwardFusedArgs args = schedule.args;
  args.call = call;
  place_scratch(args);

  const std::int64_t panel = schedule.variant.panel;
  const std::int64_t taps = std::int64_t{call.kernel_h} * call.kernel_w;
  const auto blocks = static_cast<std::size_t>(args.slices * (args.padded_outputs / schedule.variant.out_rows));
  const runtime::LaunchRange weight_blocks = runtime::range_1d(blocks, static_cast<std::size_t>(schedule.lanes));
  if (args.packed_weight != nullptr) runtime::launch(queue, pack, weight_blocks, args);
  if (call.batch == 0) queue.fill(args.weight_sums, 0, schedule.weight_bytes);
  const int all_strands = args.strands;
  if (fused.native != nullptr) {
    args.clear_weight = 1;
    for (args.first_picture = 0; args.first_picture < call.batch; args.first_picture += schedule.pictures) {
      const std::int64_t pictures = std::min<std::int64_t>(schedule.pictures, call.batch - args.first_picture);
      args.strands = static_cast<int>(pictures) * args.segments;
      args.clear_input = 1;
      for (args.round_first = 0; args.round_first < args.segment_pixels; args.round_first += args.round_pixels) {
        const auto groups = static_cast<std::size_t>(args.slices) * static_cast<std::size_t>(args.strands);
        runtime::launch(queue, fused, runtime::range_1d(groups, static_cast<std::size_t>(schedule.lanes)), args,
                        schedule.local_bytes);
        if (wants_position()) {
          const auto planes = static_cast<std::size_t>(call.deformable_groups * taps * args.strands);
          const std::size_t pixel_blocks = div_up(static_cast<std::size_t>(args.round_pixels), kFlatGroup);
          runtime::launch(queue, position, runtime::range_1d(pixel_blocks * planes, kFlatGroup), args);
        }
        args.clear_input = args.clear_weight = 0;
      }
      if (call.grad_input != nullptr && !schedule.direct_input) {
        launch_flat(queue, input, pictures * call.height * call.width * args.slices * panel, args);
      }
    }
  }
  args.strands = all_strands;
  if (call.grad_weight != nullptr) runtime::launch(queue, weight, weight_blocks, args);
  if (call.grad_bias != nullptr) {
    launch_flat(queue, part_bias, args.bias_parts * call.out_channels, args);
    launch_flat(queue, bias, call.out_channels, args);
  }
}

void DeformConv2dBackwardPlan::State::run_tiled(const DeformConv2dBackwardArgs& call) const {
  DeformConv2dBackwardTiledArgs args = schedule.tiled;
  args.call = call;
  place_scratch(args);
  runtime::Kernel main = fused;
  const bool aligned =
      (input_staging || ops::is_aligned(call.input)) && (grad_output_staging || ops::is_aligned(call.grad_output));
  if (schedule.wide && !aligned) {
    DeformConv2dBackwardSchedule narrow = schedule;
    narrow.wide = false;
    main = runtime::get_kernel(queue, request(narrow, desc.tensors.input.type, "deform_conv2d_backward_tiled"));
  }

  const ops::DeformConv2dBackwardVariant& chosen = schedule.variant;
  const std::int64_t taps = std::int64_t{call.kernel_h} * call.kernel_w;
  const std::int64_t weights = taps * args.all_slices * args.output_slices * chosen.out_rows * chosen.panel;
  if (args.packed_weight != nullptr) launch_flat(queue, pack, weights, args);
  queue.fill(args.weight_sums, 0, schedule.weight_bytes);
  queue.fill(args.bias_sums, 0, schedule.bias_bytes);
  if (args.direct_input != 0) {
    queue.fill(call.grad_input, 0, static_cast<std::size_t>(desc.tensors.grad_input->elements()) * sizeof(float));
  }
  const auto threads = static_cast<std::size_t>(schedule.lanes * ops::kBackwardRowTeams * ops::kBackwardColumnTeams);
  const std::int64_t launch_pictures = args.pictures;
  const int launch_slices = args.slices;
  for (args.first_picture = 0; args.first_picture < call.batch; args.first_picture += launch_pictures) {
    args.pictures = std::min<std::int64_t>(launch_pictures, call.batch - args.first_picture);
    // Of sums, pictures are counted from the launch's first.
    if (args.direct_input != 0) {
      args.input_sums = static_cast<float*>(call.grad_input) + args.first_picture * args.input_sum_step[0];
    }
    // Of tensors they are counted from the tensor's first, which would lie in front of the staged ones.
    const auto stage = [&](const ops::ChannelsLast& staging, const void* source, const long long(&stride)[4]) {
      const auto at = reinterpret_cast<std::uintptr_t>(staging.run(source, args.first_picture, args.pictures));
      const auto before =
          static_cast<std::uintptr_t>(args.first_picture * stride[0]) * size_of(desc.tensors.input.type);
      return reinterpret_cast<const void*>(at - before);
    };
    if (input_staging) args.call.input = stage(*input_staging, call.input, call.input_stride);
    if (grad_output_staging) {
      args.call.grad_output = stage(*grad_output_staging, call.grad_output, call.grad_output_stride);
    }
    queue.fill(args.position_sums, 0, schedule.position_bytes);
    for (args.first_slice = 0; args.first_slice < args.all_slices; args.first_slice += launch_slices) {
      args.slices = std::min(launch_slices, args.all_slices - args.first_slice);
      if (args.direct_input == 0) queue.fill(args.input_sums, 0, schedule.input_bytes);
      const auto shares = static_cast<std::size_t>(taps * args.slices * args.output_slices);
      runtime::launch(queue, main, runtime::range_2d({schedule.ranges, shares}, {1, threads}), args,
                      schedule.local_bytes);
      if (input.native != nullptr) {
        launch_flat(queue, input, args.pictures * call.height * call.width * args.slices * (chosen.panel / 4), args);
      }
    }
    if (position.native != nullptr) {
      launch_flat(queue, position, args.pictures * call.out_height * call.out_width * call.deformable_groups * taps,
                  args);
    }
  }
  if (weight.native != nullptr) {
    launch_flat(queue, weight, (args.weight_sums == nullptr ? 0 : weights) + call.out_channels, args);
  }
}

void DeformConv2dBackwardPlan::run(const DeformConv2dBackwardTensors& tensors) {
  State& state = *state_;
  const DeformConv2dBackwardTensors& planned = state.desc.tensors;
  expect_planned("grad_output", tensors.grad_output, planned.grad_output);
  expect_planned("input", tensors.input, planned.input);
  expect_planned("offset", tensors.offset, planned.offset);
  expect_planned("mask", tensors.mask, planned.mask);
  expect_planned("weight", tensors.weight, planned.weight);
  expect_planned("grad_input", tensors.grad_input, planned.grad_input);
  expect_planned("grad_offset", tensors.grad_offset, planned.grad_offset);
  expect_planned("grad_mask", tensors.grad_mask, planned.grad_mask);
  expect_planned("grad_weight", tensors.grad_weight, planned.grad_weight);
  expect_planned("grad_bias", tensors.grad_bias, planned.grad_bias);

  DeformConv2dBackwardArgs args = state.schedule.args.call;
  const auto data = [](const std::optional<TensorView>& view) { return view ? view->data : nullptr; };
  args.grad_output = tensors.grad_output.data;
  args.input = tensors.input.data;
  args.offset = tensors.offset.data;
  args.mask = data(tensors.mask);
  args.weight = tensors.weight.data;
  args.grad_input = data(tensors.grad_input);
  args.grad_offset = data(tensors.grad_offset);
  args.grad_mask = data(tensors.grad_mask);
  args.grad_weight = data(tensors.grad_weight);
  args.grad_bias = data(tensors.grad_bias);
  args.scratch = state.scratch.data();
  switch (state.schedule.variant.kernel) {
    case BackwardKernel::kReference:
      state.run_reference(args);
      break;
    case BackwardKernel::kFused:
      state.run_fused(args);
      break;
    case BackwardKernel::kTiled:
      state.run_tiled(args);
      break;
  }
}

const std::string& DeformConv2dBackwardPlan::variant() const noexcept { return state_->variant; }

std::size_t DeformConv2dBackwardPlan::scratch_bytes() const noexcept {
  const auto bytes = [](const std::optional<ops::ChannelsLast>& staging) { return staging ? staging->bytes() : 0; };
  return state_->scratch.bytes() + bytes(state_->input_staging) + bytes(state_->grad_output_staging);
}

std::string DeformConv2dBackwardPlan::describe() const {
  const DeformConv2dBackwardSchedule& schedule = state_->schedule;
  const char* index = schedule.index == ops::IndexWidth::k32 ? "32-bit" : "64-bit";
  if (schedule.variant.kernel == BackwardKernel::kTiled) {
    const DeformConv2dBackwardTiledArgs& args = schedule.tiled;
    return fmt::format(
        "{}, launches of {} slices and {} pictures{}, {} output slices, {} ranges of {} tiles, grad_input {}, {}, {} "
        "lanes, {} indices, {} bytes of local memory, {} of scratch",
        schedule.variant.name, args.slices, args.pictures,
        schedule.stage_input || schedule.stage_grad_output ? " as channels-last" : "", args.output_slices,
        schedule.ranges, args.range_tiles, args.direct_input != 0 ? "direct" : "by sums",
        ops::describe(schedule.matrix), schedule.lanes, index, schedule.local_bytes, scratch_bytes());
  }
  if (schedule.variant.kernel == BackwardKernel::kReference) {
    return fmt::format("{}, {} indices, {} bytes of scratch", schedule.variant.name, index, schedule.scratch_bytes());
  }
  const DeformConv2dBackwardFusedArgs& args = schedule.args;
  return fmt::format(
      "{}, {} slices x {} pictures in {} segments, tiles of {} pixels, {} rounds, grad_input {}, {} lanes, {} indices, "
      "{} "
      "bytes of local memory, {} of scratch",
      schedule.variant.name, args.slices, schedule.pictures, args.segments, args.tile_pixels,
      (args.segment_pixels + args.round_pixels - 1) / args.round_pixels, schedule.direct_input ? "direct" : "by sums",
      schedule.lanes, index, schedule.local_bytes, schedule.scratch_bytes());
}

void deform_conv2d_backward(Queue& queue, const DeformConv2dParams& params, const DeformConv2dBackwardTensors& tensors,
                            bool deterministic) {
  DeformConv2dBackwardPlan plan(queue, {.params = params, .tensors = tensors, .deterministic = deterministic});
  plan.run(tensors);
  queue.wait();
}

std::vector<std::string> deform_conv2d_backward_variants() {
  std::vector<std::string> names;
  for (const auto& variant : ops::deform_conv2d_backward_variant_list()) names.emplace_back(variant.name);
  return names;
}

}  // namespace dcn
