/// \file primitive_steps.hpp
/// Steps that are one oneDNN primitive, for devices with an engine. What they mean: step.hpp.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nn/step.hpp"

namespace dcn::nn {

[[nodiscard]] ConvFormats choose_primitive_formats(const StepContext& context, const Layer& layer,
                                                   const ConvFormats& given);
[[nodiscard]] std::unique_ptr<Step> plan_conv_primitive(const StepContext& context, const Layer& layer,
                                                        const Value& source, const std::optional<Value>& residual,
                                                        const Value& destination);
[[nodiscard]] std::unique_ptr<Step> plan_max_pool_primitive(const StepContext& context, const Layer& layer,
                                                            const Value& source, const Value& destination);
[[nodiscard]] std::unique_ptr<Step> plan_concat_primitive(const StepContext& context, const Layer& layer,
                                                          const std::vector<Value>& sources, const Value& destination);
[[nodiscard]] std::unique_ptr<Step> plan_reorder_primitive(const StepContext& context, const std::string& name,
                                                           const Value& source, const Value& destination);

}  // namespace dcn::nn
