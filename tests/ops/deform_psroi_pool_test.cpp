// Deformable position-sensitive RoI pooling on the device against its formula and the original's numbers.

#include "dcn/deform_psroi_pool.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "dcn/status.hpp"
#include "ops/device_tensor.hpp"
#include "support/npz.hpp"
#include "support/paths.hpp"

namespace dcn::test {
namespace {

constexpr double kTolerance = 3e-5;  // f32: of the largest value

struct PoolCase {
  std::int64_t batch = 2, height = 12, width = 14;
  DeformPsroiPoolParams params;
  std::int64_t classes = 0;  ///< 0: no offset
  HostTensor input, rois, offset;
};

struct PoolResult {
  HostTensor output, count;
};

double largest(const HostTensor& tensor) {
  double value = 0;
  for (const double v : tensor.values) value = std::max(value, std::abs(v));
  return value;
}

double difference(const HostTensor& a, const HostTensor& b) {
  double value = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    if (std::isnan(a.values[i]) != std::isnan(b.values[i])) return std::numeric_limits<double>::infinity();
    if (!std::isnan(a.values[i])) value = std::max(value, std::abs(a.values[i] - b.values[i]));
  }
  return value;
}

/// The formula, as DCNv2's CUDA kernel states it, in double precision.
PoolResult reference(const PoolCase& c) {
  const DeformPsroiPoolParams& p = c.params;
  const std::int64_t count = c.rois.size(0);
  PoolResult result{HostTensor({count, p.output_dim, p.pooled_size, p.pooled_size}),
                    HostTensor({count, p.output_dim, p.pooled_size, p.pooled_size})};
  for (std::int64_t r = 0; r < count; ++r) {
    const double* roi = &c.rois.values[static_cast<std::size_t>(r * 5)];
    const double start_w = std::round(roi[1]) * p.spatial_scale - 0.5;
    const double start_h = std::round(roi[2]) * p.spatial_scale - 0.5;
    const double roi_width = std::max((std::round(roi[3]) + 1) * p.spatial_scale - 0.5 - start_w, 0.1);
    const double roi_height = std::max((std::round(roi[4]) + 1) * p.spatial_scale - 0.5 - start_h, 0.1);
    const auto pooled = static_cast<double>(p.pooled_size);
    const double bin_w = roi_width / pooled;
    const double bin_h = roi_height / pooled;
    for (std::int64_t o = 0; o < p.output_dim; ++o) {
      for (std::int64_t ph = 0; ph < p.pooled_size; ++ph) {
        for (std::int64_t pw = 0; pw < p.pooled_size; ++pw) {
          double trans_x = 0;
          double trans_y = 0;
          if (c.classes > 0) {
            const std::int64_t class_id = o / (p.output_dim / c.classes);
            const std::int64_t part_h = ph * p.part_size / p.pooled_size;
            const std::int64_t part_w = pw * p.part_size / p.pooled_size;
            trans_x = c.offset.at(r, 2 * class_id, part_h, part_w) * p.trans_std;
            trans_y = c.offset.at(r, 2 * class_id + 1, part_h, part_w) * p.trans_std;
          }
          const double first_w = static_cast<double>(pw) * bin_w + start_w + trans_x * roi_width;
          const double first_h = static_cast<double>(ph) * bin_h + start_h + trans_y * roi_height;
          const std::int64_t group_h = ph * p.group_size / p.pooled_size;
          const std::int64_t group_w = pw * p.group_size / p.pooled_size;
          const std::int64_t channel = (o * p.group_size + group_h) * p.group_size + group_w;
          double sum = 0;
          double samples = 0;
          const bool has_picture = roi[0] >= 0 && roi[0] < static_cast<double>(c.batch);
          for (std::int64_t i = 0; has_picture && i < p.sample_per_part; ++i) {
            for (std::int64_t j = 0; j < p.sample_per_part; ++j) {
              double h = first_h + static_cast<double>(i) * bin_h / static_cast<double>(p.sample_per_part);
              double w = first_w + static_cast<double>(j) * bin_w / static_cast<double>(p.sample_per_part);
              const auto last_h = static_cast<double>(c.height - 1);
              const auto last_w = static_cast<double>(c.width - 1);
              if (!(w >= -0.5 && w <= last_w + 0.5 && h >= -0.5 && h <= last_h + 0.5)) continue;
              h = std::min(std::max(h, 0.0), last_h);
              w = std::min(std::max(w, 0.0), last_w);
              const auto top = static_cast<std::int64_t>(std::floor(h));
              const auto bottom = static_cast<std::int64_t>(std::ceil(h));
              const auto left = static_cast<std::int64_t>(std::floor(w));
              const auto right = static_cast<std::int64_t>(std::ceil(w));
              const double y = h - static_cast<double>(top);
              const double x = w - static_cast<double>(left);
              const auto n = static_cast<std::int64_t>(roi[0]);
              sum += (1 - y) * (1 - x) * c.input.at(n, channel, top, left) +
                     (1 - y) * x * c.input.at(n, channel, top, right) +
                     y * (1 - x) * c.input.at(n, channel, bottom, left) + y * x * c.input.at(n, channel, bottom, right);
              samples += 1;
            }
          }
          result.output.at(r, o, ph, pw) = samples == 0 ? 0 : sum / samples;
          result.count.at(r, o, ph, pw) = samples;
        }
      }
    }
  }
  return result;
}

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

HostTensor to_host(const NpyArray& array) {
  HostTensor tensor(array.shape);
  tensor.values = array.values;
  return tensor;
}

struct ParityCase {
  std::string id;
  PoolCase pool;
};

std::vector<ParityCase> parity_cases() {
  const auto folder = parity_dir() / "ops";
  std::ifstream stream(folder / "psroi_cases.json");
  const nlohmann::json json = nlohmann::json::parse(stream);
  std::vector<ParityCase> cases;
  for (const auto& entry : json.at("cases")) {
    ParityCase parity;
    parity.id = entry.at("id").get<std::string>();
    PoolCase& c = parity.pool;
    c.batch = entry.at("N");
    c.height = entry.at("H");
    c.width = entry.at("W");
    // The original takes these two as f32.
    c.params.spatial_scale = entry.at("spatial_scale").get<float>();
    c.params.output_dim = entry.at("output_dim");
    c.params.group_size = entry.at("group_size");
    c.params.pooled_size = entry.at("pooled_size");
    c.params.part_size = entry.at("part_size");
    c.params.sample_per_part = entry.at("sample_per_part");
    c.params.trans_std = entry.at("trans_std").get<float>();
    c.classes = entry.at("no_trans").get<bool>() ? 0 : entry.at("num_classes").get<std::int64_t>();
    const auto array = [&](const char* name) {
      return to_host(read_npy(generated_dir() / "ops" / fmt::format("{}_{}.npy", parity.id, name)));
    };
    c.input = array("data");
    c.rois = array("rois");
    if (c.classes > 0) c.offset = array("trans");
    cases.push_back(std::move(parity));
  }
  return cases;
}

/// Largest difference to the original's samples of `what`, as a part of the original's largest value.
double difference_to_samples(const Npz& results, const std::string& id, const std::string& what,
                             const HostTensor& mine) {
  const std::vector<double>& values = results.get(id + "/" + what).values;
  const std::vector<double>& indices = results.get(id + "/" + what + "_idx").values;
  double error = 0;
  double scale = 1e-30;
  for (std::size_t i = 0; i < values.size(); ++i) {
    error = std::max(error, std::abs(mine.values.at(static_cast<std::size_t>(indices[i])) - values[i]));
    scale = std::max(scale, std::abs(values[i]));
  }
  return error / scale;
}

TEST(DeformPsroiPoolParity, FormulaIsTheOriginals) {
  const Npz results(parity_dir() / "ops" / "psroi_ref.npz");
  const std::vector<ParityCase> cases = parity_cases();
  ASSERT_EQ(cases.size(), 10U);
  for (const ParityCase& c : cases) {
    const PoolResult formula = reference(c.pool);
    EXPECT_LE(difference_to_samples(results, c.id, "output", formula.output), 1e-12) << c.id;
    EXPECT_EQ(difference_to_samples(results, c.id, "count", formula.count), 0) << c.id;
  }
}

TEST(DeformPsroiPoolParity, DeviceIsTheOriginal) {
  const Npz results(parity_dir() / "ops" / "psroi_ref.npz");
  for (const ParityCase& c : parity_cases()) {
    const PoolResult formula = reference(c.pool);
    for (const DataType type : {DataType::kF32, DataType::kF64}) {
      const double tolerance = type == DataType::kF64 ? 1e-12 : kTolerance;
      for (const Layout layout : {Layout::kNhwc, Layout::kNchw, Layout::kNhwcSlice, Layout::kStrided}) {
        SCOPED_TRACE(fmt::format("{} {} {}", c.id, to_string(type), to_string(layout)));
        const PoolResult result = run_on_device(c.pool, type, layout, "reference");
        EXPECT_LE(difference_to_samples(results, c.id, "output", result.output), tolerance);
        EXPECT_EQ(difference_to_samples(results, c.id, "count", result.count), 0);
        EXPECT_LE(difference(result.output, formula.output), tolerance * (1e-30 + largest(formula.output)));
        EXPECT_EQ(difference(result.count, formula.count), 0);
      }
    }
  }
}

PoolCase random_case(std::mt19937& generator) {
  const auto pick = [&](auto... values) {
    const std::array<std::int64_t, sizeof...(values)> list{static_cast<std::int64_t>(values)...};
    return list[generator() % list.size()];
  };
  PoolCase c;
  c.batch = pick(1, 2, 3);
  c.height = pick(1, 5, 12, 19);
  c.width = pick(1, 4, 14, 23);
  c.classes = pick(0, 1, 2);
  c.params.output_dim = std::max<std::int64_t>(c.classes, 1) * pick(1, 3, 16, 32);
  c.params.group_size = pick(1, 1, 2, 3);
  c.params.pooled_size = pick(1, 2, 3, 7);
  c.params.part_size = pick(1, 3, 7);
  c.params.sample_per_part = pick(1, 2, 4);
  // Not a power of two, so that no position falls on the border by construction.
  c.params.spatial_scale = 0.2371;
  c.params.trans_std = 0.1;
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform(-0.3, 1.3);
  const auto fill = [&](std::vector<std::int64_t> sizes) {
    HostTensor tensor(std::move(sizes));
    for (double& value : tensor.values) value = normal(generator);
    return tensor;
  };
  c.input = fill({c.batch, c.params.output_dim * c.params.group_size * c.params.group_size, c.height, c.width});
  const std::int64_t rois = pick(1, 4, 9);
  c.rois = HostTensor({rois, 5});
  for (std::int64_t r = 0; r < rois; ++r) {
    double* roi = &c.rois.values[static_cast<std::size_t>(r * 5)];
    roi[0] = static_cast<double>(generator() % static_cast<unsigned>(c.batch));
    for (int side = 0; side < 4; ++side) {
      roi[1 + side] = uniform(generator) * static_cast<double>(side % 2 == 0 ? c.width : c.height) / 0.2371;
    }
  }
  if (c.classes > 0) c.offset = fill({rois, 2 * c.classes, c.params.part_size, c.params.part_size});
  return c;
}

TEST(DeformPsroiPool, RandomCases) {
  std::mt19937 generator(5);
  int by_channels = 0;
  for (int i = 0; i < 40; ++i) {
    PoolCase c = random_case(generator);
    for (const auto& [type, bits] : {std::pair{DataType::kF32, 24}, {DataType::kF16, 11}, {DataType::kBf16, 8}}) {
      PoolCase rounded = c;
      rounded.input = c.input.rounded(type);
      rounded.rois = c.rois.rounded(DataType::kF32);
      if (c.classes > 0) rounded.offset = c.offset.rounded(type);
      const PoolResult expected = reference(rounded);
      // One rounding of the result, and what f32 positions and sums cost.
      const double error = (kTolerance + std::ldexp(1.0, -bits)) * (1e-30 + largest(expected.output));
      for (const Layout layout : {Layout::kNhwc, Layout::kNchw, Layout::kStrided}) {
        SCOPED_TRACE(fmt::format("case {} {} {}", i, to_string(type), to_string(layout)));
        const PoolResult result = run_on_device(rounded, type, layout, "reference");
        EXPECT_LE(difference(result.output, expected.output), error);
        EXPECT_EQ(difference(result.count, expected.count), 0);
      }
      const bool fits =
          c.params.group_size == 1 && c.params.output_dim / std::max<std::int64_t>(c.classes, 1) % 32 == 0;
      if (fits) {
        SCOPED_TRACE(fmt::format("case {} {} by channels", i, to_string(type)));
        const PoolResult result = run_on_device(rounded, type, Layout::kNhwc, "channels");
        EXPECT_LE(difference(result.output, expected.output), error);
        EXPECT_EQ(difference(result.count, expected.count), 0);
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
