#include "centernet/network_builder.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <utility>

#include "dcn/status.hpp"

namespace dcn::centernet {

namespace {

constexpr double kBatchNormEpsilon = 1e-5;  // torch.nn.BatchNorm2d's default; the original never changes it

bool is_floating(DataType type) {
  return type == DataType::kF32 || type == DataType::kF16 || type == DataType::kBf16 || type == DataType::kF64;
}

/// Looks at all values, so that the loop becomes vector code.
bool all_finite(const std::vector<float>& values) {
  std::uint32_t found = 0;
  for (const float value : values) {
    constexpr std::uint32_t kExponent = 0x7f800000;
    found |= static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(value) & kExponent) == kExponent);
  }
  return found == 0;
}

std::size_t count(std::int64_t value) { return static_cast<std::size_t>(value); }

}  // namespace

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

NetworkBuilder::NetworkBuilder(const checkpoint::Checkpoint& checkpoint) : checkpoint_(checkpoint) {
  channels_.push_back(network_.input_channels);
}

bool NetworkBuilder::has(const std::string& tensor) const { return checkpoint_.tensors.contains(tensor); }

const Shape* NetworkBuilder::shape(const std::string& tensor) const {
  const auto found = checkpoint_.tensors.find(tensor);
  return found == checkpoint_.tensors.end() ? nullptr : &found->second.sizes;
}

std::int64_t NetworkBuilder::width(const std::vector<WidthHint>& hints, std::int64_t otherwise) const {
  std::map<std::int64_t, int> votes;
  std::int64_t best = otherwise;
  int most = 0;
  for (const WidthHint& hint : hints) {
    const Shape* found = shape(hint.tensor);
    if (found == nullptr || hint.dimension >= found->size()) continue;
    const std::int64_t size = (*found)[hint.dimension];
    if (size < 1) continue;
    if (const int now = ++votes[size]; now > most) {
      most = now;
      best = size;
    }
  }
  return best;
}

std::vector<float> NetworkBuilder::take(const std::string& tensor, const Shape& expected) {
  used_.insert(tensor);
  std::int64_t elements = 1;
  for (const std::int64_t size : expected) elements *= size;
  const auto zeros = [&] { return std::vector<float>(count(elements)); };
  const auto found = checkpoint_.tensors.find(tensor);
  if (found == checkpoint_.tensors.end()) {
    missing_.emplace(tensor, to_string(expected));
    return zeros();
  }
  if (found->second.sizes != expected) {
    misshaped_.emplace(tensor, fmt::format("{}, expected {}", to_string(found->second.sizes), to_string(expected)));
    return zeros();
  }
  if (!is_floating(found->second.type)) {
    unusable_.emplace(tensor, fmt::format("{}, expected a floating-point type", to_string(found->second.type)));
    return zeros();
  }
  std::vector<float> values = found->second.to_f32();
  if (!all_finite(values)) {
    unusable_.emplace(tensor, "holds NaN or infinity");
    return zeros();
  }
  return values;
}

void NetworkBuilder::fold(nn::Layer& layer, const std::string& batch_norm) {
  const Shape vector{layer.out_channels};
  const std::vector<float> gamma = take(batch_norm + ".weight", vector);
  const std::vector<float> beta = take(batch_norm + ".bias", vector);
  const std::vector<float> mean = take(batch_norm + ".running_mean", vector);
  const std::vector<float> variance = take(batch_norm + ".running_var", vector);
  used_.insert(batch_norm + ".num_batches_tracked");

  const std::size_t outputs = count(layer.out_channels);
  std::vector<double> scale(outputs);
  if (layer.bias.empty()) layer.bias.resize(outputs);
  for (std::size_t o = 0; o < outputs; ++o) {
    if (variance[o] < 0) unusable_.emplace(batch_norm + ".running_var", "holds a negative variance");
    scale[o] =
        static_cast<double>(gamma[o]) / std::sqrt(std::abs(static_cast<double>(variance[o])) + kBatchNormEpsilon);
    layer.bias[o] = static_cast<float>(static_cast<double>(beta[o]) +
                                       (static_cast<double>(layer.bias[o]) - static_cast<double>(mean[o])) * scale[o]);
  }
  const std::size_t taps = count(layer.kernel_h * layer.kernel_w);
  const bool transposed = layer.kind == nn::LayerKind::kDeconv;
  const std::size_t group_outputs = count(layer.out_channels / layer.groups);
  const std::size_t group_inputs = count(layer.in_channels / layer.groups);
  const std::size_t rows = layer.weight.size() / taps;  // of [out, in / groups], or of [in, out / groups]
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t output =
        transposed ? row / group_outputs / group_inputs * group_outputs + row % group_outputs : row / group_inputs;
    for (float& value : std::span(layer.weight).subspan(row * taps, taps)) {
      value = static_cast<float>(static_cast<double>(value) * scale[output]);
    }
  }
}

nn::Layer NetworkBuilder::layer_of(const ConvSpec& spec, nn::LayerKind kind) {
  nn::Layer layer;
  layer.kind = kind;
  layer.name = spec.name;
  layer.inputs = {spec.input};
  layer.residual = spec.residual;
  layer.in_channels = channels(spec.input);
  layer.out_channels = spec.out_channels;
  layer.kernel_h = layer.kernel_w = spec.kernel;
  layer.stride_h = layer.stride_w = spec.stride;
  layer.padding_h = layer.padding_w = spec.padding;
  layer.groups = spec.groups;
  layer.activation = spec.activation;
  const Shape shape = kind == nn::LayerKind::kDeconv
                          ? Shape{layer.in_channels, spec.out_channels / spec.groups, spec.kernel, spec.kernel}
                          : Shape{spec.out_channels, layer.in_channels / spec.groups, spec.kernel, spec.kernel};
  layer.weight = take(spec.name + ".weight", shape);
  if (spec.bias) layer.bias = take(spec.name + ".bias", {spec.out_channels});
  if (!spec.batch_norm.empty()) fold(layer, spec.batch_norm);
  return layer;
}

int NetworkBuilder::append(nn::Layer layer) {
  layer.output = network_.value_count++;
  channels_.push_back(layer.out_channels);
  network_.layers.push_back(std::move(layer));
  return network_.layers.back().output;
}

int NetworkBuilder::conv(const ConvSpec& spec) { return append(layer_of(spec, nn::LayerKind::kConv)); }

int NetworkBuilder::deconv(const ConvSpec& spec) { return append(layer_of(spec, nn::LayerKind::kDeconv)); }

int NetworkBuilder::deform_conv(const ConvSpec& spec) {
  const std::string offset_name = spec.name + ".conv_offset_mask";
  const std::int64_t taps = spec.kernel * spec.kernel;
  const std::int64_t given = width({{offset_name + ".bias", 0}, {offset_name + ".weight", 0}}, 3 * taps);
  const std::int64_t groups =
      given % (3 * taps) == 0 && channels(spec.input) % (given / (3 * taps)) == 0 ? given / (3 * taps) : 1;
  ConvSpec offsets = spec;
  offsets.name = offset_name;
  offsets.batch_norm.clear();
  offsets.out_channels = 3 * taps * groups;
  offsets.bias = true;
  offsets.activation = Activation::kNone;
  offsets.residual = -1;
  const int offset_mask = conv(offsets);

  nn::Layer layer = layer_of(spec, nn::LayerKind::kDeformConv);
  layer.inputs.push_back(offset_mask);
  layer.deformable_groups = groups;
  return append(std::move(layer));
}

int NetworkBuilder::max_pool(const std::string& name, int input, std::int64_t kernel, std::int64_t stride,
                             std::int64_t padding) {
  nn::Layer layer;
  layer.kind = nn::LayerKind::kMaxPool;
  layer.name = name;
  layer.inputs = {input};
  layer.in_channels = layer.out_channels = channels(input);
  layer.kernel_h = layer.kernel_w = kernel;
  layer.stride_h = layer.stride_w = stride;
  layer.padding_h = layer.padding_w = padding;
  return append(std::move(layer));
}

int NetworkBuilder::concat(const std::string& name, const std::vector<int>& inputs) {
  nn::Layer layer;
  layer.kind = nn::LayerKind::kConcat;
  layer.name = name;
  layer.inputs = inputs;
  for (const int input : inputs) layer.out_channels += channels(input);
  layer.in_channels = layer.out_channels;
  return append(std::move(layer));
}

void NetworkBuilder::output(const std::string& head, int value) { network_.outputs[head] = value; }

void NetworkBuilder::ignore_module(const std::string& name) { ignored_modules_.insert(name + "."); }

void NetworkBuilder::expect_shape(const std::string& tensor, const Shape& expected) {
  const Shape* found = shape(tensor);
  if (found != nullptr && *found != expected) {
    misshaped_[tensor] = fmt::format("{}, expected {}", to_string(*found), to_string(expected));
  }
}

void NetworkBuilder::require(const std::string& tensor, const std::string& why) { missing_.emplace(tensor, why); }

void NetworkBuilder::report_unused() {
  for (const auto& [name, tensor] : checkpoint_.tensors) {
    if (used_.contains(name)) continue;
    bool ignored = false;
    for (const std::string& module : ignored_modules_) ignored = ignored || name.starts_with(module);
    if (!ignored) unexpected_.emplace(name, to_string(tensor.sizes));
  }
}

nn::Network NetworkBuilder::finish(const std::string& arch) {
  report_unused();
  std::string list;
  const auto add = [&](std::string_view title, const std::map<std::string, std::string>& problems) {
    if (problems.empty()) return;
    list += fmt::format("\n  {} ({}):", title, problems.size());
    for (const auto& [name, details] : problems) list += fmt::format("\n    {} {}", name, details);
  };
  add("missing", missing_);
  add("unexpected", unexpected_);
  add("wrong shape", misshaped_);
  add("unusable", unusable_);
  if (!list.empty()) {
    throw Error(
        ErrorCode::kBadFile,
        fmt::format("the tensors do not make a {}; choose another --arch, or repair the checkpoint:{}", arch, list));
  }
  return std::move(network_);
}

}  // namespace dcn::centernet
