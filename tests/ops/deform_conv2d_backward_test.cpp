// Gradients of deformable convolution on the device against their formulas: every variant, type and layout.

#include "dcn/deform_conv2d_backward.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <random>

#include "dcn/status.hpp"
#include "ops/deform_conv2d_backward_run.hpp"
#include "ops/random_case.hpp"
#include "support/paths.hpp"

namespace dcn::test {
namespace {

constexpr double kTolerance = 3e-5;  // f32: of the largest value, as for the reference data

/// The cases of a file, or the one line that DCN_TEST_CASE holds: failures print such a line.
std::vector<DeformConv2dCase> cases_of(const std::string& name) {
  if (const char* line = std::getenv("DCN_TEST_CASE")) return {DeformConv2dCase::parse(line)};
  return read_cases(source_dir() / "tests" / "cases" / ("deform_conv2d_" + name + ".txt"));
}

/// What each gradient may differ by.
using Errors = std::array<double, kGradientNames.size()>;

void expect_gradients(const DeformConv2dCase& c, const DeformConv2dInputs& inputs, const HostTensor& grad_output,
                      const Gradients& expected, const BackwardOptions& options, const Errors& errors) {
  SCOPED_TRACE(fmt::format("{} {}; rerun: DCN_TEST_CASE='{}' ops_test --gtest_filter='DeformConv2dBackward*Cases*'",
                           options.variant, to_string(options.type), c.line()));
  const BackwardResult result = run_backward(c, inputs, grad_output, options);
  EXPECT_EQ(result.variant, options.variant);
  EXPECT_EQ(result.damage, "");
  for (std::size_t i = 0; i < errors.size(); ++i) {
    if (result.gradients.of[i].values.empty()) continue;
    EXPECT_LE(largest_difference(result.gradients.of[i], expected.of[i]), errors[i]) << kGradientNames[i];
  }
}

Errors relative_to(const Gradients& expected, double tolerance) {
  Errors errors{};
  for (std::size_t i = 0; i < errors.size(); ++i) {
    errors[i] = tolerance * std::max(largest_magnitude(expected.of[i]), 1e-30);
  }
  return errors;
}

void expect_f32(const DeformConv2dCase& c, const std::vector<std::string>& variants, BackwardOptions options = {}) {
  const DeformConv2dInputs inputs = make_inputs(c).rounded(DataType::kF32);
  const HostTensor grad_output = make_grad_output(c).rounded(DataType::kF32);
  const Gradients expected = reference_gradients(c, inputs, grad_output);
  for (const std::string& variant : variants) {
    options.variant = variant;
    expect_gradients(c, inputs, grad_output, expected, options, relative_to(expected, kTolerance));
  }
}

/// At most twice the error of a plain implementation with f32 positions and sums in that type.
void expect_half(const DeformConv2dCase& c, DataType type, const std::vector<std::string>& variants) {
  const DeformConv2dInputs inputs = make_inputs(c).rounded(type);
  const HostTensor grad_output = make_grad_output(c).rounded(type);
  const Gradients expected = reference_gradients(c, inputs, grad_output);
  const Gradients plain = plain_f32_gradients(c, inputs, grad_output, type);
  Errors errors{};
  for (std::size_t i = 0; i < errors.size(); ++i) {
    errors[i] = 2 * largest_difference(plain.of[i], expected.of[i]) + 3e-6 * largest_magnitude(expected.of[i]);
  }
  for (const std::string& variant : variants) {
    expect_gradients(c, inputs, grad_output, expected, {.type = type, .variant = variant}, errors);
  }
}

TEST(DeformConv2dBackward, SmokeCases) {
  for (const DeformConv2dCase& c : cases_of("smoke")) expect_f32(c, deform_conv2d_backward_variants());
}

TEST(DeformConv2dBackward, RandomCases) {
  std::mt19937 generator(20240608);
  for (int i = 0; i < 40; ++i) expect_f32(random_case(generator), deform_conv2d_backward_variants());
}

TEST(DeformConv2dBackward, RandomCasesInF16) {
  std::mt19937 generator(21);
  for (int i = 0; i < 12; ++i) expect_half(random_case(generator), DataType::kF16, deform_conv2d_backward_variants());
}

TEST(DeformConv2dBackward, RandomCasesInBf16) {
  std::mt19937 generator(22);
  for (int i = 0; i < 12; ++i) expect_half(random_case(generator), DataType::kBf16, deform_conv2d_backward_variants());
}

TEST(DeformConv2dBackward, RandomCasesInF64) {
  std::mt19937 generator(23);
  for (int i = 0; i < 12; ++i) {
    const DeformConv2dCase c = random_case(generator);
    const DeformConv2dInputs inputs = make_inputs(c);
    const HostTensor grad_output = make_grad_output(c);
    const Gradients expected = reference_gradients(c, inputs, grad_output);
    expect_gradients(c, inputs, grad_output, expected, {.type = DataType::kF64, .variant = "reference"},
                     relative_to(expected, 1e-12));
  }
}

TEST(DeformConv2dBackward, RandomCasesWithWideIndicesAndStridedWeights) {
  std::mt19937 generator(24);
  for (int i = 0; i < 6; ++i) {
    expect_f32(random_case(generator), deform_conv2d_backward_variants(),
               {.wide = true, .weight_layout = i % 2 == 0 ? Layout::kNhwc : Layout::kStrided});
  }
}

}  // namespace
}  // namespace dcn::test
