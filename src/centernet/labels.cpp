#include "centernet/labels.hpp"

#include <array>
#include <string_view>
#include <utility>

namespace dcn::centernet {

namespace {

constexpr std::array<std::string_view, 80> kCoco{
    "person",         "bicycle",    "car",           "motorcycle",    "airplane",     "bus",           "train",
    "truck",          "boat",       "traffic light", "fire hydrant",  "stop sign",    "parking meter", "bench",
    "bird",           "cat",        "dog",           "horse",         "sheep",        "cow",           "elephant",
    "bear",           "zebra",      "giraffe",       "backpack",      "umbrella",     "handbag",       "tie",
    "suitcase",       "frisbee",    "skis",          "snowboard",     "sports ball",  "kite",          "baseball bat",
    "baseball glove", "skateboard", "surfboard",     "tennis racket", "bottle",       "wine glass",    "cup",
    "fork",           "knife",      "spoon",         "bowl",          "banana",       "apple",         "sandwich",
    "orange",         "broccoli",   "carrot",        "hot dog",       "pizza",        "donut",         "cake",
    "chair",          "couch",      "potted plant",  "bed",           "dining table", "toilet",        "tv",
    "laptop",         "mouse",      "remote",        "keyboard",      "cell phone",   "microwave",     "oven",
    "toaster",        "sink",       "refrigerator",  "book",          "clock",        "vase",          "scissors",
    "teddy bear",     "hair drier", "toothbrush"};

constexpr std::array<std::string_view, 20> kPascalVoc{
    "aeroplane",   "bicycle", "bird",  "boat",      "bottle", "bus",         "car",   "cat",  "chair", "cow",
    "diningtable", "dog",     "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"};

constexpr std::array<std::string_view, 3> kKitti{"Pedestrian", "Car", "Cyclist"};

template <std::size_t N>
std::vector<std::string> to_vector(const std::array<std::string_view, N>& names) {
  return {names.begin(), names.end()};
}

}  // namespace

std::vector<std::string> default_labels(Task task, std::int64_t classes) {
  if (task == Task::kCtdet && std::cmp_equal(classes, kCoco.size())) return to_vector(kCoco);
  if (task == Task::kCtdet && std::cmp_equal(classes, kPascalVoc.size())) return to_vector(kPascalVoc);
  if (task == Task::kDdd && std::cmp_equal(classes, kKitti.size())) return to_vector(kKitti);
  if (task == Task::kMultiPose && classes == 1) return {"person"};
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < classes; ++i) names.push_back("class_" + std::to_string(i));
  return names;
}

}  // namespace dcn::centernet
