// Gradients of deformable convolution against the numbers of the original operator (tests/data/parity).

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "dcn/deform_conv2d_backward.hpp"
#include "ops/deform_conv2d_backward_run.hpp"
#include "ops/deform_conv2d_parity.hpp"

namespace dcn::test {
namespace {

constexpr double kTolerance = 3e-5;  // of the case's largest value

/// The formulas' gradients of each case, in double.
const Gradients& formula(const ParityCase& parity) {
  static std::map<std::string, Gradients> known;
  const auto found = known.find(parity.id);
  if (found != known.end()) return found->second;
  return known[parity.id] = reference_gradients(parity.shape, parity.inputs, parity.grad_output);
}

/// The tests' own formulas are the original's.
TEST(DeformConv2dBackwardParity, FormulasAreTheOriginals) {
  ASSERT_EQ(parity_cases().size(), 40U);
  for (const ParityCase& parity : parity_cases()) {
    for (std::size_t i = 0; i < kGradientNames.size(); ++i) {
      if (parity.gradients[i].samples.empty()) continue;
      EXPECT_LE(parity.gradients[i].difference(formula(parity).of[i]), 1e-11 * (1e-30 + parity.gradients[i].largest))
          << parity.id << " " << kGradientNames[i];
    }
  }
}

void expect_parity(DataType type, Layout layout, const std::vector<std::string>& variants) {
  for (const ParityCase& parity : parity_cases()) {
    const bool large = multiplications(parity.shape) > kLargeCase;
    DeformConv2dCase shape = parity.shape;
    shape.bias = true;  // its gradient does not depend on it
    shape.layout = shape.output_layout = shape.offset_layout = layout;
    for (const std::string& variant : variants) {
      if (variant == "reference" && large) continue;  // seconds each, and the small ones show the same
      SCOPED_TRACE(fmt::format("{} {} {} {}", parity.id, to_string(type), variant, to_string(layout)));
      const BackwardResult result =
          run_backward(shape, parity.inputs, parity.grad_output, {.type = type, .variant = variant});
      EXPECT_EQ(result.variant, variant);
      EXPECT_EQ(result.damage, "");
      for (std::size_t i = 0; i < kGradientNames.size(); ++i) {
        const double error =
            (type == DataType::kF64 ? 1e-11 : kTolerance) * (1e-30 + largest_magnitude(formula(parity).of[i]));
        EXPECT_LE(largest_difference(result.gradients.of[i], formula(parity).of[i]), error) << kGradientNames[i];
        if (parity.gradients[i].samples.empty()) continue;
        EXPECT_LE(parity.gradients[i].difference(result.gradients.of[i]), error) << kGradientNames[i];
      }
    }
  }
}

TEST(DeformConv2dBackwardParity, F32Nhwc) { expect_parity(DataType::kF32, Layout::kNhwc, test_backward_variants()); }
TEST(DeformConv2dBackwardParity, F32Nchw) { expect_parity(DataType::kF32, Layout::kNchw, {"fused_32", "reference"}); }
TEST(DeformConv2dBackwardParity, F32Strided) { expect_parity(DataType::kF32, Layout::kStrided, {"fused_32"}); }
TEST(DeformConv2dBackwardParity, F64Nhwc) { expect_parity(DataType::kF64, Layout::kNhwc, {"reference"}); }

}  // namespace
}  // namespace dcn::test
