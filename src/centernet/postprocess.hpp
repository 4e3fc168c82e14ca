/// \file postprocess.hpp
/// From decoded rows on the network's output grid to objects in the picture (the original's
/// src/lib/utils/post_process.py, ddd_utils.py and the detectors' merge_outputs). Host only, no state.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "centernet/detection.hpp"
#include "centernet/model.hpp"
#include "centernet/preprocess.hpp"

namespace dcn::centernet {

/// A table of floats. Columns of decoded rows, on the output grid:
///   ctdet       x1 y1 x2 y2 score class
///   multi_pose  x1 y1 x2 y2 score, joints x (x y), class
///   ddd         x y score, rotation 8, depth, dimensions 3, size 2, class
/// and of final rows, in the picture:
///   ctdet       class (from 1) x1 y1 x2 y2 score
///   multi_pose  x1 y1 x2 y2 score, joints x (x y), class (from 0)
///   ddd         class (from 1) alpha x1 y1 x2 y2, h w l, x y z, rotation_y, score
struct Rows {
  std::int64_t columns = 0;
  std::vector<float> values;

  [[nodiscard]] std::int64_t count() const noexcept {
    return columns == 0 ? 0 : static_cast<std::int64_t>(values.size()) / columns;
  }
  [[nodiscard]] std::span<const float> row(std::int64_t index) const {
    return std::span(values).subspan(static_cast<std::size_t>(index * columns), static_cast<std::size_t>(columns));
  }
  [[nodiscard]] std::span<float> row(std::int64_t index) {
    return std::span(values).subspan(static_cast<std::size_t>(index * columns), static_cast<std::size_t>(columns));
  }
};

/// Columns of a task's decoded rows; `joints` counts for multi_pose only.
[[nodiscard]] std::int64_t decoded_columns(Task task, std::int64_t joints);

/// 3 x 4, row-major: the camera's projection matrix (ddd).
using Camera = std::array<float, 12>;

/// One scale's decoded rows in picture coordinates, order kept.
[[nodiscard]] Rows to_picture(Task task, const Rows& decoded, const InputGeometry& geometry, const Camera& camera);

struct MergeOptions {
  bool nms = false;             ///< soft-NMS; the original does it when there are several scales, too
  int max_per_image = 100;      ///< ctdet: rows with a lower score than the best so many are dropped
  float peak_threshold = 0.2F;  ///< ddd: rows must be above
};

/// Joins the scales' rows (of to_picture). ctdet: grouped by class, soft-NMS within each class. ddd: the first scale's
/// alone, as in the original.
[[nodiscard]] Rows merge(Task task, std::span<const Rows> scales, const MergeOptions& options);

/// Final rows as objects, best score first; equal scores keep their order. Rows with a value that is not finite are
/// left out: they come from a network gone wrong and have no place in a picture.
[[nodiscard]] std::vector<Detection> to_detections(Task task, const Rows& final_rows);

}  // namespace dcn::centernet
