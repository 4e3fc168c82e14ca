#include "nn/step.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "dcn/status.hpp"
#include "nn/kernel_steps.hpp"
#include "nn/primitive_steps.hpp"

namespace dcn::nn {

namespace {

DataType from_onednn(dnnl::memory::data_type type) {
  return type == dnnl::memory::data_type::bf16 ? DataType::kBf16 : DataType::kF32;
}

}  // namespace

std::string describe_format(const dnnl::memory::desc& desc) {
  const DataType type = from_onednn(desc.get_data_type());
  return type == DataType::kF32 ? format_name(desc) : fmt::format("{} {}", format_name(desc), to_string(type));
}

dnnl::memory::desc with_type(const dnnl::memory::desc& desc, dnnl::memory::data_type type) {
  return {desc.get_dims(), type, desc.get_strides()};
}

Sizes to_sizes(const dnnl::memory::desc& desc) {
  const auto dims = desc.get_dims();
  Sizes sizes{};
  std::copy_n(dims.begin(), sizes.size(), sizes.begin());
  return sizes;
}

TensorView to_view(const dnnl::memory::desc& desc, void* data) {
  if (desc.get_ndims() != 4 || desc.get_inner_nblks() != 0) {
    throw Error(ErrorCode::kInternal, fmt::format("a value in the format {} has no strides", format_name(desc)));
  }
  TensorView view;
  view.data = data;
  view.type = from_onednn(desc.get_data_type());
  view.rank = 4;
  view.sizes = to_sizes(desc);
  const auto strides = desc.get_strides();
  std::copy_n(strides.begin(), view.strides.size(), view.strides.begin());
  return view;
}

ConvFormats choose_formats(const StepContext& context, const Layer& layer, const ConvFormats& given) {
  if (context.backend.onednn() != nullptr) return choose_primitive_formats(context, layer, given);
  return {given.source, with_type(given.destination, given.source.get_data_type())};
}

std::unique_ptr<Step> plan_conv(const StepContext& context, const Layer& layer, const Value& source,
                                const std::optional<Value>& residual, const Value& destination) {
  auto* const plan = context.backend.onednn() != nullptr ? plan_conv_primitive : plan_conv_kernel;
  return plan(context, layer, source, residual, destination);
}

std::unique_ptr<Step> plan_max_pool(const StepContext& context, const Layer& layer, const Value& source,
                                    const Value& destination) {
  auto* const plan = context.backend.onednn() != nullptr ? plan_max_pool_primitive : plan_max_pool_kernel;
  return plan(context, layer, source, destination);
}

std::unique_ptr<Step> plan_concat(const StepContext& context, const Layer& layer, const std::vector<Value>& sources,
                                  const Value& destination) {
  auto* const plan = context.backend.onednn() != nullptr ? plan_concat_primitive : plan_concat_kernel;
  return plan(context, layer, sources, destination);
}

std::unique_ptr<Step> plan_reorder(const StepContext& context, const std::string& name, const Value& source,
                                   const Value& destination) {
  auto* const plan = context.backend.onednn() != nullptr ? plan_reorder_primitive : plan_reorder_kernel;
  return plan(context, name, source, destination);
}

LayerReport make_report(const std::string& name, const std::string& kind, const dnnl::memory::desc& source,
                        const dnnl::memory::desc& destination) {
  LayerReport report;
  report.name = name;
  report.kind = kind;
  report.input = source.get_dims();
  report.output = destination.get_dims();
  report.source_format = describe_format(source);
  report.destination_format = describe_format(destination);
  return report;
}

}  // namespace dcn::nn
