// End to end against the original: every network, mode and picture of tests/data/parity. Besides passing or failing,
// the tests write what they measured to <build>/parity.md, which docs/parity.md is a copy of.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>

#include "centernet/detector.hpp"
#include "parity_reference.hpp"
#include "support/paths.hpp"
#include "test_queue.hpp"

namespace {

using dcn::centernet::Detector;
using dcn::centernet::DetectorOptions;
using dcn::centernet::Output;
using dcn::centernet::PreparedInput;
using dcn::test::ParityReference;
using dcn::test::RowDifference;
using dcn::test::RowLayout;
using dcn::test::scale_key;
using dcn::test::test_queue;

constexpr const char* kHeading = R"(# Against the original CenterNet

Errors of this implementation against the original's networks, pre-processing and decoders computed in float64, in every
stored run: five networks with synthetic weights, pictures A, B and C, all test modes (`tests/data/parity/README.md` says
what the modes and the columns of the rows are). Measured on the CPU device in fp32; the same on every memory format.
Remake it, with the tests built in `build`:

    (cd tests && ../build/bin/centernet_test --gtest_filter='*Parity*') && cp build/parity.md docs/parity.md

- **heads**: largest error of the sampled outputs of the network (of the last scale), in standard deviations of the head.
  Tolerance 5e-3.
- **scores**: largest error of a score, in decoded and final rows of all scales. Tolerance 3e-4.
- **decoded, final**: largest error of any other value of a row: pixels of the output grid and of the picture, metres and
  radians for `ddd`. Every one of the 100 rows (71, 89 and 100 for `ddd`) has its partner of the same class; it would be
  unmatched beyond 1.
- **ties**: rows that change places with the first one cut, both scoring within the tolerance of the last. In
  B/keep_flip_ms, scale 1, the original's 100th and 101st scores are 6e-7 apart.

| network | picture/mode | heads | scores | decoded | final | ties |
| --- | --- | --- | --- | --- | --- | --- |
)";

/// Lines of the table, in the order of parity_models() whatever order the tests run in.
class Report : public testing::Environment {
 public:
  static Report& instance() {
    static auto* const report = new Report;  // owned by GoogleTest
    return *report;
  }
  void add(const std::string& model, const std::string& line) { lines_[model].push_back(line); }

  void TearDown() override {
    if (lines_.size() != dcn::test::parity_models().size()) {
      return;  // a part of the tests ran: no table rather than half of one
    }
    std::ofstream file(std::filesystem::path(SYCLDCN_BINARY_DIR) / "parity.md");
    file << kHeading;
    for (const std::string& model : dcn::test::parity_models()) {
      for (const std::string& line : lines_[model]) {
        file << line;
      }
    }
  }

 private:
  std::map<std::string, std::vector<std::string>> lines_;
};

const auto* const kRegistered = testing::AddGlobalTestEnvironment(&Report::instance());

/// Largest error of the heads that the network has just computed, in units of what the tolerance allows.
double worst_head(Detector& detector, const nlohmann::json& stored, const ParityReference& reference,
                  const std::string& key) {
  double worst = 0;
  for (const auto& [name, head] : stored.at("heads").items()) {
    const dcn::TensorView view = detector.executor().output(name);
    std::int64_t span = 1;
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(view.sizes[i], head.at("shape").at(i).get<std::int64_t>()) << key << " " << name;
      span += (view.sizes[i] - 1) * view.strides[i];
    }
    std::vector<float> values(static_cast<std::size_t>(span));
    test_queue().copy(values.data(), view.data, values.size() * sizeof(float));
    test_queue().wait();
    const auto& indices = reference.arrays().get(fmt::format("{}/{}_idx", key, name)).values;
    const auto& wanted = reference.arrays().get(fmt::format("{}/{}_f64", key, name)).values;
    for (std::size_t i = 0; i < indices.size(); ++i) {
      auto rest = static_cast<std::int64_t>(indices[i]);
      std::int64_t place = 0;
      for (std::size_t axis = 4; axis-- > 0; rest /= view.sizes[axis]) {
        place += rest % view.sizes[axis] * view.strides[axis];
      }
      const double error = std::abs(values[static_cast<std::size_t>(place)] - wanted[i]) / head.at("std").get<double>();
      worst = error <= worst ? worst : error;  // a NaN is the worst
    }
  }
  return worst;
}

PreparedInput reference_input(const Detector& detector, const ParityReference& reference, const std::string& run) {
  PreparedInput input = detector.prepare(dcn::test::parity_picture(run));
  for (auto& scale : input.scales) {
    const cv::Mat stored = dcn::test::parity_input(reference.task(), run, scale.geometry.scale);
    if (!stored.empty()) {
      scale.pixels = stored;
    }
  }
  return input;
}

class Parity : public testing::TestWithParam<std::string> {};

TEST_P(Parity, EqualsTheOriginalInEveryRun) {
  const ParityReference reference(GetParam());
  const auto file = dcn::test::generated_dir() / "parity" / (GetParam() + ".safetensors");
  for (const std::string& run : reference.runs()) {
    SCOPED_TRACE(GetParam() + " " + run);
    const DetectorOptions options = reference.options(run);
    Detector detector(test_queue(), dcn::centernet::load_model(file), options);
    const Output output = detector.run({reference_input(detector, reference, run)}).front();
    const nlohmann::json& last_scale = reference.run(run).at("scales").back();
    const double head = worst_head(detector, last_scale, reference, scale_key(run, options.scales.back()));
    EXPECT_LE(head, dcn::test::kHeadTolerance);

    const auto compared = [&](const dcn::centernet::Rows& rows, const std::string& name, RowLayout layout) {
      layout.undecided = dcn::test::undecided_joint(GetParam(), run);
      const RowDifference difference = compare_rows(rows, reference.arrays().get(name), layout);
      EXPECT_EQ(difference.unmatched, 0) << name;
      EXPECT_LE(difference.score, dcn::test::kScoreTolerance) << name;
      return difference;
    };
    RowDifference decoded;
    ASSERT_EQ(output.decoded.size(), options.scales.size());
    for (std::size_t i = 0; i < options.scales.size(); ++i) {
      const auto one = compared(output.decoded[i], scale_key(run, options.scales[i]) + "/dets_f64",
                                dcn::test::decoded_layout(reference.task()));
      decoded.tied += one.tied;
      decoded.score = std::max(decoded.score, one.score);
      decoded.other = std::max(decoded.other, one.other);
    }
    const auto final_rows = compared(output.final_rows, run + "/final_f64", dcn::test::final_layout(reference.task()));
    // A row that ties with the first one cut may only be among the last.
    EXPECT_LE(decoded.tied + final_rows.tied, 2);
    EXPECT_EQ(output.detections.size(), static_cast<std::size_t>(output.final_rows.count()));
    Report::instance().add(GetParam(), fmt::format("| {} | {} | {:.1e} | {:.1e} | {:.1e} | {:.1e} | {} |\n", GetParam(),
                                                   run, head, std::max(decoded.score, final_rows.score), decoded.other,
                                                   final_rows.other, decoded.tied + final_rows.tied));
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, Parity, testing::ValuesIn(dcn::test::parity_models()),
                         [](const auto& test) { return test.param; });

}  // namespace
