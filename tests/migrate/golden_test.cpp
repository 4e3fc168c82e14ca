/// One input per rule in golden/, its expected output beside it: NAME.expected. A diagnostic is expected where the
/// input's line says its number; any other fails.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>

#include "migrate/migrate.hpp"

namespace dcn::migrate {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = "migrate/golden";

/// All inputs are parsed once.
const Result& golden() {
  static const Result result = [] {
    Options options;
    for (const auto& entry : fs::directory_iterator(kGolden))
      if (entry.path().extension() != ".expected") options.inputs.push_back(entry.path().string());
    std::sort(options.inputs.begin(), options.inputs.end());
    options.in_root = kGolden.string();
    return migrate(options);
  }();
  return result;
}

std::set<std::pair<unsigned, int>> expected_diagnostics(const std::string& text) {
  std::set<std::pair<unsigned, int>> result;
  std::istringstream lines(text);
  unsigned number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    static const std::regex id("C2S([0-9]{4})");
    for (auto at = std::sregex_iterator(line.begin(), line.end(), id); at != std::sregex_iterator(); ++at)
      result.emplace(number, std::stoi((*at)[1].str()));
  }
  return result;
}

TEST(MigrateGolden, EveryRule) {
  const bool update = std::getenv("CSY_UPDATE_GOLDEN") != nullptr;
  for (const FileResult& file : golden().files) {
    SCOPED_TRACE(file.input);
    const fs::path expected = kGolden / (file.input + ".expected");
    if (update) write_file(expected, file.after);
    ASSERT_TRUE(fs::exists(expected)) << "make it with CSY_UPDATE_GOLDEN=1, then read it";
    EXPECT_EQ(file.after, read_file(expected));
    std::set<std::pair<unsigned, int>> found;
    for (const Place& place : file.leftovers) found.emplace(place.line, place.number);
    EXPECT_EQ(found, expected_diagnostics(file.before));
  }
}

TEST(MigrateGolden, EveryRuleHasAnInput) {
  // Rules whose names are not file names are tested in the file that they belong to.
  std::set<std::string> used;
  for (const FileResult& file : golden().files)
    for (const auto& [rule, count] : file.rules) used.insert(rule);
  for (const RuleText& rule : rule_texts()) {
    const std::string name = rule.name;
    if (name == "python" || name == "setup") continue;  // python_test.cpp
    EXPECT_EQ(used.count(name), 1U) << name;
  }
}

TEST(MigrateGolden, SecondRunChangesNothing) {
  const fs::path folder = fs::temp_directory_path() / "cuda2sycl_second_run";
  fs::remove_all(folder);
  Options first;
  first.out_root = folder.string();
  write_output(golden(), first);
  Options second;
  second.inputs = {folder.string()};
  const Result again = migrate(second);
  for (const FileResult& file : again.files) {
    EXPECT_EQ(file.before, file.after) << file.input;
    EXPECT_EQ(file.input, file.output);
    EXPECT_TRUE(file.leftovers.empty()) << file.input;
  }
  EXPECT_EQ(again.changed(), 0U);
  EXPECT_TRUE(again.added.empty());
  fs::remove_all(folder);
}

TEST(MigrateGolden, MissingHeadersAreReportedAndTheRestIsMigrated) {
  bool missing = false;
  for (const ParseMessage& message : golden().parse_errors)
    missing = missing || message.text.find("not_there.h") != std::string::npos;
  EXPECT_TRUE(missing);
  for (const FileResult& file : golden().files)
    if (file.input == "broken.cu") {
      EXPECT_NE(file.after.find("csy::launch<&still_broken>"), std::string::npos);
    }
}

TEST(MigrateProject, SourcesThatAreLinksAreParsed) {
  const fs::path folder = fs::temp_directory_path() / "cuda2sycl_links";
  fs::remove_all(folder);
  write_file(folder / "shared/fill.cu",
             "template <typename T>\n__global__ void fill(T *x) { x[0] = 1; }\n"
             "void run(float *x) { fill<<<1, 1>>>(x); }\n");
  fs::create_directories(folder / "project");
  fs::create_symlink("../shared/fill.cu", folder / "project/fill.cu");
  Options options;
  options.inputs = {(folder / "project").string()};
  const Result result = migrate(options);
  ASSERT_EQ(result.files.size(), 1U);
  EXPECT_EQ(result.files[0].kernels, 1U);
  EXPECT_NE(result.files[0].after.find("csy::launch<&fill<float>>"), std::string::npos);
  EXPECT_TRUE(result.files[0].leftovers.empty());
  fs::remove_all(folder);
}

TEST(MigrateReport, NamesEveryFileAndLeftover) {
  const std::string markdown = report_markdown(golden()), json = report_json(golden());
  EXPECT_NE(markdown.find("leftovers.cu:5: C2S1007"), std::string::npos);
  EXPECT_NE(markdown.find("| launches.cu | launches.dp.cpp | 9 |"), std::string::npos);
  EXPECT_NE(json.find("\"leftovers\""), std::string::npos);
  EXPECT_NE(unified_diff(golden()).find("+++ b/shared.dp.cpp"), std::string::npos);
}

}  // namespace
}  // namespace dcn::migrate
