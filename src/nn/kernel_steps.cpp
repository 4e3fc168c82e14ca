#include "nn/kernel_steps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "dcn/status.hpp"
#include "kernels/max_pool_args.hpp"
#include "nn/geometry.hpp"
#include "ops/conv2d.hpp"
#include "ops/copy.hpp"
#include "ops/index_width.hpp"
#include "runtime/kernel.hpp"
#include "runtime/launch.hpp"

namespace dcn::nn {

namespace {

void* place_of(const Placement& placement, int value) {
  return placement.arena + placement.values[static_cast<std::size_t>(value)];
}

/// A convolution that gives every stride-th row and column of a transposed one's output, from (row, column) on. A
/// convolution itself is one phase with all rows and columns.
struct Phase {
  ops::Conv2dParams params;
  std::vector<float> weight;  ///< [out, in / groups, kernel_h, kernel_w]
  std::int64_t row = 0, column = 0;
  std::int64_t row_step = 1, column_step = 1;
};

Phase whole(const Layer& layer) {
  return {.params = {.kernel_h = layer.kernel_h,
                     .kernel_w = layer.kernel_w,
                     .stride_h = layer.stride_h,
                     .stride_w = layer.stride_w,
                     .padding_h = layer.padding_h,
                     .padding_w = layer.padding_w,
                     .dilation_h = layer.dilation_h,
                     .dilation_w = layer.dilation_w,
                     .groups = layer.groups},
          .weight = layer.weight};
}

/// What one dimension of a phase reads: output step * q + at takes input q + shift - tap through weight
/// first + step * tap.
struct PhaseTaps {
  std::int64_t first, count, shift;
};

PhaseTaps phase_taps(std::int64_t at, std::int64_t kernel, std::int64_t stride, std::int64_t padding) {
  const std::int64_t first = (at + padding) % stride;
  const std::int64_t count = first < kernel ? (kernel - first + stride - 1) / stride : 0;
  return {first, count, (at + padding) / stride};
}

/// \throws Error kUnsupported for a dilated layer: no network has one.
std::vector<Phase> phases_of(const Layer& layer) {
  if (layer.kind != LayerKind::kDeconv) return {whole(layer)};
  if (layer.dilation_h != 1 || layer.dilation_w != 1) {
    throw Error(ErrorCode::kUnsupported, fmt::format("a transposed convolution with dilation {} x {}, expected 1 x 1",
                                                     layer.dilation_h, layer.dilation_w));
  }
  const std::int64_t group_in = layer.in_channels / layer.groups;
  const std::int64_t group_out = layer.out_channels / layer.groups;
  std::vector<Phase> phases;
  for (std::int64_t row = 0; row < layer.stride_h; ++row) {
    const PhaseTaps down = phase_taps(row, layer.kernel_h, layer.stride_h, layer.padding_h);
    for (std::int64_t column = 0; column < layer.stride_w; ++column) {
      const PhaseTaps across = phase_taps(column, layer.kernel_w, layer.stride_w, layer.padding_w);
      // A phase between the taps has bias and residual alone: one tap of zeros.
      const std::int64_t rows = std::max<std::int64_t>(down.count, 1);
      const std::int64_t columns = std::max<std::int64_t>(across.count, 1);
      Phase phase{
          .params = {.kernel_h = rows,
                     .kernel_w = columns,
                     .padding_h = -down.shift,
                     .padding_w = -across.shift,
                     .dilation_h = -1,
                     .dilation_w = -1,
                     .groups = layer.groups},
          .weight = std::vector<float>(static_cast<std::size_t>(layer.out_channels * group_in * rows * columns)),
          .row = row,
          .column = column,
          .row_step = layer.stride_h,
          .column_step = layer.stride_w};
      for (std::int64_t o = 0; o < layer.out_channels; ++o) {
        for (std::int64_t i = 0; i < group_in; ++i) {
          const std::int64_t from = (o / group_out * group_in + i) * group_out + o % group_out;
          for (std::int64_t y = 0; y < down.count; ++y) {
            for (std::int64_t x = 0; x < across.count; ++x) {
              const std::int64_t ky = down.first + y * layer.stride_h;
              const std::int64_t kx = across.first + x * layer.stride_w;
              phase.weight[static_cast<std::size_t>(((o * group_in + i) * rows + y) * columns + x)] =
                  layer.weight[static_cast<std::size_t>((from * layer.kernel_h + ky) * layer.kernel_w + kx)];
            }
          }
        }
      }
      phases.push_back(std::move(phase));
    }
  }
  return phases;
}

class KernelConvStep final : public Step {
 public:
  KernelConvStep(const StepContext& context, const Layer& layer, const Value& source,
                 const std::optional<Value>& residual, const Value& destination) {
    reads.push_back(source.id);
    if (residual) reads.push_back(residual->id);
    writes = destination.id;
    const Queue& queue = context.backend.queue();
    const TensorView output = to_view(destination.desc, nullptr);
    DeviceBuffer bias_buffer;
    std::optional<TensorView> bias;
    if (!layer.bias.empty()) {
      bias_buffer = upload(queue, layer.bias, output.type);
      bias = TensorView::contiguous(bias_buffer.data(), output.type, {layer.out_channels});
    }
    for (const Phase& phase : phases_of(layer)) {
      ops::Conv2dDesc desc;
      desc.params = phase.params;
      desc.input = to_view(source.desc, nullptr);
      desc.output = output;
      desc.output.sizes[2] = (output.sizes[2] - phase.row + phase.row_step - 1) / phase.row_step;
      desc.output.sizes[3] = (output.sizes[3] - phase.column + phase.column_step - 1) / phase.column_step;
      if (desc.output.sizes[2] <= 0 || desc.output.sizes[3] <= 0) continue;
      desc.output.strides[2] *= phase.row_step;
      desc.output.strides[3] *= phase.column_step;
      desc.bias = bias;
      desc.activation = layer.activation;
      desc.allow_tf32 = context.options.allow_tf32;
      const DeviceBuffer buffer = upload(queue, phase.weight, output.type);
      desc.weight = TensorView::contiguous(
          buffer.data(), output.type,
          {layer.out_channels, layer.in_channels / layer.groups, phase.params.kernel_h, phase.params.kernel_w});
      parts_.push_back(
          {ops::Conv2dPlan(queue, desc), (phase.row * output.strides[2] + phase.column * output.strides[3]) *
                                             static_cast<std::int64_t>(size_of(output.type))});
      parts_.back().plan.set_weights(desc.weight, bias);
      queue.wait();  // the buffer ends here
    }
    report =
        make_report(layer.name, layer.kind == LayerKind::kDeconv ? "deconv" : "conv", source.desc, destination.desc);
    report.weight_format = "packed";
    if (!parts_.empty()) report.implementation = parts_.front().plan.variant();
    report.parameters = parameters(layer);
    report.flops = flops(layer, to_sizes(source.desc), to_sizes(destination.desc));
  }

  void bind(const Placement& placement) override {
    input_ = place_of(placement, reads[0]);
    residual_ = reads.size() > 1 ? static_cast<std::byte*>(place_of(placement, reads[1])) : nullptr;
    output_ = static_cast<std::byte*>(place_of(placement, writes));
  }

  void run() override {
    for (const Part& part : parts_) {
      part.plan.run(input_, residual_ == nullptr ? nullptr : residual_ + part.offset, output_ + part.offset);
    }
  }

 private:
  struct Part {
    ops::Conv2dPlan plan;
    std::int64_t offset;  ///< of its first output, in bytes
  };
  std::vector<Part> parts_;
  void* input_ = nullptr;
  std::byte* residual_ = nullptr;
  std::byte* output_ = nullptr;
};

class KernelMaxPoolStep final : public Step {
 public:
  KernelMaxPoolStep(const StepContext& context, const Layer& layer, const Value& source, const Value& destination)
      : queue_(context.backend.queue()) {
    const TensorView input = to_view(source.desc, nullptr);
    const TensorView output = to_view(destination.desc, nullptr);
    std::copy(input.strides.begin(), input.strides.end(), args_.input_stride);
    std::copy(output.strides.begin(), output.strides.end(), args_.output_stride);
    args_.batch = input.sizes[0];
    args_.channels = input.sizes[1];
    args_.height = input.sizes[2];
    args_.width = input.sizes[3];
    args_.out_height = output.sizes[2];
    args_.out_width = output.sizes[3];
    args_.kernel_h = static_cast<int>(layer.kernel_h);
    args_.kernel_w = static_cast<int>(layer.kernel_w);
    args_.stride_h = static_cast<int>(layer.stride_h);
    args_.stride_w = static_cast<int>(layer.stride_w);
    args_.padding_h = static_cast<int>(layer.padding_h);
    args_.padding_w = static_cast<int>(layer.padding_w);
    constexpr std::int64_t kPast = 1024;  // work-items count past the last element
    const ops::IndexWidth index = ops::index_width({&input, &output}, {output.elements() + kPast});
    kernel_ = runtime::get_kernel(
        queue_, {.source = "max_pool.hpp",
                 .entry = "max_pool",
                 .macros = {{ops::element_macro(input.type), "1"}, {"DCN_INDEX", ops::to_macro(index)}}});
    range_ = runtime::range_elements(static_cast<std::size_t>(output.elements()));
    reads = {source.id};
    writes = destination.id;
    report = make_report(layer.name, "max_pool", source.desc, destination.desc);
    report.implementation = "direct";
  }

  void bind(const Placement& placement) override {
    args_.input = place_of(placement, reads[0]);
    args_.output = place_of(placement, writes);
  }
  void run() override { runtime::launch(queue_, kernel_, range_, args_); }

 private:
  Queue queue_;
  MaxPoolArgs args_{};
  runtime::Kernel kernel_;
  runtime::LaunchRange range_;
};

/// Copies of all sources, each to its channels of the destination: a concatenation, or with one source a reorder.
class KernelCopyStep final : public Step {
 public:
  KernelCopyStep(const StepContext& context, const std::vector<Value>& sources, const Value& destination) {
    const TensorView output = to_view(destination.desc, nullptr);
    std::int64_t first = 0;
    for (const Value& source : sources) {
      const TensorView input = to_view(source.desc, nullptr);
      parts_.push_back({ops::CopyPlan(context.backend.queue(), input, output.channels(first, input.sizes[1])),
                        first * output.strides[1] * static_cast<std::int64_t>(size_of(output.type))});
      first += input.sizes[1];
      reads.push_back(source.id);
    }
    writes = destination.id;
  }

  void bind(const Placement& placement) override {
    inputs_.clear();
    for (const int value : reads) inputs_.push_back(place_of(placement, value));
    output_ = static_cast<std::byte*>(place_of(placement, writes));
  }
  void run() override {
    for (std::size_t i = 0; i < parts_.size(); ++i) parts_[i].plan.run(inputs_[i], output_ + parts_[i].offset);
  }

 private:
  struct Part {
    ops::CopyPlan plan;
    std::int64_t offset;  ///< of its first channel in the destination, in bytes
  };
  std::vector<Part> parts_;
  std::vector<void*> inputs_;
  std::byte* output_ = nullptr;
};

}  // namespace

std::unique_ptr<Step> plan_conv_kernel(const StepContext& context, const Layer& layer, const Value& source,
                                       const std::optional<Value>& residual, const Value& destination) {
  try {
    return std::make_unique<KernelConvStep>(context, layer, source, residual, destination);
  } catch (const Error& error) {
    throw error.in("layer " + layer.name);
  }
}

std::unique_ptr<Step> plan_max_pool_kernel(const StepContext& context, const Layer& layer, const Value& source,
                                           const Value& destination) {
  return std::make_unique<KernelMaxPoolStep>(context, layer, source, destination);
}

std::unique_ptr<Step> plan_concat_kernel(const StepContext& context, const Layer& layer,
                                         const std::vector<Value>& sources, const Value& destination) {
  auto step = std::make_unique<KernelCopyStep>(context, sources, destination);
  step->report = make_report(layer.name, "concat", sources.front().desc, destination.desc);
  step->report.input[1] = layer.in_channels;
  step->report.implementation = "copy";
  return step;
}

std::unique_ptr<Step> plan_reorder_kernel(const StepContext& context, const std::string& name, const Value& source,
                                          const Value& destination) {
  auto step = std::make_unique<KernelCopyStep>(context, std::vector<Value>{source}, destination);
  step->report = make_report(name, "reorder", source.desc, destination.desc);
  step->report.implementation = "copy";
  return step;
}

}  // namespace dcn::nn
