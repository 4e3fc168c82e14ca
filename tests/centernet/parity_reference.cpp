#include "parity_reference.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numbers>
#include <opencv2/imgcodecs.hpp>
#include <span>
#include <stdexcept>

#include "support/paths.hpp"

namespace dcn::test {
namespace {

nlohmann::json read_json(const std::filesystem::path& file) {
  std::ifstream stream(file);
  if (!stream) {
    throw std::runtime_error("cannot read " + file.string());
  }
  return nlohmann::json::parse(stream);
}

cv::Mat read_picture(const std::filesystem::path& file) {
  cv::Mat picture = cv::imread(file.string(), cv::IMREAD_COLOR);
  if (picture.empty()) {
    throw std::runtime_error("cannot read " + file.string());
  }
  return picture;
}

/// ddd's C/keep input: the picture, 255 wide, in the middle of 1280 x 384, so half a pixel to the left of whole ones.
/// OpenCV 5 rounds the mean of two pixels to even, OpenCV 4 up.
cv::Mat half_pixel_input(const cv::Mat& picture) {
  constexpr int kHeight = 384, kWidth = 1280;
  cv::Mat input(kHeight, kWidth, CV_8UC3, cv::Scalar(0, 0, 0));
  const int top = (kHeight - picture.rows) / 2, left = (kWidth - picture.cols) / 2;
  for (int y = 0; y < picture.rows; ++y) {
    const auto* row = picture.ptr<cv::Vec3b>(y);
    for (int x = 0; x <= picture.cols; ++x) {
      for (int c = 0; c < 3; ++c) {
        const int sum = (x > 0 ? row[x - 1][c] : 0) + (x < picture.cols ? row[x][c] : 0);
        const int down = sum / 2;
        input.at<cv::Vec3b>(top + y, left + x)[c] = static_cast<std::uint8_t>(down + (sum % 2) * (down % 2));
      }
    }
  }
  return input;
}

/// How far a row is from a reference row.
class RowDistance {
 public:
  struct Result {
    double score = 0, other = 0;
    [[nodiscard]] bool matches() const { return other <= 1 && score <= 1e-2; }
  };

  RowDistance(const RowLayout& layout, std::int64_t columns) : layout_(layout), columns_(columns) {}

  [[nodiscard]] bool same_category(std::span<const float> row, const double* wanted) const {
    return layout_.category < 0 || row[static_cast<std::size_t>(layout_.category)] == wanted[layout_.category];
  }
  [[nodiscard]] Result operator()(std::span<const float> row, const double* wanted, bool ignore_undecided) const {
    Result result;
    for (int column = 0; column < columns_; ++column) {
      if (column == layout_.category || (ignore_undecided && contains(layout_.undecided, column))) {
        continue;
      }
      double difference = std::abs(static_cast<double>(row[static_cast<std::size_t>(column)]) - wanted[column]);
      if (contains(layout_.angles, column)) {
        difference = std::min(difference, std::abs(2 * std::numbers::pi - difference));
      }
      double& worst = column == layout_.score ? result.score : result.other;
      // Written so that a NaN counts as far away.
      worst = difference <= worst ? worst : difference;
    }
    return result;
  }

 private:
  static bool contains(const std::vector<int>& columns, int column) {
    return std::find(columns.begin(), columns.end(), column) != columns.end();
  }

  const RowLayout& layout_;
  std::int64_t columns_;
};

}  // namespace

const std::vector<std::string>& parity_models() {
  static const std::vector<std::string> models{"ctdet_dla_34", "ctdet_resdcn_18", "ctdet_resdcn_101",
                                               "multi_pose_dla_34", "ddd_dla_34"};
  return models;
}

ParityReference::ParityReference(const std::string& model)
    : model_(model),
      json_(read_json(parity_dir() / "models" / (model + ".json"))),
      arrays_(parity_dir() / "models" / (model + ".npz")) {}

centernet::Task ParityReference::task() const {
  return model_.starts_with("ctdet") ? centernet::Task::kCtdet
         : model_.starts_with("ddd") ? centernet::Task::kDdd
                                     : centernet::Task::kMultiPose;
}

std::vector<std::string> ParityReference::runs() const {
  std::vector<std::string> names;
  for (const auto& item : json_.at("runs").items()) {
    names.push_back(item.key());
  }
  return names;
}

centernet::ModelInfo ParityReference::info() const {
  centernet::ModelInfo info;
  info.task = task();
  for (std::size_t i = 0; i < 3; ++i) {
    info.mean[i] = json_.at("mean").at(i).get<float>();
    info.std[i] = json_.at("std").at(i).get<float>();
  }
  return info;
}

centernet::DetectorOptions ParityReference::options(const std::string& name) const {
  centernet::DetectorOptions options;
  const nlohmann::json& stored = run(name);
  const auto given = stored.at("opt").get<std::vector<std::string>>();
  const auto has = [&](const char* option) { return std::find(given.begin(), given.end(), option) != given.end(); };
  options.resolution = has("--keep_res") ? centernet::Resolution::kKeep : centernet::Resolution::kFix;
  options.flip_test = has("--flip_test");
  options.nms = has("--nms");
  options.scales.clear();
  for (const auto& scale : stored.at("scales")) {
    options.scales.push_back(scale.at("scale").get<double>());
  }
  return options;
}

centernet::InputRules ParityReference::rules(const std::string& name) const {
  centernet::InputRules rules;
  rules.task = task();
  rules.resolution = *options(name).resolution;
  if (rules.task == centernet::Task::kDdd) {
    rules.input_h = 384;
    rules.input_w = 1280;
  }
  return rules;
}

std::string scale_key(const std::string& run, double scale) { return fmt::format("{}/s{}", run, scale); }

cv::Mat parity_picture(const std::string& run) {
  const std::string name = run.substr(0, 1);
  return read_picture(parity_dir() / "images" / (name == "C" ? "crop_C.png" : name + ".png"));
}

cv::Mat parity_input(centernet::Task task, const std::string& run, double scale) {
  if (run.find("/fix") == std::string::npos) {
    return task == centernet::Task::kDdd ? half_pixel_input(parity_picture(run)) : cv::Mat();
  }
  return read_picture(
      parity_dir() / "inputs" /
      fmt::format("{}_{}_s{}.png", run.substr(0, 1), task == centernet::Task::kDdd ? "ddd" : "fix", scale));
}

RowLayout decoded_layout(centernet::Task task) {
  switch (task) {
    case centernet::Task::kCtdet:
      return {4, 5, {}, {}};
    case centernet::Task::kMultiPose:
      return {4, 39, {}, {}};
    case centernet::Task::kDdd:
      break;
  }
  return {2, 17, {}, {}};
}

RowLayout final_layout(centernet::Task task) {
  switch (task) {
    case centernet::Task::kCtdet:
      return {5, 0, {}, {}};
    case centernet::Task::kMultiPose:
      return {4, -1, {}, {}};
    case centernet::Task::kDdd:
      break;
  }
  return {13, 0, {1, 12}, {}};
}

std::vector<int> undecided_joint(const std::string& model, const std::string& run) {
  const bool known = model == "multi_pose_dla_34" && (run == "A/fix" || run == "A/fix_nms");
  return known ? std::vector<int>{35, 36} : std::vector<int>{};
}

RowDifference compare_rows(const centernet::Rows& mine, const NpyArray& reference, const RowLayout& layout) {
  RowDifference result;
  const std::int64_t count = reference.shape.at(0), columns = reference.shape.at(1);
  // Final rows of multi_pose carry their class in one more column than the original's.
  if (mine.count() != count || mine.columns < columns) {
    result.unmatched = std::max<std::int64_t>(count, 1);
    return result;
  }
  const RowDistance distance_of(layout, columns);
  std::vector<bool> taken(static_cast<std::size_t>(count), false);
  std::vector<double> missing;  // scores of reference rows without a partner
  std::int64_t undecided = layout.undecided.empty() ? 0 : 1;
  double last_score = 1;
  for (std::int64_t r = 0; r < count; ++r) {
    const double* wanted = reference.values.data() + r * columns;
    last_score = std::min(last_score, wanted[layout.score]);
    std::int64_t nearest = -1;
    RowDistance::Result least;
    for (const bool ignore_undecided : {false, true}) {
      if (ignore_undecided && (undecided == 0 || (nearest >= 0 && least.matches()))) {
        break;
      }
      nearest = -1;
      for (std::int64_t m = 0; m < count; ++m) {
        if (taken[static_cast<std::size_t>(m)] || !distance_of.same_category(mine.row(m), wanted)) {
          continue;
        }
        const RowDistance::Result distance = distance_of(mine.row(m), wanted, ignore_undecided);
        if (nearest < 0 || distance.other < least.other) {
          nearest = m;
          least = distance;
        }
      }
      undecided -= ignore_undecided && nearest >= 0 && least.matches() ? 1 : 0;
    }
    if (nearest < 0 || !least.matches()) {
      missing.push_back(wanted[layout.score]);
      continue;
    }
    taken[static_cast<std::size_t>(nearest)] = true;
    result.score = std::max(result.score, least.score);
    result.other = std::max(result.other, least.other);
  }
  const auto ties = [&](double score) { return std::abs(score - last_score) <= kScoreTolerance; };
  std::int64_t free_ties = 0;
  for (std::int64_t m = 0; m < count; ++m) {
    free_ties +=
        !taken[static_cast<std::size_t>(m)] && ties(mine.row(m)[static_cast<std::size_t>(layout.score)]) ? 1 : 0;
  }
  result.tied = std::min<std::int64_t>(free_ties, std::count_if(missing.begin(), missing.end(), ties));
  result.unmatched = static_cast<std::int64_t>(missing.size()) - result.tied;
  return result;
}

}  // namespace dcn::test
