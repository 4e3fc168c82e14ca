#include "nn/geometry.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstddef>
#include <string_view>
#include <utility>

#include "dcn/status.hpp"

namespace dcn::nn {

namespace {

constexpr double kFlopsPerSample = 8;  // bilinear interpolation: four products, three sums; times the mask

template <typename... Args>
Error invalid(const Layer& layer, fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("layer {}: {}", layer.name, fmt::format(format, std::forward<Args>(args)...))};
}

bool has_weights(LayerKind kind) {
  return kind == LayerKind::kConv || kind == LayerKind::kDeconv || kind == LayerKind::kDeformConv;
}

std::size_t expected_inputs(const Layer& layer) {
  if (layer.kind == LayerKind::kDeformConv) return 2;
  return layer.kind == LayerKind::kConcat ? layer.inputs.size() : 1;
}

void check_weights(const Layer& layer) {
  if (layer.groups < 1 || layer.in_channels % layer.groups != 0 || layer.out_channels % layer.groups != 0) {
    throw invalid(layer, "{} groups, expected a divisor of its {} input and {} output channels", layer.groups,
                  layer.in_channels, layer.out_channels);
  }
  const auto expected = layer.in_channels * layer.out_channels / layer.groups * layer.kernel_h * layer.kernel_w;
  if (std::cmp_not_equal(layer.weight.size(), expected)) {
    throw invalid(layer, "{} weights, expected {}", layer.weight.size(), expected);
  }
  if (!layer.bias.empty() && std::cmp_not_equal(layer.bias.size(), layer.out_channels)) {
    throw invalid(layer, "{} biases, expected {} or none", layer.bias.size(), layer.out_channels);
  }
}

void check_geometry(const Layer& layer) {
  for (const auto& [name, value, least] : {std::tuple{"kernel_h", layer.kernel_h, 1},
                                           {"kernel_w", layer.kernel_w, 1},
                                           {"stride_h", layer.stride_h, 1},
                                           {"stride_w", layer.stride_w, 1},
                                           {"padding_h", layer.padding_h, 0},
                                           {"padding_w", layer.padding_w, 0},
                                           {"dilation_h", layer.dilation_h, 1},
                                           {"dilation_w", layer.dilation_w, 1},
                                           {"out_channels", layer.out_channels, 1}}) {
    if (value < least) throw invalid(layer, "{} is {}, expected {} or more", name, value, least);
  }
  const bool dilated = layer.dilation_h != 1 || layer.dilation_w != 1;
  if (dilated && (layer.kind == LayerKind::kMaxPool || layer.kind == LayerKind::kDeconv)) {
    throw invalid(layer, "dilation is not supported here");
  }
  const bool plain = layer.kind == LayerKind::kMaxPool || layer.kind == LayerKind::kConcat;
  if (layer.residual >= 0 && (plain || layer.kind == LayerKind::kDeformConv)) {
    throw invalid(layer, "only convolutions and transposed convolutions take a residual");
  }
  if (plain && layer.activation != Activation::kNone) throw invalid(layer, "an activation is not supported here");
}

std::int64_t conv_extent(std::int64_t size, std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                         std::int64_t dilation) {
  const std::int64_t span = size + 2 * padding - dilation * (kernel - 1) - 1;
  return span < 0 ? 0 : span / stride + 1;
}

Sizes output_sizes(const Layer& layer, const Sizes& in) {
  switch (layer.kind) {
    case LayerKind::kDeconv:
      return {in[0], layer.out_channels, (in[2] - 1) * layer.stride_h - 2 * layer.padding_h + layer.kernel_h,
              (in[3] - 1) * layer.stride_w - 2 * layer.padding_w + layer.kernel_w};
    case LayerKind::kConcat:
      return {in[0], layer.out_channels, in[2], in[3]};
    default:
      return {in[0], layer.out_channels,
              conv_extent(in[2], layer.kernel_h, layer.stride_h, layer.padding_h, layer.dilation_h),
              conv_extent(in[3], layer.kernel_w, layer.stride_w, layer.padding_w, layer.dilation_w)};
  }
}

void check_sizes(const Layer& layer, const std::vector<Sizes>& sizes, const Sizes& output) {
  if (output[2] < 1 || output[3] < 1) {
    throw invalid(layer, "an input of {} x {} leaves no output; use a larger picture", sizes[index(layer.inputs[0])][2],
                  sizes[index(layer.inputs[0])][3]);
  }
  if (layer.residual >= 0 && sizes[index(layer.residual)] != output) {
    throw invalid(layer, "its output is [{}], but the residual is [{}]", fmt::join(output, ", "),
                  fmt::join(sizes[index(layer.residual)], ", "));
  }
  if (layer.kind == LayerKind::kConcat) {
    for (const int input : layer.inputs) {
      const Sizes& other = sizes[index(input)];
      if (other[2] != output[2] || other[3] != output[3]) {
        throw invalid(layer, "inputs of {} x {} and {} x {} cannot be joined", output[2], output[3], other[2],
                      other[3]);
      }
    }
  }
  if (layer.kind == LayerKind::kDeformConv) {
    const Sizes& offsets = sizes[index(layer.inputs[1])];
    if (offsets[2] != output[2] || offsets[3] != output[3]) {
      throw invalid(layer, "offsets for {} x {} positions, expected {} x {}", offsets[2], offsets[3], output[2],
                    output[3]);
    }
  }
}

}  // namespace

void check_network(const Network& network) {
  std::vector<std::int64_t> channels(index(network.value_count), 0);  // 0: not written yet
  if (channels.empty()) throw Error(ErrorCode::kInvalidArgument, "the network has no value 0, its input");
  channels[0] = network.input_channels;
  const auto written = [&](int value) {
    return value >= 0 && value < network.value_count && channels[index(value)] > 0;
  };
  for (const Layer& layer : network.layers) {
    if (layer.inputs.empty() || layer.inputs.size() != expected_inputs(layer)) {
      throw invalid(layer, "{} inputs", layer.inputs.size());
    }
    std::int64_t total = 0;
    for (const int input : layer.inputs) {
      if (!written(input)) throw invalid(layer, "reads value {}, which no earlier layer writes", input);
      total += channels[index(input)];
    }
    if (layer.residual >= 0 && !written(layer.residual)) {
      throw invalid(layer, "adds value {}, which no earlier layer writes", layer.residual);
    }
    if (layer.output < 1 || layer.output >= network.value_count || written(layer.output)) {
      throw invalid(layer, "writes value {}, expected a new one below {}", layer.output, network.value_count);
    }
    check_geometry(layer);
    const std::int64_t given = layer.kind == LayerKind::kConcat ? total : channels[index(layer.inputs[0])];
    if (given != layer.in_channels) throw invalid(layer, "{} input channels, expected {}", given, layer.in_channels);
    if (!has_weights(layer.kind) && layer.out_channels != layer.in_channels) {
      throw invalid(layer, "{} output channels, expected {}", layer.out_channels, layer.in_channels);
    }
    if (has_weights(layer.kind)) check_weights(layer);
    if (layer.kind == LayerKind::kDeformConv) {
      const std::int64_t expected = 3 * layer.deformable_groups * layer.kernel_h * layer.kernel_w;
      if (channels[index(layer.inputs[1])] != expected) {
        throw invalid(layer,
                      "offsets and masks of {} channels, expected {} (3 * deformable_groups * kernel_h * kernel_w)",
                      channels[index(layer.inputs[1])], expected);
      }
    }
    channels[index(layer.output)] = layer.out_channels;
  }
  for (const auto& [head, value] : network.outputs) {
    if (value < 1 || !written(value)) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("output {}: no layer writes value {}", head, value));
    }
  }
}

std::vector<Sizes> value_sizes(const Network& network, const Sizes& input) {
  std::vector<Sizes> sizes(index(network.value_count), Sizes{});
  sizes[0] = input;
  for (const Layer& layer : network.layers) {
    const Sizes output = output_sizes(layer, sizes[index(layer.inputs[0])]);
    check_sizes(layer, sizes, output);
    sizes[index(layer.output)] = output;
  }
  return sizes;
}

std::int64_t parameters(const Layer& layer) {
  return static_cast<std::int64_t>(layer.weight.size() + layer.bias.size());
}

double flops(const Layer& layer, const Sizes& input, const Sizes& output) {
  if (!has_weights(layer.kind)) return 0;
  // Every weight meets every position: of the output, or of the input for a transposed convolution.
  const Sizes& positions = layer.kind == LayerKind::kDeconv ? input : output;
  const auto pixels = static_cast<double>(positions[0] * positions[2] * positions[3]);
  double total = 2 * static_cast<double>(layer.weight.size()) * pixels;
  if (layer.kind == LayerKind::kDeformConv) {
    total += kFlopsPerSample * pixels * static_cast<double>(layer.in_channels * layer.kernel_h * layer.kernel_w);
  }
  return total;
}

}  // namespace dcn::nn
