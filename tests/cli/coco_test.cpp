#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "centernet/coco_eval.hpp"
#include "centernet/coco_json.hpp"
#include "dcn/status.hpp"

namespace dcn::centernet::coco {
namespace {

std::string message_of(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

Dataset one_picture() {
  return parse_dataset(R"({"images": [{"id": 7, "file_name": "a.jpg"}],
                           "categories": [{"id": 3, "name": "fish"}],
                           "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 10, 40, 40],
                                            "segmentation": [[10, 10, 50, 10, 50, 50]], "area": 1600, "iscrowd": 0}]})",
                       "t.json");
}

TEST(CocoJson, DatasetIsRead) {
  const Dataset dataset = one_picture();
  ASSERT_EQ(dataset.annotations.size(), 1U);
  EXPECT_EQ(dataset.images[0].file_name, "a.jpg");
  EXPECT_EQ(dataset.categories[0].name, "fish");
  EXPECT_EQ(dataset.annotations[0].bbox[2], 40);
  EXPECT_EQ(dataset.annotations[0].area, 1600);
  EXPECT_FALSE(dataset.annotations[0].crowd);
}

TEST(CocoJson, AreaOfTheBoxWhereThereIsNoOther) {
  const Dataset dataset = parse_dataset(
      R"({"images": [], "categories": [], "annotations": [{"id": 1, "image_id": 1, "category_id": 1.0, "bbox": [0, 0, 3, 4]}]})",
      "t.json");
  EXPECT_EQ(dataset.annotations[0].area, 12);
  EXPECT_EQ(dataset.annotations[0].category_id, 1);
}

TEST(CocoJson, MistakesNameTheirPlace) {
  const auto dataset = [](const char* text) { return message_of([&] { (void)parse_dataset(text, "t.json"); }); };
  EXPECT_EQ(dataset("{"), "t.json: not JSON, or damaged (at byte 2)");
  EXPECT_EQ(dataset("[1]"),
            "t.json: no COCO annotations: expected an object with \"images\", \"categories\" and \"annotations\" (this "
            "is a list: a results file?)");
  EXPECT_EQ(dataset(R"({"images": [{"id": 1}]})"), "t.json: images[0]: \"file_name\" is missing");
  EXPECT_EQ(dataset(R"({"images": [{"id": "x", "file_name": "a"}]})"),
            "t.json: images[0]: \"id\" is \"x\", expected a whole number");
  EXPECT_EQ(dataset(R"({"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]})"),
            "t.json: images[1]: id 1 occurs twice");
  EXPECT_EQ(dataset(R"({"images": [], "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2]}]})"),
            "t.json: annotations[0]: \"bbox\" has 2 numbers, expected 4");
  EXPECT_EQ(dataset(R"({"images": 3})"), "t.json: \"images\" is not a list");
  const auto results = [](const char* text) { return message_of([&] { (void)parse_results(text, "r.json"); }); };
  EXPECT_EQ(results(R"({"images": []})"),
            "r.json: no COCO results: expected a list of objects (this looks like an annotations file)");
  EXPECT_EQ(results(R"([{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": null}])"),
            "r.json: [0]: \"score\" is missing");
  EXPECT_EQ(results("[4]"), "r.json: [0]: is 4, expected an object");
}

TEST(CocoJson, MissingFileAndFolder) {
  EXPECT_EQ(message_of([] { (void)read_dataset("no/such.json"); }),
            "no/such.json: cannot be read: No such file or directory");
  EXPECT_EQ(message_of([] { (void)read_results("data"); }), "data: a folder, expected a JSON file");
}

TEST(CocoJson, ResultsComeBackAsTheyWere) {
  Result picture;
  picture.image_id = 4;
  picture.category_id = 2;
  picture.bbox = {shortest(0.1F), -3, shortest(1.0F / 3), 1e-7};
  picture.score = shortest(0.3F);
  picture.file_name = "a \"b\"\\\n\xC3\xA9.jpg";
  picture.label = "fish";
  Result frame = picture;
  frame.frame = 12;
  frame.keypoints = {1, 2, 1, 3.5, 4, 1};
  frame.box3d = Box3d{0.25, {1, 2, 3}, {-1, 0, 7.5}, -3};
  const std::vector<Result> written{picture, frame};
  const auto read = parse_results(to_json(written), "r.json");
  ASSERT_EQ(read.size(), 2U);
  EXPECT_EQ(read[0].bbox, picture.bbox);
  EXPECT_EQ(read[0].score, 0.3);
  EXPECT_EQ(read[0].file_name, picture.file_name);
  EXPECT_FALSE(read[0].box3d.has_value());
  EXPECT_EQ(read[1].frame, 12);
  EXPECT_EQ(read[1].keypoints, frame.keypoints);
  ASSERT_TRUE(read[1].box3d.has_value());
  EXPECT_EQ(read[1].box3d->location, frame.box3d->location);
  EXPECT_EQ(read[1].box3d->rotation_y, -3);
}

TEST(CocoJson, EmptyListAndNamesThatAreNotUtf8) {
  EXPECT_EQ(to_json(std::span<const Result>{}), "[]\n");
  Result result;
  result.file_name = "\xFF.jpg";
  EXPECT_EQ(parse_results(to_json({&result, 1}), "r.json")[0].file_name, "\xEF\xBF\xBD.jpg");
}

TEST(CocoJson, ShortestKeepsTheFloat) {
  for (const float value : {0.1F, 0.3F, 123.456F, 1e-30F, 0.0F, -2.5F, std::numeric_limits<float>::max()}) {
    EXPECT_EQ(static_cast<float>(shortest(value)), value);
  }
  EXPECT_EQ(shortest(0.1F), 0.1);
}

TEST(CocoEval, PerfectAndMissedDetection) {
  const Dataset truth = one_picture();
  Result hit;
  hit.image_id = 7;
  hit.category_id = 3;
  hit.bbox = {10, 10, 40, 40};
  hit.score = 0.5;
  const Evaluation perfect = evaluate(truth, {&hit, 1});
  EXPECT_DOUBLE_EQ(perfect.all.ap, 1);
  EXPECT_DOUBLE_EQ(perfect.all.ap_medium, 1);
  EXPECT_EQ(perfect.all.ap_small, -1);
  EXPECT_EQ(perfect.classes.at(0).objects, 1);
  hit.bbox = {10, 10, 40, 25};  // IoU 0.625: right for three of the ten thresholds
  const Evaluation partly = evaluate(truth, {&hit, 1});
  EXPECT_DOUBLE_EQ(partly.all.ap, 0.3);
  EXPECT_DOUBLE_EQ(partly.all.ap50, 1);
  EXPECT_DOUBLE_EQ(partly.all.ap75, 0);
  EXPECT_DOUBLE_EQ(evaluate(truth, {}).all.ap, 0);
}

TEST(CocoEval, ForeignPicturesAndCategories) {
  const Dataset truth = one_picture();
  Result result;
  result.image_id = 8;
  result.category_id = 3;
  EXPECT_EQ(
      message_of([&] { (void)evaluate(truth, {&result, 1}); }),
      "a detection is in picture 8, which is not among the 1 annotated ones: detections and annotations belong to "
      "different data sets");
  result.image_id = 7;
  result.category_id = 99;
  EXPECT_EQ(evaluate(truth, {&result, 1}).detections, 0);
  result.score = std::nan("");
  EXPECT_EQ(message_of([&] { (void)evaluate(truth, {&result, 1}); }),
            "a detection in picture 7 has a score that is not finite");
}

}  // namespace
}  // namespace dcn::centernet::coco
