/// \file draw.hpp
/// Objects drawn on pictures. Everything scales with the picture; coordinates may lie outside it, and what is not
/// finite is left out.
#pragma once

#include <array>
#include <opencv2/core.hpp>
#include <span>
#include <string>
#include <vector>

#include "centernet/detection.hpp"
#include "centernet/model.hpp"
#include "centernet/postprocess.hpp"

namespace dcn::centernet {

/// Colour (B, G, R) of a class: the same in every picture, easy to tell apart for the first twenty.
[[nodiscard]] cv::Scalar class_color(int category);

/// What stays the same from picture to picture.
struct DrawStyle {
  Task task = Task::kCtdet;
  std::vector<std::string> labels;  ///< one per class; classes beyond show their number
  float threshold = 0.3F;           ///< objects with lower scores are not drawn
  Camera camera{};                  ///< ddd: projects the corners of the 3-D boxes
};

/// Boxes with label and score, skeletons (multi_pose), projected 3-D boxes (ddd); strong objects above weak ones.
/// \param picture CV_8UC3, B G R.
void draw_detections(cv::Mat& picture, std::span<const Detection> detections, const DrawStyle& style);

/// The picture under its heat map as a glow.
/// \param heat CV_8UC1 of the picture's size, 0 to 255, as Detector::heatmap gives it.
[[nodiscard]] cv::Mat overlay_heatmap(const cv::Mat& picture, const cv::Mat& heat);

/// Where one output position of a deformable layer looks.
struct SamplingPoints {
  std::array<float, 2> center{};              ///< the output position, in pixels of the picture
  std::vector<std::array<float, 2>> regular;  ///< where a plain convolution of that kernel would look
  std::vector<std::array<float, 2>> points;   ///< where the offsets lead
  std::vector<float> weights;                 ///< of each point, 0 to 1 (after the sigmoid)
};

/// Points as dots whose size and strength follow their weights, joined with the regular grid; the centre as a cross.
void draw_sampling_points(cv::Mat& picture, const SamplingPoints& sampling, const cv::Scalar& color);

/// The object's eight corners in the picture, the four of the bottom first; nothing when one lies behind the camera.
/// (compute_box_3d and project_to_image of the original's src/lib/utils/ddd_utils.py)
[[nodiscard]] std::vector<std::array<double, 2>> project_box(const Detection& detection, const Camera& camera);

}  // namespace dcn::centernet
