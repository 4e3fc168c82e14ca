/// \file deform_conv2d.cpp
/// Deformable convolution against its limit: oneDNN's plain NHWC convolution of the same shape, type and fused ReLU, on
/// the same queue. Both run in turn, so that whatever else the machine does hits both; medians are compared.
///
///     bench_deform_conv2d                               the seven layer shapes of DLA-34 at 512x512, as a table
///     bench_deform_conv2d --markdown                    the same for docs/performance.md
///     bench_deform_conv2d --cases=FILE                  the cases of tests/cases instead
///     bench_deform_conv2d --variant=NAME --samples=40   one variant, more samples
///     bench_deform_conv2d --benchmark_out=F.json --benchmark_filter=f32    Google Benchmark's own options
#include "dcn/deform_conv2d.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <dnnl.hpp>
#include <dnnl_sycl.hpp>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "dcn/device.hpp"

namespace {

using dcn::DataType;
using dcn::MemoryFormat;
using dcn::TensorView;

struct Options {
  bool markdown = false;
  int samples = 25;
  int batch = 1;
  std::string variant;
  std::string device = "auto";
};

struct Shape {
  int in_channels, out_channels, size;
};

/// Cin -> Cout @ H = W of DLA-34's deformable layers.
constexpr Shape kShapes[] = {{64, 64, 128},  {128, 64, 64},  {128, 128, 64}, {256, 64, 32},
                             {256, 128, 32}, {256, 256, 32}, {512, 256, 16}};

struct Samples {
  std::vector<double> milliseconds;

  [[nodiscard]] double quantile(double q) const {
    std::vector<double> sorted = milliseconds;
    std::sort(sorted.begin(), sorted.end());
    return sorted[static_cast<std::size_t>(std::lround(q * static_cast<double>(sorted.size() - 1)))];
  }
};

/// Device memory filled with normal values of the given deviation.
dcn::DeviceBuffer random_tensor(const dcn::Queue& queue, DataType type, std::size_t count, float deviation, int seed) {
  std::mt19937 generator(static_cast<unsigned>(seed));
  std::normal_distribution<float> normal(0.0F, deviation);
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  dcn::DeviceBuffer buffer(queue, count * size_of(type));
  if (type == DataType::kBf16) {
    std::vector<std::uint16_t> halves(count);
    for (std::size_t i = 0; i < count; ++i) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, &values[i], sizeof(bits));
      halves[i] = static_cast<std::uint16_t>(bits >> 16);
    }
    queue.copy(buffer.data(), halves.data(), buffer.bytes());
    queue.wait();
  } else {
    queue.copy(buffer.data(), values.data(), buffer.bytes());
    queue.wait();
  }
  return buffer;
}

/// One layer shape: our operator and oneDNN's convolution, ready to run.
class Layer {
 public:
  Layer(const dcn::Queue& queue, const Shape& shape, DataType type, const Options& options)
      : queue_(queue),
        pixels_(static_cast<std::size_t>(options.batch) * static_cast<std::size_t>(shape.size * shape.size)),
        input_(random_tensor(queue, type, pixels_ * static_cast<std::size_t>(shape.in_channels), 1.0F, 1)),
        offset_mask_(random_tensor(queue, type, pixels_ * 27, 1.0F, 2)),
        weight_(random_tensor(queue, type, static_cast<std::size_t>(shape.out_channels * shape.in_channels) * 9,
                              1.0F / std::sqrt(9.0F * static_cast<float>(shape.in_channels)), 3)),
        bias_(random_tensor(queue, type, static_cast<std::size_t>(shape.out_channels), 1.0F, 4)),
        output_(queue, pixels_ * static_cast<std::size_t>(shape.out_channels) * size_of(type)) {
    const std::int64_t n = options.batch;
    const std::int64_t c = shape.in_channels;
    const std::int64_t o = shape.out_channels;
    const std::int64_t s = shape.size;
    const TensorView offset_mask = TensorView::activation(offset_mask_.data(), type, MemoryFormat::kNhwc, n, 27, s, s);
    desc_.tensors = {.input = TensorView::activation(input_.data(), type, MemoryFormat::kNhwc, n, c, s, s),
                     .offset = offset_mask.channels(0, 18),
                     .mask = offset_mask.channels(18, 9),
                     .weight = TensorView::contiguous(weight_.data(), type, {o, c, 3, 3}),
                     .bias = TensorView::contiguous(bias_.data(), type, {o}),
                     .output = TensorView::activation(output_.data(), type, MemoryFormat::kNhwc, n, o, s, s)};
    desc_.mask_is_logit = true;
    desc_.activation = dcn::Activation::kRelu;
    desc_.force_variant = options.variant;
    plan_ = std::make_unique<dcn::DeformConv2dPlan>(queue_, desc_);
    plan_->set_weights(desc_.tensors.weight, desc_.tensors.bias);
    make_convolution(n, c, o, s, type);
    run_deform();
    run_convolution();
  }

  void run_deform() {
    plan_->run(desc_.tensors);
    queue_.wait();
  }
  void run_convolution() {
    convolution_.execute(stream_, arguments_);
    queue_.wait();
  }

  [[nodiscard]] std::string describe() const { return plan_->describe(); }
  [[nodiscard]] const std::string& convolution_name() const { return convolution_name_; }
  [[nodiscard]] double flops() const {
    const auto& weight = desc_.tensors.weight;
    return 2.0 * static_cast<double>(pixels_) * static_cast<double>(weight.elements());
  }

 private:
  void make_convolution(std::int64_t n, std::int64_t c, std::int64_t o, std::int64_t s, DataType type) {
    using dnnl::memory;
    const auto data = type == DataType::kF32 ? memory::data_type::f32 : memory::data_type::bf16;
    engine_ = dnnl::sycl_interop::make_engine(queue_.native().get_device(), queue_.native().get_context());
    stream_ = dnnl::sycl_interop::make_stream(engine_, queue_.native());
    const memory::desc source({n, c, s, s}, data, memory::format_tag::nhwc);
    const memory::desc weight({o, c, 3, 3}, data, memory::format_tag::any);
    const memory::desc bias({o}, data, memory::format_tag::a);
    const memory::desc destination({n, o, s, s}, data, memory::format_tag::nhwc);
    dnnl::primitive_attr attributes;
    dnnl::post_ops relu;
    relu.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
    attributes.set_post_ops(relu);
    const dnnl::convolution_forward::primitive_desc primitive(engine_, dnnl::prop_kind::forward_inference,
                                                              dnnl::algorithm::convolution_direct, source, weight, bias,
                                                              destination, {1, 1}, {1, 1}, {1, 1}, attributes);
    convolution_ = dnnl::convolution_forward(primitive);
    convolution_name_ = primitive.impl_info_str();
    const auto usm = [&](const memory::desc& desc, const dcn::DeviceBuffer& buffer) {
      return dnnl::sycl_interop::make_memory(desc, engine_, dnnl::sycl_interop::memory_kind::usm, buffer.data());
    };
    memory plain = usm(memory::desc({o, c, 3, 3}, data, memory::format_tag::oihw), weight_);
    memory packed(primitive.weights_desc(), engine_);
    dnnl::reorder(plain, packed).execute(stream_, plain, packed);
    stream_.wait();
    arguments_ = {{DNNL_ARG_SRC, usm(source, input_)},
                  {DNNL_ARG_WEIGHTS, packed},
                  {DNNL_ARG_BIAS, usm(bias, bias_)},
                  {DNNL_ARG_DST, usm(destination, output_)}};
  }

  dcn::Queue queue_;
  std::size_t pixels_;
  dcn::DeviceBuffer input_, offset_mask_, weight_, bias_, output_;
  dcn::DeformConv2dDesc desc_;
  std::unique_ptr<dcn::DeformConv2dPlan> plan_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::convolution_forward convolution_;
  std::string convolution_name_;
  std::unordered_map<int, dnnl::memory> arguments_;
};

double milliseconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

void run(benchmark::State& state, const dcn::Queue& queue, const Shape& shape, DataType type, const Options& options) {
  Layer layer(queue, shape, type, options);
  Samples deform;
  Samples convolution;
  using Clock = std::chrono::steady_clock;
  for ([[maybe_unused]] auto _ : state) {
    // The other one runs untimed in between, so that each finds the caches as a network would leave them: warm with
    // something else.
    const auto start = Clock::now();
    layer.run_convolution();
    const auto middle = Clock::now();
    layer.run_deform();
    const auto end = Clock::now();
    convolution.milliseconds.push_back(milliseconds(middle - start));
    deform.milliseconds.push_back(milliseconds(end - middle));
    state.SetIterationTime(deform.milliseconds.back() * 1e-3);
  }
  for (const auto& [name, samples] : {std::pair{"deform", &deform}, std::pair{"conv", &convolution}}) {
    state.counters[fmt::format("{}_ms", name)] = samples->quantile(0.5);
    state.counters[fmt::format("{}_p10", name)] = samples->quantile(0.1);
    state.counters[fmt::format("{}_p90", name)] = samples->quantile(0.9);
    state.counters[fmt::format("{}_min", name)] = samples->quantile(0.0);
  }
  state.counters["ratio"] = deform.quantile(0.5) / convolution.quantile(0.5);
  state.counters["ratio_min"] = deform.quantile(0.0) / convolution.quantile(0.0);
  state.counters["gflops"] = layer.flops() / deform.quantile(0.5) * 1e-6;
  state.SetLabel(layer.describe());
}

/// Prints the table that the file comment promises.
class TableReporter : public benchmark::BenchmarkReporter {
 public:
  explicit TableReporter(bool markdown) : markdown_(markdown) {}

  bool ReportContext(const Context& /*context*/) override {
    if (markdown_) {
      fmt::print("| layer | deform ms (p10-p90) | plain ms (p10-p90) | ratio | fastest | GFLOP/s | schedule |\n");
      fmt::print("| --- | --- | --- | --- | --- | --- | --- |\n");
    } else {
      fmt::print("{:<22}{:>9} {:>15}{:>9} {:>15}{:>7}{:>9}{:>9}  {}\n", "layer", "deform ms", "p10-p90", "plain ms",
                 "p10-p90", "ratio", "fastest", "GFLOP/s", "schedule");
    }
    return true;
  }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.error_occurred) {
        fmt::print("{}: {}\n", run.benchmark_name(), run.error_message);
        continue;
      }
      const auto value = [&](const char* name) { return run.counters.at(name).value; };
      const std::string layer = run.run_name.function_name;
      const auto row = [&](auto format) {
        fmt::print(format, layer, value("deform_ms"), value("deform_p10"), value("deform_p90"), value("conv_ms"),
                   value("conv_p10"), value("conv_p90"), value("ratio"), value("ratio_min"), value("gflops"),
                   run.report_label);
      };
      if (markdown_) {
        row(FMT_STRING("| {} | {:.2f} ({:.2f}-{:.2f}) | {:.2f} ({:.2f}-{:.2f}) | {:.2f} | {:.2f} | {:.0f} | {} |\n"));
      } else {
        row(FMT_STRING("{:<22}{:>9.2f} {:>7.2f}-{:<7.2f}{:>9.2f} {:>7.2f}-{:<7.2f}{:>7.2f}{:>9.2f}{:>9.0f}  {}\n"));
      }
      std::fflush(stdout);
      log_ratio_ += std::log(value("ratio"));
      log_fastest_ += std::log(value("ratio_min"));
      ++count_;
    }
  }

  void Finalize() override {
    if (count_ == 0) return;
    fmt::print("{}geometric mean of the ratios: {:.2f} (of the fastest samples: {:.2f})\n", markdown_ ? "\n" : "",
               std::exp(log_ratio_ / count_), std::exp(log_fastest_ / count_));
  }

 private:
  bool markdown_;
  double log_ratio_ = 0;
  double log_fastest_ = 0;
  int count_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  std::vector<char*> rest;
  for (int i = 0; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto value = [&](std::string_view name) { return argument.substr(name.size()); };
    if (argument == "--markdown") {
      options.markdown = true;
    } else if (argument.starts_with("--samples=")) {
      options.samples = std::stoi(value("--samples="));
    } else if (argument.starts_with("--batch=")) {
      options.batch = std::stoi(value("--batch="));
    } else if (argument.starts_with("--variant=")) {
      options.variant = value("--variant=");
    } else if (argument.starts_with("--device=")) {
      options.device = value("--device=");
    } else {
      rest.push_back(argv[i]);
    }
  }
  int count = static_cast<int>(rest.size());
  benchmark::Initialize(&count, rest.data());
  if (benchmark::ReportUnrecognizedArguments(count, rest.data())) return 2;
  try {
    const dcn::Queue queue = dcn::Queue::create(options.device);
    for (const DataType type : {DataType::kF32, DataType::kBf16}) {
      for (const Shape& shape : kShapes) {
        const std::string name =
            fmt::format("{}->{}@{} {}", shape.in_channels, shape.out_channels, shape.size, to_string(type));
        benchmark::RegisterBenchmark(name.c_str(),
                                     [=](benchmark::State& state) { run(state, queue, shape, type, options); })
            ->UseManualTime()
            ->Unit(benchmark::kMillisecond)
            ->Iterations(options.samples);
      }
    }
    TableReporter reporter(options.markdown);
    benchmark::RunSpecifiedBenchmarks(&reporter);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_deform_conv2d: {}\n", error.what());
    return 1;
  }
  return 0;
}
