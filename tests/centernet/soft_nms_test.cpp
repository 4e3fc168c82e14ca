#include "centernet/soft_nms.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "dcn/status.hpp"
#include "support/npz.hpp"
#include "support/paths.hpp"

namespace {

using dcn::centernet::soft_nms;
using dcn::centernet::SoftNmsMethod;

// Every stored case of the original's soft_nms and soft_nms_39: all rows, also those after the kept ones.
TEST(SoftNms, EqualsTheOriginalInEveryRow) {
  std::ifstream stream(dcn::test::parity_dir() / "ops" / "softnms_cases.json");
  const nlohmann::json cases = nlohmann::json::parse(stream).at("cases");
  const dcn::test::Npz arrays(dcn::test::parity_dir() / "ops" / "softnms_ref.npz");
  ASSERT_GE(cases.size(), 12U);
  for (const auto& stored : cases) {
    const std::string name = stored.at("case");
    SCOPED_TRACE("case " + name);
    std::vector<float> rows = arrays.get(name + "/in").to_f32();
    const std::vector<float> wanted = arrays.get(name + "/out").to_f32();
    dcn::centernet::SoftNmsParams params;
    params.method = static_cast<SoftNmsMethod>(stored.at("method").get<int>());
    params.overlap = stored.at("Nt");
    params.sigma = stored.at("sigma");
    params.threshold = stored.at("threshold");
    const std::int64_t columns = stored.at("columns");
    EXPECT_EQ(soft_nms(rows, columns, params), stored.at("kept").get<std::int64_t>());
    ASSERT_EQ(rows.size(), wanted.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(rows[i], wanted[i]) << "row " << i / columns << " column " << i % columns;
    }
  }
}

TEST(SoftNms, LowersOverlappingScoresAndKeepsApartOnes) {
  std::vector<float> rows{0, 0, 9, 9, 0.5F, 0, 0, 9, 9, 0.9F, 100, 100, 109, 109, 0.4F};
  EXPECT_EQ(soft_nms(rows, 5), 3);
  EXPECT_FLOAT_EQ(rows[4], 0.9F);
  EXPECT_FLOAT_EQ(rows[9], 0.4F);                     // apart from the best: unchanged, and now second
  EXPECT_FLOAT_EQ(rows[14], 0.5F * std::exp(-2.0F));  // the same box: exp(-1 / 0.5)
}

TEST(SoftNms, SurvivesBoxesThatAreNone) {
  const float nan = std::nanf("");
  std::vector<float> rows{nan, 0, 1, 1, 0.5F, 0, 0, -1, -1, 0.6F, 5, 5, -5, -5, 0.7F, 3e38F, 3e38F, -3e38F, 3e38F, nan};
  EXPECT_GE(soft_nms(rows, 5), 0);
}

TEST(SoftNms, RefusesRowsThatDoNotFit) {
  std::vector<float> rows(11);
  EXPECT_THROW(soft_nms(rows, 5), dcn::Error);
  EXPECT_THROW(soft_nms(rows, 4), dcn::Error);
}

}  // namespace
