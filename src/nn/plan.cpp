#include "nn/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <list>
#include <optional>
#include <utility>

#include "dcn/status.hpp"
#include "nn/backend.hpp"
#include "nn/geometry.hpp"
#include "nn/shape_plan.hpp"
#include "nn/weights.hpp"
#include "ops/device_facts.hpp"
#include "runtime/verbose.hpp"

namespace dcn::nn {

struct Executor::State {
  State(const Queue& queue, Network of, PlanOptions with)
      : backend(queue, with.own_kernels), weights(backend), network(std::move(of)), options(std::move(with)) {}

  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    // Primitives and weights must outlive what was submitted. An error of the device has been or will be reported to
    // whoever waits for results; here is nobody to tell.
    try {
      backend.queue().wait();
    } catch (const Error& error) {
      runtime::verbose(runtime::Topic::kExec, "while an executor ended: {}", error.what());
    }
  }

  [[nodiscard]] const ShapePlan& current() const {
    if (plans.empty()) throw Error(ErrorCode::kInvalidArgument, "prepare() has not been called");
    return plans.front();
  }

  void add_plan(const Sizes& sizes) {
    try {
      plans.emplace_front(StepContext{backend, weights, options}, network, sizes);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kUnsupported || options.type == DataType::kF32) throw;
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{} does not run this network in {}, use f32 ({})", backend.queue().device().name,
                              to_string(options.type), error.what()));
    }
  }

  Backend backend;
  WeightStore weights;
  Network network;
  PlanOptions options;
  DeviceBuffer arena;
  std::list<ShapePlan> plans;  // the one used last in front
};

bool has_tf32(const Queue& queue) {
  return ops::matrix_shape(DataType::kF32, true, ops::device_facts(queue)).rows != 0;
}

Executor::Executor(const Queue& queue, Network network, const PlanOptions& options) {
  if (options.type != DataType::kF32 && options.type != DataType::kBf16) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("networks do not run in {}: choose f32 or bf16", to_string(options.type)));
  }
  check_network(network);
  state_ = std::make_unique<State>(queue, std::move(network), options);
}

Executor::~Executor() = default;
Executor::Executor(Executor&&) noexcept = default;
Executor& Executor::operator=(Executor&&) noexcept = default;

void Executor::prepare(std::int64_t batch, std::int64_t height, std::int64_t width) {
  State& state = *state_;
  const Sizes sizes{batch, state.network.input_channels, height, width};
  const auto known = std::find_if(state.plans.begin(), state.plans.end(),
                                  [&](const ShapePlan& plan) { return plan.input_sizes() == sizes; });
  if (known != state.plans.end()) {
    state.plans.splice(state.plans.begin(), state.plans, known);
  } else {
    const std::int64_t divisor = state.network.size_divisor;
    if (batch < 1 || height < 1 || width < 1 || height % divisor != 0 || width % divisor != 0) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("an input of {} x {} x {} (batch, height, width), expected a batch of 1 or more, and "
                              "height and width that are multiples of {}",
                              batch, height, width, divisor));
    }
    if (state.plans.size() == kMaxPlans) {
      state.backend.queue().wait();  // its steps may be running
      state.plans.pop_back();
    }
    state.add_plan(sizes);
  }
  ShapePlan& plan = state.plans.front();
  if (state.arena.bytes() < plan.arena_bytes()) {
    state.arena = DeviceBuffer();  // first give back, then take
    state.arena = DeviceBuffer(state.backend.queue(), plan.arena_bytes());
  }
  plan.bind(static_cast<std::byte*>(state.arena.data()));
}

TensorView Executor::input() const {
  const ShapePlan& plan = state_->current();
  return to_view(plan.desc(0), plan.data(0));
}

void Executor::run() {
  for (const auto& step : state_->current().steps()) step->run();
}

TensorView Executor::output(const std::string& head) const {
  const ShapePlan& plan = state_->current();
  const int value = plan.output(head);
  return to_view(plan.desc(value), plan.data(value));
}

std::vector<float> Executor::read_value(const std::string& layer, std::vector<std::int64_t>& sizes) {
  State& state = *state_;
  const ShapePlan& plan = state.current();
  const auto& steps = plan.steps();
  const auto wanted =
      std::find_if(steps.begin(), steps.end(), [&](const auto& step) { return step->report.name == layer; });
  if (wanted == steps.end()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("the network has no layer \"{}\"; inspect lists them all", layer));
  }
  for (auto step = steps.begin(); step != wanted + 1; ++step) (*step)->run();

  const Queue& queue = state.backend.queue();
  const int value = (*wanted)->writes;
  const dnnl::memory::desc& desc = plan.desc(value);
  const dnnl::memory::desc dense(desc.get_dims(), dnnl::memory::data_type::f32, dnnl::memory::format_tag::nchw);
  const DeviceBuffer buffer(queue, dense.get_size());
  state.backend.reorder(desc, plan.data(value), dense, buffer.data());
  std::vector<float> values(dense.get_size() / sizeof(float));
  queue.copy(values.data(), buffer.data(), buffer.bytes());
  queue.wait();
  sizes = desc.get_dims();
  return values;
}

std::vector<LayerReport> Executor::report() const {
  std::vector<LayerReport> lines;
  for (const auto& step : state_->current().steps()) lines.push_back(step->report);
  return lines;
}

std::vector<LayerReport> Executor::profile(int repeats) {
  if (repeats < 1) throw Error(ErrorCode::kInvalidArgument, fmt::format("{} repeats, expected 1 or more", repeats));
  using Clock = std::chrono::steady_clock;
  const Queue& queue = state_->backend.queue();
  const auto& steps = state_->current().steps();
  std::vector<std::vector<double>> times(steps.size());
  queue.wait();
  // The first round warms caches up and is not counted.
  for (int round = 0; round <= repeats; ++round) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const auto start = Clock::now();
      steps[i]->run();
      queue.wait();
      if (round > 0) times[i].push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
    }
  }
  std::vector<LayerReport> lines = report();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto middle = times[i].begin() + static_cast<std::ptrdiff_t>(times[i].size() / 2);
    std::nth_element(times[i].begin(), middle, times[i].end());
    lines[i].milliseconds = *middle;
  }
  return lines;
}

std::size_t Executor::arena_bytes() const { return state_->arena.bytes(); }
std::size_t Executor::weight_bytes() const { return state_->weights.bytes(); }
std::size_t Executor::plan_count() const { return state_->plans.size(); }

}  // namespace dcn::nn
