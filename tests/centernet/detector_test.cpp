#include "centernet/detector.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <thread>

#include "dcn/status.hpp"
#include "parity_reference.hpp"
#include "support/paths.hpp"
#include "test_queue.hpp"

namespace {

using dcn::DataType;
using dcn::centernet::Detection;
using dcn::centernet::Detector;
using dcn::centernet::DetectorOptions;
using dcn::centernet::load_model;
using dcn::centernet::Output;
using dcn::centernet::PreparedInput;
using dcn::centernet::Resolution;
using dcn::nn::FormatChoice;
using dcn::test::parity_picture;
using dcn::test::test_queue;

std::filesystem::path parity_model(const std::string& name) {
  return dcn::test::generated_dir() / "parity" / (name + ".safetensors");
}
std::filesystem::path shipped_model(const std::string& name) {
  return dcn::test::source_dir() / "models" / (name + ".safetensors");
}
const std::filesystem::path& small_model() {
  static const std::filesystem::path file = shipped_model("bccd_tiny");
  return file;
}

/// Pictures of examples/images, in a stable order.
std::vector<cv::Mat> example_pictures(std::size_t count) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(dcn::test::source_dir() / "examples" / "images")) {
    if (entry.path().extension() == ".jpg") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  files.resize(std::min(count, files.size()));
  std::vector<cv::Mat> pictures;
  for (const auto& file : files) {
    pictures.push_back(cv::imread(file.string()));
  }
  return pictures;
}

DetectorOptions keep_resolution() {
  DetectorOptions options;
  options.resolution = Resolution::kKeep;
  return options;
}

void expect_same(const std::vector<Detection>& a, const std::vector<Detection>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].category, b[i].category) << i;
    ASSERT_EQ(a[i].score, b[i].score) << i;
    ASSERT_EQ(a[i].box, b[i].box) << i;
    ASSERT_EQ(a[i].keypoints, b[i].keypoints) << i;
    ASSERT_EQ(a[i].location, b[i].location) << i;
    ASSERT_EQ(a[i].rotation_y, b[i].rotation_y) << i;
  }
}

/// Same classes in the same order, scores and boxes equal up to rounding: oneDNN may choose another kernel for another
/// batch size.
void expect_near(const std::vector<Detection>& a, const std::vector<Detection>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_NEAR(a[i].score, b[i].score, 1e-4) << i;
    const bool found = std::any_of(b.begin(), b.end(), [&](const Detection& other) {
      return other.category == a[i].category && std::abs(other.score - a[i].score) < 1e-4 &&
             std::abs(other.box[0] - a[i].box[0]) < 0.05F && std::abs(other.box[3] - a[i].box[3]) < 0.05F;
    });
    const bool last = a[i].score - a.back().score < 1e-4F;  // may have changed places with what was cut
    ASSERT_TRUE(found || last) << "object " << i;
  }
}

// The article's lesson: the memory order of the activations must not show in the result.
TEST(Detector, MemoryFormatsGiveIdenticalDetections) {
  const auto check = [](const std::filesystem::path& file, const cv::Mat& picture, DetectorOptions options) {
    SCOPED_TRACE(file.filename().string());
    options.plan.format = FormatChoice::kAuto;
    Detector automatic(test_queue(), load_model(file), options);
    const auto wanted = automatic.detect(picture);
    ASSERT_FALSE(wanted.empty());
    for (const FormatChoice format : {FormatChoice::kNhwc, FormatChoice::kNchw}) {
      options.plan.format = format;
      Detector detector(test_queue(), load_model(file), options);
      expect_same(detector.detect(picture), wanted);
    }
  };
  for (const std::string& model : dcn::test::parity_models()) {
    check(parity_model(model), parity_picture("C"), keep_resolution());
  }
  for (const char* model : {"aquarium_resdcn18", "bccd_tiny"}) {
    check(shipped_model(model), example_pictures(1).front(), {});
  }
}

/// Every object of `a` with this score has a partner in `b`.
void expect_partners(const std::vector<Detection>& a, const std::vector<Detection>& b, float score, float overlap,
                     float score_difference) {
  for (const Detection& one : a) {
    if (one.score < score) {
      continue;
    }
    const bool found = std::any_of(b.begin(), b.end(), [&](const Detection& other) {
      const float w = std::min(one.box[2], other.box[2]) - std::max(one.box[0], other.box[0]);
      const float h = std::min(one.box[3], other.box[3]) - std::max(one.box[1], other.box[1]);
      const auto area = [](const Detection& d) { return (d.box[2] - d.box[0]) * (d.box[3] - d.box[1]); };
      const float shared = std::max(w, 0.0F) * std::max(h, 0.0F);
      return other.category == one.category && std::abs(other.score - one.score) <= score_difference &&
             shared >= overlap * (area(one) + area(other) - shared);
    });
    EXPECT_TRUE(found) << "class " << one.category << ", score " << one.score;
  }
}

// The bounds that docs/detector.md states.
TEST(Detector, Bf16FindsTheObjectsOfF32) {
  const auto pictures = example_pictures(100);
  DetectorOptions options;
  Detector exact(test_queue(), load_model(shipped_model("aquarium_resdcn18")), options);
  options.plan.type = DataType::kBf16;
  Detector rounded(test_queue(), load_model(shipped_model("aquarium_resdcn18")), options);
  std::size_t objects = 0;
  float worst = 0;
  for (const cv::Mat& picture : pictures) {
    const auto wanted = exact.detect(picture), found = rounded.detect(picture);
    expect_partners(wanted, found, 0.2F, 0.9F, 0.02F);
    expect_partners(found, wanted, 0.2F, 0.9F, 0.02F);
    objects += static_cast<std::size_t>(
        std::count_if(wanted.begin(), wanted.end(), [](const Detection& one) { return one.score >= 0.2F; }));
    worst = std::max(worst, std::abs(wanted.front().score - found.front().score));
  }
  EXPECT_GE(objects, 10U);
  EXPECT_GT(worst, 0) << "bf16 gives f32's numbers: was it f32?";
}

/// The heat map after the sigmoid, dense.
std::vector<float> heat(Detector& detector, const cv::Mat& picture) {
  detector.load_input(detector.prepare(picture).scales.front());
  detector.executor().run();
  const dcn::TensorView view = detector.executor().output("hm");
  std::vector<float> values(static_cast<std::size_t>(view.elements()));
  EXPECT_TRUE(view.is_contiguous() || view.is_channels_last());
  test_queue().copy(values.data(), view.data, values.size() * sizeof(float));
  test_queue().wait();
  for (float& value : values) {
    value = 1 / (1 + std::exp(-value));
  }
  return values;
}

// Networks with random weights amplify rounding; trained ones damp it.
TEST(Detector, Bf16HeatMapsStayNearF32) {
  const auto check = [](const std::filesystem::path& file, const cv::Mat& picture, double rms_bound) {
    SCOPED_TRACE(file.filename().string());
    DetectorOptions options;
    Detector exact(test_queue(), load_model(file), options);
    options.plan.type = DataType::kBf16;
    Detector rounded(test_queue(), load_model(file), options);
    const auto wanted = heat(exact, picture), found = heat(rounded, picture);
    double squares = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      squares += (wanted[i] - found[i]) * (wanted[i] - found[i]);
    }
    EXPECT_LE(std::sqrt(squares / static_cast<double>(wanted.size())), rms_bound);
  };
  check(parity_model("ctdet_resdcn_18"), parity_picture("A"), 0.03);
  check(parity_model("ctdet_dla_34"), parity_picture("A"), 0.04);
  check(shipped_model("aquarium_resdcn18"), example_pictures(1).front(), 5e-4);
}

TEST(Detector, BatchesGiveWhatSinglePicturesGive) {
  for (const bool flip : {false, true}) {
    DetectorOptions options = keep_resolution();
    options.flip_test = flip;
    options.scales = {1.0, 0.5};
    // Two shapes, three pictures of one of them.
    std::vector<cv::Mat> pictures{parity_picture("C"), {}, {}, {}};
    cv::flip(pictures[0], pictures[1], 0);
    cv::resize(pictures[0], pictures[2], {100, 90});
    cv::flip(pictures[0], pictures[3], -1);
    Detector detector(test_queue(), load_model(small_model()), options);
    const auto together = detector.detect(pictures);
    ASSERT_EQ(together.size(), pictures.size());
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      SCOPED_TRACE(fmt::format("picture {}, flip {}", i, flip));
      expect_near(together[i], detector.detect(pictures[i]));
    }
  }
  Detector detector(test_queue(), load_model(small_model()), {});
  EXPECT_TRUE(detector.detect(std::vector<cv::Mat>{}).empty());
}

TEST(Detector, PendingWorkEqualsDetect) {
  Detector detector(test_queue(), load_model(small_model()), {});
  std::vector<cv::Mat> pictures = example_pictures(5);
  std::vector<PreparedInput> inputs(pictures.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      threads.emplace_back([&, i] { inputs[i] = detector.prepare(pictures[i]); });
    }
  }
  // Always two under way, and one that is dropped.
  std::vector<std::vector<Detection>> found;
  dcn::centernet::Pending last = detector.submit({inputs[0]});
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    dcn::centernet::Pending next = detector.submit({inputs[i]});
    (void)detector.submit({inputs[0]});
    found.push_back(std::move(detector.collect(std::move(last)).front().detections));
    last = std::move(next);
  }
  found.push_back(std::move(detector.collect(std::move(last)).front().detections));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    expect_same(found[i], detector.detect(pictures[i]));
  }
}

TEST(Detector, StagesAreTimed) {
  Detector detector(test_queue(), load_model(small_model()), {});
  dcn::centernet::StageTimes times;
  (void)detector.detect(example_pictures(1).front(), &times);
  EXPECT_GT(times.preprocess, 0);
  EXPECT_GT(times.network, times.decode);
  EXPECT_GT(times.decode, 0);
  EXPECT_GT(times.postprocess, 0);
}

TEST(Detector, AnyPictureThatCanBeRead) {
  Detector detector(test_queue(), load_model(small_model()), {});
  const cv::Mat colour = example_pictures(1).front();
  cv::Mat with_alpha, grey, grey_colour, deep;
  cv::cvtColor(colour, with_alpha, cv::COLOR_BGR2BGRA);
  expect_same(detector.detect(with_alpha), detector.detect(colour));
  cv::cvtColor(colour, grey, cv::COLOR_BGR2GRAY);
  cv::cvtColor(grey, grey_colour, cv::COLOR_GRAY2BGR);
  expect_same(detector.detect(grey), detector.detect(grey_colour));
  colour.convertTo(deep, CV_16UC3, 257);
  expect_same(detector.detect(deep), detector.detect(colour));
  // A part of a larger picture: rows are not dense.
  const cv::Mat part = colour(cv::Rect(10, 20, 301, 203));
  expect_same(detector.detect(part), detector.detect(part.clone()));

  Detector keeping(test_queue(), load_model(small_model()), keep_resolution());
  for (const cv::Size size : {cv::Size(1, 1), cv::Size(1, 333), cv::Size(513, 2), cv::Size(31, 33)}) {
    const cv::Mat picture(size, CV_8UC3, cv::Scalar(90, 120, 200));
    for (Detector* one : {&detector, &keeping}) {
      const auto objects = one->detect(picture);
      EXPECT_FALSE(objects.empty());
      EXPECT_LE(objects.size(), 100U);
      for (const Detection& object : objects) {
        EXPECT_TRUE(std::isfinite(object.score + object.box[0] + object.box[1] + object.box[2] + object.box[3]));
      }
    }
  }
  EXPECT_THROW((void)detector.detect(cv::Mat()), dcn::Error);
}

TEST(Detector, TopKBoundsTheRows) {
  DetectorOptions options = keep_resolution();
  options.max_per_image = 1'000'000;
  for (const int top_k : {1, 7, 5000}) {
    options.top_k = top_k;
    Detector detector(test_queue(), load_model(small_model()), options);
    const cv::Mat picture(40, 40, CV_8UC3, cv::Scalar(9, 9, 9));
    const Output output = detector.run({detector.prepare(picture)}).front();
    const std::int64_t places = detector.info().heads.at("hm") * 16 * 16;
    EXPECT_EQ(output.decoded.front().count(), std::min<std::int64_t>(top_k, places));
    EXPECT_EQ(output.detections.size(), static_cast<std::size_t>(output.decoded.front().count()));
  }
}

TEST(Detector, HeatMapLiesOnThePicture) {
  Detector detector(test_queue(), load_model(shipped_model("aquarium_resdcn18")), {});
  const cv::Mat picture = example_pictures(1).front();
  const cv::Mat map = detector.heatmap(picture);
  ASSERT_EQ(map.size(), picture.size());
  ASSERT_EQ(map.type(), CV_8UC1);
  const auto objects = detector.detect(picture);
  ASSERT_GT(objects.front().score, 0.3F);
  // The best object's centre glows about as brightly as its score says.
  const auto& box = objects.front().box;
  const cv::Point center(static_cast<int>((box[0] + box[2]) / 2), static_cast<int>((box[1] + box[3]) / 2));
  const cv::Rect around = cv::Rect(center.x - 8, center.y - 8, 17, 17) & cv::Rect({}, map.size());
  double brightest = 0;
  cv::minMaxLoc(map(around), nullptr, &brightest);
  EXPECT_NEAR(brightest / 255, objects.front().score, 0.15);
}

TEST(Detector, InputsMapBackToThePicture) {
  Detector detector(test_queue(), load_model(small_model()), {});
  const cv::Mat picture = example_pictures(1).front();
  const auto input = detector.prepare(picture).scales.front();
  const auto affine = input_to_picture(input.geometry);
  const double x = static_cast<double>(input.geometry.input_w) / 2, y = static_cast<double>(input.geometry.input_h) / 2;
  EXPECT_NEAR(affine[0] * x + affine[1] * y + affine[2], picture.cols / 2.0, 1e-6);
  EXPECT_NEAR(affine[3] * x + affine[4] * y + affine[5], picture.rows / 2.0, 1e-6);

  // load_input() leaves the picture in the network: its first layer's output follows from it.
  detector.load_input(input);
  const auto table = normalization_table(detector.info());
  const dcn::TensorView view = detector.executor().input();
  ASSERT_EQ(view.sizes[0], 1);
  std::vector<float> values(static_cast<std::size_t>(view.elements()));
  test_queue().copy(values.data(), view.data, values.size() * sizeof(float));
  test_queue().wait();
  for (const auto& [c, row, column] : std::vector<std::array<int, 3>>{{0, 0, 0}, {1, 100, 7}, {2, 211, 255}}) {
    EXPECT_EQ(values[static_cast<std::size_t>(c * view.strides[1] + row * view.strides[2] + column * view.strides[3])],
              table[static_cast<std::size_t>(c)][input.pixels.at<cv::Vec3b>(row, column)[c]]);
  }
}

TEST(Detector, RefusesOptionsThatDoNotFit) {
  const auto refuses = [](const DetectorOptions& options, const std::string& word) {
    try {
      const Detector detector(test_queue(), load_model(small_model()), options);
      ADD_FAILURE() << "accepted a wrong " << word;
    } catch (const dcn::Error& error) {
      EXPECT_EQ(error.code(), dcn::ErrorCode::kInvalidArgument);
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
    }
  };
  DetectorOptions options;
  options.top_k = 0;
  refuses(options, "top_k");
  options = {};
  options.max_per_image = -1;
  refuses(options, "max_per_image");
  options = {};
  options.scales = {};
  refuses(options, "scales");
  options.scales = {1, -0.5};
  refuses(options, "scales");
  options = {};
  options.input_size = {500, 512};
  refuses(options, "input_size");

  Detector detector(test_queue(), load_model(small_model()), {});
  EXPECT_THROW((void)detector.prepare_warped({}, {10, 10}), dcn::Error);
  EXPECT_THROW((void)detector.prepare_warped({cv::Mat(8, 8, CV_8UC3)}, {10, 10}), dcn::Error);
  EXPECT_THROW((void)detector.submit({PreparedInput{}}), dcn::Error);
}

TEST(Detector, WarpedInputsAreTakenAsTheyAre) {
  Detector detector(test_queue(), load_model(small_model()), {});
  const cv::Mat picture = example_pictures(1).front();
  const PreparedInput prepared = detector.prepare(picture);
  const PreparedInput warped = detector.prepare_warped({prepared.scales.front().pixels}, picture.size());
  expect_same(detector.run({warped}).front().detections, detector.detect(picture));
}

// ddd has one scale, no flip test and no soft-NMS in the original; asking for them changes nothing.
TEST(Detector, DddIgnoresTestTimeAugmentation) {
  DetectorOptions options;
  Detector plain(test_queue(), load_model(parity_model("ddd_dla_34")), options);
  options.flip_test = true;
  options.nms = true;
  options.scales = {0.5, 1.5};
  Detector augmented(test_queue(), load_model(parity_model("ddd_dla_34")), options);
  EXPECT_EQ(augmented.options().scales, std::vector<double>{1.0});
  expect_same(augmented.detect(parity_picture("C")), plain.detect(parity_picture("C")));
}

}  // namespace
