/// \file deform_conv2d_backward_run.hpp
/// The gradients of a case of deformable convolution: from the formula, and on the device.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "cases/deform_conv2d_case.hpp"
#include "ops/deform_conv2d_run.hpp"
#include "ops/device_tensor.hpp"

namespace dcn::test {

/// Which gradients are asked for, or their values.
constexpr std::array<std::string_view, 5> kGradientNames{"grad_input", "grad_offset", "grad_mask", "grad_weight",
                                                         "grad_bias"};
using GradientSet = std::array<bool, kGradientNames.size()>;
constexpr GradientSet kAllGradients{true, true, true, true, true};

struct Gradients {
  std::array<HostTensor, kGradientNames.size()> of;

  [[nodiscard]] Gradients rounded(DataType type) const;
};

/// Normal values of the sizes of the output, from the case's seed.
[[nodiscard]] HostTensor make_grad_output(const DeformConv2dCase& c);

/// The formulas in double precision. Bias and ReLU of the case play no part, but for the bias' gradient.
[[nodiscard]] Gradients reference_gradients(const DeformConv2dCase& c, const DeformConv2dInputs& inputs,
                                            const HostTensor& grad_output);
/// The same in f32, rounded to `type`: what a type's error is measured by. `samples_in_type` rounds the samples as
/// well, as matrix units take them.
[[nodiscard]] Gradients plain_f32_gradients(const DeformConv2dCase& c, const DeformConv2dInputs& inputs,
                                            const HostTensor& grad_output, DataType type, bool samples_in_type = false);

struct BackwardOptions {
  DataType type = DataType::kF32;
  std::string variant{};
  GradientSet wanted = kAllGradients;  ///< grad_mask and grad_bias only where the case has a mask, a bias
  bool deterministic = false;
  bool wide = false;
  Layout weight_layout = Layout::kNchw;
};

struct BackwardResult {
  Gradients gradients;  ///< empty tensors where not asked for
  std::string variant{};
  std::string damage;  ///< empty: nothing but the gradients was written, and all of them
  std::size_t scratch_bytes = 0;
};

/// The variants that tests force: those that the device takes. Of the tiled ones, which are made for GPUs, a CPU runs
/// one.
/// \param halves  of the fused ones one, and not the reference: their code for f16 and bf16 is the same.
[[nodiscard]] std::vector<std::string> test_backward_variants(bool halves = false);

[[nodiscard]] BackwardResult run_backward(const DeformConv2dCase& c, const DeformConv2dInputs& inputs,
                                          const HostTensor& grad_output, const BackwardOptions& options);

}  // namespace dcn::test
