#include "centernet/postprocess.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <numeric>

#include "centernet/soft_nms.hpp"
#include "dcn/status.hpp"

namespace dcn::centernet {
namespace {

// Columns of decoded rows.
constexpr std::size_t kBoxScore = 4;  // ctdet, multi_pose: x1 y1 x2 y2 score
constexpr std::int64_t kCtdetColumns = 6;
constexpr std::int64_t kDddColumns = 18;
constexpr std::size_t kDddScore = 2, kDddRotation = 3, kDddDepth = 11, kDddDimensions = 12, kDddSize = 15;
// Columns of final rows.
constexpr std::int64_t kCtdetFinalColumns = 6, kDddFinalColumns = 14;
constexpr std::size_t kCtdetFinalScore = 5, kDddFinalScore = 13;
constexpr std::int64_t kSoftNmsColumns = 5;

/// x, y on the output grid in picture coordinates: rounded to float where the original stores it, then divided by the
/// scale in float.
class GridToPicture {
 public:
  explicit GridToPicture(const InputGeometry& geometry)
      : affine_(affine_from_grid(geometry, geometry.output_w, geometry.output_h)),
        scale_(static_cast<float>(geometry.scale)) {}

  void operator()(const float* from, float* to) const {
    const double x = from[0], y = from[1];
    to[0] = static_cast<float>(affine_[0] * x + affine_[1] * y + affine_[2]) / scale_;
    to[1] = static_cast<float>(affine_[3] * x + affine_[4] * y + affine_[5]) / scale_;
  }

 private:
  Affine affine_;
  float scale_;
};

void check_columns(Task task, const Rows& decoded) {
  const bool fits = task == Task::kCtdet ? decoded.columns == kCtdetColumns
                    : task == Task::kDdd ? decoded.columns == kDddColumns
                                         : decoded.columns >= decoded_columns(task, 0) && decoded.columns % 2 == 0;
  if (!fits || decoded.values.size() % static_cast<std::size_t>(decoded.columns) != 0) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("decoded rows: {} values in {} columns, not those of {}",
                                                         decoded.values.size(), decoded.columns, to_string(task)));
  }
}

void ctdet_row(const float* from, const GridToPicture& place, float* to) {
  to[0] = from[5] + 1;
  place(from, to + 1);
  place(from + 2, to + 3);
  to[kCtdetFinalScore] = from[kBoxScore];
}

void multi_pose_row(const float* from, std::int64_t columns, const GridToPicture& place, float* to) {
  place(from, to);
  place(from + 2, to + 2);
  to[kBoxScore] = from[kBoxScore];
  for (std::int64_t joint = kBoxScore + 1; joint + 1 < columns; joint += 2) {
    place(from + joint, to + joint);
  }
  to[columns - 1] = from[columns - 1];
}

/// Observation angle from the two overlapping bins [class 2, sin, cos] x 2: the likelier bin's angle about its centre.
float observation_angle(const float* rotation) {
  constexpr auto kQuarterTurn = static_cast<float>(0.5 * std::numbers::pi);
  const bool first = rotation[1] > rotation[5];
  return first ? std::atan2(rotation[2], rotation[3]) - kQuarterTurn
               : std::atan2(rotation[6], rotation[7]) + kQuarterTurn;
}

void ddd_row(const float* from, const GridToPicture& place, const Camera& camera, float* to) {
  std::array<float, 2> center, size;
  place(from, center.data());
  place(from + kDddSize, size.data());  // the translation, too: the original treats the size like a point
  const float depth = from[kDddDepth];
  const float* dimensions = from + kDddDimensions;
  const float alpha = observation_angle(from + kDddRotation);

  const float z = depth - camera[11];
  const float x = (center[0] * depth - camera[3] - camera[2] * z) / camera[0];
  const float y = (center[1] * depth - camera[7] - camera[6] * z) / camera[5];
  constexpr auto kTurn = static_cast<float>(2 * std::numbers::pi);
  constexpr auto kHalfTurn = static_cast<float>(std::numbers::pi);
  float rotation_y = alpha + std::atan2(center[0] - camera[2], camera[0]);
  if (rotation_y > kHalfTurn) {
    rotation_y -= kTurn;
  }
  if (rotation_y < -kHalfTurn) {
    rotation_y += kTurn;
  }
  const std::array<float, kDddFinalColumns> row{from[kDddColumns - 1] + 1,
                                                alpha,
                                                center[0] - size[0] / 2,
                                                center[1] - size[1] / 2,
                                                center[0] + size[0] / 2,
                                                center[1] + size[1] / 2,
                                                dimensions[0],
                                                dimensions[1],
                                                dimensions[2],
                                                x,
                                                y + dimensions[0] / 2,
                                                z,
                                                rotation_y,
                                                from[kDddScore]};
  std::copy(row.begin(), row.end(), to);
}

Rows joined(std::span<const Rows> scales) {
  Rows all{scales.empty() ? 0 : scales[0].columns, {}};
  for (const Rows& rows : scales) {
    all.values.insert(all.values.end(), rows.values.begin(), rows.values.end());
  }
  return all;
}

template <typename Keep>
Rows filtered(const Rows& rows, Keep keep) {
  Rows kept{rows.columns, {}};
  for (std::int64_t i = 0; i < rows.count(); ++i) {
    if (const auto row = rows.row(i); keep(row)) {
      kept.values.insert(kept.values.end(), row.begin(), row.end());
    }
  }
  return kept;
}

/// Order of the rows by class, within a class as they come.
std::vector<std::int64_t> by_class(const Rows& rows, std::size_t class_column) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(rows.count()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return rows.row(a)[class_column] < rows.row(b)[class_column];
  });
  return order;
}

Rows grouped(const Rows& rows, std::size_t class_column) {
  Rows result{rows.columns, {}};
  result.values.reserve(rows.values.size());
  for (const std::int64_t index : by_class(rows, class_column)) {
    const auto row = rows.row(index);
    result.values.insert(result.values.end(), row.begin(), row.end());
  }
  return result;
}

/// Soft-NMS of each run of rows with one class.
void ctdet_soft_nms(Rows& rows) {
  std::vector<float> boxes;
  for (std::int64_t first = 0; first < rows.count();) {
    std::int64_t last = first;
    boxes.clear();
    for (; last < rows.count() && rows.row(last)[0] == rows.row(first)[0]; ++last) {
      const auto row = rows.row(last);
      boxes.insert(boxes.end(), row.begin() + 1, row.end());
    }
    soft_nms(boxes, kSoftNmsColumns);
    for (std::int64_t i = first; i < last; ++i) {
      std::copy_n(boxes.begin() + (i - first) * kSoftNmsColumns, kSoftNmsColumns, rows.row(i).begin() + 1);
    }
    first = last;
  }
}

/// Rows at least as good as the best `limit` of them.
Rows best(const Rows& rows, std::size_t score_column, std::int64_t limit) {
  if (rows.count() <= limit) {
    return rows;
  }
  std::vector<float> scores;
  scores.reserve(static_cast<std::size_t>(rows.count()));
  for (std::int64_t i = 0; i < rows.count(); ++i) {
    const float score = rows.row(i)[score_column];
    scores.push_back(std::isnan(score) ? -std::numeric_limits<float>::infinity() : score);
  }
  const auto last_kept = scores.begin() + (limit - 1);
  std::nth_element(scores.begin(), last_kept, scores.end(), std::greater<>());
  return filtered(rows, [score_column, least = *last_kept](auto row) { return row[score_column] >= least; });
}

Detection ctdet_detection(std::span<const float> row) {
  Detection detection;
  detection.category = static_cast<int>(row[0]) - 1;
  detection.score = row[kCtdetFinalScore];
  std::copy_n(row.begin() + 1, 4, detection.box.begin());
  return detection;
}

Detection multi_pose_detection(std::span<const float> row) {
  Detection detection;
  detection.category = static_cast<int>(row.back());
  detection.score = row[kBoxScore];
  std::copy_n(row.begin(), 4, detection.box.begin());
  for (std::size_t i = kBoxScore + 1; i + 1 < row.size(); i += 2) {
    detection.keypoints.push_back({row[i], row[i + 1]});
  }
  return detection;
}

Detection ddd_detection(std::span<const float> row) {
  Detection detection;
  detection.category = static_cast<int>(row[0]) - 1;
  detection.score = row[kDddFinalScore];
  detection.alpha = row[1];
  std::copy_n(row.begin() + 2, 4, detection.box.begin());
  std::copy_n(row.begin() + 6, 3, detection.dimensions.begin());
  std::copy_n(row.begin() + 9, 3, detection.location.begin());
  detection.rotation_y = row[12];
  return detection;
}

}  // namespace

std::int64_t decoded_columns(Task task, std::int64_t joints) {
  switch (task) {
    case Task::kCtdet:
      return kCtdetColumns;
    case Task::kMultiPose:
      return static_cast<std::int64_t>(kBoxScore) + 1 + 2 * joints + 1;
    case Task::kDdd:
      break;
  }
  return kDddColumns;
}

Rows to_picture(Task task, const Rows& decoded, const InputGeometry& geometry, const Camera& camera) {
  check_columns(task, decoded);
  const GridToPicture place(geometry);
  Rows result;
  result.columns = task == Task::kCtdet       ? kCtdetFinalColumns
                   : task == Task::kMultiPose ? decoded.columns
                                              : kDddFinalColumns;
  result.values.resize(static_cast<std::size_t>(decoded.count() * result.columns));
  for (std::int64_t i = 0; i < decoded.count(); ++i) {
    const float* from = decoded.row(i).data();
    float* to = result.row(i).data();
    switch (task) {
      case Task::kCtdet:
        ctdet_row(from, place, to);
        break;
      case Task::kMultiPose:
        multi_pose_row(from, decoded.columns, place, to);
        break;
      case Task::kDdd:
        ddd_row(from, place, camera, to);
        break;
    }
  }
  return result;
}

Rows merge(Task task, std::span<const Rows> scales, const MergeOptions& options) {
  if (scales.empty()) {
    return {};
  }
  const bool suppress = options.nms || scales.size() > 1;
  switch (task) {
    case Task::kCtdet: {
      Rows rows = grouped(joined(scales), 0);
      if (suppress) {
        ctdet_soft_nms(rows);
      }
      return best(rows, kCtdetFinalScore, options.max_per_image);
    }
    case Task::kMultiPose: {
      Rows rows = joined(scales);
      if (suppress) {
        soft_nms(rows.values, rows.columns);
      }
      return rows;
    }
    case Task::kDdd:
      break;
  }
  return filtered(grouped(scales[0], 0), [&](auto row) { return row[kDddFinalScore] > options.peak_threshold; });
}

std::vector<Detection> to_detections(Task task, const Rows& final_rows) {
  std::vector<Detection> detections;
  detections.reserve(static_cast<std::size_t>(final_rows.count()));
  for (std::int64_t i = 0; i < final_rows.count(); ++i) {
    const auto row = final_rows.row(i);
    if (!std::all_of(row.begin(), row.end(), [](float value) { return std::isfinite(value); })) {
      continue;
    }
    detections.push_back(task == Task::kCtdet       ? ctdet_detection(row)
                         : task == Task::kMultiPose ? multi_pose_detection(row)
                                                    : ddd_detection(row));
  }
  std::stable_sort(detections.begin(), detections.end(),
                   [](const Detection& a, const Detection& b) { return a.score > b.score; });
  return detections;
}

}  // namespace dcn::centernet
