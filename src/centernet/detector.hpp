/// \file detector.hpp
/// Pictures in, objects out, with the original CenterNet's semantics (Zhou et al. 2019, arXiv:1904.07850;
/// github.com/xingyizhou/CenterNet src/lib/detectors).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <opencv2/core.hpp>
#include <optional>
#include <string>
#include <vector>

#include "centernet/model.hpp"
#include "dcn/device.hpp"
#include "nn/plan.hpp"

namespace dcn::centernet {

struct Detection {
  int category = 0;  ///< 0-based index into ModelInfo::labels
  float score = 0;
  std::array<float, 4> box{};                   ///< x1, y1, x2, y2 in pixels of the picture
  std::vector<std::array<float, 2>> keypoints;  ///< multi_pose: 17 x (x, y)
  // ddd, camera coordinates in metres, angles in radians
  float alpha = 0, rotation_y = 0;
  std::array<float, 3> dimensions{};  ///< height, width, length
  std::array<float, 3> location{};
};

struct DetectorOptions {
  std::optional<Resolution> resolution;                   ///< default: the model's
  std::optional<std::array<std::int64_t, 2>> input_size;  ///< height, width for kFix; default: the model's
  int top_k = 100;
  std::vector<double> scales{1.0};  ///< more than one: merged by soft-NMS
  bool flip_test = false;
  bool nms = false;  ///< soft-NMS also with one scale
  nn::PlanOptions plan;
  std::array<float, 12> camera{707.0493F, 0,           604.0814F, 45.75831F, 0,    707.0493F,
                               180.5066F, -0.3454157F, 0,         0,         1.0F, 0.004981016F};
};

/// Milliseconds of one detect() call, per stage.
struct StageTimes {
  double preprocess = 0, network = 0, decode = 0, postprocess = 0;
};

/// One per thread. All work goes to one in-order queue.
class Detector {
 public:
  Detector(Queue queue, Model model, const DetectorOptions& options);
  ~Detector();
  Detector(Detector&&) noexcept;
  Detector& operator=(Detector&&) noexcept;

  /// Objects of one 8-bit BGR picture, best first, at most top_k per scale set, no score threshold.
  [[nodiscard]] std::vector<Detection> detect(const cv::Mat& picture, StageTimes* times = nullptr);
  /// The same for several pictures at once; those that give the same input shape share a batch.
  [[nodiscard]] std::vector<std::vector<Detection>> detect(const std::vector<cv::Mat>& pictures,
                                                           StageTimes* times = nullptr);

  [[nodiscard]] const ModelInfo& info() const noexcept;
  [[nodiscard]] nn::Executor& executor() noexcept;
  /// Class-wise maximum of the last picture's heat map after the sigmoid, at picture size, 0 to 255 (--heatmap).
  [[nodiscard]] cv::Mat heatmap(const cv::Mat& picture);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dcn::centernet
