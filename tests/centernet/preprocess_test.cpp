#include "centernet/preprocess.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <opencv2/imgcodecs.hpp>

#include "dcn/status.hpp"
#include "parity_reference.hpp"
#include "support/paths.hpp"

namespace {

using dcn::centernet::Affine;
using dcn::centernet::input_geometry;
using dcn::centernet::InputGeometry;
using dcn::centernet::InputRules;
using dcn::centernet::Resolution;
using dcn::centernet::Task;
using dcn::centernet::to_bgr8;
using dcn::centernet::warp;
using dcn::test::parity_dir;
using dcn::test::ParityReference;

std::int64_t differing(const cv::Mat& a, const cv::Mat& b) {
  EXPECT_EQ(a.size(), b.size());
  EXPECT_EQ(a.type(), b.type());
  std::int64_t count = 0;
  for (int y = 0; y < a.rows; ++y) {
    for (int i = 0; i < a.cols * 3; ++i) {
      count += a.ptr(y)[i] != b.ptr(y)[i] ? 1 : 0;
    }
  }
  return count;
}

// Byte for byte what OpenCV 4.x warps to with the original's matrix.
TEST(Warp, EqualsTheOriginalWithThisOpenCv) {
  for (const char* name : {"A", "B", "C"}) {
    const cv::Mat picture = dcn::test::parity_picture(name);
    const auto warped = warp(picture, input_geometry({}, picture.rows, picture.cols, 1));
    const cv::Mat wanted = cv::imread((parity_dir() / "inputs" / (std::string(name) + "_fix_s1_cv4.png")).string());
    ASSERT_FALSE(wanted.empty());
    EXPECT_EQ(differing(warped.pixels, wanted), 0) << name;
  }
}

// The other stored inputs come from OpenCV 5, whose warp rounds differently in the last bit.
TEST(Warp, IsNearTheOriginalWithOpenCv5) {
  for (const std::string& model : dcn::test::parity_models()) {
    const ParityReference reference(model);
    for (const std::string& run : reference.runs()) {
      const cv::Mat picture = dcn::test::parity_picture(run);
      for (const double scale : reference.options(run).scales) {
        const cv::Mat wanted = dcn::test::parity_input(reference.task(), run, scale);
        if (wanted.empty()) {
          continue;
        }
        SCOPED_TRACE(model + " " + dcn::test::scale_key(run, scale));
        const auto warped = warp(picture, input_geometry(reference.rules(run), picture.rows, picture.cols, scale));
        ASSERT_EQ(warped.pixels.size(), wanted.size());
        cv::Mat difference;
        cv::absdiff(warped.pixels, wanted, difference);
        double largest = 0;
        cv::minMaxLoc(difference.reshape(1), nullptr, &largest);
        EXPECT_LE(largest, 4);
        EXPECT_LE(cv::mean(difference.reshape(1))[0], 0.15);
      }
    }
  }
}

// Centre, extent, sizes and both matrices of every run that the original made.
TEST(Geometry, EqualsTheOriginalInEveryRun) {
  for (const std::string& model : dcn::test::parity_models()) {
    const ParityReference reference(model);
    for (const std::string& run : reference.runs()) {
      const cv::Mat picture = dcn::test::parity_picture(run);
      for (const auto& stored : reference.run(run).at("scales")) {
        SCOPED_TRACE(model + " " + run + " " + stored.at("scale").dump());
        const InputGeometry geometry =
            input_geometry(reference.rules(run), picture.rows, picture.cols, stored.at("scale").get<double>());
        EXPECT_EQ(geometry.input_h, stored.at("input_shape").at(2).get<std::int64_t>());
        EXPECT_EQ(geometry.input_w, stored.at("input_shape").at(3).get<std::int64_t>());
        EXPECT_EQ(geometry.output_h, stored.at("out_height").get<std::int64_t>());
        EXPECT_EQ(geometry.output_w, stored.at("out_width").get<std::int64_t>());
        EXPECT_EQ(geometry.center[0], stored.at("c").at(0).get<float>());
        EXPECT_EQ(geometry.center[1], stored.at("c").at(1).get<float>());
        EXPECT_EQ(geometry.extent[0], stored.at("s").at(0).get<float>());
        EXPECT_EQ(geometry.extent[1], stored.at("s").back().get<float>());
        const Affine to_input = affine_to_grid(geometry, geometry.input_w, geometry.input_h);
        const Affine from_output = affine_from_grid(geometry, geometry.output_w, geometry.output_h);
        for (std::size_t i = 0; i < to_input.size(); ++i) {
          EXPECT_NEAR(to_input[i], stored.at("trans_input").at(i).get<double>(), 1e-10);
          EXPECT_NEAR(from_output[i], stored.at("trans_output_inv").at(i).get<double>(), 1e-10);
        }
      }
    }
  }
}

// The normalised input as the original samples it: exact from its own 8-bit picture.
TEST(Normalization, EqualsTheOriginalExactly) {
  for (const std::string& model : dcn::test::parity_models()) {
    const ParityReference reference(model);
    const auto table = normalization_table(reference.info());
    for (const std::string& run : reference.runs()) {
      for (const auto& stored : reference.run(run).at("scales")) {
        const double scale = stored.at("scale").get<double>();
        const std::string key = dcn::test::scale_key(run, scale);
        SCOPED_TRACE(model + " " + key);
        const cv::Mat picture = dcn::test::parity_picture(run);
        cv::Mat input = dcn::test::parity_input(reference.task(), run, scale);
        if (input.empty()) {
          // Resizing is the same in every OpenCV, and so is a warp by whole pixels.
          input = warp(picture, input_geometry(reference.rules(run), picture.rows, picture.cols, scale)).pixels;
        }
        const auto& indices = reference.arrays().get(key + "/input_idx").values;
        const auto& wanted = reference.arrays().get(key + "/input").values;
        const std::int64_t height = input.rows, width = input.cols;
        std::int64_t wrong = 0;
        for (std::size_t i = 0; i < indices.size(); ++i) {
          const auto flat = static_cast<std::int64_t>(indices[i]);
          const std::int64_t x = flat % width, y = flat / width % height, c = flat / (width * height) % 3,
                             n = flat / (width * height * 3);
          const std::int64_t from_x = n == 1 ? width - 1 - x : x;
          const std::uint8_t level = input.ptr(static_cast<int>(y))[from_x * 3 + c];
          wrong += table[static_cast<std::size_t>(c)][level] != static_cast<float>(wanted[i]) ? 1 : 0;
        }
        EXPECT_EQ(wrong, 0);
      }
    }
  }
}

TEST(ToBgr8, TakesWhatImageReadersGive) {
  const cv::Mat colour(3, 5, CV_8UC3, cv::Scalar(10, 20, 30));
  EXPECT_EQ(to_bgr8(colour).data, colour.data);  // no copy
  EXPECT_EQ(to_bgr8(cv::Mat(3, 5, CV_8UC1, cv::Scalar(7))).at<cv::Vec3b>(2, 4), cv::Vec3b(7, 7, 7));
  EXPECT_EQ(to_bgr8(cv::Mat(3, 5, CV_8UC2, cv::Scalar(7, 9))).at<cv::Vec3b>(2, 4), cv::Vec3b(7, 7, 7));
  EXPECT_EQ(to_bgr8(cv::Mat(3, 5, CV_8UC4, cv::Scalar(1, 2, 3, 0))).at<cv::Vec3b>(2, 4), cv::Vec3b(1, 2, 3));
  EXPECT_EQ(to_bgr8(cv::Mat(3, 5, CV_16UC3, cv::Scalar(0x12FF, 0xFFFF, 0x00FF))).at<cv::Vec3b>(2, 4),
            cv::Vec3b(0x12, 0xFF, 0));
  EXPECT_EQ(to_bgr8(cv::Mat(3, 5, CV_16UC1, cv::Scalar(0x8000))).at<cv::Vec3b>(2, 4), cv::Vec3b(0x80, 0x80, 0x80));
  EXPECT_EQ(to_bgr8(cv::Mat(3, 5, CV_32FC3, cv::Scalar(0, 1, 7))).at<cv::Vec3b>(2, 4), cv::Vec3b(0, 255, 255));
  EXPECT_EQ(to_bgr8(cv::Mat(3, 5, CV_64FC1, cv::Scalar(std::nan("")))).at<cv::Vec3b>(2, 4), cv::Vec3b(0, 0, 0));
}

TEST(ToBgr8, RefusesTheRest) {
  EXPECT_THROW((void)to_bgr8(cv::Mat()), dcn::Error);
  EXPECT_THROW((void)to_bgr8(cv::Mat(0, 5, CV_8UC3)), dcn::Error);
  EXPECT_THROW((void)to_bgr8(cv::Mat(3, 5, CV_32SC1, cv::Scalar(1))), dcn::Error);
  EXPECT_THROW((void)to_bgr8(cv::Mat(3, 5, CV_8UC(5))), dcn::Error);
}

TEST(Geometry, RefusesNoPictureAndNoScale) {
  EXPECT_THROW((void)input_geometry({}, 0, 5, 1), dcn::Error);
  for (const double scale : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_THROW((void)input_geometry({}, 5, 5, scale), dcn::Error);
  }
}

TEST(Geometry, KeepsAtLeastOnePixel) {
  InputRules rules;
  rules.resolution = Resolution::kKeep;
  const InputGeometry geometry = input_geometry(rules, 1, 1, 0.5);
  EXPECT_EQ(geometry.scaled_h, 1);
  EXPECT_EQ(geometry.input_h, 32);
  EXPECT_EQ(geometry.input_w, 32);
}

TEST(Geometry, PadsToTheNetworksMultiple) {
  InputRules rules;
  rules.resolution = Resolution::kKeep;
  EXPECT_EQ(input_geometry(rules, 31, 32, 1).input_h, 32);
  EXPECT_EQ(input_geometry(rules, 31, 32, 1).input_w, 64);  // always at least one more
  rules.size_divisor = 128;
  EXPECT_EQ(input_geometry(rules, 31, 128, 1).input_h, 128);
  EXPECT_EQ(input_geometry(rules, 31, 128, 1).input_w, 256);
}

TEST(Warp, OnePixelAndVeryLongPictures) {
  for (const cv::Size size : {cv::Size(1, 1), cv::Size(1, 700), cv::Size(40000, 3)}) {
    for (const double scale : {0.5, 1.0, 2.0}) {
      const cv::Mat picture(size, CV_8UC3, cv::Scalar(200, 100, 50));
      const auto warped = warp(picture, input_geometry({}, size.height, size.width, scale));
      ASSERT_EQ(warped.pixels.size(), cv::Size(512, 512));
      if (size.width == 1 && scale == 1) {
        EXPECT_NE(warped.pixels.at<cv::Vec3b>(255, 255), cv::Vec3b(0, 0, 0));
      }
    }
  }
}

// The intermediate picture for sides that the warp cannot address lands where the picture would.
TEST(Warp, VeryLongPicturesLieWhereTheyShould) {
  cv::Mat picture(40, 40000, CV_8UC3, cv::Scalar(0, 0, 0));
  picture.colRange(20000, 40000).setTo(cv::Scalar(255, 255, 255));
  const auto warped = warp(picture, input_geometry({}, 40, 40000, 1));
  const auto* row = warped.pixels.ptr<cv::Vec3b>(256);
  EXPECT_EQ(row[250], cv::Vec3b(0, 0, 0));
  EXPECT_GT(row[262][0], 100);
}

TEST(Warp, RefusesInputsBeyondItsReach) {
  InputRules rules;
  rules.resolution = Resolution::kKeep;
  const cv::Mat picture(3, 40000, CV_8UC3, cv::Scalar(0, 0, 0));
  EXPECT_THROW((void)warp(picture, input_geometry(rules, 3, 40000, 1)), dcn::Error);
  EXPECT_THROW((void)warp(picture, input_geometry({}, 5, 5, 1)), dcn::Error);
}

}  // namespace
