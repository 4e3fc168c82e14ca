/// The step that is a deformable convolution of ours.
#include <array>
#include <utility>

#include "dcn/deform_conv2d.hpp"
#include "dcn/status.hpp"
#include "nn/geometry.hpp"
#include "nn/step.hpp"

namespace dcn::nn {

namespace {

/// The offset convolution's output holds the offsets in its first two thirds, the mask's logits in the rest.
void split_offset_mask(const TensorView& both, DeformConv2dTensors& tensors) {
  const std::int64_t third = both.sizes[1] / 3;
  tensors.offset = both.channels(0, 2 * third);
  tensors.mask = both.channels(2 * third, third);
}

DeformConv2dDesc describe(const Layer& layer, const PlanOptions& options, const Value& source, const Value& offset_mask,
                          const Value& destination) {
  DeformConv2dDesc desc;
  desc.params = {.kernel_h = layer.kernel_h,
                 .kernel_w = layer.kernel_w,
                 .stride_h = layer.stride_h,
                 .stride_w = layer.stride_w,
                 .padding_h = layer.padding_h,
                 .padding_w = layer.padding_w,
                 .dilation_h = layer.dilation_h,
                 .dilation_w = layer.dilation_w,
                 .groups = layer.groups,
                 .deformable_groups = layer.deformable_groups};
  desc.tensors.input = to_view(source.desc, nullptr);
  split_offset_mask(to_view(offset_mask.desc, nullptr), desc.tensors);
  desc.tensors.weight = TensorView::contiguous(
      nullptr, options.type, {layer.out_channels, layer.in_channels / layer.groups, layer.kernel_h, layer.kernel_w});
  if (!layer.bias.empty()) desc.tensors.bias = TensorView::contiguous(nullptr, options.type, {layer.out_channels});
  desc.tensors.output = to_view(destination.desc, nullptr);
  desc.mask_is_logit = true;
  desc.allow_tf32 = options.allow_tf32;
  desc.activation = layer.activation;
  return desc;
}

class DeformStep final : public Step {
 public:
  DeformStep(const StepContext& context, const Layer& layer, const Value& source, const Value& offset_mask,
             const Value& destination)
      : desc_(describe(layer, context.options, source, offset_mask, destination)),
        offset_mask_(to_view(offset_mask.desc, nullptr)),
        plan_(context.backend.queue(), desc_) {
    reads = {source.id, offset_mask.id};
    writes = destination.id;
    set_weights(context, layer);
    report = make_report(layer.name, "deform_conv", source.desc, destination.desc);
    report.weight_format = "packed";
    report.implementation = plan_.variant();
    report.parameters = parameters(layer);
    report.flops = flops(layer, to_sizes(source.desc), to_sizes(destination.desc));
  }

  void bind(const Placement& placement) override {
    const auto at = [&](int value) -> void* {
      return placement.arena + placement.values[static_cast<std::size_t>(value)];
    };
    desc_.tensors.input.data = at(reads[0]);
    offset_mask_.data = at(reads[1]);
    split_offset_mask(offset_mask_, desc_.tensors);
    desc_.tensors.output.data = at(writes);
  }

  void run() override { plan_.run(desc_.tensors); }

 private:
  void set_weights(const StepContext& context, const Layer& layer) {
    const DeviceBuffer weight = upload(context.backend.queue(), layer.weight, context.options.type);
    DeviceBuffer bias;
    TensorView weight_view = desc_.tensors.weight;
    weight_view.data = weight.data();
    std::optional<TensorView> bias_view = desc_.tensors.bias;
    if (bias_view) {
      bias = upload(context.backend.queue(), layer.bias, context.options.type);
      bias_view->data = bias.data();
    }
    plan_.set_weights(weight_view, bias_view);
    context.backend.queue().wait();  // the buffers end here
  }

  DeformConv2dDesc desc_;
  TensorView offset_mask_;
  DeformConv2dPlan plan_;
};

}  // namespace

std::unique_ptr<Step> plan_deform_conv(const StepContext& context, const Layer& layer, const Value& source,
                                       const Value& offset_mask, const Value& destination) {
  try {
    return std::make_unique<DeformStep>(context, layer, source, offset_mask, destination);
  } catch (const Error& error) {
    throw error.in("layer " + layer.name);
  }
}

}  // namespace dcn::nn
