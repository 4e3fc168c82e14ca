#include "centernet/draw.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

namespace dcn::centernet {
namespace {

const float kNan = std::numeric_limits<float>::quiet_NaN();
const float kInfinity = std::numeric_limits<float>::infinity();

/// The middle of a larger picture: what is drawn outside of it shows.
struct Canvas {
  cv::Mat whole = cv::Mat(300, 400, CV_8UC3, cv::Scalar::all(77));
  cv::Mat picture = whole(cv::Rect(50, 50, 300, 200));

  [[nodiscard]] bool border_is_clean() const {
    for (int y = 0; y < whole.rows; ++y) {
      for (int x = 0; x < whole.cols; ++x) {
        const bool inside = x >= 50 && x < 350 && y >= 50 && y < 250;
        if (!inside && whole.at<cv::Vec3b>(y, x) != cv::Vec3b(77, 77, 77)) return false;
      }
    }
    return true;
  }
  [[nodiscard]] bool changed_at(int x, int y) const { return picture.at<cv::Vec3b>(y, x) != cv::Vec3b(77, 77, 77); }
  [[nodiscard]] bool changed() const {
    for (int y = 0; y < picture.rows; ++y) {
      for (int x = 0; x < picture.cols; ++x) {
        if (changed_at(x, y)) return true;
      }
    }
    return false;
  }
};

Detection object(std::array<float, 4> box, float score = 0.9F) {
  Detection detection;
  detection.box = box;
  detection.score = score;
  return detection;
}

DrawStyle style() {
  DrawStyle result;
  result.labels = {"fish", "Qualle \xC3\xBC\xE2\x82\xAC"};
  result.camera = {700, 0, 150, 0, 0, 700, 100, 0, 0, 0, 1, 0};
  return result;
}

TEST(Draw, ABoxIsWhereItShouldBe) {
  Canvas canvas;
  const std::vector<Detection> one{object({100, 60, 200, 160})};
  draw_detections(canvas.picture, one, style());
  for (const auto& [x, y] : {std::pair{100, 110}, {200, 110}, {150, 160}, {100, 60}}) {
    EXPECT_TRUE(canvas.changed_at(x, y)) << x << ", " << y;
  }
  EXPECT_FALSE(canvas.changed_at(150, 110));
  EXPECT_FALSE(canvas.changed_at(250, 110));
}

TEST(Draw, OnlyObjectsFromTheThresholdOn) {
  Canvas canvas;
  const std::vector<Detection> weak{object({100, 60, 200, 160}, 0.29F)};
  draw_detections(canvas.picture, weak, style());
  EXPECT_FALSE(canvas.changed());
}

TEST(Draw, BoxesPartlyOrWhollyOutside) {
  for (const std::array<float, 4>& box : {std::array<float, 4>{-50, -50, 30, 30},
                                          {250, 150, 900, 900},
                                          {-1e30F, -1e30F, 1e30F, 1e30F},
                                          {-100, 50, 1000, 60},
                                          {10, -1e9F, 20, 1e9F},
                                          {0, 0, 300, 200},
                                          {299, 199, 299, 199}}) {
    Canvas canvas;
    const std::vector<Detection> one{object(box)};
    draw_detections(canvas.picture, one, style());
    EXPECT_TRUE(canvas.changed());
    EXPECT_TRUE(canvas.border_is_clean());
  }
  for (const std::array<float, 4>& box : {std::array<float, 4>{-50, 10, -20, 30}, {10, 201, 30, 400}}) {
    Canvas canvas;
    const std::vector<Detection> one{object(box)};
    draw_detections(canvas.picture, one, style());
    EXPECT_FALSE(canvas.changed()) << "nothing of this box is in the picture";
  }
}

TEST(Draw, WhatIsNotFiniteIsLeftOut) {
  for (const float bad : {kNan, kInfinity, -kInfinity}) {
    Canvas canvas;
    Detection pose = object({bad, 10, 100, 100});
    pose.keypoints.assign(17, {bad, bad});
    Detection box = object({10, bad, 100, 100});
    box.dimensions = {bad, 1, 1};
    box.location = {0, 0, bad};
    box.rotation_y = bad;
    const std::vector<Detection> objects{pose, box, object({10, 10, 100, 100}, kNan)};
    for (const Task task : {Task::kCtdet, Task::kMultiPose, Task::kDdd}) {
      DrawStyle wanted = style();
      wanted.task = task;
      draw_detections(canvas.picture, objects, wanted);
    }
    SamplingPoints sampling;
    sampling.center = {bad, bad};
    sampling.regular = {{bad, 1}};
    sampling.points = {{1, bad}};
    sampling.weights = {bad};
    draw_sampling_points(canvas.picture, sampling, class_color(0));
    EXPECT_FALSE(canvas.changed());
  }
}

TEST(Draw, KeypointsFarAwayKeepTheirDirection) {
  Canvas canvas;
  Detection pose = object({0, 0, 299, 199});
  pose.keypoints.assign(17, {kNan, kNan});
  pose.keypoints[5] = {-1e20F, 100};  // shoulder to shoulder: a level line across the picture
  pose.keypoints[6] = {1e20F, 100};
  DrawStyle wanted = style();
  wanted.task = Task::kMultiPose;
  draw_detections(canvas.picture, {&pose, 1}, wanted);
  for (const int x : {20, 150, 280}) EXPECT_TRUE(canvas.changed_at(x, 100)) << x;
  EXPECT_TRUE(canvas.border_is_clean());
}

TEST(Draw, A3dBoxThroughTheCameraPlane) {
  Canvas canvas;
  Detection car = object({0, 100, 299, 199});
  car.dimensions = {1.5F, 1.6F, 4};
  car.location = {-2, 1.6F, 0.5F};
  car.rotation_y = 1.57F;
  DrawStyle wanted = style();
  wanted.task = Task::kDdd;
  draw_detections(canvas.picture, {&car, 1}, wanted);
  EXPECT_TRUE(canvas.changed());
  EXPECT_TRUE(canvas.border_is_clean());
  EXPECT_TRUE(project_box(car, wanted.camera).empty());
}

TEST(Draw, CornersOfA3dBox) {
  Detection cube = object({0, 0, 1, 1});
  cube.dimensions = {2, 2, 2};  // height, width, length
  cube.location = {0, 1, 11};   // middle of the bottom
  const auto corners = project_box(cube, style().camera);
  ASSERT_EQ(corners.size(), 8U);
  // First corner: half a length to the right, half a width away, on the ground: (1, 1, 12).
  EXPECT_NEAR(corners[0][0], 150 + 700.0 * 1 / 12, 1e-9);
  EXPECT_NEAR(corners[0][1], 100 + 700.0 * 1 / 12, 1e-9);
  // Sixth: the same nearer and two metres up: (1, -1, 10).
  EXPECT_NEAR(corners[5][0], 150 + 700.0 * 1 / 10, 1e-9);
  EXPECT_NEAR(corners[5][1], 100 - 700.0 * 1 / 10, 1e-9);
}

TEST(Draw, SmallestAndOddPictures) {
  for (const cv::Size size : {cv::Size(1, 1), cv::Size(3, 500), cv::Size(700, 2)}) {
    cv::Mat picture(size, CV_8UC3, cv::Scalar::all(9));
    Detection second = object({0, 0, 2, 2});
    second.category = 1;
    const std::vector<Detection> objects{object({0, 0, 1, 1}), second, object({-5, -5, 800, 800})};
    draw_detections(picture, objects, style());
    EXPECT_EQ(picture.size(), size);
  }
  cv::Mat none;
  draw_detections(none, std::vector<Detection>{object({0, 0, 1, 1})}, style());
  EXPECT_TRUE(none.empty());
}

TEST(Draw, ColoursAreStableAndDiffer) {
  std::set<std::array<double, 3>> seen;
  for (int category = 0; category < 80; ++category) {
    const cv::Scalar color = class_color(category);
    for (int channel = 0; channel < 3; ++channel) {
      EXPECT_GE(color[channel], 0);
      EXPECT_LE(color[channel], 255);
    }
    seen.insert({color[0], color[1], color[2]});
    EXPECT_EQ(class_color(category), color);
  }
  EXPECT_EQ(seen.size(), 80U);
  (void)class_color(-1);
}

TEST(Draw, TheHeatMapGlowsWhereItIsHot) {
  const cv::Mat picture(40, 40, CV_8UC3, cv::Scalar::all(100));
  cv::Mat heat = cv::Mat::zeros(40, 40, CV_8UC1);
  heat.at<unsigned char>(20, 30) = 255;
  const cv::Mat result = overlay_heatmap(picture, heat);
  ASSERT_EQ(result.size(), picture.size());
  EXPECT_EQ(result.at<cv::Vec3b>(5, 5), cv::Vec3b(55, 55, 55));
  EXPECT_GT(result.at<cv::Vec3b>(20, 30)[2], 150);
}

}  // namespace
}  // namespace dcn::centernet
