/// \file make_network.hpp
/// Small networks with random weights, and running them.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "dcn/device.hpp"
#include "nn/network.hpp"
#include "nn/plan.hpp"
#include "reference.hpp"

namespace dcn::test {

/// The queue that all tests share: making one costs 0.2 s.
inline Queue& shared_queue() {
  static Queue queue = Queue::create("auto");
  return queue;
}

/// Adds layers with random weights to a network. `layer` says everything but names, weights, input channels and output.
class NetworkMaker {
 public:
  explicit NetworkMaker(std::int64_t channels, unsigned seed = 1) : random_(seed), channels_{channels} {
    network.input_channels = channels;
    network.size_divisor = 1;
  }

  /// \returns the value that the layer writes.
  int add(nn::Layer layer, bool bias = true) {
    layer.in_channels = 0;
    const bool joins = layer.kind == nn::LayerKind::kConcat;
    for (const int input : layer.inputs) {
      layer.in_channels += joins || input == layer.inputs[0] ? channels_.at(static_cast<std::size_t>(input)) : 0;
    }
    const bool weighted = layer.kind != nn::LayerKind::kMaxPool && !joins;
    if (!weighted) layer.out_channels = layer.in_channels;
    if (layer.name.empty()) layer.name = "layer" + std::to_string(network.layers.size());
    layer.output = network.value_count++;
    channels_.push_back(layer.out_channels);
    if (weighted) {
      const auto inputs = layer.in_channels / layer.groups * layer.kernel_h * layer.kernel_w;
      const auto deviation = 1.0 / std::sqrt(static_cast<double>(inputs));
      layer.weight = normal(layer.out_channels * inputs, deviation);
      if (bias) layer.bias = normal(layer.out_channels, 0.5);
    }
    network.layers.push_back(layer);
    return layer.output;
  }

  std::vector<float> normal(std::int64_t count, double deviation) {
    std::normal_distribution<double> distribution(0.0, deviation);
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = static_cast<float>(distribution(random_));
    return values;
  }

  HostTensor picture(std::int64_t batch, std::int64_t height, std::int64_t width) {
    HostTensor tensor(batch, network.input_channels, height, width);
    const std::vector<float> values = normal(static_cast<std::int64_t>(tensor.values.size()), 1.0);
    tensor.values.assign(values.begin(), values.end());
    return tensor;
  }

  nn::Network network;

 private:
  std::mt19937 random_;
  std::vector<std::int64_t> channels_;
};

/// Writes the picture to the input of the prepared shape. Blocks.
void load_input(nn::Executor& executor, const Queue& queue, const HostTensor& picture);
/// Prepares for the picture's shape, writes it, runs. Blocks.
void run(nn::Executor& executor, const Queue& queue, const HostTensor& picture);
/// A head of the last run.
[[nodiscard]] HostTensor read_output(const nn::Executor& executor, const Queue& queue, const std::string& head);

/// Largest difference.
[[nodiscard]] double max_difference(const HostTensor& a, const HostTensor& b);
[[nodiscard]] double max_magnitude(const HostTensor& tensor);

}  // namespace dcn::test
