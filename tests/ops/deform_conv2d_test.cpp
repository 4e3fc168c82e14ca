// Deformable convolution on the device against its formula: every variant, type and layout.

#include "dcn/deform_conv2d.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <random>

#include "dcn/status.hpp"
#include "ops/deform_conv2d_run.hpp"
#include "ops/random_case.hpp"
#include "support/paths.hpp"

namespace dcn::test {
namespace {

/// The cases of a file, or the one line that DCN_TEST_CASE holds: failures print such a line.
std::vector<DeformConv2dCase> cases_of(const std::string& name) {
  if (const char* line = std::getenv("DCN_TEST_CASE")) return {DeformConv2dCase::parse(line)};
  return read_cases(source_dir() / "tests" / "cases" / ("deform_conv2d_" + name + ".txt"));
}

std::string rerun(const DeformConv2dCase& c, DataType type, const std::string& variant) {
  return fmt::format("{} {}; rerun: DCN_TEST_CASE='{}' ops_test --gtest_filter='DeformConv2d*Cases*'", variant,
                     to_string(type), c.line());
}

/// The variant's result is the formula's, to `tolerance` of the largest value, and nothing else was written.
void expect_formula(const DeformConv2dCase& c, const DeformConv2dInputs& inputs, const HostTensor& expected,
                    DataType type, const std::string& variant, double error, bool wide = false) {
  SCOPED_TRACE(rerun(c, type, variant));
  const DeformConv2dResult result = run_on_device(c, inputs, type, variant, wide);
  EXPECT_EQ(result.variant, variant);
  EXPECT_EQ(result.damage, "");
  EXPECT_EQ(result.unwritten, 0);
  EXPECT_LE(largest_difference(result.output, expected), error);
}

void expect_f32(const DeformConv2dCase& c, bool wide = false) {
  const DeformConv2dInputs inputs = make_inputs(c).rounded(DataType::kF32);
  const HostTensor expected = reference(c, inputs);
  const double error = kTolerance * std::max(largest_magnitude(expected), 1e-30);
  for (const std::string& variant : test_variants()) {
    expect_formula(c, inputs, expected, DataType::kF32, variant, error, wide);
  }
}

/// At most twice the error of a plain implementation with f32 positions and sums in that type.
void expect_half(const DeformConv2dCase& c, DataType type, const std::vector<std::string>& variants) {
  const DeformConv2dInputs inputs = make_inputs(c).rounded(type);
  const HostTensor expected = reference(c, inputs);
  const double plain = largest_difference(plain_f32(c, inputs, type), expected);
  const double error = 2 * plain + 1e-6 * largest_magnitude(expected);
  for (const std::string& variant : variants) expect_formula(c, inputs, expected, type, variant, error);
}

TEST(DeformConv2d, SmokeCases) {
  for (const DeformConv2dCase& c : cases_of("smoke")) expect_f32(c);
}

TEST(DeformConv2d, RegressionCases) {
  for (const DeformConv2dCase& c : cases_of("regression")) expect_f32(c);
}

TEST(DeformConv2d, RandomCases) {
  std::mt19937 generator(20240607);
  for (int i = 0; i < 60; ++i) expect_f32(random_case(generator));
}

/// On a CPU, where types differ by their conversions alone, one of each kind; elsewhere each tile has its own way to
/// matrix units.
std::vector<std::string> half_variants() {
  if (ops::device_facts(test_queue()).is_cpu) return {"fused_64", "fused_32", "tiled_64x64", "reference"};
  return test_variants();
}

TEST(DeformConv2d, RandomCasesInF16) {
  std::mt19937 generator(11);
  for (int i = 0; i < 20; ++i) expect_half(random_case(generator), DataType::kF16, half_variants());
}

TEST(DeformConv2d, RandomCasesInBf16) {
  std::mt19937 generator(12);
  for (int i = 0; i < 20; ++i) expect_half(random_case(generator), DataType::kBf16, half_variants());
}

TEST(DeformConv2d, SmokeCasesInHalfTypes) {
  for (const DeformConv2dCase& c : cases_of("smoke")) {
    const auto variants =
        ops::device_facts(test_queue()).is_cpu ? std::vector<std::string>{"fused_64"} : half_variants();
    expect_half(c, DataType::kF16, variants);
    expect_half(c, DataType::kBf16, variants);
  }
}

TEST(DeformConv2d, RandomCasesInF64) {
  std::mt19937 generator(13);
  for (int i = 0; i < 15; ++i) {
    const DeformConv2dCase c = random_case(generator);
    const DeformConv2dInputs inputs = make_inputs(c);
    const HostTensor expected = reference(c, inputs);
    expect_formula(c, inputs, expected, DataType::kF64, "reference", 1e-12 * (1 + largest_magnitude(expected)));
  }
}

TEST(DeformConv2d, RandomCasesWithWideIndices) {
  std::mt19937 generator(14);
  for (int i = 0; i < 8; ++i) {
    const DeformConv2dCase c = random_case(generator);
    const DeformConv2dInputs inputs = make_inputs(c).rounded(DataType::kF32);
    const HostTensor expected = reference(c, inputs);
    const double error = kTolerance * (1 + largest_magnitude(expected));
    expect_formula(c, inputs, expected, DataType::kF32, "fused_64", error, true);
    expect_formula(c, inputs, expected, DataType::kF32, "reference", error, true);
  }
}

TEST(DeformConv2d, LayoutsGiveTheSameBits) {
  DeformConv2dCase c = DeformConv2dCase::parse("n=2 c=48 o=70 in=13x9 mask=logit relu=1 dg=2");
  const DeformConv2dInputs inputs = make_inputs(c).rounded(DataType::kF32);
  for (const char* variant : {"fused_64", "tiled_64x64", "reference"}) {
    const HostTensor native = run_on_device(c, inputs, DataType::kF32, variant).output;
    for (const Layout layout : {Layout::kNchw, Layout::kNhwcSlice, Layout::kStrided}) {
      DeformConv2dCase other = c;
      other.layout = other.output_layout = other.offset_layout = layout;
      const HostTensor same = run_on_device(other, inputs, DataType::kF32, variant).output;
      EXPECT_EQ(largest_difference(native, same), 0) << variant << " " << to_string(layout);
    }
  }
}

TEST(DeformConv2d, RepeatedRunsGiveTheSameBits) {
  const DeformConv2dCase c = DeformConv2dCase::parse("c=64 o=64 in=40x40");
  const DeformConv2dInputs inputs = make_inputs(c).rounded(DataType::kF32);
  const HostTensor first = run_on_device(c, inputs, DataType::kF32, "fused_64").output;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(largest_difference(first, run_on_device(c, inputs, DataType::kF32, "fused_64").output), 0);
  }
}

/// Zeros stand in for what lies outside: a NaN of the picture must not come in through a weight of zero.
TEST(DeformConv2d, OutsidePositionsDoNotReadThePicture) {
  const DeformConv2dCase c = DeformConv2dCase::parse("c=16 o=16 in=6x6 offsets=far bias=1");
  DeformConv2dInputs inputs = make_inputs(c).rounded(DataType::kF32);
  for (double& value : inputs.offset.values) value = value < 0 ? -100 : 100;
  for (double& value : inputs.input.values) value = std::nan("");
  for (const std::string& variant : test_variants()) {
    const DeformConv2dResult result = run_on_device(c, inputs, DataType::kF32, variant);
    for (std::size_t i = 0; i < result.output.values.size(); ++i) {
      ASSERT_EQ(result.output.values[i], inputs.bias.values[i / 36]) << variant;
    }
  }
}

TEST(DeformConv2d, NanOfThePictureReachesTheOutputThroughRelu) {
  const DeformConv2dCase c = DeformConv2dCase::parse("c=16 o=16 in=3x3 k=1x1 pad=0 offsets=zero relu=1");
  DeformConv2dInputs inputs = make_inputs(c).rounded(DataType::kF32);
  inputs.input.at(0, 3, 1, 1) = std::nan("");
  for (const std::string& variant : test_variants()) {
    const HostTensor output = run_on_device(c, inputs, DataType::kF32, variant).output;
    EXPECT_TRUE(std::isnan(output.at(0, 0, 1, 1))) << variant;
    EXPECT_FALSE(std::isnan(output.at(0, 0, 2, 2))) << variant;
  }
}

TEST(DeformConv2d, ZeroOffsetsAreAPlainConvolution) {
  DeformConv2dCase c = DeformConv2dCase::parse("c=2 o=1 in=4x5 offsets=zero mask=0 bias=0");
  const DeformConv2dInputs inputs = make_inputs(c).rounded(DataType::kF32);
  const HostTensor output = run_on_device(c, inputs, DataType::kF32, "fused_64").output;
  for (std::int64_t y = 0; y < 4; ++y) {
    for (std::int64_t x = 0; x < 5; ++x) {
      double sum = 0;
      for (std::int64_t channel = 0; channel < 2; ++channel) {
        for (std::int64_t i = 0; i < 3; ++i) {
          for (std::int64_t j = 0; j < 3; ++j) {
            const std::int64_t row = y + i - 1;
            const std::int64_t column = x + j - 1;
            if (row < 0 || row >= 4 || column < 0 || column >= 5) continue;
            sum += inputs.weight.at(0, channel, i, j) * inputs.input.at(0, channel, row, column);
          }
        }
      }
      EXPECT_NEAR(output.at(0, 0, y, x), sum, 1e-5);
    }
  }
}

TEST(DeformConv2d, BatchZeroDoesNothing) {
  for (const std::string& variant : test_variants()) {
    const DeformConv2dCase c = DeformConv2dCase::parse("n=0 c=16 o=16 in=6x6");
    const DeformConv2dResult result = run_on_device(c, make_inputs(c), DataType::kF32, variant);
    EXPECT_EQ(result.damage, "");
    EXPECT_EQ(result.variant, variant);
  }
}

TEST(DeformConv2d, OneCallPlansPacksAndRuns) {
  const DeformConv2dCase c = DeformConv2dCase::parse("c=16 o=32 in=7x7");
  const DeformConv2dInputs inputs = make_inputs(c).rounded(DataType::kF32);
  Queue& queue = test_queue();
  const DeviceTensor input(queue, DataType::kF32, inputs.input, Layout::kNhwc);
  const DeviceTensor offset(queue, DataType::kF32, inputs.offset, Layout::kNhwc);
  const DeviceTensor mask(queue, DataType::kF32, inputs.mask, Layout::kNhwc);
  const DeviceTensor weight(queue, DataType::kF32, inputs.weight);
  const DeviceTensor bias(queue, DataType::kF32, inputs.bias);
  const DeviceTensor output(queue, DataType::kF32, {1, 32, 7, 7}, Layout::kNhwc);
  deform_conv2d(queue, c.params(),
                {.input = input.view(),
                 .offset = offset.view(),
                 .mask = mask.view(),
                 .weight = weight.view(),
                 .bias = bias.view(),
                 .output = output.view()});
  EXPECT_LE(largest_difference(output.read(), reference(c, inputs)), 1e-4);
}

}  // namespace
}  // namespace dcn::test
