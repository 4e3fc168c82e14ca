#include "dcn/deform_conv2d_backward.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>

#include "dcn/status.hpp"
#include "ops/check.hpp"
#include "ops/deform_conv2d_backward_plan.hpp"
#include "runtime/kernel.hpp"
#include "runtime/launch.hpp"
#include "runtime/verbose.hpp"

namespace dcn {

namespace {

using ops::DeformConv2dBackwardSchedule;
using runtime::div_up;

constexpr std::size_t kFlatGroup = 64;  // work-items of a group in kernels with one item per element

runtime::KernelRequest request(const DeformConv2dBackwardSchedule& schedule, DataType type, std::string_view entry) {
  runtime::KernelRequest request;
  request.source = "deform_conv2d_backward_reference.hpp";
  request.entry = entry;
  request.macros = {{ops::element_macro(type), "1"}, {"DCN_INDEX", ops::to_macro(schedule.index)}};
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

void launch_flat(const Queue& queue, const runtime::Kernel& kernel, std::int64_t items,
                 const DeformConv2dBackwardArgs& args) {
  runtime::launch(queue, kernel, runtime::range_1d(div_up(static_cast<std::size_t>(items), kFlatGroup), kFlatGroup),
                  args);
}

}  // namespace

struct DeformConv2dBackwardPlan::State {
  State(Queue on, const DeformConv2dBackwardDesc& of) : queue(std::move(on)), desc(of) {}

  void run_reference(DeformConv2dBackwardArgs args) const;

  Queue queue;
  DeformConv2dBackwardDesc desc;
  std::string variant;
  DeformConv2dBackwardSchedule schedule;
  runtime::Kernel input, position, weight, bias;
  DeviceBuffer scratch;
};

DeformConv2dBackwardPlan::DeformConv2dBackwardPlan(Queue queue, const DeformConv2dBackwardDesc& desc) {
  ops::check_deform_conv2d_backward(desc);
  state_ = std::make_unique<State>(std::move(queue), desc);
  State& state = *state_;
  const ops::DeviceFacts device = ops::device_facts(state.queue);
  state.schedule = ops::plan_deform_conv2d_backward(desc, device, forced_variant(desc));
  state.variant = state.schedule.variant;
  runtime::verbose(runtime::Topic::kDispatch, "deform_conv2d_backward: {}", describe());

  const DeformConv2dBackwardTensors& tensors = desc.tensors;
  const auto kernel = [&](std::string_view entry) {
    return runtime::get_kernel(state.queue, request(state.schedule, tensors.input.type, entry));
  };
  if (tensors.grad_input) state.input = kernel("deform_conv2d_backward_input");
  if (tensors.grad_offset || tensors.grad_mask) state.position = kernel("deform_conv2d_backward_position");
  if (tensors.grad_weight) state.weight = kernel("deform_conv2d_backward_weight");
  if (tensors.grad_bias) state.bias = kernel("deform_conv2d_backward_bias");
  state.scratch = DeviceBuffer(state.queue, state.schedule.scratch_bytes);
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

  DeformConv2dBackwardArgs args = state.schedule.args;
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
  state.run_reference(args);
}

const std::string& DeformConv2dBackwardPlan::variant() const noexcept { return state_->variant; }

std::size_t DeformConv2dBackwardPlan::scratch_bytes() const noexcept { return state_->scratch.bytes(); }

std::string DeformConv2dBackwardPlan::describe() const {
  const DeformConv2dBackwardSchedule& schedule = state_->schedule;
  const char* index = schedule.index == ops::IndexWidth::k32 ? "32-bit" : "64-bit";
  return fmt::format("{}, {} indices, {} bytes of scratch", schedule.variant, index, schedule.scratch_bytes);
}

void deform_conv2d_backward(Queue& queue, const DeformConv2dParams& params, const DeformConv2dBackwardTensors& tensors,
                            bool deterministic) {
  DeformConv2dBackwardPlan plan(queue, {.params = params, .tensors = tensors, .deterministic = deterministic});
  plan.run(tensors);
  queue.wait();
}

std::vector<std::string> deform_conv2d_backward_variants() {
  const auto list = ops::deform_conv2d_backward_variant_list();
  return {list.begin(), list.end()};
}

}  // namespace dcn
