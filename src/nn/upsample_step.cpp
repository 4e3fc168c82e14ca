/// Depthwise transposed convolution (bilinear up-sampling) by our own kernels: oneDNN's is slower by two orders of
/// magnitude.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <string_view>
#include <utility>

#include "dcn/status.hpp"
#include "kernels/upsample_args.hpp"
#include "nn/geometry.hpp"
#include "nn/step.hpp"
#include "ops/device_facts.hpp"
#include "runtime/kernel.hpp"
#include "runtime/launch.hpp"
#include "runtime/verbose.hpp"

namespace dcn::nn {

namespace {

constexpr std::string_view kOneDnn = "onednn";
constexpr std::int64_t kMaxTaps = 4;      // taps x taps pointers are kept per output pixel
constexpr std::int64_t kCpuSegment = 64;  // output columns of one work-group: few, large groups on a CPU,
constexpr std::int64_t kGpuSegment = 4;   // many small ones elsewhere

struct Problem {
  const Layer& layer;
  TensorView input, output;
  std::optional<TensorView> residual;
};

/// Why a variant cannot run the problem, "" when it can.
std::string declines_nhwc(const Problem& problem) {
  const Layer& layer = problem.layer;
  const std::int64_t taps = layer.kernel_h / layer.stride_h;
  if (layer.kernel_h % layer.stride_h != 0 || layer.kernel_w % layer.stride_w != 0 ||
      layer.kernel_w / layer.stride_w != taps) {
    return "kernel and stride do not give the same number of taps everywhere";
  }
  if (taps > kMaxTaps) return fmt::format("{} taps, at most {}", taps, kMaxTaps);
  if (!problem.input.is_channels_last() || !problem.output.is_channels_last() ||
      (problem.residual && !problem.residual->is_channels_last())) {
    return "not nhwc";
  }
  return "";
}

std::string declines_nothing(const Problem& /*problem*/) { return ""; }

struct Variant {
  std::string_view name;
  std::string_view entry;
  std::string (*declines)(const Problem&);
};

constexpr std::array<Variant, 2> kVariants{{
    {"depthwise_nhwc", "upsample_nhwc", declines_nhwc},
    {"depthwise_any", "upsample_any", declines_nothing},
}};

/// nullptr: oneDNN, which was asked for by name.
const Variant* choose_variant(const Problem& problem, const std::string& forced) {
  if (forced == kOneDnn) return nullptr;
  for (const Variant& variant : kVariants) {
    if (!forced.empty() && forced != variant.name) continue;
    const std::string reason = variant.declines(problem);
    if (reason.empty()) return &variant;
    runtime::verbose(runtime::Topic::kDispatch, "{}: {} declines: {}", problem.layer.name, variant.name, reason);
    if (!forced.empty()) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("layer {}: variant {} declines: {}", problem.layer.name, variant.name, reason));
    }
  }
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("upsample_variant \"{}\", expected one of {}", forced, fmt::join(upsample_variants(), ", ")));
}

void copy_strides(const TensorView& view, long (&strides)[4]) {
  for (std::size_t d = 0; d < view.strides.size(); ++d) strides[d] = view.strides[d];
}

UpsampleArgs make_args(const Problem& problem, const float* weight, const float* bias) {
  const Layer& layer = problem.layer;
  UpsampleArgs args{};
  args.weight = weight;
  args.bias = bias;
  copy_strides(problem.input, args.input_stride);
  copy_strides(problem.output, args.output_stride);
  if (problem.residual) copy_strides(*problem.residual, args.residual_stride);
  args.batch = static_cast<int>(problem.input.sizes[0]);
  args.channels = static_cast<int>(problem.input.sizes[1]);
  args.height = static_cast<int>(problem.input.sizes[2]);
  args.width = static_cast<int>(problem.input.sizes[3]);
  args.out_height = static_cast<int>(problem.output.sizes[2]);
  args.out_width = static_cast<int>(problem.output.sizes[3]);
  args.kernel_h = static_cast<int>(layer.kernel_h);
  args.kernel_w = static_cast<int>(layer.kernel_w);
  args.stride_h = static_cast<int>(layer.stride_h);
  args.stride_w = static_cast<int>(layer.stride_w);
  args.padding_h = static_cast<int>(layer.padding_h);
  args.padding_w = static_cast<int>(layer.padding_w);
  args.relu = layer.activation == Activation::kRelu ? 1 : 0;
  return args;
}

class UpsampleStep final : public Step {
 public:
  UpsampleStep(const StepContext& context, const Problem& problem, const Variant& variant, const Value& source,
               const std::optional<Value>& residual, const Value& destination)
      : queue_(context.backend.queue()), has_residual_(residual.has_value()) {
    const Layer& layer = problem.layer;
    const dnnl::memory::dims sizes{layer.out_channels, 1, layer.kernel_h, layer.kernel_w};
    const auto f32 = dnnl::memory::data_type::f32;
    const Weights weight = context.weights.weight(layer, {sizes, f32, dnnl::memory::format_tag::oihw},
                                                  {sizes, f32, dnnl::memory::format_tag::hwio});
    Weights bias;
    if (!layer.bias.empty()) bias = context.weights.bias(layer);
    args_ = make_args(problem, static_cast<const float*>(weight.data), static_cast<const float*>(bias.data));

    const ops::DeviceFacts device = ops::device_facts(queue_);
    const std::int64_t segment = device.is_cpu ? kCpuSegment : kGpuSegment;
    args_.segment = static_cast<int>(segment);
    const auto lanes = static_cast<std::size_t>(device.lanes);
    if (variant.entry == "upsample_nhwc") {
      range_ = runtime::range_2d(
          {runtime::div_up(static_cast<std::size_t>(args_.out_width), static_cast<std::size_t>(segment)),
           static_cast<std::size_t>(problem.output.sizes[0] * problem.output.sizes[2])},
          {1, lanes});
    } else {
      range_ = runtime::range_elements(static_cast<std::size_t>(problem.output.elements()));
    }
    kernel_ = runtime::get_kernel(queue_, {.source = "upsample.hpp",
                                           .entry = variant.entry,
                                           .macros = {{ops::element_macro(problem.input.type), "1"},
                                                      {"DCN_INDEX", "int"},
                                                      {"DCN_LANES", std::to_string(lanes)},
                                                      {"DCN_TAPS", std::to_string(layer.kernel_h / layer.stride_h)}}});

    reads.push_back(source.id);
    if (residual) reads.push_back(residual->id);
    writes = destination.id;
    report = make_report(layer.name, "deconv", source.desc, destination.desc);
    report.weight_format = "hwc";
    report.implementation = variant.name;
    report.parameters = parameters(layer);
    report.flops = flops(layer, to_sizes(source.desc), to_sizes(destination.desc));
  }

  void bind(const Placement& placement) override {
    const auto at = [&](int value) -> void* {
      return placement.arena + placement.values[static_cast<std::size_t>(value)];
    };
    args_.input = at(reads[0]);
    args_.residual = has_residual_ ? at(reads[1]) : nullptr;
    args_.output = at(writes);
  }

  void run() override { runtime::launch(queue_, kernel_, range_, args_); }

 private:
  Queue queue_;
  bool has_residual_;
  UpsampleArgs args_{};
  runtime::Kernel kernel_;
  runtime::LaunchRange range_;
};

}  // namespace

std::vector<std::string> upsample_variants() {
  std::vector<std::string> names;
  for (const Variant& variant : kVariants) names.emplace_back(variant.name);
  names.emplace_back(kOneDnn);
  return names;
}

std::unique_ptr<Step> plan_upsample(const StepContext& context, const Layer& layer, const Value& source,
                                    const std::optional<Value>& residual, const Value& destination) {
  if (layer.groups != layer.in_channels || layer.groups != layer.out_channels) return nullptr;
  Problem problem{layer, to_view(source.desc, nullptr), to_view(destination.desc, nullptr), std::nullopt};
  if (residual) problem.residual = to_view(residual->desc, nullptr);
  if (problem.input.type != problem.output.type) return nullptr;
  const Variant* variant = choose_variant(problem, context.options.upsample_variant);
  if (variant == nullptr) return nullptr;
  return std::make_unique<UpsampleStep>(context, problem, *variant, source, residual, destination);
}

}  // namespace dcn::nn
