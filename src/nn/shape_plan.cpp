#include "nn/shape_plan.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>

#include "dcn/status.hpp"
#include "nn/geometry.hpp"
#include "runtime/arena.hpp"

namespace dcn::nn {

namespace {

std::size_t index(int value) { return static_cast<std::size_t>(value); }

/// Who writes and who reads each value of a network.
struct Uses {
  explicit Uses(const Network& network)
      : producer(index(network.value_count), nullptr), consumers(index(network.value_count)) {
    for (const Layer& layer : network.layers) {
      producer[index(layer.output)] = &layer;
      for (const int input : layer.inputs) consumers[index(input)].push_back(&layer);
      if (layer.residual >= 0) consumers[index(layer.residual)].push_back(&layer);
    }
  }
  std::vector<const Layer*> producer;
  std::vector<std::vector<const Layer*>> consumers;
};

std::set<int> output_values(const Network& network) {
  std::set<int> values;
  for (const auto& [head, value] : network.outputs) values.insert(value);
  return values;
}

}  // namespace

ShapePlan::ShapePlan(const StepContext& context, const Network& network, const Sizes& input) : input_(input) {
  const MemoryFormat format = context.options.format == FormatChoice::kNchw ? MemoryFormat::kNchw : MemoryFormat::kNhwc;
  for (const Sizes& sizes : value_sizes(network, input)) {
    descs_.push_back(activation_desc(sizes, context.options.type, format));
  }
  descs_[0] = activation_desc(input, DataType::kF32, format);
  choose_formats(context, network);
  add_steps(context, network);
  place();
}

void ShapePlan::choose_formats(const StepContext& context, const Network& network) {
  // Heads are f32 whatever the type: convolutions write that themselves, of others a copy is made (add_outputs).
  const Uses uses(network);
  for (const int output : output_values(network)) {
    const LayerKind kind = uses.producer[index(output)]->kind;
    if (kind == LayerKind::kConv && uses.consumers[index(output)].empty()) {
      descs_[index(output)] =
          dnnl::memory::desc(desc(output).get_dims(), dnnl::memory::data_type::f32, desc(output).get_strides());
    }
  }
  if (context.options.format == FormatChoice::kAuto) keep_blocked_chains(context, network);
}

void ShapePlan::keep_blocked_chains(const StepContext& context, const Network& network) {
  const Uses uses(network);
  const std::set<int> outputs = output_values(network);
  std::map<const Layer*, ConvFormats> preferred;
  for (const Layer& layer : network.layers) {
    if (layer.kind == LayerKind::kConv) {
      preferred[&layer] = preferred_formats(context, layer, desc(layer.inputs[0]), desc(layer.output));
    }
  }
  // A value is blocked when everyone who touches it is a convolution of the same opinion, so that no reorder is needed.
  const std::vector<dnnl::memory::desc> plain = descs_;
  for (int id = 1; id < network.value_count; ++id) {
    const Layer* producer = uses.producer[index(id)];
    if (producer == nullptr || producer->kind != LayerKind::kConv || outputs.contains(id)) continue;
    const dnnl::memory::desc wanted = preferred.at(producer).destination;
    const auto agrees = [&](const Layer* consumer) {
      if (consumer->kind != LayerKind::kConv) return false;
      const ConvFormats& formats = preferred.at(consumer);
      return consumer->residual == id ? formats.destination == wanted : formats.source == wanted;
    };
    const auto& consumers = uses.consumers[index(id)];
    if (!consumers.empty() && std::all_of(consumers.begin(), consumers.end(), agrees)) descs_[index(id)] = wanted;
  }
  // A residual must have the format of the sum.
  for (bool changed = true; changed;) {
    changed = false;
    for (const Layer& layer : network.layers) {
      if (layer.residual < 0 || format_name(desc(layer.residual)) == format_name(desc(layer.output))) continue;
      descs_[index(layer.residual)] = plain[index(layer.residual)];
      descs_[index(layer.output)] = plain[index(layer.output)];
      changed = true;
    }
  }
}

int ShapePlan::add_value(const dnnl::memory::desc& desc) {
  descs_.push_back(desc);
  return static_cast<int>(descs_.size()) - 1;
}

void ShapePlan::add_steps(const StepContext& context, const Network& network) {
  if (context.options.type != DataType::kF32) {
    const auto type = to_onednn(context.options.type);
    network_input_ = add_value({desc(0).get_dims(), type, desc(0).get_strides()});
    steps_.push_back(plan_reorder(context, "input", value(0), value(network_input_)));
  }
  const auto operand = [&](int id) { return value(id == 0 ? network_input_ : id); };
  for (const Layer& layer : network.layers) {
    const Value source = operand(layer.inputs[0]);
    const Value destination = value(layer.output);
    std::optional<Value> residual;
    if (layer.residual >= 0) residual = operand(layer.residual);
    switch (layer.kind) {
      case LayerKind::kConv:
        steps_.push_back(plan_conv(context, layer, source, residual, destination));
        break;
      case LayerKind::kDeconv:
        steps_.push_back(plan_deconv(context, layer, source, residual, destination));
        break;
      case LayerKind::kDeformConv:
        steps_.push_back(plan_deform_conv(context, layer, source, operand(layer.inputs[1]), destination));
        break;
      case LayerKind::kMaxPool:
        steps_.push_back(plan_max_pool(context, layer, source, destination));
        break;
      case LayerKind::kConcat: {
        std::vector<Value> sources;
        for (const int input : layer.inputs) sources.push_back(operand(input));
        steps_.push_back(plan_concat(context, layer, sources, destination));
        break;
      }
    }
  }
  add_outputs(context, network);
}

void ShapePlan::add_outputs(const StepContext& context, const Network& network) {
  for (const auto& [head, id] : network.outputs) {
    outputs_[head] = id;
    if (desc(id).get_data_type() == dnnl::memory::data_type::f32) continue;
    outputs_[head] = add_value({desc(id).get_dims(), dnnl::memory::data_type::f32, desc(id).get_strides()});
    steps_.push_back(plan_reorder(context, head, value(id), value(outputs_[head])));
  }
}

int ShapePlan::output(const std::string& head) const {
  const auto found = outputs_.find(head);
  if (found != outputs_.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [name, id] : outputs_) names.push_back(name);
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("the network has no head \"{}\", only {}", head, fmt::join(names, ", ")));
}

void ShapePlan::place() {
  const int last = static_cast<int>(steps_.size()) - 1;
  std::vector<runtime::BufferLife> lives(descs_.size());
  for (std::size_t i = 0; i < descs_.size(); ++i) lives[i].bytes = descs_[i].get_size();
  for (int s = 0; s <= last; ++s) {
    const Step& step = *steps_[index(s)];
    lives[index(step.writes)].first = s;
    lives[index(step.writes)].last = std::max(lives[index(step.writes)].last, s);
    for (const int id : step.reads) lives[index(id)].last = std::max(lives[index(id)].last, s);
  }
  // The input outlives a run, so that the network can run again; heads are read after it.
  lives[0].last = std::max(last, 0);
  for (const auto& [head, id] : outputs_) lives[index(id)].last = last;
  for (int s = 0; s <= last; ++s) lives.push_back({steps_[index(s)]->scratch_bytes, s, s});

  const runtime::ArenaPlan plan = runtime::plan_arena(lives);
  arena_bytes_ = plan.bytes;
  const auto split = plan.offsets.begin() + static_cast<std::ptrdiff_t>(descs_.size());
  offsets_.assign(plan.offsets.begin(), split);
  scratch_offsets_.assign(split, plan.offsets.end());
}

void ShapePlan::bind(std::byte* arena) {
  if (arena_ == arena) return;
  arena_ = arena;
  for (std::size_t s = 0; s < steps_.size(); ++s) steps_[s]->bind({arena, offsets_, scratch_offsets_[s]});
}

}  // namespace dcn::nn
