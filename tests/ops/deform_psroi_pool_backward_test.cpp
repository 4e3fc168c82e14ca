// Gradients of deformable PSRoI pooling: the original's numbers, finite differences, types and layouts.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "dcn/deform_psroi_pool.hpp"
#include "dcn/status.hpp"
#include "ops/deform_psroi_pool_run.hpp"

namespace dcn::test {
namespace {

struct PoolGradients {
  HostTensor input, offset;
};

HostTensor normal_like(std::vector<std::int64_t> sizes, std::mt19937& generator) {
  std::normal_distribution<double> normal;
  HostTensor tensor(std::move(sizes));
  for (double& value : tensor.values) value = normal(generator);
  return tensor;
}

std::vector<std::int64_t> output_sizes(const PoolCase& c) {
  return {c.rois.size(0), c.params.output_dim, c.params.pooled_size, c.params.pooled_size};
}

PoolGradients run_backward(const PoolCase& c, const HostTensor& grad_output, DataType type, Layout layout,
                           bool want_input = true, bool want_offset = true) {
  Queue& queue = test_queue();
  const DeviceTensor input(queue, type, c.input, layout);
  const DeviceTensor rois(queue, type == DataType::kF64 ? DataType::kF64 : DataType::kF32, c.rois);
  const DeviceTensor gradient(queue, type, grad_output, layout);
  const DeviceTensor offset(queue, type, c.classes > 0 ? c.offset : HostTensor({1, 2, 1, 1}), layout);
  const DeviceTensor grad_input(queue, type, c.input.sizes, layout);
  const DeviceTensor grad_offset(queue, type, c.classes > 0 ? c.offset.sizes : std::vector<std::int64_t>{1, 2, 1, 1},
                                 layout);
  DeformPsroiPoolBackwardTensors tensors{.grad_output = gradient.view(), .input = input.view(), .rois = rois.view()};
  if (c.classes > 0) tensors.offset = offset.view();
  want_offset = want_offset && c.classes > 0;
  if (want_input) tensors.grad_input = grad_input.view();
  if (want_offset) tensors.grad_offset = grad_offset.view();
  deform_psroi_pool_backward(queue, c.params, tensors);
  queue.wait();
  for (const DeviceTensor* tensor : {&input, &rois, &gradient, &offset, &grad_input, &grad_offset}) {
    EXPECT_EQ(tensor->damage(), "");
  }
  EXPECT_EQ(grad_input.unwritten(), want_input ? 0 : static_cast<std::int64_t>(c.input.values.size()));
  if (want_offset) {
    EXPECT_EQ(grad_offset.unwritten(), 0);
  }
  return {grad_input.read(), want_offset ? grad_offset.read() : HostTensor()};
}

TEST(DeformPsroiPoolBackward, Parity) {
  const Npz results(parity_dir() / "ops" / "psroi_ref.npz");
  for (const PoolParityCase& c : pool_parity_cases()) {
    const auto file = generated_dir() / "ops" / fmt::format("{}_grad_output.npy", c.id);
    const HostTensor grad_output = pool_to_host(read_npy(file));
    for (const DataType type : {DataType::kF32, DataType::kF64}) {
      const double tolerance = type == DataType::kF64 ? 1e-11 : kPoolTolerance;
      for (const Layout layout : {Layout::kNhwc, Layout::kNchw, Layout::kNhwcSlice, Layout::kStrided}) {
        SCOPED_TRACE(fmt::format("{} {} {}", c.id, to_string(type), to_string(layout)));
        const PoolGradients result = run_backward(c.pool, grad_output, type, layout);
        EXPECT_LE(difference_to_samples(results, c.id, "grad_data", result.input), tolerance);
        if (c.pool.classes > 0) {
          EXPECT_LE(difference_to_samples(results, c.id, "grad_trans", result.offset), tolerance);
        }
      }
    }
  }
}

/// Along a direction at random: the gradient's product with it against the difference of the formula in double.
TEST(DeformPsroiPoolBackward, FiniteDifferences) {
  std::mt19937 generator(31);
  for (int i = 0; i < 20; ++i) {
    SCOPED_TRACE(i);
    const PoolCase c = random_pool_case(generator);
    const HostTensor grad_output = normal_like(output_sizes(c), generator);
    const PoolGradients gradients = run_backward(c, grad_output, DataType::kF64, Layout::kNchw);
    const auto check = [&](HostTensor PoolCase::* which, const HostTensor& gradient) {
      const HostTensor direction = normal_like((c.*which).sizes, generator);
      constexpr double kStep = 1e-6;
      const auto loss = [&](double step) {
        PoolCase moved = c;
        for (std::size_t k = 0; k < direction.values.size(); ++k)
          (moved.*which).values[k] += step * direction.values[k];
        const HostTensor output = pool_reference(moved).output;
        double sum = 0;
        for (std::size_t k = 0; k < output.values.size(); ++k) sum += output.values[k] * grad_output.values[k];
        return sum;
      };
      double product = 0;
      double scale = 1e-3;
      for (std::size_t k = 0; k < direction.values.size(); ++k) {
        product += direction.values[k] * gradient.values[k];
        scale += std::abs(direction.values[k] * gradient.values[k]);
      }
      EXPECT_NEAR((loss(kStep) - loss(-kStep)) / (2 * kStep), product, 1e-5 * scale);
    };
    check(&PoolCase::input, gradients.input);
    if (c.classes > 0) check(&PoolCase::offset, gradients.offset);
  }
}

TEST(DeformPsroiPoolBackward, HalfTypesRoundOnceAndRunsGiveTheSameBits) {
  std::mt19937 generator(32);
  for (int i = 0; i < 8; ++i) {
    const PoolCase c = random_pool_case(generator);
    for (const auto& [type, bits] : {std::pair{DataType::kF16, 11}, {DataType::kBf16, 8}}) {
      PoolCase rounded = c;
      rounded.input = c.input.rounded(type);
      rounded.rois = c.rois.rounded(DataType::kF32);
      if (c.classes > 0) rounded.offset = c.offset.rounded(type);
      const HostTensor grad_output = normal_like(output_sizes(c), generator).rounded(type);
      const PoolGradients expected = run_backward(rounded, grad_output, DataType::kF64, Layout::kNchw);
      const PoolGradients result = run_backward(rounded, grad_output, type, Layout::kNhwc);
      const PoolGradients again = run_backward(rounded, grad_output, type, Layout::kStrided);
      const double error = kPoolTolerance + std::ldexp(1.0, -bits);
      SCOPED_TRACE(fmt::format("case {} {}", i, to_string(type)));
      EXPECT_LE(difference_of(result.input, expected.input), error * (1e-30 + largest_of(expected.input)));
      EXPECT_EQ(difference_of(result.input, again.input), 0);
      if (c.classes > 0) {
        EXPECT_LE(difference_of(result.offset, expected.offset), error * (1e-30 + largest_of(expected.offset)));
        EXPECT_EQ(difference_of(result.offset, again.offset), 0);
      }
    }
  }
}

TEST(DeformPsroiPoolBackward, ComputesOnlyWhatIsAskedFor) {
  std::mt19937 generator(33);
  PoolCase c = random_pool_case(generator);
  while (c.classes == 0) c = random_pool_case(generator);
  const HostTensor grad_output = normal_like(output_sizes(c), generator);
  const PoolGradients both = run_backward(c, grad_output, DataType::kF32, Layout::kNhwc);
  EXPECT_EQ(difference_of(run_backward(c, grad_output, DataType::kF32, Layout::kNhwc, true, false).input, both.input),
            0);
  EXPECT_EQ(difference_of(run_backward(c, grad_output, DataType::kF32, Layout::kNhwc, false, true).offset, both.offset),
            0);
}

TEST(DeformPsroiPoolBackward, NoRoisGiveZeros) {
  PoolCase c;
  c.params.output_dim = 4;
  c.input = HostTensor({c.batch, 4, c.height, c.width});
  c.rois = HostTensor({0, 5});
  const PoolGradients result = run_backward(c, HostTensor({0, 4, 1, 1}), DataType::kF32, Layout::kNhwc);
  EXPECT_EQ(largest_of(result.input), 0);
}

TEST(DeformPsroiPoolBackward, Errors) {
  Queue& queue = test_queue();
  const DeviceTensor input(queue, DataType::kF32, std::vector<std::int64_t>{1, 4, 5, 6});
  const DeviceTensor rois(queue, DataType::kF32, std::vector<std::int64_t>{2, 5});
  const DeviceTensor gradient(queue, DataType::kF32, std::vector<std::int64_t>{2, 4, 1, 1});
  const auto expect = [&](auto&& change, const std::string& message) {
    DeformPsroiPoolParams params{.output_dim = 4};
    DeformPsroiPoolBackwardTensors tensors{
        .grad_output = gradient.view(), .input = input.view(), .rois = rois.view(), .grad_input = input.view()};
    change(params, tensors);
    try {
      deform_psroi_pool_backward(queue, params, tensors);
      ADD_FAILURE() << "no error, expected: " << message;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()), message);
    }
  };
  expect([](auto&, auto& t) { t.grad_output.sizes[1] = 3; }, "grad_output: 3 channels, expected 4 (output_dim)");
  expect([](auto&, auto& t) { t.grad_input->sizes[3] = 7; },
         "grad_input: [1, 4, 5, 7], expected [1, 4, 5, 6] (the sizes of input)");
  expect([](auto&, auto& t) { t.grad_input->type = DataType::kF16; },
         "grad_input: type f16, expected f32 (the type of input)");
  expect([](auto&, auto& t) { t.grad_offset = t.grad_output; }, "grad_offset: given, but there is no offset");
  expect([](auto& p, auto&) { p.force_variant = "none"; },
         "deform_psroi_pool_backward: forced variant 'none' does not exist: one of reference");
}

}  // namespace
}  // namespace dcn::test
