/// \file deform_conv2d_parity.hpp
/// The cases of deformable convolution whose numbers the original operator gave (tests/data/parity).
#pragma once

#include <array>
#include <string>
#include <vector>

#include "ops/deform_conv2d_backward_run.hpp"
#include "ops/deform_conv2d_run.hpp"

namespace dcn::test {

/// What the original gave of one tensor, in double.
struct ParityTensor {
  std::vector<double> samples;               ///< at ...
  std::vector<double> indices;               ///< ... these flat indices
  double sum = 0, abs_sum = 0, largest = 0;  ///< of the whole tensor

  /// Largest difference to the samples.
  [[nodiscard]] double difference(const HostTensor& tensor) const;
};

struct ParityCase {
  std::string id;
  DeformConv2dCase shape;
  DeformConv2dInputs inputs;
  HostTensor grad_output;
  ParityTensor output;
  std::array<ParityTensor, kGradientNames.size()> gradients;
};

[[nodiscard]] const std::vector<ParityCase>& parity_cases();

/// Multiplications of a case. The three largest take the reference seconds each: once per type is enough.
[[nodiscard]] double multiplications(const DeformConv2dCase& c);
constexpr double kLargeCase = 2e7;

}  // namespace dcn::test
