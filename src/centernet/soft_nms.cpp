#include "centernet/soft_nms.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "dcn/status.hpp"

namespace dcn::centernet {
namespace {

constexpr std::int64_t kBoxColumns = 5;

/// Length of [first, last] with both end pixels: the original's compiler adds its 1 in double, and rounds what it
/// stores to float. A score that soft-NMS lowers many times shows the difference.
double length(float first, float last) { return static_cast<double>(last - first) + 1.0; }

/// Intersection over union with both end pixels included, nothing when the boxes do not meet.
/// A box of negative size gives what the formula gives.
std::optional<float> overlap(const float* best, const float* other) {
  const auto area = static_cast<float>(length(other[0], other[2]) * length(other[1], other[3]));
  const auto width = static_cast<float>(length(std::max(best[0], other[0]), std::min(best[2], other[2])));
  const auto height = static_cast<float>(length(std::max(best[1], other[1]), std::min(best[3], other[3])));
  if (!(width > 0) || !(height > 0)) {
    return std::nullopt;
  }
  const float shared = width * height;
  const auto joined = static_cast<float>(length(best[0], best[2]) * length(best[1], best[3]) +
                                         static_cast<double>(area) - static_cast<double>(shared));
  return shared / joined;
}

float weight(float overlap, const SoftNmsParams& params) {
  switch (params.method) {
    case SoftNmsMethod::kLinear:
      return overlap > params.overlap ? static_cast<float>(1.0 - static_cast<double>(overlap)) : 1.0F;
    case SoftNmsMethod::kGaussian:
      return static_cast<float>(std::exp(static_cast<double>(-(overlap * overlap) / params.sigma)));
    case SoftNmsMethod::kHard:
      break;
  }
  return overlap > params.overlap ? 0.0F : 1.0F;
}

}  // namespace

std::int64_t soft_nms(std::span<float> rows, std::int64_t columns, const SoftNmsParams& params) {
  if (columns < kBoxColumns || rows.size() % static_cast<std::size_t>(columns) != 0) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("rows: {} values in {} columns, expected whole rows of at least {} columns", rows.size(),
                            columns, kBoxColumns));
  }
  std::int64_t count = static_cast<std::int64_t>(rows.size()) / columns;
  const auto row = [&](std::int64_t index) { return rows.data() + index * columns; };
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t best = i;
    for (std::int64_t other = i + 1; other < count; ++other) {
      if (row(best)[4] < row(other)[4]) {
        best = other;
      }
    }
    if (best != i) {
      std::swap_ranges(row(i), row(i) + columns, row(best));
    }
    for (std::int64_t other = i + 1; other < count;) {
      if (const std::optional<float> shared = overlap(row(i), row(other))) {
        row(other)[4] *= weight(*shared, params);
        if (row(other)[4] < params.threshold) {
          // The last row takes this place. Its box and score stay behind as well, the other columns change places.
          --count;
          if (other != count) {
            std::copy_n(row(count), kBoxColumns, row(other));
            std::swap_ranges(row(other) + kBoxColumns, row(other) + columns, row(count) + kBoxColumns);
          }
          continue;
        }
      }
      ++other;
    }
  }
  return count;
}

}  // namespace dcn::centernet
