#include "centernet/postprocess.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "dcn/status.hpp"
#include "parity_reference.hpp"

namespace {

using dcn::centernet::Detection;
using dcn::centernet::MergeOptions;
using dcn::centernet::Rows;
using dcn::centernet::Task;
using dcn::centernet::to_detections;
using dcn::centernet::to_picture;
using dcn::test::ParityReference;

constexpr dcn::centernet::Camera kCamera = dcn::centernet::DetectorOptions{}.camera;

// The original's decoded rows must become its final rows in every run of every network.
TEST(Postprocess, EqualsTheOriginalFromItsDecodedRows) {
  int checked = 0;
  for (const std::string& model : dcn::test::parity_models()) {
    const ParityReference reference(model);
    for (const std::string& run : reference.runs()) {
      SCOPED_TRACE(model + " " + run);
      const cv::Mat picture = dcn::test::parity_picture(run);
      const auto options = reference.options(run);
      std::vector<Rows> scales;
      for (const double scale : options.scales) {
        const auto& decoded = reference.arrays().get(dcn::test::scale_key(run, scale) + "/dets_f64");
        const auto geometry = input_geometry(reference.rules(run), picture.rows, picture.cols, scale);
        scales.push_back(to_picture(reference.task(), {decoded.shape.at(1), decoded.to_f32()}, geometry, kCamera));
      }
      const MergeOptions merging{options.nms, options.max_per_image, options.peak_threshold};
      const auto difference =
          compare_rows(merge(reference.task(), scales, merging), reference.arrays().get(run + "/final_f64"),
                       dcn::test::final_layout(reference.task()));
      EXPECT_EQ(difference.unmatched, 0);
      EXPECT_LE(difference.score, 1e-6);
      EXPECT_LE(difference.other, 1e-3);
      ++checked;
    }
  }
  EXPECT_EQ(checked, 35);
}

dcn::centernet::InputGeometry square() { return dcn::centernet::input_geometry({}, 512, 512, 1); }

TEST(Postprocess, KeepsTheBestAndWhatTiesWithTheLast) {
  Rows decoded{6, {}};
  for (int i = 0; i < 10; ++i) {
    const float score = i < 4 ? 0.5F : 0.1F + 0.01F * static_cast<float>(i);
    decoded.values.insert(decoded.values.end(), {0, 0, 1, 1, score, static_cast<float>(i % 3)});
  }
  const Rows rows = to_picture(Task::kCtdet, decoded, square(), kCamera);
  EXPECT_EQ(merge(Task::kCtdet, {&rows, 1}, {false, 100, 0}).count(), 10);
  EXPECT_EQ(merge(Task::kCtdet, {&rows, 1}, {false, 5, 0}).count(), 5);
  EXPECT_EQ(merge(Task::kCtdet, {&rows, 1}, {false, 2, 0}).count(), 4);
}

TEST(Postprocess, MergesClassByClass) {
  // The same box in two classes: neither lowers the other.
  const Rows decoded{6, {1, 1, 9, 9, 0.9F, 3, 1, 1, 9, 9, 0.8F, 5, 1, 1, 9, 9, 0.7F, 3}};
  const Rows rows = to_picture(Task::kCtdet, decoded, square(), kCamera);
  const auto detections = to_detections(Task::kCtdet, merge(Task::kCtdet, {&rows, 1}, {true, 100, 0}));
  ASSERT_EQ(detections.size(), 3U);
  EXPECT_EQ(detections[0].category, 3);
  EXPECT_FLOAT_EQ(detections[0].score, 0.9F);
  EXPECT_EQ(detections[1].category, 5);
  EXPECT_FLOAT_EQ(detections[1].score, 0.8F);
  EXPECT_EQ(detections[2].category, 3);
  EXPECT_LT(detections[2].score, 0.2F);
  EXPECT_EQ(detections[0].box, (std::array<float, 4>{4, 4, 36, 36}));
}

TEST(Postprocess, SeveralScalesDivideAndMerge) {
  const auto half = dcn::centernet::input_geometry({}, 512, 512, 0.5);
  const Rows decoded{6, {64, 64, 96, 96, 0.9F, 0}};
  const Rows whole_rows = to_picture(Task::kCtdet, decoded, square(), kCamera);
  const Rows half_rows = to_picture(Task::kCtdet, decoded, half, kCamera);
  // The picture at half its size is 256 pixels in the middle of 512: the grid's centre is still its centre.
  EXPECT_FLOAT_EQ(half_rows.row(0)[1], 256);
  EXPECT_FLOAT_EQ(half_rows.row(0)[3], 512);
  const std::vector<Rows> scales{whole_rows, half_rows};
  const auto merged = to_detections(Task::kCtdet, merge(Task::kCtdet, scales, {}));
  ASSERT_EQ(merged.size(), 2U);
  EXPECT_LT(merged[1].score, 0.9F);
}

TEST(Postprocess, EmptyRowsStayEmpty) {
  for (const Task task : {Task::kCtdet, Task::kMultiPose, Task::kDdd}) {
    const Rows rows = to_picture(task, {dcn::centernet::decoded_columns(task, 17), {}}, square(), kCamera);
    EXPECT_EQ(rows.count(), 0);
    EXPECT_TRUE(to_detections(task, merge(task, {&rows, 1}, {true, 100, 0.2F})).empty());
    EXPECT_TRUE(to_detections(task, merge(task, {}, {})).empty());
  }
}

TEST(Postprocess, DropsWhatIsNotFinite) {
  const float nan = std::nanf(""), inf = INFINITY;
  const Rows decoded{6, {nan, 1, 9, 9, 0.9F, 0, 1, 1, inf, 9, 0.8F, 0, 1, 1, 9, 9, nan, 0, 1, 1, 9, 9, 0.5F, 0}};
  const Rows rows = to_picture(Task::kCtdet, decoded, square(), kCamera);
  for (const bool nms : {false, true}) {
    const auto detections = to_detections(Task::kCtdet, merge(Task::kCtdet, {&rows, 1}, {nms, 2, 0}));
    for (const Detection& detection : detections) {
      EXPECT_TRUE(std::isfinite(detection.box[0]) && std::isfinite(detection.score));
    }
  }
}

TEST(Postprocess, JointsAndClassOfAPose) {
  Rows decoded{6 + 4, {10, 10, 20, 30, 0.5F, 1, 2, 3, 4, 1}};
  const Rows rows = to_picture(Task::kMultiPose, decoded, square(), kCamera);
  const auto detections = to_detections(Task::kMultiPose, merge(Task::kMultiPose, {&rows, 1}, {}));
  ASSERT_EQ(detections.size(), 1U);
  EXPECT_EQ(detections[0].category, 1);
  ASSERT_EQ(detections[0].keypoints.size(), 2U);
  EXPECT_FLOAT_EQ(detections[0].keypoints[1][0], 12);
  EXPECT_FLOAT_EQ(detections[0].keypoints[1][1], 16);
}

TEST(Postprocess, RefusesRowsOfAnotherTask) {
  EXPECT_THROW((void)to_picture(Task::kCtdet, {18, std::vector<float>(18)}, square(), kCamera), dcn::Error);
  EXPECT_THROW((void)to_picture(Task::kDdd, {6, std::vector<float>(6)}, square(), kCamera), dcn::Error);
  EXPECT_THROW((void)to_picture(Task::kMultiPose, {7, std::vector<float>(7)}, square(), kCamera), dcn::Error);
  EXPECT_THROW((void)to_picture(Task::kCtdet, {6, std::vector<float>(7)}, square(), kCamera), dcn::Error);
}

}  // namespace
