// Deformable convolution against the numbers of the original operator (tests/data/parity).

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ops/deform_conv2d_run.hpp"
#include "support/npz.hpp"
#include "support/paths.hpp"

namespace dcn::test {
namespace {

constexpr double kTolerance = 3e-5;  // of the case's largest value

struct ParityCase {
  std::string id;
  DeformConv2dCase shape;
  DeformConv2dInputs inputs;
  HostTensor formula;                        ///< the tests' own, in double
  std::vector<double> samples;               ///< the original's output in double, at ...
  std::vector<double> indices;               ///< ... these flat indices
  double sum = 0, abs_sum = 0, largest = 0;  ///< of the original's whole output
};

/// Largest difference to the original's samples.
double difference_to_samples(const ParityCase& c, const HostTensor& output) {
  double largest = 0;
  for (std::size_t i = 0; i < c.samples.size(); ++i) {
    const double value = output.values.at(static_cast<std::size_t>(c.indices[i]));
    largest = std::max(largest, std::isnan(value) ? HUGE_VAL : std::abs(value - c.samples[i]));
  }
  return largest;
}

HostTensor to_host(const NpyArray& array) {
  HostTensor tensor(array.shape);
  tensor.values = array.values;
  return tensor;
}

const std::vector<ParityCase>& parity_cases() {
  static const std::vector<ParityCase> kCases = [] {
    const auto folder = parity_dir() / "ops";
    std::ifstream stream(folder / "dcn_cases.json");
    const nlohmann::json json = nlohmann::json::parse(stream);
    const Npz results(folder / "dcn_ref.npz");
    std::vector<ParityCase> cases;
    for (const auto& entry : json.at("cases")) {
      ParityCase c;
      c.id = entry.at("id").get<std::string>();
      DeformConv2dCase& shape = c.shape;
      shape.batch = entry.at("N");
      shape.in_channels = entry.at("C");
      shape.height = entry.at("H");
      shape.width = entry.at("W");
      shape.out_channels = entry.at("O");
      const auto pair = [&](const char* key, std::int64_t& h, std::int64_t& w) {
        h = entry.at(key).at(0);
        w = entry.at(key).at(1);
      };
      pair("kernel", shape.kernel_h, shape.kernel_w);
      pair("stride", shape.stride_h, shape.stride_w);
      pair("padding", shape.padding_h, shape.padding_w);
      pair("dilation", shape.dilation_h, shape.dilation_w);
      shape.groups = entry.at("groups");
      shape.deformable_groups = entry.at("deformable_groups");
      shape.bias = entry.at("bias");
      const auto input = [&](const char* name) {
        return to_host(read_npy(generated_dir() / "ops" / fmt::format("{}_{}.npy", c.id, name)));
      };
      c.inputs = {input("input"), input("offset"), input("mask"), input("weight"), input("bias")};
      c.formula = reference(shape, c.inputs);
      c.samples = results.get(c.id + "/output").values;
      c.indices = results.get(c.id + "/output_idx").values;
      const auto& output = entry.at("ref").at("output");
      c.sum = output.at("sum");
      c.abs_sum = output.at("abs_sum");
      c.largest = output.at("max_abs");
      cases.push_back(std::move(c));
    }
    return cases;
  }();
  return kCases;
}

/// Multiplications of a case. The three largest take the reference seconds each: once per type is enough.
double multiplications(const DeformConv2dCase& c) {
  return static_cast<double>(c.batch * c.params().output_h(c.height) * c.params().output_w(c.width)) *
         static_cast<double>(c.out_channels * c.in_channels / c.groups * c.kernel_h * c.kernel_w);
}
constexpr double kLarge = 2e7;

void expect_parity(DataType type, Layout layout, const std::vector<std::string>& variants,
                   bool large_by_reference = false) {
  ASSERT_EQ(parity_cases().size(), 40U);
  for (const ParityCase& parity : parity_cases()) {
    const bool large = multiplications(parity.shape) > kLarge;
    if (large && variants == std::vector<std::string>{"reference"} && !large_by_reference) continue;
    DeformConv2dCase shape = parity.shape;
    shape.layout = shape.output_layout = shape.offset_layout = layout;
    const bool is_half = type == DataType::kF16 || type == DataType::kBf16;
    double error = (type == DataType::kF64 ? 1e-12 : kTolerance) * parity.largest;
    DeformConv2dInputs inputs = parity.inputs;
    HostTensor expected = parity.formula;
    if (is_half) {
      // The inputs themselves are rounded: the formula on those is what counts, and a plain implementation's error.
      inputs = inputs.rounded(type);
      expected = reference(shape, inputs);
      error = 2 * largest_difference(plain_f32(shape, inputs, type), expected) + 1e-6 * parity.largest;
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
        EXPECT_LE(difference_to_samples(parity, result.output), error);
      }
    }
  }
}

/// The tests' own formula is the original's.
TEST(DeformConv2dParity, FormulaIsTheOriginals) {
  for (const ParityCase& parity : parity_cases()) {
    EXPECT_LE(difference_to_samples(parity, parity.formula), 1e-12 * parity.largest) << parity.id;
    double sum = 0;
    double abs_sum = 0;
    for (const double value : parity.formula.values) {
      sum += value;
      abs_sum += std::abs(value);
    }
    EXPECT_NEAR(sum, parity.sum, 1e-12 * parity.abs_sum) << parity.id;
    EXPECT_NEAR(abs_sum, parity.abs_sum, 1e-12 * parity.abs_sum) << parity.id;
    EXPECT_NEAR(largest_magnitude(parity.formula), parity.largest, 1e-12 * parity.largest) << parity.id;
  }
}

TEST(DeformConv2dParity, F32Nhwc) { expect_parity(DataType::kF32, Layout::kNhwc, deform_conv2d_variants(), true); }
TEST(DeformConv2dParity, F32Nchw) { expect_parity(DataType::kF32, Layout::kNchw, deform_conv2d_variants()); }
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
