/// \file kernel_steps.hpp
/// Steps by this library's own kernels, for devices on which oneDNN has no engine. What they mean: step.hpp.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nn/step.hpp"

namespace dcn::nn {

[[nodiscard]] std::unique_ptr<Step> plan_conv_kernel(const StepContext& context, const Layer& layer,
                                                     const Value& source, const std::optional<Value>& residual,
                                                     const Value& destination);
[[nodiscard]] std::unique_ptr<Step> plan_max_pool_kernel(const StepContext& context, const Layer& layer,
                                                         const Value& source, const Value& destination);
[[nodiscard]] std::unique_ptr<Step> plan_concat_kernel(const StepContext& context, const Layer& layer,
                                                       const std::vector<Value>& sources, const Value& destination);
[[nodiscard]] std::unique_ptr<Step> plan_reorder_kernel(const StepContext& context, const std::string& name,
                                                        const Value& source, const Value& destination);

}  // namespace dcn::nn
