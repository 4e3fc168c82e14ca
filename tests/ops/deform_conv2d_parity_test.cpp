// Deformable convolution against the numbers of the original operator (tests/data/parity).

#include "ops/deform_conv2d_parity.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "ops/deform_conv2d_run.hpp"

namespace dcn::test {
namespace {

constexpr double kTolerance = 3e-5;  // of the case's largest value

/// The formula's output of each case, in double.
const HostTensor& formula(const ParityCase& parity) {
  static std::map<std::string, HostTensor> known;
  const auto found = known.find(parity.id);
  if (found != known.end()) return found->second;
  return known[parity.id] = reference(parity.shape, parity.inputs);
}

void expect_parity(DataType type, Layout layout, const std::vector<std::string>& variants,
                   bool large_by_reference = false) {
  ASSERT_EQ(parity_cases().size(), 40U);
  for (const ParityCase& parity : parity_cases()) {
    const bool large = multiplications(parity.shape) > kLargeCase;
    if (large && variants == std::vector<std::string>{"reference"} && !large_by_reference) continue;
    DeformConv2dCase shape = parity.shape;
    shape.layout = shape.output_layout = shape.offset_layout = layout;
    const bool is_half = type == DataType::kF16 || type == DataType::kBf16;
    double error = (type == DataType::kF64 ? 1e-12 : kTolerance) * parity.output.largest;
    DeformConv2dInputs inputs = parity.inputs;
    HostTensor expected = formula(parity);
    if (is_half) {
      // The inputs themselves are rounded: the formula on those is what counts, and a plain implementation's error.
      inputs = inputs.rounded(type);
      expected = reference(shape, inputs);
      error = 2 * largest_difference(plain_f32(shape, inputs, type), expected) + 1e-6 * parity.output.largest;
    }
    for (const std::string& variant : variants) {
      if (variant == "reference" && large && !large_by_reference) continue;
      SCOPED_TRACE(fmt::format("{} {} {} {}", parity.id, to_string(type), variant, to_string(layout)));
      const DeformConv2dResult result = run_on_device(shape, inputs, type, variant);
      EXPECT_EQ(result.variant, variant);
      EXPECT_EQ(result.damage, "");
      EXPECT_EQ(result.unwritten, 0);
      EXPECT_LE(largest_difference(result.output, expected), error);
      if (!is_half) {
        EXPECT_LE(parity.output.difference(result.output), error);
      }
    }
  }
}

/// The tests' own formula is the original's.
TEST(DeformConv2dParity, FormulaIsTheOriginals) {
  for (const ParityCase& parity : parity_cases()) {
    EXPECT_LE(parity.output.difference(formula(parity)), 1e-12 * parity.output.largest) << parity.id;
    double sum = 0;
    double abs_sum = 0;
    for (const double value : formula(parity).values) {
      sum += value;
      abs_sum += std::abs(value);
    }
    EXPECT_NEAR(sum, parity.output.sum, 1e-12 * parity.output.abs_sum) << parity.id;
    EXPECT_NEAR(abs_sum, parity.output.abs_sum, 1e-12 * parity.output.abs_sum) << parity.id;
    EXPECT_NEAR(largest_magnitude(formula(parity)), parity.output.largest, 1e-12 * parity.output.largest) << parity.id;
  }
}

TEST(DeformConv2dParity, F32Nhwc) { expect_parity(DataType::kF32, Layout::kNhwc, test_variants(), true); }
TEST(DeformConv2dParity, F32Nchw) { expect_parity(DataType::kF32, Layout::kNchw, test_variants()); }
TEST(DeformConv2dParity, F32Slices) { expect_parity(DataType::kF32, Layout::kNhwcSlice, {"fused_64", "reference"}); }
TEST(DeformConv2dParity, F32Strided) { expect_parity(DataType::kF32, Layout::kStrided, {"fused_64", "reference"}); }
TEST(DeformConv2dParity, F64Nhwc) { expect_parity(DataType::kF64, Layout::kNhwc, {"reference"}, true); }
TEST(DeformConv2dParity, F64Nchw) { expect_parity(DataType::kF64, Layout::kNchw, {"reference"}); }
TEST(DeformConv2dParity, F16Nhwc) { expect_parity(DataType::kF16, Layout::kNhwc, {"fused_64", "reference"}); }
TEST(DeformConv2dParity, F16Nchw) { expect_parity(DataType::kF16, Layout::kNchw, {"fused_64"}); }
TEST(DeformConv2dParity, Bf16Nhwc) { expect_parity(DataType::kBf16, Layout::kNhwc, {"fused_64", "reference"}); }
TEST(DeformConv2dParity, Bf16Strided) { expect_parity(DataType::kBf16, Layout::kStrided, {"fused_64"}); }

}  // namespace
}  // namespace dcn::test
