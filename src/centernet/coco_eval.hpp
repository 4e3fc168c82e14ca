/// \file coco_eval.hpp
/// COCO's detection metrics for boxes, equal to pycocotools' COCOeval(..., "bbox") on the same files
/// (github.com/cocodataset/cocoapi, PythonAPI/pycocotools/cocoeval.py): same 10 IoU thresholds, 101 recall points, area
/// ranges, limits of 1, 10 and 100 detections a picture, treatment of crowds, and order of ties.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "centernet/coco_json.hpp"

namespace dcn::centernet::coco {

/// Each from 0 to 1, or -1 when there is nothing to measure (no object of that class or size).
struct Metrics {
  double ap = -1;    ///< average precision, mean over IoU 0.50, 0.55, ..., 0.95
  double ap50 = -1;  ///< at IoU 0.50
  double ap75 = -1;
  double ap_small = -1, ap_medium = -1, ap_large = -1;  ///< below 32 x 32, up to 96 x 96, above
  double ar1 = -1, ar10 = -1, ar100 = -1;               ///< average recall with so many detections a picture
  double ar_small = -1, ar_medium = -1, ar_large = -1;  ///< with 100
};

struct ClassMetrics {
  Category category;
  std::int64_t objects = 0;  ///< annotated, crowds left out
  std::int64_t detections = 0;
  Metrics metrics;
};

struct Evaluation {
  Metrics all;                        ///< mean over the classes
  std::vector<ClassMetrics> classes;  ///< in the order of their ids
  std::int64_t images = 0, objects = 0, detections = 0;
};

/// Detections of categories that the data set lacks do not count, as in pycocotools.
/// \throws Error kInvalidArgument for a detection in a picture that the data set lacks (pycocotools refuses too), and
///         for a score that is not finite.
[[nodiscard]] Evaluation evaluate(const Dataset& truth, std::span<const Result> detections);

}  // namespace dcn::centernet::coco
