#include "cli/results.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <array>
#include <cstddef>
#include <utility>

#include "dcn/status.hpp"

namespace dcn::cli {
namespace {

using centernet::Detection;
using centernet::Task;
using centernet::coco::shortest;

constexpr std::array<const char*, 17> kKeypoints{
    "nose",           "left_eye",   "right_eye",   "left_ear",   "right_ear",   "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip",
    "right_hip",      "left_knee",  "right_knee",  "left_ankle", "right_ankle"};

std::string csv_header(Task task) {
  std::string text = "file_name,frame,image_id,category_id,label,score,x,y,width,height";
  if (task == Task::kMultiPose) {
    for (const char* name : kKeypoints) text += fmt::format(",{0}_x,{0}_y", name);
  } else if (task == Task::kDdd) {
    text += ",alpha,height_m,width_m,length_m,x_m,y_m,z_m,rotation_y";
  }
  return text + "\n";
}

std::string csv_row(const centernet::coco::Result& result) {
  std::string text =
      fmt::format("{},{},{},{},{},{},{}", csv_field(result.file_name), result.frame, result.image_id,
                  result.category_id, csv_field(result.label), result.score, fmt::join(result.bbox, ","));
  for (std::size_t i = 0; i + 2 < result.keypoints.size(); i += 3) {
    text += fmt::format(",{},{}", result.keypoints[i], result.keypoints[i + 1]);
  }
  if (result.box3d) {
    text += fmt::format(",{},{},{},{}", result.box3d->alpha, fmt::join(result.box3d->dimensions, ","),
                        fmt::join(result.box3d->location, ","), result.box3d->rotation_y);
  }
  return text + "\n";
}

}  // namespace

CocoIds::CocoIds(const std::vector<std::string>& labels) {
  for (std::size_t i = 0; i < labels.size(); ++i) categories_.emplace_back(static_cast<std::int64_t>(i) + 1);
}

CocoIds::CocoIds(const std::vector<std::string>& labels, const centernet::coco::Dataset& dataset,
                 const std::string& file)
    : from_file_(true) {
  for (const auto& image : dataset.images) images_.emplace(image.file_name, image.id);
  std::unordered_map<std::string, std::int64_t> by_name;
  for (const auto& category : dataset.categories) by_name.emplace(category.name, category.id);
  std::vector<std::string> missing;
  for (const std::string& label : labels) {
    const auto found = by_name.find(label);
    categories_.push_back(found == by_name.end() ? std::nullopt : std::optional(found->second));
    if (found == by_name.end()) missing.push_back(label);
  }
  if (missing.size() == labels.size()) {
    std::vector<std::string> names;
    names.reserve(dataset.categories.size());
    for (const auto& category : dataset.categories) names.push_back(category.name);
    if (names.size() > 8) names.resize(8);
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: none of its categories ({}{}) is a class of the model ({}, ...): give the model's "
                            "classes those names with --labels FILE",
                            file, fmt::join(names, ", "), names.size() < dataset.categories.size() ? ", ..." : "",
                            labels.empty() ? "none" : labels.front()));
  }
  if (!missing.empty()) {
    spdlog::warn("{}: has no category \"{}\": objects of {} are left out of the results", file,
                 fmt::join(missing, "\", \""), missing.size() == 1 ? "that class" : "those classes");
  }
}

std::optional<std::int64_t> CocoIds::image(const std::filesystem::path& path, std::int64_t turn) const {
  if (!from_file_) return turn;
  // The annotations may name pictures within folders: the longest end of the path that they know.
  for (auto part = path.begin(); part != path.end(); ++part) {
    std::filesystem::path end;
    for (auto rest = part; rest != path.end(); ++rest) end /= *rest;
    const auto found = images_.find(end.string());
    if (found != images_.end()) return found->second;
  }
  return std::nullopt;
}

std::optional<std::int64_t> CocoIds::category(int label) const {
  const auto index = static_cast<std::size_t>(label);
  return label >= 0 && index < categories_.size() ? categories_[index] : std::nullopt;
}

centernet::coco::Result to_result(const Detection& detection, const PictureOfResults& picture, std::int64_t category_id,
                                  const std::string& label, Task task) {
  centernet::coco::Result result;
  result.image_id = picture.image_id;
  result.file_name = picture.file_name;
  result.frame = picture.frame;
  result.category_id = category_id;
  result.label = label;
  result.score = shortest(detection.score);
  const auto& box = detection.box;
  result.bbox = {shortest(box[0]), shortest(box[1]), shortest(box[2] - box[0]), shortest(box[3] - box[1])};
  for (const auto& point : detection.keypoints) {
    result.keypoints.insert(result.keypoints.end(), {shortest(point[0]), shortest(point[1]), 1});
  }
  if (task == Task::kDdd) {
    const auto triple = [](const std::array<float, 3>& values) {
      return std::array<double, 3>{shortest(values[0]), shortest(values[1]), shortest(values[2])};
    };
    result.box3d = centernet::coco::Box3d{shortest(detection.alpha), triple(detection.dimensions),
                                          triple(detection.location), shortest(detection.rotation_y)};
  }
  return result;
}

ResultFiles::ResultFiles(const Options& options, Task task, std::vector<std::string> labels)
    : options_(options), task_(task), labels_(std::move(labels)) {
  if (!options_.json.empty()) {
    json_ = std::make_unique<OutputFile>(options_.json);
    json_->write("[");
  }
  if (!options_.csv.empty()) {
    csv_ = std::make_unique<OutputFile>(options_.csv);
    csv_->write(csv_header(task_));
  }
}

void ResultFiles::add(const PictureOfResults& picture, const std::vector<Detection>& detections, const CocoIds& ids) {
  for (const Detection& detection : detections) {
    const bool for_json = json_ && detection.score >= options_.json_threshold;
    const bool for_csv = csv_ && detection.score >= options_.csv_threshold;
    const auto category = ids.category(detection.category);
    if ((!for_json && !for_csv) || !category) continue;
    const auto index = static_cast<std::size_t>(detection.category);
    const auto result = to_result(detection, picture, *category, labels_[index], task_);
    if (for_json) {
      json_->write((first_ ? "\n" : ",\n") + centernet::coco::to_json(result));
      first_ = false;
    }
    if (for_csv) csv_->write(csv_row(result));
  }
}

void ResultFiles::commit() {
  if (json_) {
    json_->write(first_ ? "]\n" : "\n]\n");
    json_->commit();
  }
  if (csv_) csv_->commit();
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char character : text) {
    if (character == '"') quoted += '"';
    quoted += character;
  }
  return quoted + '"';
}

}  // namespace dcn::cli
