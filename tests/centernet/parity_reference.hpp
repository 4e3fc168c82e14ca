/// \file parity_reference.hpp
/// The original's numbers of tests/data/parity and how rows are compared with them.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "centernet/detector.hpp"
#include "support/npz.hpp"

namespace dcn::test {

constexpr double kScoreTolerance = 3e-4;
constexpr double kHeadTolerance = 5e-3;  ///< of the head's standard deviation

/// All the stored networks.
[[nodiscard]] const std::vector<std::string>& parity_models();

/// One network's stored runs.
class ParityReference {
 public:
  explicit ParityReference(const std::string& model);

  [[nodiscard]] const std::string& model() const { return model_; }
  [[nodiscard]] centernet::Task task() const;
  [[nodiscard]] std::vector<std::string> runs() const;  ///< "A/fix", ...
  [[nodiscard]] const nlohmann::json& run(const std::string& name) const { return json_.at("runs").at(name); }
  [[nodiscard]] const Npz& arrays() const { return arrays_; }
  /// Mean and standard deviation, task and heads, enough for pre- and post-processing.
  [[nodiscard]] centernet::ModelInfo info() const;
  /// The options that the run's name and scales stand for.
  [[nodiscard]] centernet::DetectorOptions options(const std::string& run) const;
  [[nodiscard]] centernet::InputRules rules(const std::string& run) const;

 private:
  std::string model_;
  nlohmann::json json_;
  Npz arrays_;
};

/// "A/fix/s0.5" for scale 0.5 of run "A/fix".
[[nodiscard]] std::string scale_key(const std::string& run, double scale);
/// The decoded picture A, B or C that a run looks at.
[[nodiscard]] cv::Mat parity_picture(const std::string& run);
/// The 8-bit input that the references were made from, or an empty one where every OpenCV gives the same.
[[nodiscard]] cv::Mat parity_input(centernet::Task task, const std::string& run, double scale);

/// How two tables of rows differ, without regard to their order.
struct RowDifference {
  std::int64_t unmatched = 0;
  std::int64_t tied = 0;  ///< rows that change places across the cut: both score within the tolerance of the last one
  double score = 0;       ///< largest difference of a score
  double other = 0;       ///< largest difference of any other value
};

/// Which columns of a table hold what.
struct RowLayout {
  int score = 0;
  int category = -1;        ///< -1: no such column
  std::vector<int> angles;  ///< compared modulo a turn
  /// x and y of a joint that lies between two peaks of its heat map, almost equally near: one row may have either.
  std::vector<int> undecided = {};
};
[[nodiscard]] RowLayout decoded_layout(centernet::Task task);
[[nodiscard]] RowLayout final_layout(centernet::Task task);
/// The joint of the references that the original itself places in either of two ways from run to run.
[[nodiscard]] std::vector<int> undecided_joint(const std::string& model, const std::string& run);

/// Pairs each reference row with the nearest row of `mine` that is still free, as tests/data/parity/compare.py does: a
/// pair must agree in class, within 1 in every other column and within 1e-2 in the score.
[[nodiscard]] RowDifference compare_rows(const centernet::Rows& mine, const NpyArray& reference,
                                         const RowLayout& layout);

}  // namespace dcn::test
