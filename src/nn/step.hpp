/// \file step.hpp
/// What one submission of a plan is. Steps know values by number; where these lie is said once, by bind().
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "nn/backend.hpp"
#include "nn/network.hpp"
#include "nn/onednn.hpp"
#include "nn/plan.hpp"
#include "nn/weights.hpp"

namespace dcn::nn {

/// Where a plan's values lie.
struct Placement {
  std::byte* arena = nullptr;
  std::span<const std::size_t> values;  ///< offset of each value
  std::size_t scratch = 0;              ///< offset of the step's scratch memory
};

class Step {
 public:
  Step() = default;
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;
  virtual ~Step() = default;

  /// Must precede run(); again whenever the arena moves.
  virtual void bind(const Placement& placement) = 0;
  /// Submits to the queue. Allocates no memory for tensors.
  virtual void run() = 0;

  std::vector<int> reads;         ///< value ids
  int writes = -1;                ///< value id
  std::size_t scratch_bytes = 0;  ///< memory of the arena that is needed while the step runs
  LayerReport report;
};

/// What all steps of an executor share.
struct StepContext {
  Backend& backend;
  WeightStore& weights;
  const PlanOptions& options;
};

/// A value as a step sees it.
struct Value {
  int id = -1;
  dnnl::memory::desc desc;
};

struct ConvFormats {
  dnnl::memory::desc source, destination;
};

/// Formats in which a convolution or transposed convolution is computed directly. oneDNN: those that are given, else
/// NHWC, else what oneDNN chooses by itself; the given ones when nothing helps. Own kernels: those that are given, in
/// the source's type. A residual has the destination's format.
[[nodiscard]] ConvFormats choose_formats(const StepContext& context, const Layer& layer, const ConvFormats& given);

// Each of these plans one layer for values of the given formats, by oneDNN (primitive_steps.hpp) or, where the backend
// has none, by own kernels (kernel_steps.hpp). Errors name the layer.

/// Convolution or transposed convolution. The residual is in the destination's format.
[[nodiscard]] std::unique_ptr<Step> plan_conv(const StepContext& context, const Layer& layer, const Value& source,
                                              const std::optional<Value>& residual, const Value& destination);
/// Depthwise transposed convolution by our own kernels; nullptr when none of them takes it.
[[nodiscard]] std::unique_ptr<Step> plan_upsample(const StepContext& context, const Layer& layer, const Value& source,
                                                  const std::optional<Value>& residual, const Value& destination);
[[nodiscard]] std::unique_ptr<Step> plan_deform_conv(const StepContext& context, const Layer& layer,
                                                     const Value& source, const Value& offset_mask,
                                                     const Value& destination);
[[nodiscard]] std::unique_ptr<Step> plan_max_pool(const StepContext& context, const Layer& layer, const Value& source,
                                                  const Value& destination);
[[nodiscard]] std::unique_ptr<Step> plan_concat(const StepContext& context, const Layer& layer,
                                                const std::vector<Value>& sources, const Value& destination);
[[nodiscard]] std::unique_ptr<Step> plan_reorder(const StepContext& context, const std::string& name,
                                                 const Value& source, const Value& destination);

/// The same plain (not blocked) format with another element type.
[[nodiscard]] dnnl::memory::desc with_type(const dnnl::memory::desc& desc, dnnl::memory::data_type type);
/// "nhwc", and the type when it is not f32: "nhwc bf16".
[[nodiscard]] std::string describe_format(const dnnl::memory::desc& desc);
/// A plain (not blocked) value as a view. \throws Error kInternal for a blocked one.
[[nodiscard]] TensorView to_view(const dnnl::memory::desc& desc, void* data);
[[nodiscard]] Sizes to_sizes(const dnnl::memory::desc& desc);

/// Name, sizes and formats of source and destination; the rest is the step's.
[[nodiscard]] LayerReport make_report(const std::string& name, const std::string& kind,
                                      const dnnl::memory::desc& source, const dnnl::memory::desc& destination);

}  // namespace dcn::nn
