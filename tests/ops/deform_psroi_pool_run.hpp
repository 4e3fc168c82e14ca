/// \file deform_psroi_pool_run.hpp
/// Cases of deformable PSRoI pooling: at random, and the original's with its numbers; and the formula.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "dcn/deform_psroi_pool.hpp"
#include "ops/device_tensor.hpp"
#include "support/npz.hpp"
#include "support/paths.hpp"

namespace dcn::test {

constexpr double kPoolTolerance = 3e-5;  // f32: of the largest value

struct PoolCase {
  std::int64_t batch = 2, height = 12, width = 14;
  DeformPsroiPoolParams params;
  std::int64_t classes = 0;  ///< 0: no offset
  HostTensor input, rois, offset;
};

struct PoolResult {
  HostTensor output, count;
};

[[nodiscard]] inline double largest_of(const HostTensor& tensor) {
  double value = 0;
  for (const double v : tensor.values) value = std::max(value, std::abs(v));
  return value;
}

[[nodiscard]] inline double difference_of(const HostTensor& a, const HostTensor& b) {
  double value = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    if (std::isnan(a.values[i]) != std::isnan(b.values[i])) return std::numeric_limits<double>::infinity();
    if (!std::isnan(a.values[i])) value = std::max(value, std::abs(a.values[i] - b.values[i]));
  }
  return value;
}

/// The formula, as DCNv2's CUDA kernel states it, in double precision.
[[nodiscard]] inline PoolResult pool_reference(const PoolCase& c) {
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

[[nodiscard]] inline HostTensor pool_to_host(const NpyArray& array) {
  HostTensor tensor(array.shape);
  tensor.values = array.values;
  return tensor;
}

struct PoolParityCase {
  std::string id;
  PoolCase pool;
};

[[nodiscard]] inline std::vector<PoolParityCase> pool_parity_cases() {
  const auto folder = parity_dir() / "ops";
  std::ifstream stream(folder / "psroi_cases.json");
  const nlohmann::json json = nlohmann::json::parse(stream);
  std::vector<PoolParityCase> cases;
  for (const auto& entry : json.at("cases")) {
    PoolParityCase parity;
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
      return pool_to_host(read_npy(generated_dir() / "ops" / fmt::format("{}_{}.npy", parity.id, name)));
    };
    c.input = array("data");
    c.rois = array("rois");
    if (c.classes > 0) c.offset = array("trans");
    cases.push_back(std::move(parity));
  }
  return cases;
}

/// Largest difference to the original's samples of `what`, as a part of the original's largest value.
[[nodiscard]] inline double difference_to_samples(const Npz& results, const std::string& id, const std::string& what,
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

[[nodiscard]] inline PoolCase random_pool_case(std::mt19937& generator) {
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

}  // namespace dcn::test
