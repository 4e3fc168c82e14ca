/// Whole networks at 512 x 512, batch 1, per stage and kind of layer, beside the same network with ordinary
/// convolutions in place of the deformable ones. Weights are random.
///
///     bench_network [f32|bf16] [auto|nchw|nhwc] [repeats]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "centernet/model.hpp"
#include "dcn/status.hpp"
#include "nn/make_checkpoint.hpp"
#include "nn/plan.hpp"
#include "plain_network.hpp"

namespace {

using dcn::nn::Layer;
using dcn::nn::LayerReport;
using dcn::nn::Network;

constexpr std::int64_t kSize = 512;

/// "base.level3", "dla_up", "layer2", "heads", ...
std::string stage_of(const std::string& layer, const Network& network) {
  const std::string module = layer.substr(0, layer.find('.'));
  if (network.outputs.contains(module)) return "heads";
  return module == "base" ? layer.substr(0, layer.find('.', module.size() + 1)) : module;
}

struct Row {
  double milliseconds = 0, flops = 0;
  int layers = 0;
};

void print_rows(const char* title, const std::vector<std::pair<std::string, Row>>& rows, double total) {
  fmt::print("\n{:<18} {:>6} {:>9} {:>7} {:>9} {:>8}\n", title, "layers", "ms", "share", "GFLOP", "GFLOP/s");
  for (const auto& [name, row] : rows) {
    fmt::print("{:<18} {:>6} {:>9.2f} {:>6.1f}% {:>9.2f} {:>8.0f}\n", name, row.layers, row.milliseconds,
               100 * row.milliseconds / total, row.flops * 1e-9, row.flops * 1e-6 / row.milliseconds);
  }
}

/// In the order of first appearance.
template <typename Key>
std::vector<std::pair<std::string, Row>> grouped(const std::vector<LayerReport>& layers, Key key) {
  std::vector<std::pair<std::string, Row>> rows;
  for (const LayerReport& layer : layers) {
    const std::string name = key(layer);
    auto row = std::find_if(rows.begin(), rows.end(), [&](const auto& other) { return other.first == name; });
    if (row == rows.end()) row = rows.insert(rows.end(), {name, Row{}});
    row->second.milliseconds += layer.milliseconds;
    row->second.flops += layer.flops;
    ++row->second.layers;
  }
  return rows;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void fill_input(dcn::nn::Executor& executor, const dcn::Queue& queue) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> picture(static_cast<std::size_t>(3 * kSize * kSize));
  for (float& value : picture) value = normal(random);
  queue.copy(executor.input().data, picture.data(), picture.size() * sizeof(float));
  queue.wait();
}

void bench(const char* name, const dcn::checkpoint::Checkpoint& checkpoint, const dcn::nn::PlanOptions& options,
           int repeats) {
  const dcn::Queue queue = dcn::Queue::create("cpu");
  const Network network = dcn::centernet::build_model(checkpoint).network;
  dcn::nn::Executor deformable(queue, network, options);
  dcn::nn::Executor plain(queue, dcn::bench::without_deformation(network), options);
  std::vector<double> times, plain_times;
  for (dcn::nn::Executor* executor : {&deformable, &plain}) {
    executor->prepare(1, kSize, kSize);
    fill_input(*executor, queue);
    executor->run();
    queue.wait();
  }
  // Interleaved, so that both see the same disturbances.
  for (int i = 0; i < repeats; ++i) {
    for (auto& [executor, results] : {std::pair{&deformable, &times}, std::pair{&plain, &plain_times}}) {
      const auto start = std::chrono::steady_clock::now();
      executor->run();
      queue.wait();
      results->push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    }
  }
  const std::vector<LayerReport> layers = deformable.profile(repeats);
  double total = 0;
  double flops = 0;
  for (const LayerReport& layer : layers) {
    total += layer.milliseconds;
    flops += layer.flops;
  }
  fmt::print("\n== {}, {} x {}, batch 1, {}, median of {} on {}\n", name, kSize, kSize, dcn::to_string(options.type),
             repeats, queue.device().name);
  fmt::print("whole network {:.1f} ms ({:.0f} GFLOP/s); with ordinary convolutions {:.1f} ms, ratio {:.2f}\n",
             median(times), flops * 1e-6 / median(times), median(plain_times), median(times) / median(plain_times));
  fmt::print("layer by layer, waiting after each: {:.1f} ms; arena {:.1f} MB, shared weights {:.1f} MB\n", total,
             static_cast<double>(deformable.arena_bytes()) * 1e-6,
             static_cast<double>(deformable.weight_bytes()) * 1e-6);
  print_rows("stage", grouped(layers, [&](const LayerReport& layer) { return stage_of(layer.name, network); }), total);
  print_rows("kind", grouped(layers, [](const LayerReport& layer) { return layer.kind; }), total);
  print_rows("implementation",
             grouped(layers, [](const LayerReport& layer) { return layer.implementation.substr(0, 18); }), total);
}

}  // namespace

int main(int argc, char** argv) {
  dcn::nn::PlanOptions options;
  int repeats = 20;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "bf16") options.type = dcn::DataType::kBf16;
    if (argument == "nchw") options.format = dcn::nn::FormatChoice::kNchw;
    if (argument == "nhwc") options.format = dcn::nn::FormatChoice::kNhwc;
    if (const int number = std::atoi(argv[i]); number > 0) repeats = number;
  }
  try {
    bench("dla_34",
          dcn::test::make_dla_34({16, 32, 64, 128, 256, 512},
                                 {.heads = {{"hm", 80}, {"wh", 2}, {"reg", 2}}, .head_conv = 256}),
          options, repeats);
    bench("resdcn_18", dcn::test::make_resdcn({2, 2, 2, 2}, false, {64, 64, 128, 256, 512}, {256, 128, 64}), options,
          repeats);
  } catch (const dcn::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
