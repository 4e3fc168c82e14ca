#include "centernet/draw.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <opencv2/imgproc.hpp>
#include <optional>
#include <utility>

namespace dcn::centernet {
namespace {

// B, G, R. The first twenty were chosen by eye to differ on photographs; the others walk round the colour circle.
constexpr std::array<std::array<unsigned char, 3>, 20> kPalette{{
    {60, 180, 255}, {255, 150, 50},  {90, 210, 90},   {90, 90, 255},   {230, 90, 200},  {60, 240, 250}, {235, 215, 70},
    {160, 110, 40}, {130, 60, 230},  {170, 255, 170}, {200, 160, 255}, {30, 120, 200},  {150, 150, 0},  {255, 190, 160},
    {0, 100, 130},  {130, 255, 220}, {200, 60, 120},  {80, 160, 160},  {190, 190, 190}, {70, 130, 30},
}};

struct Edge {
  int from, to;
};

/// COCO's 17 key points, odd numbers are the left side.
constexpr std::array<Edge, 18> kSkeleton{{{0, 1},
                                          {0, 2},
                                          {1, 3},
                                          {2, 4},
                                          {3, 5},
                                          {4, 6},
                                          {5, 6},
                                          {5, 7},
                                          {7, 9},
                                          {6, 8},
                                          {8, 10},
                                          {5, 11},
                                          {6, 12},
                                          {11, 12},
                                          {11, 13},
                                          {13, 15},
                                          {12, 14},
                                          {14, 16}}};
const cv::Scalar left_color(255, 170, 40);
const cv::Scalar right_color(40, 120, 255);
const cv::Scalar middle_color(80, 220, 120);
const cv::Scalar shadow_color(20, 20, 20);

/// Sizes that follow the picture's.
struct Pen {
  int line = 2;         // width of lines in pixels
  double letters = 10;  // height of capital letters in pixels

  explicit Pen(const cv::Mat& picture) {
    const double side = std::sqrt(static_cast<double>(picture.rows) * picture.cols);
    line = std::max(side < 200 ? 1 : 2, static_cast<int>(std::lround(side / 330)));
    letters = std::clamp(side / 58, 7.0, 120.0);
  }
};

template <std::size_t N>
bool finite(const std::array<float, N>& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

/// A line of any finite length: cut to the neighbourhood of the picture first, since OpenCV takes int coordinates.
void draw_line(cv::Mat& picture, std::array<double, 2> a, std::array<double, 2> b, const cv::Scalar& color, int width) {
  const double margin = 4.0 * width + 16;
  const std::array<double, 2> high{picture.cols + margin, picture.rows + margin};
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const std::size_t other = 1 - axis;
    for (const double limit : {-margin, high[axis]}) {
      const auto beyond = [&](const std::array<double, 2>& point) {
        return limit < 0 ? point[axis] < limit : point[axis] > limit;
      };
      if (beyond(a) && beyond(b)) return;
      if (!beyond(a) && !beyond(b)) continue;
      auto& end = beyond(a) ? a : b;
      const double part = (limit - a[axis]) / (b[axis] - a[axis]);
      end = axis == 0 ? std::array{limit, a[other] + part * (b[other] - a[other])}
                      : std::array{a[other] + part * (b[other] - a[other]), limit};
    }
  }
  constexpr int kShift = 4;  // sixteenths of a pixel
  const auto fixed = [](const std::array<double, 2>& point) {
    return cv::Point(static_cast<int>(std::lround(point[0] * (1 << kShift))),
                     static_cast<int>(std::lround(point[1] * (1 << kShift))));
  };
  cv::line(picture, fixed(a), fixed(b), color, width, cv::LINE_AA, kShift);
}

void draw_dot(cv::Mat& picture, std::array<double, 2> at, double radius, const cv::Scalar& color) {
  if (at[0] < -radius || at[1] < -radius || at[0] > picture.cols + radius || at[1] > picture.rows + radius) return;
  constexpr int kShift = 4;
  const cv::Point center(static_cast<int>(std::lround(at[0] * (1 << kShift))),
                         static_cast<int>(std::lround(at[1] * (1 << kShift))));
  cv::circle(picture, center, static_cast<int>(std::lround(radius * (1 << kShift))), color, cv::FILLED, cv::LINE_AA,
             kShift);
}

/// Only ASCII has letters in OpenCV's fonts: each other character becomes one question mark.
std::string drawable(const std::string& text) {
  std::string result;
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte >= 0x20 && byte < 0x7F) {
      result += character;
    } else if (byte < 0x80 || byte >= 0xC0) {  // not a continuation byte of UTF-8
      result += '?';
    }
  }
  return result;
}

/// A line of text as a mask, drawn large and reduced: smooth at every size.
class Text {
 public:
  Text(const std::string& text, double letters) {
    constexpr double kCapital = 21;  // height of a capital at scale 1
    const double scale = letters * kEnlarged / kCapital;
    const int stroke = std::max(1, static_cast<int>(std::lround(letters * kEnlarged * 0.13)));
    int below = 0;
    const cv::Size size = cv::getTextSize(text, cv::FONT_HERSHEY_SIMPLEX, scale, stroke, &below);
    const int margin = stroke;
    const auto up = [](int value) { return (value + kEnlarged - 1) / kEnlarged * kEnlarged; };
    const int baseline = up(size.height + margin);
    cv::Mat large = cv::Mat::zeros(baseline + up(below / 2 + margin), up(size.width + 2 * margin), CV_8UC1);
    cv::putText(large, text, cv::Point(margin, baseline), cv::FONT_HERSHEY_SIMPLEX, scale, cv::Scalar(255), stroke,
                cv::LINE_AA);
    cv::resize(large, mask_, large.size() / kEnlarged, 0, 0, cv::INTER_AREA);
  }

  [[nodiscard]] cv::Size size() const { return mask_.size(); }

  void blend(cv::Mat& picture, cv::Point at, const cv::Scalar& color) const {
    const cv::Rect target = cv::Rect(at, mask_.size()) & cv::Rect(0, 0, picture.cols, picture.rows);
    for (int y = target.y; y < target.y + target.height; ++y) {
      auto* row = picture.ptr<cv::Vec3b>(y);
      const auto* mask = mask_.ptr<unsigned char>(y - at.y);
      for (int x = target.x; x < target.x + target.width; ++x) {
        const double cover = mask[x - at.x] / 255.0;
        for (int channel = 0; channel < 3; ++channel) {
          row[x][channel] = cv::saturate_cast<unsigned char>(row[x][channel] * (1 - cover) + color[channel] * cover);
        }
      }
    }
  }

 private:
  static constexpr int kEnlarged = 4;
  cv::Mat mask_;
};

bool is_bright(const cv::Scalar& color) { return 0.114 * color[0] + 0.587 * color[1] + 0.299 * color[2] > 130; }

/// The part of a box that can be seen, in whole pixels; a side outside the picture is put just outside, so that its
/// line does not show. Empty when nothing of the box is inside.
std::optional<cv::Rect> visible_box(const cv::Mat& picture, const std::array<float, 4>& box, int line) {
  if (!finite(box) || box[2] < box[0] || box[3] < box[1]) return std::nullopt;
  if (box[2] < 0 || box[3] < 0 || box[0] > static_cast<float>(picture.cols) ||
      box[1] > static_cast<float>(picture.rows)) {
    return std::nullopt;
  }
  const auto pixel = [line](float value, int size) {
    return static_cast<int>(std::lround(std::clamp<double>(value, -2.0 * line, size + 2.0 * line)));
  };
  const cv::Point from(pixel(box[0], picture.cols), pixel(box[1], picture.rows));
  const cv::Point to(pixel(box[2], picture.cols), pixel(box[3], picture.rows));
  return cv::Rect(from, cv::Size(to.x - from.x + 1, to.y - from.y + 1));
}

void draw_box(cv::Mat& picture, const std::array<float, 4>& box, const cv::Scalar& color, const Pen& pen) {
  const auto rect = visible_box(picture, box, pen.line);
  if (!rect) return;
  cv::rectangle(picture, *rect, shadow_color, pen.line + 2);
  cv::rectangle(picture, *rect, color, pen.line);
}

/// Puts labels where they hide no other label, if there is such a place, and little of other objects.
class LabelPlacer {
 public:
  LabelPlacer(cv::Size picture, std::vector<cv::Rect> boxes) : picture_(picture), boxes_(std::move(boxes)) {}

  cv::Rect place(const cv::Rect& box, cv::Size label, int line) {
    const int x = box.x - line / 2;
    const int right = box.x + box.width - label.width + line / 2;
    const int above = box.y - label.height - line / 2;
    const int bottom = box.y + box.height;
    const std::array<cv::Point, 6> places{
        {{x, above}, {right, above}, {x, bottom + line / 2}, {x, box.y}, {right, box.y}, {x, bottom - label.height}}};
    cv::Rect best;
    int least = std::numeric_limits<int>::max();
    for (const cv::Point& point : places) {
      const cv::Rect wanted(point, label);
      const cv::Rect moved(inside(wanted.tl(), label), label);
      int hidden = (std::abs(moved.x - wanted.x) + std::abs(moved.y - wanted.y)) * label.height;
      for (const cv::Rect& other : placed_) hidden += 8 * (moved & other).area();
      for (const cv::Rect& other : boxes_) hidden += other == box ? 0 : (moved & other).area();
      if (hidden < least) {
        best = moved;
        least = hidden;
      }
    }
    placed_.push_back(best);
    return best;
  }

 private:
  [[nodiscard]] cv::Point inside(cv::Point at, cv::Size label) const {
    return {std::clamp(at.x, 0, std::max(0, picture_.width - label.width)),
            std::clamp(at.y, 0, std::max(0, picture_.height - label.height))};
  }

  cv::Size picture_;
  std::vector<cv::Rect> boxes_, placed_;
};

void draw_label(cv::Mat& picture, const Detection& detection, const DrawStyle& style, const Pen& pen,
                LabelPlacer& placer) {
  const auto box = visible_box(picture, detection.box, pen.line);
  if (!box) return;
  const auto index = static_cast<std::size_t>(detection.category);
  const std::string name =
      detection.category >= 0 && index < style.labels.size() ? style.labels[index] : fmt::to_string(detection.category);
  const std::string words = fmt::format("{} {:.2f}", drawable(name), detection.score);
  // Small objects get smaller labels: in a crowd they would hide the objects.
  const double room = 2.0 * box->width / std::max(1, Text(words, pen.letters).size().width);
  const double letters = std::max(pen.letters * std::clamp(room, 0.7, 1.0), std::min(pen.letters, 7.0));
  const Text text(words, letters);
  const int pad = std::max(2, static_cast<int>(std::lround(letters * 0.3)));
  const cv::Rect panel = placer.place(*box, text.size() + cv::Size(2 * pad, 2 * pad), pen.line);
  const cv::Scalar color = class_color(detection.category);
  cv::rectangle(picture, panel, color, cv::FILLED);
  text.blend(picture, panel.tl() + cv::Point(pad, pad), is_bright(color) ? cv::Scalar(0, 0, 0) : cv::Scalar::all(255));
}

void draw_skeleton(cv::Mat& picture, const Detection& detection, const Pen& pen) {
  const auto& points = detection.keypoints;
  const auto at = [&](int index) {
    const auto& point = points[static_cast<std::size_t>(index)];
    return std::array<double, 2>{point[0], point[1]};
  };
  const auto usable = [&](int index) {
    return static_cast<std::size_t>(index) < points.size() && finite(points[static_cast<std::size_t>(index)]);
  };
  const auto side = [](int index) { return index == 0 ? middle_color : index % 2 == 1 ? left_color : right_color; };
  for (const bool shadow : {true, false}) {
    for (const Edge& edge : kSkeleton) {
      if (!usable(edge.from) || !usable(edge.to)) continue;
      const bool across = edge.from != 0 && edge.from % 2 != edge.to % 2;
      const cv::Scalar color = shadow ? shadow_color : across ? middle_color : side(edge.to);
      draw_line(picture, at(edge.from), at(edge.to), color, pen.line + (shadow ? 2 : 0));
    }
  }
  for (int i = 0; i < static_cast<int>(points.size()); ++i) {
    if (!usable(i)) continue;
    draw_dot(picture, at(i), 1.4 * pen.line + 1, shadow_color);
    draw_dot(picture, at(i), 1.4 * pen.line, side(i));
  }
}

/// The eight corners in homogeneous picture coordinates (x * w, y * w, w).
std::array<std::array<double, 3>, 8> corners_in_camera(const Detection& detection, const Camera& camera) {
  const double c = std::cos(detection.rotation_y);
  const double s = std::sin(detection.rotation_y);
  const double h = detection.dimensions[0];
  const double w = detection.dimensions[1];
  const double l = detection.dimensions[2];
  constexpr std::array<int, 8> kX{1, 1, -1, -1, 1, 1, -1, -1};
  constexpr std::array<int, 8> kY{0, 0, 0, 0, -1, -1, -1, -1};
  constexpr std::array<int, 8> kZ{1, -1, -1, 1, 1, -1, -1, 1};
  std::array<std::array<double, 3>, 8> corners{};
  for (std::size_t i = 0; i < corners.size(); ++i) {
    const double x = kX[i] * l / 2;
    const double y = kY[i] * h;
    const double z = kZ[i] * w / 2;
    const std::array<double, 4> point{c * x + s * z + detection.location[0], y + detection.location[1],
                                      -s * x + c * z + detection.location[2], 1};
    for (std::size_t row = 0; row < 3; ++row) {
      for (std::size_t column = 0; column < 4; ++column) {
        corners[i][row] += static_cast<double>(camera[4 * row + column]) * point[column];
      }
    }
  }
  return corners;
}

constexpr double kNearest = 0.1;  // metres before the camera from which things are drawn

void draw_box_3d(cv::Mat& picture, const Detection& detection, const DrawStyle& style, const Pen& pen) {
  if (!finite(detection.dimensions) || !finite(detection.location) || !std::isfinite(detection.rotation_y)) return;
  const auto corners = corners_in_camera(detection, style.camera);
  const auto edge = [&](std::size_t from, std::size_t to, const cv::Scalar& color, int width) {
    auto a = corners[from];
    auto b = corners[to];
    if (a[2] < kNearest && b[2] < kNearest) return;
    if (a[2] < kNearest) std::swap(a, b);
    if (b[2] < kNearest) {  // cut where the edge passes behind the camera
      const double t = (a[2] - kNearest) / (a[2] - b[2]);
      for (std::size_t i = 0; i < 3; ++i) b[i] = a[i] + t * (b[i] - a[i]);
    }
    draw_line(picture, {a[0] / a[2], a[1] / a[2]}, {b[0] / b[2], b[1] / b[2]}, color, width);
  };
  constexpr std::array<std::pair<std::size_t, std::size_t>, 14> kEdges{{{0, 1},
                                                                        {1, 2},
                                                                        {2, 3},
                                                                        {3, 0},
                                                                        {4, 5},
                                                                        {5, 6},
                                                                        {6, 7},
                                                                        {7, 4},
                                                                        {0, 4},
                                                                        {1, 5},
                                                                        {2, 6},
                                                                        {3, 7},
                                                                        {0, 5},  // a cross on the front face
                                                                        {1, 4}}};
  const cv::Scalar color = class_color(detection.category);
  for (const auto& [from, to] : kEdges) edge(from, to, shadow_color, pen.line + 2);
  for (const auto& [from, to] : kEdges) edge(from, to, color, pen.line);
}

}  // namespace

cv::Scalar class_color(int category) {
  if (category >= 0 && static_cast<std::size_t>(category) < kPalette.size()) {
    const auto& color = kPalette[static_cast<std::size_t>(category)];
    return {static_cast<double>(color[0]), static_cast<double>(color[1]), static_cast<double>(color[2])};
  }
  // Steps of the golden angle never come close to an earlier hue; brightness alternates.
  const double hue = std::fmod(category * 0.6180339887498949 + 1e6, 1.0) * 6;
  const double value = category % 2 == 0 ? 255 : 175;
  const auto channel = [&](double centre) {
    const double distance = std::min({std::abs(hue - centre), std::abs(hue - centre + 6), std::abs(hue - centre - 6)});
    return std::round(value * (0.25 + 0.75 * std::clamp(2 - distance, 0.0, 1.0)));
  };
  return {channel(4), channel(2), channel(0)};
}

void draw_detections(cv::Mat& picture, std::span<const Detection> detections, const DrawStyle& style) {
  if (picture.empty()) return;
  const Pen pen(picture);
  std::vector<const Detection*> shown;
  for (const Detection& detection : detections) {
    if (detection.score >= style.threshold) shown.push_back(&detection);
  }
  std::stable_sort(shown.begin(), shown.end(), [](const auto* a, const auto* b) { return a->score < b->score; });
  for (const Detection* detection : shown) {
    if (style.task == Task::kDdd) {
      draw_box_3d(picture, *detection, style, pen);
    } else {
      draw_box(picture, detection->box, class_color(detection->category), pen);
    }
    if (!detection->keypoints.empty()) draw_skeleton(picture, *detection, pen);
  }
  std::vector<cv::Rect> boxes;
  boxes.reserve(shown.size());
  for (const Detection* detection : shown) {
    if (const auto box = visible_box(picture, detection->box, pen.line)) boxes.push_back(*box);
  }
  LabelPlacer placer(picture.size(), std::move(boxes));
  for (auto detection = shown.rbegin(); detection != shown.rend(); ++detection) {
    draw_label(picture, **detection, style, pen, placer);
  }
}

cv::Mat overlay_heatmap(const cv::Mat& picture, const cv::Mat& heat) {
  cv::Mat colors;
  cv::applyColorMap(heat, colors, cv::COLORMAP_INFERNO);
  cv::Mat result(picture.size(), CV_8UC3);
  for (int y = 0; y < picture.rows; ++y) {
    const auto* source = picture.ptr<cv::Vec3b>(y);
    const auto* glow = colors.ptr<cv::Vec3b>(y);
    const auto* level = heat.ptr<unsigned char>(y);
    auto* target = result.ptr<cv::Vec3b>(y);
    for (int x = 0; x < picture.cols; ++x) {
      // The square root lifts weak answers into sight.
      const double cover = 0.85 * std::sqrt(level[x] / 255.0);
      for (int channel = 0; channel < 3; ++channel) {
        const double dimmed = 0.55 * source[x][channel];
        target[x][channel] = cv::saturate_cast<unsigned char>(dimmed * (1 - cover) + glow[x][channel] * cover);
      }
    }
  }
  return result;
}

void draw_sampling_points(cv::Mat& picture, const SamplingPoints& sampling, const cv::Scalar& color) {
  if (picture.empty()) return;
  const Pen pen(picture);
  const auto wide = [](const std::array<float, 2>& point) { return std::array<double, 2>{point[0], point[1]}; };
  const std::size_t count = std::min(sampling.regular.size(), sampling.points.size());
  const int thin = std::max(1, pen.line / 2);
  for (std::size_t i = 0; i < count; ++i) {
    if (!finite(sampling.regular[i]) || !finite(sampling.points[i])) continue;
    draw_line(picture, wide(sampling.regular[i]), wide(sampling.points[i]), cv::Scalar::all(230), thin);
    draw_dot(picture, wide(sampling.regular[i]), 0.6 * pen.line + 0.5, cv::Scalar::all(230));
  }
  for (std::size_t i = 0; i < sampling.points.size(); ++i) {
    const float weight = i < sampling.weights.size() ? sampling.weights[i] : 1;
    if (!finite(sampling.points[i]) || !std::isfinite(weight)) continue;
    const double radius = pen.line * (0.7 + 1.3 * std::clamp(static_cast<double>(weight), 0.0, 1.0));
    draw_dot(picture, wide(sampling.points[i]), radius + 1, shadow_color);
    draw_dot(picture, wide(sampling.points[i]), radius, color);
  }
  if (!finite(sampling.center)) return;
  const double arm = 3.0 * pen.line;
  const auto center = wide(sampling.center);
  for (const bool shadow : {true, false}) {
    const cv::Scalar ink = shadow ? shadow_color : cv::Scalar::all(255);
    const int width = pen.line + (shadow ? 2 : 0);
    draw_line(picture, {center[0] - arm, center[1]}, {center[0] + arm, center[1]}, ink, width);
    draw_line(picture, {center[0], center[1] - arm}, {center[0], center[1] + arm}, ink, width);
  }
}

std::vector<std::array<double, 2>> project_box(const Detection& detection, const Camera& camera) {
  std::vector<std::array<double, 2>> points;
  for (const auto& corner : corners_in_camera(detection, camera)) {
    if (corner[2] < kNearest) return {};
    points.push_back({corner[0] / corner[2], corner[1] / corner[2]});
  }
  return points;
}

}  // namespace dcn::centernet
