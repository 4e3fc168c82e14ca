#include "centernet/coco_eval.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <numeric>
#include <unordered_set>

#include "dcn/status.hpp"

namespace dcn::centernet::coco {
namespace {

constexpr std::size_t kThresholds = 10;      // IoU 0.50 to 0.95
constexpr std::size_t kRecallPoints = 101;   // 0.00 to 1.00
constexpr std::size_t kMaxDetections = 100;  // matched in one picture
constexpr std::array<std::size_t, 3> kLimits{1, 10, kMaxDetections};

struct AreaRange {
  double low, high;
};
constexpr std::array<AreaRange, 4> kAreas{{{0, 1e10}, {0, 32 * 32}, {32 * 32, 96 * 96}, {96 * 96, 1e10}}};

/// NumPy's linspace, to the last bit: pycocotools compares with these.
template <std::size_t N>
std::array<double, N> linspace(double first, double last) {
  std::array<double, N> points{};
  const double step = (last - first) / static_cast<double>(N - 1);
  for (std::size_t i = 0; i < N; ++i) points[i] = static_cast<double>(i) * step + first;
  points.back() = last;
  return points;
}

/// One class in one picture; after prepare(), detections best first and cut at kMaxDetections.
struct Cell {
  std::vector<const Annotation*> truth;
  std::vector<const Result*> detections;
  std::vector<double> overlap;  // [detection][truth]
};
using Cells = std::map<std::int64_t, Cell>;  // by picture id: the order in which pycocotools goes through them

/// A cell, matched for one area range. Bit t stands for IoU threshold t.
struct Match {
  std::vector<double> scores;
  std::vector<std::bitset<kThresholds>> matched, ignored;
  std::int64_t objects = 0;  // those that count
};

/// maskApi's bbIou: intersection over union, for a crowd over the detection's own area.
double box_overlap(const std::array<double, 4>& d, const std::array<double, 4>& g, bool crowd) {
  const double w = std::fmin(d[2] + d[0], g[2] + g[0]) - std::fmax(d[0], g[0]);
  if (w <= 0) return 0;
  const double h = std::fmin(d[3] + d[1], g[3] + g[1]) - std::fmax(d[1], g[1]);
  if (h <= 0) return 0;
  const double inside = w * h;
  const double own = d[2] * d[3];
  return inside / (crowd ? own : own + g[2] * g[3] - inside);
}

void prepare(Cell& cell) {
  std::stable_sort(cell.detections.begin(), cell.detections.end(),
                   [](const Result* a, const Result* b) { return a->score > b->score; });
  if (cell.detections.size() > kMaxDetections) cell.detections.resize(kMaxDetections);
  cell.overlap.reserve(cell.detections.size() * cell.truth.size());
  for (const Result* detection : cell.detections) {
    for (const Annotation* object : cell.truth) {
      cell.overlap.push_back(box_overlap(detection->bbox, object->bbox, object->crowd));
    }
  }
}

bool outside(double area, const AreaRange& range) { return area < range.low || area > range.high; }

/// COCOeval.evaluateImg.
Match match(const Cell& cell, const AreaRange& range, const std::array<double, kThresholds>& thresholds) {
  const std::size_t objects = cell.truth.size();
  const std::size_t detections = cell.detections.size();
  std::vector<char> ignored(objects);
  for (std::size_t g = 0; g < objects; ++g) {
    ignored[g] = static_cast<char>(cell.truth[g]->crowd || outside(cell.truth[g]->area, range));
  }
  // Objects that count come first, so that the search can stop at those that do not.
  std::vector<std::size_t> order(objects);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return ignored[a] < ignored[b]; });

  Match result;
  result.objects = std::count(ignored.begin(), ignored.end(), 0);
  result.matched.resize(detections);
  result.ignored.resize(detections);
  for (const Result* detection : cell.detections) result.scores.push_back(detection->score);
  for (std::size_t t = 0; t < kThresholds; ++t) {
    std::vector<char> taken(objects);
    for (std::size_t d = 0; d < detections; ++d) {
      double best = std::min(thresholds[t], 1 - 1e-10);
      std::size_t found = objects;
      for (const std::size_t g : order) {
        if (taken[g] && !cell.truth[g]->crowd) continue;
        if (found < objects && !ignored[found] && ignored[g]) break;
        const double overlap = cell.overlap[d * objects + g];
        if (overlap < best) continue;
        best = overlap;
        found = g;
      }
      if (found == objects) continue;
      taken[found] = 1;
      result.ignored[d][t] = ignored[found] != 0;
      // pycocotools remembers the object's id here and takes 0 for "none".
      result.matched[d][t] = cell.truth[found]->id != 0;
    }
  }
  for (std::size_t d = 0; d < detections; ++d) {
    const auto& box = cell.detections[d]->bbox;
    if (outside(box[2] * box[3], range)) result.ignored[d] |= ~result.matched[d];
  }
  return result;
}

/// Precision at each recall point and the highest recall, per IoU threshold; absent when no object counts.
struct Curves {
  bool present = false;
  std::array<std::array<double, kRecallPoints>, kThresholds> precision{};
  std::array<double, kThresholds> recall{};
};

/// COCOeval.accumulate for one class, area range and limit.
Curves accumulate(const std::vector<Match>& matches, std::size_t limit,
                  const std::array<double, kRecallPoints>& recall_points) {
  struct Row {
    double score;
    std::bitset<kThresholds> matched, ignored;
  };
  std::vector<Row> rows;
  std::int64_t objects = 0;
  for (const Match& match : matches) {
    for (std::size_t d = 0; d < std::min(limit, match.scores.size()); ++d) {
      rows.push_back({match.scores[d], match.matched[d], match.ignored[d]});
    }
    objects += match.objects;
  }
  Curves curves;
  if (objects == 0) return curves;
  curves.present = true;
  if (rows.empty()) return curves;
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.score > b.score; });

  std::vector<double> recall(rows.size());
  std::vector<double> precision(rows.size());
  for (std::size_t t = 0; t < kThresholds; ++t) {
    double right = 0;
    double wrong = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!rows[i].ignored[t]) (rows[i].matched[t] ? right : wrong) += 1;
      recall[i] = right / static_cast<double>(objects);
      precision[i] = right / (wrong + right + std::numeric_limits<double>::epsilon());
    }
    curves.recall[t] = recall.back();
    for (std::size_t i = rows.size() - 1; i > 0; --i) precision[i - 1] = std::max(precision[i - 1], precision[i]);
    for (std::size_t r = 0; r < kRecallPoints; ++r) {
      const auto at = std::lower_bound(recall.begin(), recall.end(), recall_points[r]);
      if (at == recall.end()) break;
      curves.precision[t][r] = precision[static_cast<std::size_t>(at - recall.begin())];
    }
  }
  return curves;
}

/// All curves of one class.
struct ClassCurves {
  std::array<Curves, kAreas.size()> by_area;    // with 100 detections a picture
  std::array<Curves, kLimits.size()> by_limit;  // over all areas
};
using ClassList = std::span<const ClassCurves* const>;
using Choice = const Curves& (*)(const ClassCurves&);

/// Mean over the classes that have something to measure, -1 when none has.
double mean_precision(ClassList classes, Choice choose, std::size_t first, std::size_t last) {
  long double sum = 0;
  std::size_t count = 0;
  for (const ClassCurves* all : classes) {
    const Curves& curves = choose(*all);
    if (!curves.present) continue;
    for (std::size_t t = first; t < last; ++t) {
      for (const double value : curves.precision[t]) sum += value;
      count += kRecallPoints;
    }
  }
  return count == 0 ? -1 : static_cast<double>(sum / static_cast<long double>(count));
}

double mean_recall(ClassList classes, Choice choose) {
  long double sum = 0;
  std::size_t count = 0;
  for (const ClassCurves* all : classes) {
    const Curves& curves = choose(*all);
    if (!curves.present) continue;
    for (const double value : curves.recall) sum += value;
    count += kThresholds;
  }
  return count == 0 ? -1 : static_cast<double>(sum / static_cast<long double>(count));
}

template <std::size_t I>
const Curves& area(const ClassCurves& curves) {
  return curves.by_area[I];
}
template <std::size_t I>
const Curves& limit(const ClassCurves& curves) {
  return curves.by_limit[I];
}

/// COCOeval.summarize.
Metrics summarize(ClassList classes) {
  Metrics metrics;
  metrics.ap = mean_precision(classes, area<0>, 0, kThresholds);
  metrics.ap50 = mean_precision(classes, area<0>, 0, 1);
  metrics.ap75 = mean_precision(classes, area<0>, 5, 6);
  metrics.ap_small = mean_precision(classes, area<1>, 0, kThresholds);
  metrics.ap_medium = mean_precision(classes, area<2>, 0, kThresholds);
  metrics.ap_large = mean_precision(classes, area<3>, 0, kThresholds);
  metrics.ar1 = mean_recall(classes, limit<0>);
  metrics.ar10 = mean_recall(classes, limit<1>);
  metrics.ar100 = mean_recall(classes, limit<2>);
  metrics.ar_small = mean_recall(classes, area<1>);
  metrics.ar_medium = mean_recall(classes, area<2>);
  metrics.ar_large = mean_recall(classes, area<3>);
  return metrics;
}

/// Sorts everything into classes and pictures.
std::map<std::int64_t, Cells> sort_into_cells(const Dataset& truth, std::span<const Result> detections) {
  std::map<std::int64_t, Cells> classes;
  for (const Category& category : truth.categories) classes[category.id];
  std::unordered_set<std::int64_t> images;
  for (const Image& image : truth.images) images.insert(image.id);

  for (const Annotation& annotation : truth.annotations) {
    const auto cells = classes.find(annotation.category_id);
    if (cells == classes.end() || !images.contains(annotation.image_id)) continue;
    cells->second[annotation.image_id].truth.push_back(&annotation);
  }
  for (const Result& detection : detections) {
    if (!images.contains(detection.image_id)) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("a detection is in picture {}, which is not among the {} annotated ones: detections and "
                              "annotations belong to different data sets",
                              detection.image_id, images.size()));
    }
    if (!std::isfinite(detection.score)) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("a detection in picture {} has a score that is not finite", detection.image_id));
    }
    const auto cells = classes.find(detection.category_id);
    if (cells != classes.end()) cells->second[detection.image_id].detections.push_back(&detection);
  }
  return classes;
}

}  // namespace

Evaluation evaluate(const Dataset& truth, std::span<const Result> detections) {
  static const auto thresholds = linspace<kThresholds>(0.5, 0.95);
  static const auto recall_points = linspace<kRecallPoints>(0, 1);

  std::map<std::int64_t, Cells> classes = sort_into_cells(truth, detections);
  std::map<std::int64_t, const Category*> categories;
  for (const Category& category : truth.categories) categories.emplace(category.id, &category);

  Evaluation evaluation;
  evaluation.images = static_cast<std::int64_t>(truth.images.size());
  std::vector<ClassCurves> curves(classes.size());
  std::vector<const ClassCurves*> pointers;
  for (auto& [id, cells] : classes) {
    ClassMetrics& row = evaluation.classes.emplace_back();
    row.category = *categories.at(id);
    for (auto& [image, cell] : cells) {
      row.detections += static_cast<std::int64_t>(cell.detections.size());
      row.objects += std::count_if(cell.truth.begin(), cell.truth.end(), [](const Annotation* a) { return !a->crowd; });
      prepare(cell);
    }
    ClassCurves& own = curves[pointers.size()];
    for (std::size_t a = 0; a < kAreas.size(); ++a) {
      std::vector<Match> matches;
      matches.reserve(cells.size());
      for (const auto& [image, cell] : cells) matches.push_back(match(cell, kAreas[a], thresholds));
      own.by_area[a] = accumulate(matches, kMaxDetections, recall_points);
      if (a > 0) continue;
      for (std::size_t m = 0; m < kLimits.size(); ++m) {
        own.by_limit[m] = accumulate(matches, kLimits[m], recall_points);
      }
    }
    pointers.push_back(&own);
    row.metrics = summarize(ClassList(pointers).last(1));
    evaluation.objects += row.objects;
    evaluation.detections += row.detections;
  }
  evaluation.all = summarize(pointers);
  return evaluation;
}

}  // namespace dcn::centernet::coco
