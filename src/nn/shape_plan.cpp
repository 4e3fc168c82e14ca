#include "nn/shape_plan.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "dcn/status.hpp"
#include "nn/geometry.hpp"
#include "runtime/arena.hpp"

namespace dcn::nn {

namespace {

/// oneDNN's kernels compute whole vectors of output channels a fifth faster than a remainder.
constexpr std::int64_t kVector = 16;

/// A value as the part of another that has more channels, in NHWC.
dnnl::memory::desc channels_of(const dnnl::memory::desc& padded, std::int64_t channels) {
  dnnl::memory::dims sizes = padded.get_dims();
  sizes[1] = channels;
  return {sizes, padded.get_data_type(), padded.get_strides()};
}

}  // namespace

ShapePlan::ShapePlan(const StepContext& context, const Network& network, const Sizes& input)
    : context_(context),
      input_(input),
      copies_(index(network.value_count)),
      names_(index(network.value_count)),
      is_final_(index(network.value_count), false) {
  const MemoryFormat format = context.options.format == FormatChoice::kNchw ? MemoryFormat::kNchw : MemoryFormat::kNhwc;
  for (const Sizes& sizes : value_sizes(network, input)) {
    formats_.push_back(activation_desc(sizes, context.options.type, format));
  }
  for (const auto& [head, id] : network.outputs) is_final_[index(id)] = true;
  for (const Layer& layer : network.layers) {
    names_[index(layer.output)] = layer.name;
    for (const int id : layer.inputs) is_final_[index(id)] = false;
    if (layer.residual >= 0) is_final_[index(layer.residual)] = false;
  }
  if (format == MemoryFormat::kNhwc) pad_offsets(network);
  names_[0] = "input";
  copies_[0] = {new_value(activation_desc(input, DataType::kF32, format)).id};
  for (const Layer& layer : network.layers) add_layer(layer);
  add_outputs(network);
  place();
}

void ShapePlan::pad_offsets(const Network& network) {
  std::vector<int> reads(formats_.size(), 0), reads_as_offsets(formats_.size(), 0);
  for (const Layer& layer : network.layers) {
    for (const int id : layer.inputs) ++reads[index(id)];
    if (layer.residual >= 0) ++reads[index(layer.residual)];
    if (layer.kind == LayerKind::kDeformConv) ++reads_as_offsets[index(layer.inputs[1])];
  }
  for (const auto& [head, id] : network.outputs) ++reads[index(id)];
  for (const Layer& layer : network.layers) {
    const std::size_t id = index(layer.output);
    const bool only_offsets = reads[id] > 0 && reads[id] == reads_as_offsets[id];
    if (layer.kind != LayerKind::kConv || !only_offsets || layer.residual >= 0) continue;
    Sizes sizes = to_sizes(formats_[id]);
    sizes[1] = (layer.out_channels + kVector - 1) / kVector * kVector;
    const dnnl::memory::desc padded = activation_desc(sizes, context_.options.type, MemoryFormat::kNhwc);
    const Layer& with_zeros = context_.weights.with_output_channels(layer, sizes[1]);
    const ConvFormats given{formats_[index(layer.inputs[0])], padded};
    const ConvFormats chosen = choose_formats(context_, with_zeros, given);
    if (chosen.source != given.source || chosen.destination != given.destination) continue;
    padded_.emplace(layer.output, padded);
    formats_[id] = channels_of(padded, layer.out_channels);
  }
}

Value ShapePlan::new_value(const dnnl::memory::desc& desc) {
  descs_.push_back(desc);
  return {static_cast<int>(descs_.size()) - 1, desc};
}

Value ShapePlan::in_format(int id, const dnnl::memory::desc& desc) {
  std::vector<int>& copies = copies_[index(id)];
  for (const int copy : copies) {
    if (descs_[index(copy)] == desc) return {copy, desc};
  }
  const Value source{copies.front(), descs_[index(copies.front())]};
  const Value copy = new_value(desc);
  copies.push_back(copy.id);
  steps_.push_back(
      plan_reorder(context_, fmt::format("{} as {}", names_[index(id)], describe_format(desc)), source, copy));
  return copy;
}

void ShapePlan::append(std::unique_ptr<Step> step, int id, const Value& destination) {
  steps_.push_back(std::move(step));
  copies_[index(id)] = {destination.id};
  if (context_.options.format == FormatChoice::kAuto || destination.desc == formats_[index(id)] ||
      is_final_[index(id)]) {
    return;
  }
  // Asked for one format, every layer hands its result on in that one, even if the next would rather have another.
  copies_[index(id)] = {canonical(id).id};
}

void ShapePlan::add_padded_conv(const Layer& layer) {
  const dnnl::memory::desc& padded = padded_.at(layer.output);
  const Layer& with_zeros = context_.weights.with_output_channels(layer, to_sizes(padded)[1]);
  const Value source = canonical(layer.inputs[0]);
  const Value destination = new_value(formats_[index(layer.output)]);
  bytes_.emplace(destination.id, padded.get_size());
  auto step = plan_conv(context_, with_zeros, source, std::nullopt, {destination.id, padded});
  step->report.output = destination.desc.get_dims();
  step->report.parameters = parameters(layer);
  step->report.flops = flops(layer, to_sizes(source.desc), to_sizes(destination.desc));
  append(std::move(step), layer.output, destination);
}

void ShapePlan::add_conv(const Layer& layer) {
  if (padded_.contains(layer.output)) {
    add_padded_conv(layer);
    return;
  }
  const auto& wanted = formats_[index(layer.output)];
  if (layer.kind == LayerKind::kDeconv && layer.groups > 1) {
    const Value source = canonical(layer.inputs[0]);
    std::optional<Value> residual;
    if (layer.residual >= 0) residual = canonical(layer.residual);
    const Value destination = new_value(wanted);
    if (auto step = plan_upsample(context_, layer, source, residual, destination)) {
      append(std::move(step), layer.output, destination);
      return;
    }
    descs_.pop_back();
  }
  // Heads are f32 whatever the type of the plan; a residual would have to be as well.
  const bool as_f32 = is_final_[index(layer.output)] && layer.residual < 0;
  const auto type = as_f32 ? dnnl::memory::data_type::f32 : wanted.get_data_type();
  const ConvFormats formats =
      choose_formats(context_, layer, {formats_[index(layer.inputs[0])], with_type(wanted, type)});
  const Value source = in_format(layer.inputs[0], formats.source);
  std::optional<Value> residual;
  if (layer.residual >= 0) residual = in_format(layer.residual, formats.destination);
  const Value destination = new_value(formats.destination);
  append(plan_conv(context_, layer, source, residual, destination), layer.output, destination);
}

void ShapePlan::add_layer(const Layer& layer) {
  if (layer.kind == LayerKind::kConv || layer.kind == LayerKind::kDeconv) {
    add_conv(layer);
    return;
  }
  std::vector<Value> sources;
  for (const int id : layer.inputs) sources.push_back(canonical(id));
  const Value destination = new_value(formats_[index(layer.output)]);
  std::unique_ptr<Step> step;
  if (layer.kind == LayerKind::kDeformConv) {
    step = plan_deform_conv(context_, layer, sources[0], sources[1], destination);
  } else if (layer.kind == LayerKind::kMaxPool) {
    step = plan_max_pool(context_, layer, sources[0], destination);
  } else {
    step = plan_concat(context_, layer, sources, destination);
  }
  append(std::move(step), layer.output, destination);
}

void ShapePlan::add_outputs(const Network& network) {
  for (const auto& [head, id] : network.outputs) {
    outputs_[head] = in_format(id, with_type(formats_[index(id)], dnnl::memory::data_type::f32)).id;
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
  for (const auto& [id, bytes] : bytes_) lives[index(id)].bytes = bytes;
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
