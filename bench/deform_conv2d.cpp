/// \file deform_conv2d.cpp
/// Deformable convolution against its limit: oneDNN's plain NHWC convolution of the same shape, type and fused ReLU, on
/// the same queue. Both run in turn, so that whatever else the machine does hits both; medians are compared. "cpu" is
/// the ratio of the processor time that they took: what is left to compare on a machine that is busy with other things.
/// "sample" is the same layer with 16 output channels: nearly nothing but sampling.
///
///     bench_deform_conv2d                               the seven layer shapes of DLA-34 at 512x512, as a table
///     bench_deform_conv2d --training                    forward and backward together; "backward" is ours alone
///     bench_deform_conv2d --cases=FILE                  the cases of a file like tests/cases/deform_conv2d_dla34.txt
///     bench_deform_conv2d --case='c=64 o=64 in=32x32'   one case
///     bench_deform_conv2d --variant=NAME --samples=40   one variant, more samples
///     bench_deform_conv2d --benchmark_out=F.json --benchmark_filter=f32    Google Benchmark's own options
#include "dcn/deform_conv2d.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstring>
#include <dnnl.hpp>
#include <dnnl_sycl.hpp>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "../tests/cases/deform_conv2d_case.hpp"
#include "dcn/deform_conv2d_backward.hpp"
#include "dcn/device.hpp"

namespace {

using dcn::DataType;
using dcn::MemoryFormat;
using dcn::TensorView;
using dcn::test::DeformConv2dCase;
using dcn::test::Layout;

struct Options {
  bool training = false;  ///< forward and backward instead of forward alone
  int samples = 25;
  int batch = 0;  ///< 0: the case's own
  std::string variant;
  std::string device = "auto";
};

/// tests/cases/deform_conv2d_dla34.txt, for a program without its repository.
constexpr const char* kDla34[] = {"c=64 o=64 in=128x128 mask=logit relu=1", "c=128 o=64 in=64x64 mask=logit relu=1",
                                  "c=128 o=128 in=64x64 mask=logit relu=1", "c=256 o=64 in=32x32 mask=logit relu=1",
                                  "c=256 o=128 in=32x32 mask=logit relu=1", "c=256 o=256 in=32x32 mask=logit relu=1",
                                  "c=512 o=256 in=16x16 mask=logit relu=1"};

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

/// Memory and view of an activation in the layout of a case.
struct Activation {
  Activation(const dcn::Queue& queue, DataType type, Layout layout, std::array<std::int64_t, 4> sizes, float deviation,
             int seed) {
    const auto [n, c, h, w] = sizes;
    const std::int64_t pitch = layout == Layout::kNhwcSlice ? c + 5 : c;
    memory = random_tensor(queue, type, static_cast<std::size_t>(n * pitch * h * w), deviation, seed);
    const MemoryFormat format = layout == Layout::kNchw ? MemoryFormat::kNchw : MemoryFormat::kNhwc;
    view = TensorView::activation(memory.data(), type, format, n, pitch, h, w).channels(0, c);
  }

  dcn::DeviceBuffer memory;
  TensorView view;
};

/// Our operator on one case, ready to run.
class DeformLayer {
 public:
  DeformLayer(const dcn::Queue& queue, const DeformConv2dCase& c, DataType type, const std::string& variant)
      : queue_(queue),
        input_(queue, type, c.layout, {c.batch, c.in_channels, c.height, c.width}, 1.0F, 1),
        offset_mask_(queue, type, c.offset_layout,
                     {c.batch, 3 * c.deformable_groups * c.kernel_h * c.kernel_w, c.params().output_h(c.height),
                      c.params().output_w(c.width)},
                     1.0F, 2),
        output_(queue, type, c.output_layout,
                {c.batch, c.out_channels, c.params().output_h(c.height), c.params().output_w(c.width)}, 0.0F, 3),
        weight_(random_tensor(
            queue, type, static_cast<std::size_t>(c.out_channels * c.in_channels / c.groups * c.kernel_h * c.kernel_w),
            0.05F, 4)),
        bias_(random_tensor(queue, type, static_cast<std::size_t>(c.out_channels), 1.0F, 5)) {
    const std::int64_t taps = c.deformable_groups * c.kernel_h * c.kernel_w;
    desc_.params = c.params();
    desc_.tensors = {.input = input_.view,
                     .offset = offset_mask_.view.channels(0, 2 * taps),
                     .weight = TensorView::contiguous(
                         weight_.data(), type, {c.out_channels, c.in_channels / c.groups, c.kernel_h, c.kernel_w}),
                     .output = output_.view};
    if (c.mask) desc_.tensors.mask = offset_mask_.view.channels(2 * taps, taps);
    if (c.bias) desc_.tensors.bias = TensorView::contiguous(bias_.data(), type, {c.out_channels});
    desc_.mask_is_logit = c.logit;
    desc_.activation = c.relu ? dcn::Activation::kRelu : dcn::Activation::kNone;
    desc_.force_variant = variant;
    plan_ = std::make_unique<dcn::DeformConv2dPlan>(queue_, desc_);
    plan_->set_weights(desc_.tensors.weight, desc_.tensors.bias);
    run();
  }

  void run() {
    plan_->run(desc_.tensors);
    queue_.wait();
  }
  [[nodiscard]] std::string describe() const { return plan_->describe(); }
  [[nodiscard]] const dcn::DeformConv2dPlan& plan() const { return *plan_; }

 private:
  dcn::Queue queue_;
  Activation input_, offset_mask_, output_;
  dcn::DeviceBuffer weight_, bias_;
  dcn::DeformConv2dDesc desc_;
  std::unique_ptr<dcn::DeformConv2dPlan> plan_;
};

/// Our gradients of one case, all five, ready to run.
class DeformBackwardLayer {
 public:
  DeformBackwardLayer(const dcn::Queue& queue, const DeformConv2dCase& c, DataType type, const std::string& variant)
      : queue_(queue),
        input_(queue, type, c.layout, {c.batch, c.in_channels, c.height, c.width}, 1.0F, 1),
        grad_input_(queue, type, c.layout, {c.batch, c.in_channels, c.height, c.width}, 0.0F, 1),
        offset_mask_(queue, type, c.offset_layout, position_sizes(c), 1.0F, 2),
        grad_offset_mask_(queue, type, c.offset_layout, position_sizes(c), 0.0F, 2),
        grad_output_(queue, type, c.output_layout,
                     {c.batch, c.out_channels, c.params().output_h(c.height), c.params().output_w(c.width)}, 1.0F, 3),
        weight_(random_tensor(queue, type, weights(c), 0.05F, 4)),
        grad_weight_(random_tensor(queue, type, weights(c), 0.0F, 4)),
        grad_bias_(random_tensor(queue, type, static_cast<std::size_t>(c.out_channels), 0.0F, 5)) {
    const std::int64_t taps = c.deformable_groups * c.kernel_h * c.kernel_w;
    const auto weight_view = [&](void* data) {
      return TensorView::contiguous(data, type, {c.out_channels, c.in_channels / c.groups, c.kernel_h, c.kernel_w});
    };
    dcn::DeformConv2dBackwardDesc desc;
    desc.params = c.params();
    tensors_ = {.grad_output = grad_output_.view,
                .input = input_.view,
                .offset = offset_mask_.view.channels(0, 2 * taps),
                .weight = weight_view(weight_.data()),
                .grad_input = grad_input_.view,
                .grad_offset = grad_offset_mask_.view.channels(0, 2 * taps),
                .grad_weight = weight_view(grad_weight_.data()),
                .grad_bias = TensorView::contiguous(grad_bias_.data(), type, {c.out_channels})};
    if (c.mask) {
      tensors_.mask = offset_mask_.view.channels(2 * taps, taps);
      tensors_.grad_mask = grad_offset_mask_.view.channels(2 * taps, taps);
    }
    desc.tensors = tensors_;
    desc.mask_is_logit = c.logit;
    desc.force_variant = variant;
    plan_ = std::make_unique<dcn::DeformConv2dBackwardPlan>(queue_, desc);
    run();
  }

  void run() {
    plan_->run(tensors_);
    queue_.wait();
  }
  [[nodiscard]] std::string describe() const { return plan_->describe(); }
  [[nodiscard]] const dcn::DeformConv2dBackwardPlan& plan() const { return *plan_; }

 private:
  static std::array<std::int64_t, 4> position_sizes(const DeformConv2dCase& c) {
    return {c.batch, 3 * c.deformable_groups * c.kernel_h * c.kernel_w, c.params().output_h(c.height),
            c.params().output_w(c.width)};
  }
  static std::size_t weights(const DeformConv2dCase& c) {
    return static_cast<std::size_t>(c.out_channels * c.in_channels / c.groups * c.kernel_h * c.kernel_w);
  }

  dcn::Queue queue_;
  Activation input_, grad_input_, offset_mask_, grad_offset_mask_, grad_output_;
  dcn::DeviceBuffer weight_, grad_weight_, grad_bias_;
  dcn::DeformConv2dBackwardTensors tensors_;
  std::unique_ptr<dcn::DeformConv2dBackwardPlan> plan_;
};

/// A case as oneDNN describes a plain convolution: activations in NHWC, weights as it likes.
struct PlainShapes {
  PlainShapes(const DeformConv2dCase& c, DataType type)
      : stride{c.stride_h, c.stride_w},
        dilation{c.dilation_h - 1, c.dilation_w - 1},
        padding{c.padding_h, c.padding_w} {
    using dnnl::memory;
    const auto data = type == DataType::kF32   ? memory::data_type::f32
                      : type == DataType::kF16 ? memory::data_type::f16
                                               : memory::data_type::bf16;
    const std::int64_t oh = c.params().output_h(c.height);
    const std::int64_t ow = c.params().output_w(c.width);
    const memory::dims plain{c.out_channels, c.in_channels, c.kernel_h, c.kernel_w};
    const memory::dims by_group{c.groups, c.out_channels / c.groups, c.in_channels / c.groups, c.kernel_h, c.kernel_w};
    source = memory::desc({c.batch, c.in_channels, c.height, c.width}, data, memory::format_tag::nhwc);
    weight = memory::desc(c.groups > 1 ? by_group : plain, data, memory::format_tag::any);
    bias = memory::desc({c.out_channels}, data, memory::format_tag::a);
    destination = memory::desc({c.batch, c.out_channels, oh, ow}, data, memory::format_tag::nhwc);
    const auto far = [](std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t step, std::int64_t near,
                        std::int64_t spread) { return (out - 1) * step + spread * (kernel - 1) + 1 - in - near; };
    far_padding = {far(c.height, oh, c.kernel_h, c.stride_h, c.padding_h, c.dilation_h),
                   far(c.width, ow, c.kernel_w, c.stride_w, c.padding_w, c.dilation_w)};
  }

  dnnl::memory::desc source, weight, bias, destination;
  dnnl::memory::dims stride, dilation, padding, far_padding;
};

/// oneDNN's plain convolution of the same case in NHWC, ready to run.
class PlainLayer {
 public:
  PlainLayer(const dcn::Queue& queue, const DeformConv2dCase& c, DataType type)
      : queue_(queue),
        engine_(dnnl::sycl_interop::make_engine(queue.native().get_device(), queue.native().get_context())),
        stream_(dnnl::sycl_interop::make_stream(engine_, queue_.native())) {
    using dnnl::memory;
    const PlainShapes shapes(c, type);
    dnnl::primitive_attr attributes;
    if (c.relu) {
      dnnl::post_ops relu;
      relu.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
      attributes.set_post_ops(relu);
    }
    const dnnl::convolution_forward::primitive_desc primitive(
        engine_, dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, shapes.source, shapes.weight,
        shapes.bias, shapes.destination, shapes.stride, shapes.dilation, shapes.padding, shapes.far_padding,
        attributes);
    convolution_ = dnnl::convolution_forward(primitive);
    const auto make = [&](const memory::desc& desc, float deviation, int seed) {
      buffers_.push_back(random_tensor(queue, type, desc.get_size() / size_of(type), deviation, seed));
      return dnnl::sycl_interop::make_memory(desc, engine_, dnnl::sycl_interop::memory_kind::usm,
                                             buffers_.back().data());
    };
    arguments_ = {{DNNL_ARG_SRC, make(shapes.source, 1.0F, 1)},
                  {DNNL_ARG_WEIGHTS, make(primitive.weights_desc(), 0.05F, 4)},
                  {DNNL_ARG_BIAS, make(shapes.bias, 1.0F, 5)},
                  {DNNL_ARG_DST, make(shapes.destination, 0.0F, 3)}};
    run();
  }

  void run() {
    convolution_.execute(stream_, arguments_);
    queue_.wait();
  }

 private:
  dcn::Queue queue_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::convolution_forward convolution_;
  std::vector<dcn::DeviceBuffer> buffers_;
  std::unordered_map<int, dnnl::memory> arguments_;
};

/// oneDNN's gradients of the plain convolution of the same case in NHWC: by data, and by weights with bias.
class PlainBackwardLayer {
 public:
  PlainBackwardLayer(const dcn::Queue& queue, const DeformConv2dCase& c, DataType type)
      : queue_(queue),
        engine_(dnnl::sycl_interop::make_engine(queue.native().get_device(), queue.native().get_context())),
        stream_(dnnl::sycl_interop::make_stream(engine_, queue_.native())) {
    using dnnl::memory;
    const PlainShapes shapes(c, type);
    const auto kind = dnnl::algorithm::convolution_direct;
    const dnnl::convolution_forward::primitive_desc hint(
        engine_, dnnl::prop_kind::forward_training, kind, shapes.source, shapes.weight, shapes.bias, shapes.destination,
        shapes.stride, shapes.dilation, shapes.padding, shapes.far_padding);
    const dnnl::convolution_backward_data::primitive_desc data(engine_, kind, shapes.source, shapes.weight,
                                                               shapes.destination, shapes.stride, shapes.dilation,
                                                               shapes.padding, shapes.far_padding, hint);
    const dnnl::convolution_backward_weights::primitive_desc weights(
        engine_, kind, shapes.source, shapes.weight, shapes.bias, shapes.destination, shapes.stride, shapes.dilation,
        shapes.padding, shapes.far_padding, hint);
    data_ = dnnl::convolution_backward_data(data);
    weights_ = dnnl::convolution_backward_weights(weights);
    const auto make = [&](const memory::desc& desc, float deviation, int seed) {
      buffers_.push_back(random_tensor(queue, type, desc.get_size() / size_of(type), deviation, seed));
      return dnnl::sycl_interop::make_memory(desc, engine_, dnnl::sycl_interop::memory_kind::usm,
                                             buffers_.back().data());
    };
    const dnnl::memory grad_output = make(shapes.destination, 1.0F, 3);
    data_arguments_ = {{DNNL_ARG_DIFF_DST, grad_output},
                       {DNNL_ARG_WEIGHTS, make(data.weights_desc(), 0.05F, 4)},
                       {DNNL_ARG_DIFF_SRC, make(shapes.source, 0.0F, 1)}};
    weights_arguments_ = {{DNNL_ARG_DIFF_DST, grad_output},
                          {DNNL_ARG_SRC, make(shapes.source, 1.0F, 1)},
                          {DNNL_ARG_DIFF_WEIGHTS, make(weights.diff_weights_desc(), 0.0F, 4)},
                          {DNNL_ARG_DIFF_BIAS, make(shapes.bias, 0.0F, 5)}};
    run();
  }

  void run() {
    data_.execute(stream_, data_arguments_);
    weights_.execute(stream_, weights_arguments_);
    queue_.wait();
  }

 private:
  dcn::Queue queue_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::convolution_backward_data data_;
  dnnl::convolution_backward_weights weights_;
  std::vector<dcn::DeviceBuffer> buffers_;
  std::unordered_map<int, dnnl::memory> data_arguments_, weights_arguments_;
};

/// Processor time of all threads of this process so far, in milliseconds.
double cpu_milliseconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return 1e3 * static_cast<double>(time.tv_sec) + 1e-3 * static_cast<double>(time.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

double milliseconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

/// Wall and processor time of calls.
struct Timing {
  Samples wall, cpu;

  template <typename Call>
  void measure(Call&& call) {
    const double cpu_start = cpu_milliseconds();
    const auto start = std::chrono::steady_clock::now();
    call();
    wall.milliseconds.push_back(milliseconds(std::chrono::steady_clock::now() - start));
    cpu.milliseconds.push_back(cpu_milliseconds() - cpu_start);
  }
};

double flops_of(const DeformConv2dCase& c) {
  return 2.0 * static_cast<double>(c.batch * c.params().output_h(c.height) * c.params().output_w(c.width)) *
         static_cast<double>(c.out_channels * c.in_channels / c.groups * c.kernel_h * c.kernel_w);
}

void report(benchmark::State& state, const Timing& deform, const Timing& plain, double extra_ms, double flops,
            const std::string& schedule) {
  for (const auto& [name, timing] : {std::pair{"deform", &deform}, {"plain", &plain}}) {
    state.counters[fmt::format("{}_ms", name)] = timing->wall.quantile(0.5);
    state.counters[fmt::format("{}_p10", name)] = timing->wall.quantile(0.1);
    state.counters[fmt::format("{}_p90", name)] = timing->wall.quantile(0.9);
    state.counters[fmt::format("{}_min", name)] = timing->wall.quantile(0.0);
  }
  state.counters["ratio"] = deform.wall.quantile(0.5) / plain.wall.quantile(0.5);
  state.counters["ratio_min"] = deform.wall.quantile(0.0) / plain.wall.quantile(0.0);
  state.counters["ratio_cpu"] = deform.cpu.quantile(0.25) / plain.cpu.quantile(0.25);
  state.counters["extra_ms"] = extra_ms;
  state.counters["gflops"] = flops / deform.wall.quantile(0.5) * 1e-6;
  state.SetLabel(schedule);
}

void run(benchmark::State& state, const dcn::Queue& queue, const DeformConv2dCase& c, DataType type,
         const Options& options) {
  DeformLayer layer(queue, c, type, options.variant);
  PlainLayer plain(queue, c, type);
  DeformConv2dCase few = c;
  few.out_channels = 16 * c.groups;
  DeformLayer sampling(queue, few, type, options.variant);
  Timing deform_time;
  Timing plain_time;
  Timing sampling_time;
  for ([[maybe_unused]] auto _ : state) {
    plain_time.measure([&] { plain.run(); });
    deform_time.measure([&] { layer.run(); });
    sampling_time.measure([&] { sampling.run(); });
    state.SetIterationTime(deform_time.wall.milliseconds.back() * 1e-3);
  }
  report(state, deform_time, plain_time, sampling_time.wall.quantile(0.5), flops_of(c), layer.describe());
}

/// Forward and backward together, as one training step has them.
void run_training(benchmark::State& state, const dcn::Queue& queue, const DeformConv2dCase& c, DataType type,
                  const Options& options) {
  DeformLayer forward(queue, c, type, "");
  DeformBackwardLayer backward(queue, c, type, options.variant);
  PlainLayer plain_forward(queue, c, type);
  PlainBackwardLayer plain_backward(queue, c, type);
  Timing deform_time;
  Timing plain_time;
  Timing backward_time;
  for ([[maybe_unused]] auto _ : state) {
    plain_time.measure([&] {
      plain_forward.run();
      plain_backward.run();
    });
    deform_time.measure([&] {
      forward.run();
      backward_time.measure([&] { backward.run(); });
    });
    state.SetIterationTime(deform_time.wall.milliseconds.back() * 1e-3);
  }
  report(state, deform_time, plain_time, backward_time.wall.quantile(0.5), 3 * flops_of(c), backward.describe());
}

/// Prints the table that the file comment promises.
class TableReporter : public benchmark::BenchmarkReporter {
 public:
  explicit TableReporter(bool training) : training_(training) {}

  bool ReportContext(const Context& /*context*/) override {
    fmt::print("{:<24}{:>9} {:>15}{:>9} {:>15}{:>7}{:>9}{:>7}{:>9}{:>9}  {}\n", "layer", "deform ms", "p10-p90",
               "plain ms", "p10-p90", "ratio", "fastest", "cpu", training_ ? "backward" : "sample", "GFLOP/s",
               "schedule");
    return true;
  }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.error_occurred) {
        fmt::print("{}: {}\n", run.benchmark_name(), run.error_message);
        continue;
      }
      const auto value = [&](const char* name) { return run.counters.at(name).value; };
      fmt::print(
          "{:<24}{:>9.2f} {:>7.2f}-{:<7.2f}{:>9.2f} {:>7.2f}-{:<7.2f}{:>7.2f}{:>9.2f}{:>7.2f}{:>9.2f}{:>9.0f}  {}\n",
          run.run_name.function_name, value("deform_ms"), value("deform_p10"), value("deform_p90"), value("plain_ms"),
          value("plain_p10"), value("plain_p90"), value("ratio"), value("ratio_min"), value("ratio_cpu"),
          value("extra_ms"), value("gflops"), run.report_label);
      std::fflush(stdout);
      log_ratio_ += std::log(value("ratio"));
      log_fastest_ += std::log(value("ratio_min"));
      log_cpu_ += std::log(value("ratio_cpu"));
      ++count_;
    }
  }

  void Finalize() override {
    if (count_ == 0) return;
    fmt::print("geometric mean of the ratios: {:.2f} (fastest samples: {:.2f}, processor time: {:.2f})\n",
               std::exp(log_ratio_ / count_), std::exp(log_fastest_ / count_), std::exp(log_cpu_ / count_));
  }

 private:
  bool training_;
  double log_ratio_ = 0;
  double log_fastest_ = 0;
  double log_cpu_ = 0;
  int count_ = 0;
};

/// "64->64@128 f32", and whatever differs from DLA-34's layers.
std::string name_of(const DeformConv2dCase& c, DataType type) {
  std::string name = fmt::format("{}->{}@{}", c.in_channels, c.out_channels, c.height);
  if (c.width != c.height) name += fmt::format("x{}", c.width);
  if (c.batch != 1) name += fmt::format(" n{}", c.batch);
  if (c.kernel_h != 3 || c.kernel_w != 3) name += fmt::format(" k{}x{}", c.kernel_h, c.kernel_w);
  if (c.groups != 1) name += fmt::format(" g{}", c.groups);
  if (c.deformable_groups != 1) name += fmt::format(" dg{}", c.deformable_groups);
  if (c.layout != Layout::kNhwc) name += " " + dcn::test::to_string(c.layout);
  return fmt::format("{} {}", name, to_string(type));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Options options;
    std::vector<DeformConv2dCase> cases;
    std::vector<char*> rest;
    for (int i = 0; i < argc; ++i) {
      const std::string argument = argv[i];
      const auto value = [&](std::string_view name) { return argument.substr(name.size()); };
      if (argument == "--training") {
        options.training = true;
      } else if (argument.starts_with("--samples=")) {
        options.samples = std::stoi(value("--samples="));
      } else if (argument.starts_with("--batch=")) {
        options.batch = std::stoi(value("--batch="));
      } else if (argument.starts_with("--variant=")) {
        options.variant = value("--variant=");
      } else if (argument.starts_with("--device=")) {
        options.device = value("--device=");
      } else if (argument.starts_with("--case=")) {
        cases.push_back(DeformConv2dCase::parse(value("--case=")));
      } else if (argument.starts_with("--cases=")) {
        for (const DeformConv2dCase& c : dcn::test::read_cases(value("--cases="))) cases.push_back(c);
      } else {
        rest.push_back(argv[i]);
      }
    }
    if (cases.empty()) {
      for (const char* line : kDla34) cases.push_back(DeformConv2dCase::parse(line));
    }
    int count = static_cast<int>(rest.size());
    benchmark::Initialize(&count, rest.data());
    if (benchmark::ReportUnrecognizedArguments(count, rest.data())) return 2;

    const dcn::Queue queue = dcn::Queue::create(options.device);
    for (const DataType type : {DataType::kF32, DataType::kBf16}) {
      for (DeformConv2dCase& c : cases) {
        if (options.batch > 0) c.batch = options.batch;
        benchmark::RegisterBenchmark(name_of(c, type).c_str(),
                                     [=](benchmark::State& state) {
                                       options.training ? run_training(state, queue, c, type, options)
                                                        : run(state, queue, c, type, options);
                                     })
            ->UseManualTime()
            ->Unit(benchmark::kMillisecond)
            ->Iterations(options.samples);
      }
    }
    TableReporter reporter(options.training);
    benchmark::RunSpecifiedBenchmarks(&reporter);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_deform_conv2d: {}\n", error.what());
    return 1;
  }
  return 0;
}
