// Deformable position-sensitive RoI pooling on the device against its formula and the original's numbers.

#include "dcn/deform_psroi_pool.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "dcn/status.hpp"
#include "ops/deform_psroi_pool_run.hpp"
#include "ops/device_tensor.hpp"
#include "support/npz.hpp"
#include "support/paths.hpp"

namespace dcn::test {
namespace {

PoolResult run_on_device(const PoolCase& c, DataType type, Layout layout, const std::string& variant) {
  Queue& queue = test_queue();
  const DataType real = type == DataType::kF64 ? DataType::kF64 : DataType::kF32;
  DeformPsroiPoolParams params = c.params;
  params.force_variant = variant;
  const DeviceTensor input(queue, type, c.input, layout);
  const DeviceTensor rois(queue, real, c.rois);
  const DeviceTensor output(queue, type, {c.rois.size(0), params.output_dim, params.pooled_size, params.pooled_size},
                            layout);
  const DeviceTensor count(queue, real, {c.rois.size(0), params.output_dim, params.pooled_size, params.pooled_size},
                           layout);
  const DeviceTensor offset(queue, type, c.classes > 0 ? c.offset : HostTensor({1, 2, 1, 1}), layout);
  DeformPsroiPoolTensors tensors{
      .input = input.view(), .rois = rois.view(), .output = output.view(), .count = count.view()};
  if (c.classes > 0) tensors.offset = offset.view();
  deform_psroi_pool(queue, params, tensors);
  queue.wait();
  EXPECT_EQ(output.damage(), "");
  EXPECT_EQ(count.damage(), "");
  EXPECT_EQ(output.unwritten(), 0);
  EXPECT_EQ(count.unwritten(), 0);
  return {output.read(), count.read()};
}

TEST(DeformPsroiPoolParity, FormulaIsTheOriginals) {
  const Npz results(parity_dir() / "ops" / "psroi_ref.npz");
  const std::vector<PoolParityCase> cases = pool_parity_cases();
  ASSERT_EQ(cases.size(), 10U);
  for (const PoolParityCase& c : cases) {
    const PoolResult formula = pool_reference(c.pool);
    EXPECT_LE(difference_to_samples(results, c.id, "output", formula.output), 1e-12) << c.id;
    EXPECT_EQ(difference_to_samples(results, c.id, "count", formula.count), 0) << c.id;
  }
}

TEST(DeformPsroiPoolParity, DeviceIsTheOriginal) {
  const Npz results(parity_dir() / "ops" / "psroi_ref.npz");
  for (const PoolParityCase& c : pool_parity_cases()) {
    const PoolResult formula = pool_reference(c.pool);
    for (const DataType type : {DataType::kF32, DataType::kF64}) {
      const double tolerance = type == DataType::kF64 ? 1e-12 : kPoolTolerance;
      for (const Layout layout : {Layout::kNhwc, Layout::kNchw, Layout::kNhwcSlice, Layout::kStrided}) {
        SCOPED_TRACE(fmt::format("{} {} {}", c.id, to_string(type), to_string(layout)));
        const PoolResult result = run_on_device(c.pool, type, layout, "reference");
        EXPECT_LE(difference_to_samples(results, c.id, "output", result.output), tolerance);
        EXPECT_EQ(difference_to_samples(results, c.id, "count", result.count), 0);
        EXPECT_LE(difference_of(result.output, formula.output), tolerance * (1e-30 + largest_of(formula.output)));
        EXPECT_EQ(difference_of(result.count, formula.count), 0);
      }
    }
  }
}

TEST(DeformPsroiPool, RandomCases) {
  std::mt19937 generator(5);
  int by_channels = 0;
  for (int i = 0; i < 40; ++i) {
    PoolCase c = random_pool_case(generator);
    for (const auto& [type, bits] : {std::pair{DataType::kF32, 24}, {DataType::kF16, 11}, {DataType::kBf16, 8}}) {
      PoolCase rounded = c;
      rounded.input = c.input.rounded(type);
      rounded.rois = c.rois.rounded(DataType::kF32);
      if (c.classes > 0) rounded.offset = c.offset.rounded(type);
      const PoolResult expected = pool_reference(rounded);
      // One rounding of the result, and what f32 positions and sums cost.
      const double error = (kPoolTolerance + std::ldexp(1.0, -bits)) * (1e-30 + largest_of(expected.output));
      for (const Layout layout : {Layout::kNhwc, Layout::kNchw, Layout::kStrided}) {
        SCOPED_TRACE(fmt::format("case {} {} {}", i, to_string(type), to_string(layout)));
        const PoolResult result = run_on_device(rounded, type, layout, "reference");
        EXPECT_LE(difference_of(result.output, expected.output), error);
        EXPECT_EQ(difference_of(result.count, expected.count), 0);
      }
      const bool fits =
          c.params.group_size == 1 && c.params.output_dim / std::max<std::int64_t>(c.classes, 1) % 32 == 0;
      if (fits) {
        SCOPED_TRACE(fmt::format("case {} {} by channels", i, to_string(type)));
        const PoolResult result = run_on_device(rounded, type, Layout::kNhwc, "channels");
        EXPECT_LE(difference_of(result.output, expected.output), error);
        EXPECT_EQ(difference_of(result.count, expected.count), 0);
        ++by_channels;
      }
    }
  }
  EXPECT_GE(by_channels, 9);
}

TEST(DeformPsroiPool, RoisThatAreNoPictureGiveZeros) {
  PoolCase c;
  c.params.output_dim = 32;
  c.params.pooled_size = 2;
  c.input = HostTensor({c.batch, 32, c.height, c.width});
  for (double& value : c.input.values) value = 3;
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  c.rois = HostTensor({6, 5});
  c.rois.values = {-1, 0,    0, 5, 5, 2, 0, 0, 5,         5, kNan, 0, 0, 5, 5,
                   0,  kNan, 0, 5, 5, 0, 0, 0, kInfinity, 5, 1e30, 0, 0, 5, 5};
  for (const std::string& variant : deform_psroi_pool_variants()) {
    const PoolResult result = run_on_device(c, DataType::kF32, Layout::kNhwc, variant);
    for (std::size_t i = 0; i < result.count.values.size(); ++i) {
      EXPECT_EQ(result.output.values[i], 0) << variant << " " << i;
      EXPECT_EQ(result.count.values[i], 0) << variant << " " << i;
    }
  }
}

TEST(DeformPsroiPool, NoRoisIsValid) {
  PoolCase c;
  c.params.output_dim = 4;
  c.input = HostTensor({c.batch, 4, c.height, c.width});
  c.rois = HostTensor({0, 5});
  const PoolResult result = run_on_device(c, DataType::kF32, Layout::kNhwc, "reference");
  EXPECT_TRUE(result.output.values.empty());
}

/// What is refused, and in which words.
class DeformPsroiPoolErrors : public ::testing::Test {
 protected:
  DeformPsroiPoolErrors() {
    params_.output_dim = 4;
    params_.group_size = 2;
    params_.pooled_size = 3;
    params_.part_size = 3;
    static std::array<std::byte, 1> memory{};
    const auto dense = [&](DataType type, std::initializer_list<std::int64_t> sizes) {
      return TensorView::contiguous(memory.data(), type, sizes);
    };
    tensors_ = {.input = dense(DataType::kF32, {2, 16, 8, 9}),
                .rois = dense(DataType::kF32, {5, 5}),
                .offset = dense(DataType::kF32, {5, 4, 3, 3}),
                .output = dense(DataType::kF32, {5, 4, 3, 3}),
                .count = dense(DataType::kF32, {5, 4, 3, 3})};
  }

  void expect_error(const std::string& message, ErrorCode code = ErrorCode::kInvalidArgument) {
    try {
      deform_psroi_pool(test_queue(), params_, tensors_);
      ADD_FAILURE() << "no error, expected: " << message;
    } catch (const Error& error) {
      EXPECT_EQ(error.what(), message);
      EXPECT_EQ(error.code(), code);
    }
  }

  DeformPsroiPoolParams params_;
  DeformPsroiPoolTensors tensors_;
};

TEST_F(DeformPsroiPoolErrors, Parameters) {
  params_.pooled_size = 0;
  expect_error("pooled_size: value 0, expected 1 to 4096");
  params_.pooled_size = 3;
  params_.spatial_scale = 0;
  expect_error("spatial_scale: value 0, expected a positive number");
  params_.spatial_scale = 1;
  params_.trans_std = std::numeric_limits<double>::infinity();
  expect_error("trans_std: value inf, expected a number");
}

TEST_F(DeformPsroiPoolErrors, Input) {
  tensors_.input.type = DataType::kI32;
  expect_error("input: type i32, expected f32, f16, bf16 or f64");
  tensors_.input.type = DataType::kF32;
  tensors_.input.sizes[1] = 15;
  expect_error("input: 15 channels, expected 16 (output_dim * group_size^2)");
}

TEST_F(DeformPsroiPoolErrors, Rois) {
  tensors_.rois.sizes[1] = 4;
  expect_error("rois: 4 columns, expected 5 (batch index, x1, y1, x2, y2)");
  tensors_.rois.sizes[1] = 5;
  tensors_.rois.type = DataType::kF16;
  expect_error("rois: type f16, expected f32 (the type of positions)");
}

TEST_F(DeformPsroiPoolErrors, Offset) {
  tensors_.offset->sizes[1] = 3;
  expect_error("offset: 3 channels, expected 2 * classes with output_dim = 4 a multiple of classes");
  tensors_.offset->sizes[1] = 4;
  tensors_.offset->sizes[0] = 6;
  expect_error("offset: 6 RoIs, expected 5 (rows of rois)");
  tensors_.offset->sizes[0] = 5;
  tensors_.offset->sizes[3] = 2;
  expect_error("offset: 2 columns, expected 3 (part_size)");
}

TEST_F(DeformPsroiPoolErrors, Results) {
  tensors_.output.sizes[1] = 5;
  expect_error("output: 5 channels, expected 4 (output_dim)");
  tensors_.output.sizes[1] = 4;
  tensors_.count.type = DataType::kBf16;
  expect_error("count: type bf16, expected f32 (the type of positions)");
  tensors_.count.type = DataType::kF32;
  tensors_.count.strides[0] = 0;
  expect_error("count: f32 [5, 4, 3, 3] strides [0, 9, 3, 1] has elements that share a place, expected one for each");
  tensors_.count.strides[0] = 36;
  tensors_.output.data = nullptr;
  expect_error("output: null pointer, expected memory for f32 [5, 4, 3, 3] strides [36, 9, 3, 1]");
}

TEST_F(DeformPsroiPoolErrors, ForcedVariant) {
  params_.force_variant = "fast";
  expect_error("deform_psroi_pool: forced variant 'fast' does not exist: one of channels, reference");
  params_.force_variant = "channels";
  expect_error("deform_psroi_pool: forced variant 'channels' declines: group_size is 2, it takes 1",
               ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace dcn::test
