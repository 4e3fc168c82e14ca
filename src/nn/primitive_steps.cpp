/// Steps that are one oneDNN primitive, for devices with an engine.
#include "nn/primitive_steps.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "dcn/status.hpp"
#include "nn/geometry.hpp"
#include "nn/step.hpp"

namespace dcn::nn {

namespace {

using dnnl::memory;

/// A primitive with its arguments, each a value of the plan, scratch memory, or packed weights that stay where they
/// are.
class PrimitiveStep final : public Step {
 public:
  PrimitiveStep(OneDnn& onednn, std::string name) : onednn_(onednn), name_(std::move(name)) {}

  void set_primitive(const dnnl::primitive& primitive, const memory::desc& scratch) {
    primitive_ = primitive;
    scratch_bytes = scratch.get_size();
    if (scratch_bytes > 0) {
      scratch_ = onednn_.memory(scratch, nullptr);
      add(DNNL_ARG_SCRATCHPAD, scratch_);
    }
  }
  void add_source(int argument, const Value& value) {
    reads.push_back(value.id);
    add_value(argument, value);
  }
  void add_destination(const Value& value) {
    writes = value.id;
    add_value(DNNL_ARG_DST, value);
  }
  void add_weights(int argument, const Weights& weights) {
    weights_.push_back(onednn_.memory(weights.desc, weights.data));
    add(argument, weights_.back());
  }

  void bind(const Placement& placement) override {
    for (auto& [id, memory] : values_) {
      memory.set_data_handle(placement.arena + placement.values[static_cast<std::size_t>(id)]);
    }
    if (scratch_bytes > 0) scratch_.set_data_handle(placement.arena + placement.scratch);
  }

  void run() override {
    const dnnl_status_t status = dnnl_primitive_execute(primitive_.get(), onednn_.stream().get(),
                                                        static_cast<int>(arguments_.size()), arguments_.data());
    if (status != dnnl_success) rethrow(dnnl::error(status, "the primitive could not be submitted"), "layer " + name_);
  }

 private:
  void add(int argument, const memory& memory) { arguments_.push_back({argument, memory.get()}); }
  void add_value(int argument, const Value& value) {
    values_.emplace_back(value.id, onednn_.memory(value.desc, nullptr));
    add(argument, values_.back().second);
  }

  OneDnn& onednn_;
  std::string name_;
  dnnl::primitive primitive_;
  memory scratch_;
  std::vector<std::pair<int, memory>> values_;
  std::vector<memory> weights_;
  std::vector<dnnl_exec_arg_t> arguments_;  // refer to the memory objects above
};

memory::dims pair(std::int64_t h, std::int64_t w) { return {h, w}; }

/// Padding on the far side that makes oneDNN's size formula come out at exactly `output`.
std::int64_t far_padding(std::int64_t input, std::int64_t output, std::int64_t kernel, std::int64_t stride,
                         std::int64_t padding, std::int64_t dilation) {
  return (output - 1) * stride + dilation * (kernel - 1) + 1 - input - padding;
}

struct Padding {
  memory::dims near, far;
};

Padding near_far_padding(const Layer& layer, const Sizes& input, const Sizes& output) {
  return {pair(layer.padding_h, layer.padding_w),
          pair(far_padding(input[2], output[2], layer.kernel_h, layer.stride_h, layer.padding_h, layer.dilation_h),
               far_padding(input[3], output[3], layer.kernel_w, layer.stride_w, layer.padding_w, layer.dilation_w))};
}

dnnl::primitive_attr attributes() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

/// The sum with the residual, which has the format of the destination, and the activation.
dnnl::primitive_attr conv_attributes(const Layer& layer, const memory::desc& destination) {
  dnnl::post_ops post_ops;
  // Not a "sum": that would need the residual in the destination's memory, and most residuals are read again later.
  if (layer.residual >= 0) post_ops.append_binary(dnnl::algorithm::binary_add, destination);
  if (layer.activation == Activation::kRelu) post_ops.append_eltwise(dnnl::algorithm::eltwise_relu, 0, 0);
  dnnl::primitive_attr result = attributes();
  result.set_post_ops(post_ops);
  return result;
}

struct WeightDescs {
  memory::desc given;      ///< format of Layer::weight
  memory::desc any;        ///< what the primitive is asked for
  std::string_view names;  ///< letters for format_name()
};

WeightDescs weight_descs(const Layer& layer, DataType type) {
  using tag = memory::format_tag;
  const bool transposed = layer.kind == LayerKind::kDeconv;  // PyTorch keeps these as [in, out / groups, kh, kw]
  memory::dims sizes{layer.out_channels / layer.groups, layer.in_channels / layer.groups, layer.kernel_h,
                     layer.kernel_w};
  tag given = transposed ? tag::iohw : tag::oihw;
  if (layer.groups > 1) {
    sizes.insert(sizes.begin(), layer.groups);
    given = transposed ? tag::giohw : tag::goihw;
  }
  return {
      {sizes, memory::data_type::f32, given}, {sizes, to_onednn(type), tag::any}, layer.groups > 1 ? "goihw" : "oihw"};
}

memory::desc bias_desc(const Layer& layer) {
  if (layer.bias.empty()) return {};
  return {{layer.out_channels}, memory::data_type::f32, memory::format_tag::a};
}

dnnl::convolution_forward::primitive_desc conv_primitive(const StepContext& context, const Layer& layer,
                                                         const ConvFormats& formats) {
  const Padding padding = near_far_padding(layer, to_sizes(formats.source), to_sizes(formats.destination));
  return {context.backend.onednn()->engine(),
          dnnl::prop_kind::forward_inference,
          dnnl::algorithm::convolution_direct,
          formats.source,
          weight_descs(layer, context.options.type).any,
          bias_desc(layer),
          formats.destination,
          pair(layer.stride_h, layer.stride_w),
          pair(layer.dilation_h - 1, layer.dilation_w - 1),
          padding.near,
          padding.far,
          conv_attributes(layer, formats.destination)};
}

dnnl::deconvolution_forward::primitive_desc deconv_primitive(const StepContext& context, const Layer& layer,
                                                             const ConvFormats& formats) {
  const memory::dims padding = pair(layer.padding_h, layer.padding_w);
  return {context.backend.onednn()->engine(),
          dnnl::prop_kind::forward_inference,
          dnnl::algorithm::deconvolution_direct,
          formats.source,
          weight_descs(layer, context.options.type).any,
          bias_desc(layer),
          formats.destination,
          pair(layer.stride_h, layer.stride_w),
          padding,
          padding,
          conv_attributes(layer, formats.destination)};
}

/// False for oneDNN's reference code, which is slower by orders of magnitude, and for a convolution of NCHW tensors
/// that is two reorders around one of NHWC tensors: those are to be steps of their own.
bool is_direct(std::string_view implementation) {
  return implementation.find("ref") == std::string_view::npos &&
         implementation.find("ncsp:conv") == std::string_view::npos;
}

template <typename Primitive>
std::unique_ptr<Step> make_conv(const StepContext& context, const Layer& layer, const std::string& kind,
                                const typename Primitive::primitive_desc& desc, const Value& source,
                                const std::optional<Value>& residual, const Value& destination) {
  const WeightDescs weights = weight_descs(layer, context.options.type);
  auto step = std::make_unique<PrimitiveStep>(*context.backend.onednn(), layer.name);
  step->set_primitive(Primitive(desc), desc.scratchpad_desc());
  step->add_source(DNNL_ARG_SRC, source);
  step->add_weights(DNNL_ARG_WEIGHTS, context.weights.weight(layer, weights.given, desc.weights_desc()));
  if (!layer.bias.empty()) step->add_weights(DNNL_ARG_BIAS, context.weights.bias(layer));
  if (residual) step->add_source(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, *residual);
  step->add_destination(destination);
  step->report = make_report(layer.name, kind, source.desc, destination.desc);
  step->report.weight_format = format_name(desc.weights_desc(), weights.names);
  step->report.implementation = desc.impl_info_str();
  step->report.parameters = parameters(layer);
  step->report.flops = flops(layer, to_sizes(source.desc), to_sizes(destination.desc));
  return step;
}

}  // namespace

ConvFormats choose_primitive_formats(const StepContext& context, const Layer& layer, const ConvFormats& given) {
  const auto in_nhwc = [](const memory::desc& desc) {
    return memory::desc(desc.get_dims(), desc.get_data_type(), memory::format_tag::nhwc);
  };
  const auto in_any = [](const memory::desc& desc) {
    return memory::desc(desc.get_dims(), desc.get_data_type(), memory::format_tag::any);
  };
  for (const ConvFormats& formats : {given, ConvFormats{in_nhwc(given.source), in_nhwc(given.destination)},
                                     ConvFormats{in_any(given.source), in_any(given.destination)}}) {
    try {
      if (layer.kind == LayerKind::kDeconv) {
        const auto desc = deconv_primitive(context, layer, formats);
        if (is_direct(desc.impl_info_str())) return {desc.src_desc(), desc.dst_desc()};
      } else {
        const auto desc = conv_primitive(context, layer, formats);
        if (is_direct(desc.impl_info_str())) return {desc.src_desc(), desc.dst_desc()};
      }
    } catch (const dnnl::error& error) {
      if (error.status != dnnl_unimplemented) rethrow(error, "layer " + layer.name);
    }
  }
  return given;
}

std::unique_ptr<Step> plan_conv_primitive(const StepContext& context, const Layer& layer, const Value& source,
                                          const std::optional<Value>& residual, const Value& destination) {
  try {
    const ConvFormats formats{source.desc, destination.desc};
    if (layer.kind == LayerKind::kDeconv) {
      return make_conv<dnnl::deconvolution_forward>(context, layer, "deconv", deconv_primitive(context, layer, formats),
                                                    source, residual, destination);
    }
    return make_conv<dnnl::convolution_forward>(context, layer, "conv", conv_primitive(context, layer, formats), source,
                                                residual, destination);
  } catch (const dnnl::error& error) {
    rethrow(error, "layer " + layer.name);
  }
}

std::unique_ptr<Step> plan_max_pool_primitive(const StepContext& context, const Layer& layer, const Value& source,
                                              const Value& destination) {
  try {
    const Padding padding = near_far_padding(layer, to_sizes(source.desc), to_sizes(destination.desc));
    const dnnl::pooling_forward::primitive_desc desc(
        context.backend.onednn()->engine(), dnnl::prop_kind::forward_inference, dnnl::algorithm::pooling_max,
        source.desc, destination.desc, pair(layer.stride_h, layer.stride_w), pair(layer.kernel_h, layer.kernel_w),
        pair(0, 0), padding.near, padding.far, attributes());
    auto step = std::make_unique<PrimitiveStep>(*context.backend.onednn(), layer.name);
    step->set_primitive(dnnl::pooling_forward(desc), desc.scratchpad_desc());
    step->add_source(DNNL_ARG_SRC, source);
    step->add_destination(destination);
    step->report = make_report(layer.name, "max_pool", source.desc, destination.desc);
    step->report.implementation = desc.impl_info_str();
    return step;
  } catch (const dnnl::error& error) {
    rethrow(error, "layer " + layer.name);
  }
}

std::unique_ptr<Step> plan_concat_primitive(const StepContext& context, const Layer& layer,
                                            const std::vector<Value>& sources, const Value& destination) {
  try {
    std::vector<memory::desc> descs;
    for (const Value& source : sources) descs.push_back(source.desc);
    const dnnl::concat::primitive_desc desc(context.backend.onednn()->engine(), destination.desc, 1, descs,
                                            attributes());
    auto step = std::make_unique<PrimitiveStep>(*context.backend.onednn(), layer.name);
    step->set_primitive(dnnl::concat(desc), desc.scratchpad_desc());
    for (std::size_t i = 0; i < sources.size(); ++i) {
      step->add_source(DNNL_ARG_MULTIPLE_SRC + static_cast<int>(i), sources[i]);
    }
    step->add_destination(destination);
    step->report = make_report(layer.name, "concat", sources.front().desc, destination.desc);
    step->report.input[1] = layer.in_channels;
    step->report.implementation = desc.impl_info_str();
    return step;
  } catch (const dnnl::error& error) {
    rethrow(error, "layer " + layer.name);
  }
}

std::unique_ptr<Step> plan_reorder_primitive(const StepContext& context, const std::string& name, const Value& source,
                                             const Value& destination) {
  try {
    const dnnl::engine& engine = context.backend.onednn()->engine();
    const dnnl::reorder::primitive_desc desc(engine, source.desc, engine, destination.desc, attributes());
    auto step = std::make_unique<PrimitiveStep>(*context.backend.onednn(), name);
    step->set_primitive(dnnl::reorder(desc), desc.scratchpad_desc());
    step->add_source(DNNL_ARG_FROM, source);
    step->add_destination(destination);  // DNNL_ARG_TO is DNNL_ARG_DST
    step->report = make_report(name, "reorder", source.desc, destination.desc);
    step->report.implementation = desc.impl_info_str();
    return step;
  } catch (const dnnl::error& error) {
    rethrow(error, "layer " + name);
  }
}

}  // namespace dcn::nn
