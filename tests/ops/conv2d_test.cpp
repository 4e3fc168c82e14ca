/// Convolution by own kernels against fp64: random shapes, layouts and types, every variant.
#include "ops/conv2d.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <random>

#include "cases/deform_conv2d_case.hpp"
#include "dcn/status.hpp"
#include "device_tensor.hpp"

namespace dcn::test {
namespace {

struct Conv2dCase {
  ops::Conv2dParams params;
  std::int64_t batch, group_in, group_out, height, width;
  bool bias, residual, relu;
  Layout input, output;

  [[nodiscard]] std::string describe() const {
    return fmt::format(
        "N={} groups={} {}->{} per group {}x{} kernel {}x{} stride {}x{} padding {}x{} dilation {}x{} bias={} "
        "residual={} relu={} layouts {} {}",
        batch, params.groups, group_in, group_out, height, width, params.kernel_h, params.kernel_w, params.stride_h,
        params.stride_w, params.padding_h, params.padding_w, params.dilation_h, params.dilation_w, bias, residual, relu,
        static_cast<int>(input), static_cast<int>(output));
  }
};

Conv2dCase random_conv(std::mt19937& random) {
  const auto pick = [&](auto... values) {
    const std::array<std::int64_t, sizeof...(values)> list{static_cast<std::int64_t>(values)...};
    return list.at(random() % list.size());
  };
  Conv2dCase c;
  // Reverse taps and padding below zero are what the phases of transposed convolutions have.
  c.params = {.kernel_h = pick(1, 2, 3, 3, 7),
              .kernel_w = pick(1, 2, 3, 3, 5),
              .stride_h = pick(1, 1, 2, 3),
              .stride_w = pick(1, 1, 2),
              .padding_h = pick(-1, 0, 1, 3),
              .padding_w = pick(-2, 0, 1, 2),
              .dilation_h = pick(-1, 1, 1, 2),
              .dilation_w = pick(-1, 1, 1, 3),
              .groups = pick(1, 1, 1, 2, 3)};
  c.batch = pick(0, 1, 1, 2, 3);
  c.group_in = pick(1, 3, 8, 16, 17, 32, 64, 65);
  c.group_out = pick(1, 7, 8, 16, 27, 33, 64, 80);
  c.height = pick(1, 2, 7, 12);
  c.width = pick(1, 5, 9, 17);
  c.bias = pick(0, 1) != 0;
  c.residual = pick(0, 1) != 0;
  c.relu = pick(0, 1) != 0;
  c.input = static_cast<Layout>(random() % 4);
  c.output = static_cast<Layout>(random() % 4);
  return c;
}

HostTensor normal_values(std::vector<std::int64_t> sizes, std::mt19937& random, double deviation = 1) {
  HostTensor tensor(std::move(sizes));
  std::normal_distribution<double> distribution(0, deviation);
  for (double& value : tensor.values) value = distribution(random);
  return tensor;
}

struct Tensors {
  HostTensor input, weight, bias, residual;
};

/// The output, and the sum of the products' magnitudes, by which errors are measured.
std::pair<HostTensor, HostTensor> convolve(const Conv2dCase& c, const Tensors& tensors,
                                           const std::vector<std::int64_t>& sizes) {
  HostTensor output(sizes), magnitude(sizes);
  for (std::int64_t n = 0; n < sizes[0]; ++n) {
    for (std::int64_t o = 0; o < sizes[1]; ++o) {
      for (std::int64_t y = 0; y < sizes[2]; ++y) {
        for (std::int64_t x = 0; x < sizes[3]; ++x) {
          double sum = c.bias ? tensors.bias.values.at(static_cast<std::size_t>(o)) : 0;
          double total = std::abs(sum);
          for (std::int64_t i = 0; i < c.group_in; ++i) {
            for (std::int64_t ky = 0; ky < c.params.kernel_h; ++ky) {
              for (std::int64_t kx = 0; kx < c.params.kernel_w; ++kx) {
                const std::int64_t at_y = y * c.params.stride_h - c.params.padding_h + ky * c.params.dilation_h;
                const std::int64_t at_x = x * c.params.stride_w - c.params.padding_w + kx * c.params.dilation_w;
                if (at_y < 0 || at_y >= c.height || at_x < 0 || at_x >= c.width) continue;
                const double product =
                    tensors.input.at(n, o / c.group_out * c.group_in + i, at_y, at_x) * tensors.weight.at(o, i, ky, kx);
                sum += product;
                total += std::abs(product);
              }
            }
          }
          if (c.residual) sum += tensors.residual.at(n, o, y, x);
          output.at(n, o, y, x) = c.relu ? std::max(sum, 0.0) : sum;
          magnitude.at(n, o, y, x) = total + (c.residual ? std::abs(tensors.residual.at(n, o, y, x)) : 0);
        }
      }
    }
  }
  return {output, magnitude};
}

double rounding_of(DataType type) {
  switch (type) {
    case DataType::kF16:
      return std::ldexp(1.0, -11);
    case DataType::kBf16:
      return std::ldexp(1.0, -8);
    case DataType::kF64:
      return std::ldexp(1.0, -53);
    default:
      return std::ldexp(1.0, -24);
  }
}

/// False when the variant declines.
bool run_variant(const Conv2dCase& c, const ops::Conv2dVariant& variant, DataType type, bool wide, unsigned seed) {
  std::mt19937 random(seed);
  const std::int64_t outputs = c.params.groups * c.group_out;
  const std::vector<std::int64_t> sizes{c.batch, outputs, (c.height + c.params.stride_h) / c.params.stride_h,
                                        (c.width + c.params.stride_w) / c.params.stride_w};
  Tensors tensors{normal_values({c.batch, c.params.groups * c.group_in, c.height, c.width}, random).rounded(type),
                  normal_values({outputs, c.group_in, c.params.kernel_h, c.params.kernel_w}, random, 0.1).rounded(type),
                  normal_values({outputs}, random).rounded(DataType::kF16).rounded(type),
                  normal_values(sizes, random).rounded(type)};
  Queue& queue = test_queue();
  const DeviceTensor input(queue, type, tensors.input, c.input);
  const DeviceTensor weight(queue, type, tensors.weight);
  const DeviceTensor bias(queue, type, tensors.bias);
  const DeviceTensor residual(queue, type, tensors.residual, c.output);
  const DeviceTensor output(queue, type, sizes, c.output);
  ops::Conv2dDesc desc;
  desc.params = c.params;
  desc.input = input.view();
  desc.weight = weight.view();
  if (c.bias) desc.bias = bias.view();
  desc.output = output.view();
  desc.activation = c.relu ? Activation::kRelu : Activation::kNone;
  desc.force_wide_index = wide;
  desc.force_variant = variant.name;
  desc.force_splits = static_cast<int>(seed % 4);
  try {
    ops::Conv2dPlan plan(queue, desc);
    EXPECT_EQ(plan.variant(), variant.name);
    plan.set_weights(weight.view(), desc.bias);
    for (int runs = 0; runs < 2; ++runs) {  // the second finds what the first has left
      plan.run(input.view().data, c.residual ? residual.view().data : nullptr, output.view().data);
    }
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << error.what();
    return false;
  }
  const HostTensor result = output.read();
  EXPECT_EQ(output.damage(), "");
  EXPECT_EQ(output.unwritten(), 0);
  const auto [expected, magnitude] = convolve(c, tensors, sizes);
  const double terms = static_cast<double>(c.group_in * c.params.kernel_h * c.params.kernel_w) + 2;
  // Sums are f32 (f64's are f64), the result is rounded once to the type.
  const double sum_error = (terms + 2) * rounding_of(type == DataType::kF64 ? DataType::kF64 : DataType::kF32);
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    const double tolerance = 2 * rounding_of(type) * std::abs(expected.values[i]) + sum_error * magnitude.values[i] +
                             std::numeric_limits<float>::min();
    EXPECT_NEAR(result.values[i], expected.values[i], tolerance) << "element " << i;
    if (testing::Test::HasFailure()) break;
  }
  return true;
}

class Conv2dVariants : public testing::TestWithParam<DataType> {};

TEST_P(Conv2dVariants, AgreeWithFp64) {
  const ops::DeviceFacts device = ops::device_facts(test_queue());
  std::mt19937 random(7);
  std::vector<std::pair<Conv2dCase, bool>> cases;
  for (int i = 0; i < 24; ++i) cases.emplace_back(random_conv(random), i % 4 == 3);
  for (const ops::Conv2dVariant& variant : ops::conv2d_variant_list()) {
    // The tiles differ in numbers alone; each costs a CPU seconds to compile.
    const bool tiled = variant.kernel == ops::Conv2dVariant::Kernel::kTiled;
    if (tiled && device.is_cpu && variant.name != "tiled_64x64") continue;
    int ran = 0;
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const auto& [tested, wide] = cases[i];
      SCOPED_TRACE(fmt::format("{} case {}: {}{}", variant.name, i, tested.describe(), wide ? " wide" : ""));
      ran += run_variant(tested, variant, GetParam(), wide, static_cast<unsigned>(i)) ? 1 : 0;
      if (HasFailure()) return;
    }
    EXPECT_TRUE(ran > 0 || (tiled && GetParam() == DataType::kF64)) << variant.name << " ran nothing";
  }
}

INSTANTIATE_TEST_SUITE_P(, Conv2dVariants,
                         testing::Values(DataType::kF32, DataType::kF16, DataType::kBf16, DataType::kF64),
                         [](const auto& tested) { return std::string(to_string(tested.param)); });

ops::Conv2dDesc valid_conv(std::int64_t in, std::int64_t out, std::int64_t groups = 1) {
  ops::Conv2dDesc desc;
  desc.params = {.kernel_h = 3, .kernel_w = 3, .padding_h = 1, .padding_w = 1, .groups = groups};
  desc.input = TensorView::activation(nullptr, DataType::kF32, MemoryFormat::kNhwc, 1, in, 32, 32);
  desc.weight = TensorView::contiguous(nullptr, DataType::kF32, {out, in / groups, 3, 3});
  desc.output = TensorView::activation(nullptr, DataType::kF32, MemoryFormat::kNhwc, 1, out, 32, 32);
  return desc;
}

TEST(Conv2dPlans, TilesAreForLayersThatFillThem) {
  ops::DeviceFacts gpu;
  gpu.is_cpu = false;
  gpu.lanes = 32;
  gpu.compute_units = 132;
  gpu.local_bytes = 227 * 1024;
  using Kernel = ops::Conv2dVariant::Kernel;
  EXPECT_EQ(ops::plan_conv2d(valid_conv(64, 64), gpu).variant.kernel, Kernel::kTiled);
  EXPECT_EQ(ops::plan_conv2d(valid_conv(3, 16), gpu).variant.kernel, Kernel::kDirect) << "a first layer";
  EXPECT_EQ(ops::plan_conv2d(valid_conv(64, 64, 64), gpu).variant.kernel, Kernel::kDirect) << "depth-wise";
}

TEST(Conv2dPlans, LargeTensorsTakeWideIndices) {
  ops::Conv2dDesc desc = valid_conv(64, 64);
  EXPECT_EQ(ops::plan_conv2d(desc, {}).index, ops::IndexWidth::k32);
  desc.input = TensorView::activation(nullptr, DataType::kF32, MemoryFormat::kNhwc, 33000, 64, 32, 32);
  desc.output = TensorView::activation(nullptr, DataType::kF32, MemoryFormat::kNhwc, 33000, 64, 32, 32);
  EXPECT_EQ(ops::plan_conv2d(desc, {}).index, ops::IndexWidth::k64);
}

TEST(Conv2dPlans, NameWhatDoesNotFit) {
  const auto message = [](const auto& change) {
    ops::Conv2dDesc desc = valid_conv(64, 32);
    change(desc);
    try {
      (void)ops::plan_conv2d(desc, {});
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("nothing thrown");
  };
  using Desc = ops::Conv2dDesc;
  EXPECT_NE(message([](Desc& d) { d.params.groups = 3; }).find("groups: 3"), std::string::npos);
  EXPECT_NE(message([](Desc& d) { d.weight.sizes[1] = 63; }).find("weight: 63 input channels"), std::string::npos);
  EXPECT_NE(message([](Desc& d) { d.output.sizes[1] = 31; }).find("output: 31 channels"), std::string::npos);
  EXPECT_NE(message([](Desc& d) { d.force_variant = "fastest"; }).find("'fastest' does not exist"), std::string::npos);
  EXPECT_NE(message([](Desc& d) { d.weight.type = DataType::kBf16; }).find("weight"), std::string::npos);
}

}  // namespace
}  // namespace dcn::test
