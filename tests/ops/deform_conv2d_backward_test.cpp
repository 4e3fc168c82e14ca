// Gradients of deformable convolution on the device against their formulas: every variant, type and layout.

#include "dcn/deform_conv2d_backward.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <random>

#include "dcn/status.hpp"
#include "ops/deform_conv2d_backward_run.hpp"
#include "ops/device_facts.hpp"
#include "ops/random_case.hpp"
#include "support/paths.hpp"

namespace dcn::test {
namespace {

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
  const auto expect = [&](const std::string& variant, bool samples_in_type) {
    const Gradients plain = plain_f32_gradients(c, inputs, grad_output, type, samples_in_type);
    Errors errors{};
    for (std::size_t i = 0; i < errors.size(); ++i) {
      errors[i] = 2 * largest_difference(plain.of[i], expected.of[i]) + 3e-6 * largest_magnitude(expected.of[i]);
    }
    expect_gradients(c, inputs, grad_output, expected, {.type = type, .variant = variant}, errors);
  };
  const ops::DeviceFacts device = ops::device_facts(test_queue());
  const bool units = ops::matrix_shape(type, false, device).rows != 0;
  for (const std::string& variant : variants) expect(variant, units && variant.starts_with("tiled"));
}

TEST(DeformConv2dBackward, SmokeCases) {
  for (const DeformConv2dCase& c : cases_of("smoke")) expect_f32(c, test_backward_variants());
}

TEST(DeformConv2dBackward, RandomCases) {
  std::mt19937 generator(20240608);
  for (int i = 0; i < 40; ++i) expect_f32(random_case(generator), test_backward_variants());
}

/// More outputs than one step has, output slices, and several launches' worth of slices.
TEST(DeformConv2dBackward, TiledCases) {
  for (const char* line : {"n=2 c=70 o=150 in=9x7 dg=2 mask=logit", "n=1 c=192 o=300 in=8x8 g=3 layout=nchw"}) {
    expect_f32(DeformConv2dCase::parse(line), {"tiled_64", "tiled_128", "tiled_256"});
  }
}

TEST(DeformConv2dBackward, RandomCasesInF16) {
  std::mt19937 generator(21);
  for (int i = 0; i < 12; ++i) expect_half(random_case(generator), DataType::kF16, test_backward_variants(true));
}

TEST(DeformConv2dBackward, RandomCasesInBf16) {
  std::mt19937 generator(22);
  for (int i = 0; i < 12; ++i) expect_half(random_case(generator), DataType::kBf16, test_backward_variants(true));
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
    expect_f32(random_case(generator), {"tiled_64", "fused_32", "reference"},
               {.wide = true, .weight_layout = i % 2 == 0 ? Layout::kNhwc : Layout::kStrided});
  }
}

/// Along a direction at random: the gradients' product with it against the difference of the formula in double.
TEST(DeformConv2dBackward, FiniteDifferences) {
  std::mt19937 generator(25);
  std::normal_distribution<double> normal;
  for (int i = 0; i < 12; ++i) {
    DeformConv2dCase c = random_case(generator);
    c.offsets = "normal";
    c.relu = false;
    SCOPED_TRACE(c.line());
    const DeformConv2dInputs inputs = make_inputs(c);
    const HostTensor grad_output = make_grad_output(c);
    const BackwardResult result =
        run_backward(c, inputs, grad_output, {.type = DataType::kF64, .variant = "reference"});
    const auto check = [&](std::size_t which, HostTensor DeformConv2dInputs::* member) {
      const HostTensor& gradient = result.gradients.of[which];
      if (gradient.values.empty()) return;
      std::vector<double> direction(gradient.values.size());
      for (double& value : direction) value = normal(generator);
      constexpr double kStep = 1e-6;
      const auto loss = [&](double step) {
        DeformConv2dInputs moved = inputs;
        for (std::size_t k = 0; k < direction.size(); ++k) (moved.*member).values[k] += step * direction[k];
        const HostTensor output = reference(c, moved);
        double sum = 0;
        for (std::size_t k = 0; k < output.values.size(); ++k) sum += output.values[k] * grad_output.values[k];
        return sum;
      };
      double product = 0;
      double scale = 1e-3;
      for (std::size_t k = 0; k < direction.size(); ++k) {
        product += direction[k] * gradient.values[k];
        scale += std::abs(direction[k] * gradient.values[k]);
      }
      EXPECT_NEAR((loss(kStep) - loss(-kStep)) / (2 * kStep), product, 1e-5 * scale) << kGradientNames[which];
    };
    check(0, &DeformConv2dInputs::input);
    check(1, &DeformConv2dInputs::offset);
    check(2, &DeformConv2dInputs::mask);
    check(3, &DeformConv2dInputs::weight);
    check(4, &DeformConv2dInputs::bias);
  }
}

/// Each alone gives what it gives among all, and nothing else is written (run_backward looks).
TEST(DeformConv2dBackward, ComputesOnlyWhatIsAskedFor) {
  for (const char* line :
       {"n=2 c=40 o=24 in=9x8 mask=logit dg=2", "n=1 c=64 o=16 in=7x7 layout=nchw", "c=5 o=7 in=6x6 g=1"}) {
    const DeformConv2dCase c = DeformConv2dCase::parse(line);
    const DeformConv2dInputs inputs = make_inputs(c).rounded(DataType::kF32);
    const HostTensor grad_output = make_grad_output(c).rounded(DataType::kF32);
    for (const std::string& variant : test_backward_variants()) {
      const BackwardResult all = run_backward(c, inputs, grad_output, {.variant = variant});
      for (const unsigned subset : {0U, 1U, 2U, 4U, 8U, 16U, 3U, 9U, 14U}) {
        BackwardOptions options{.variant = variant};
        for (unsigned i = 0; i < 5; ++i) options.wanted[i] = (subset >> i & 1U) != 0;
        const BackwardResult some = run_backward(c, inputs, grad_output, options);
        EXPECT_EQ(some.damage, "");
        EXPECT_LE(some.scratch_bytes, all.scratch_bytes);
        for (std::size_t i = 0; i < 5; ++i) {
          EXPECT_EQ(some.gradients.of[i].values.empty(), !options.wanted[i]);
          if (!options.wanted[i]) continue;
          // The tiled variants add up in any order.
          const bool any_order = variant.starts_with("tiled");
          EXPECT_LE(largest_difference(some.gradients.of[i], all.gradients.of[i]),
                    any_order ? 1e-6 * largest_magnitude(all.gradients.of[i]) : 0)
              << variant << " " << kGradientNames[i] << " of subset " << subset;
        }
      }
    }
  }
}

TEST(DeformConv2dBackward, RepeatedRunsGiveTheSameBits) {
  for (const char* line : {"c=64 o=64 in=40x40", "n=3 c=20 o=33 in=17x19 mask=logit dg=2 layout=nchw"}) {
    const DeformConv2dCase c = DeformConv2dCase::parse(line);
    for (const DataType type : {DataType::kF32, DataType::kBf16}) {
      const DeformConv2dInputs inputs = make_inputs(c).rounded(type);
      const HostTensor grad_output = make_grad_output(c).rounded(type);
      const BackwardOptions options{.type = type, .variant = "fused_32", .deterministic = true};
      const BackwardResult first = run_backward(c, inputs, grad_output, options);
      for (int run = 0; run < 3; ++run) {
        const BackwardResult again = run_backward(c, inputs, grad_output, options);
        for (std::size_t i = 0; i < 5; ++i) {
          EXPECT_EQ(first.gradients.of[i].values, again.gradients.of[i].values) << kGradientNames[i];
        }
      }
    }
  }
}

TEST(DeformConv2dBackward, LayoutsGiveTheSameBits) {
  const DeformConv2dCase c = DeformConv2dCase::parse("n=2 c=80 o=30 in=13x9 mask=logit dg=2");
  for (const DataType type : {DataType::kF32, DataType::kBf16}) {
    const DeformConv2dInputs inputs = make_inputs(c).rounded(type);
    const HostTensor grad_output = make_grad_output(c).rounded(type);
    for (const char* variant : {"fused_32", "reference"}) {
      if (type == DataType::kBf16 && variant == std::string("reference")) continue;  // the same code
      const BackwardOptions options{.type = type, .variant = variant};
      const BackwardResult native = run_backward(c, inputs, grad_output, options);
      for (const Layout layout : {Layout::kNchw, Layout::kNhwcSlice, Layout::kStrided}) {
        DeformConv2dCase other = c;
        other.layout = other.output_layout = other.offset_layout = layout;
        const BackwardResult same = run_backward(other, inputs, grad_output, options);
        for (std::size_t i = 0; i < 5; ++i) {
          EXPECT_EQ(native.gradients.of[i].values, same.gradients.of[i].values)
              << variant << " " << to_string(type) << " " << to_string(layout) << " " << kGradientNames[i];
        }
      }
    }
  }
}

TEST(DeformConv2dBackward, BatchZeroGivesZeroWeightsAndBias) {
  const DeformConv2dCase c = DeformConv2dCase::parse("n=0 c=16 o=16 in=6x6");
  for (const std::string& variant : test_backward_variants()) {
    const BackwardResult result = run_backward(c, make_inputs(c), make_grad_output(c), {.variant = variant});
    EXPECT_EQ(result.damage, "") << variant;
    EXPECT_EQ(largest_magnitude(result.gradients.of[3]), 0) << variant;
    EXPECT_EQ(largest_magnitude(result.gradients.of[4]), 0) << variant;
  }
}

/// What autograd gives for a sum: one element, expanded. And an input that is one picture, expanded.
TEST(DeformConv2dBackward, ReadsExpandedTensors) {
  const DeformConv2dCase c = DeformConv2dCase::parse("n=2 c=16 o=16 in=6x5");
  DeformConv2dInputs inputs = make_inputs(c).rounded(DataType::kF32);
  HostTensor grad_output = make_grad_output(c);
  std::fill(grad_output.values.begin(), grad_output.values.end(), 0.5);
  const auto half = static_cast<std::ptrdiff_t>(inputs.input.values.size() / 2);
  std::copy(inputs.input.values.begin(), inputs.input.values.begin() + half, inputs.input.values.begin() + half);
  const Gradients expected = reference_gradients(c, inputs, grad_output);
  Queue& queue = test_queue();
  const DeviceTensor input(queue, DataType::kF32, inputs.input, Layout::kNhwc);
  const DeviceTensor offset(queue, DataType::kF32, inputs.offset, Layout::kNhwc);
  const DeviceTensor weight(queue, DataType::kF32, inputs.weight);
  const DeviceTensor gradient(queue, DataType::kF32, grad_output);
  const DeviceTensor mask(queue, DataType::kF32, inputs.mask, Layout::kNhwc);
  for (const std::string& variant : test_backward_variants()) {
    const DeviceTensor grad_input(queue, DataType::kF32, inputs.input.sizes, Layout::kNhwc);
    const DeviceTensor grad_weight(queue, DataType::kF32, inputs.weight.sizes);
    DeformConv2dBackwardDesc desc;
    desc.params = c.params();
    desc.force_variant = variant;
    desc.tensors = {.grad_output = gradient.view(),
                    .input = input.view(),
                    .offset = offset.view(),
                    .mask = mask.view(),
                    .weight = weight.view(),
                    .grad_input = grad_input.view(),
                    .grad_weight = grad_weight.view()};
    desc.tensors.grad_output.strides = {0, 0, 0, 0};
    desc.tensors.input.strides[0] = 0;
    DeformConv2dBackwardPlan plan(queue, desc);
    plan.run(desc.tensors);
    queue.wait();
    EXPECT_LE(largest_difference(grad_input.read(), expected.of[0]), 1e-5 * largest_magnitude(expected.of[0]));
    EXPECT_LE(largest_difference(grad_weight.read(), expected.of[3]), 1e-5 * largest_magnitude(expected.of[3]));
  }
}

/// Zeros stand in for what lies outside: a NaN of the picture must not come in through a weight of zero.
TEST(DeformConv2dBackward, OutsidePositionsDoNotReadThePicture) {
  const DeformConv2dCase c = DeformConv2dCase::parse("c=16 o=16 in=6x6");
  DeformConv2dInputs inputs = make_inputs(c).rounded(DataType::kF32);
  for (double& value : inputs.offset.values) value = value < 0 ? -100 : 100;
  for (double& value : inputs.input.values) value = std::nan("");
  for (const std::string& variant : test_backward_variants()) {
    const BackwardResult result = run_backward(c, inputs, make_grad_output(c), {.variant = variant});
    for (std::size_t i = 0; i < 4; ++i) {
      for (const double value : result.gradients.of[i].values)
        ASSERT_EQ(value, 0) << variant << " " << kGradientNames[i];
    }
  }
}

}  // namespace
}  // namespace dcn::test
