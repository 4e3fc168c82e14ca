// What is left when a backend of the SYCL runtime fails: broken_adapter stands for the driver of an NVIDIA GPU.
#include "runtime/discovery.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "child.hpp"

namespace dcn::runtime {
namespace {

const test::Variables kBroken{{"UR_ADAPTERS_SEARCH_PATH", SYCLDCN_BROKEN_ADAPTER}, {"ONEAPI_DEVICE_SELECTOR", ""}};

test::Variables broken_with(const std::string& selector) {
  return {kBroken.front(), {"ONEAPI_DEVICE_SELECTOR", selector}};
}

TEST(BrokenBackend, TheCpuIsFoundAndComputes) {
  for (const char* word : {"cpu", "auto"}) {
    const test::ChildResult result = test::run_child({"create", word}, kBroken);
    EXPECT_EQ(result.output, "cpu\n") << result.errors;
  }
  test::Variables compiling = kBroken;
  compiling.emplace_back("DCN_CACHE_DIR", test::fresh_folder());
  const test::ChildResult result = test::run_child({"scale", "3"}, compiling);
  EXPECT_EQ(result.status, 0) << result.output << result.errors;
}

TEST(BrokenBackend, IsNamedWithTheRemedy) {
  const test::ChildResult problem = test::run_child({"discovery_problem"}, kBroken);
  EXPECT_TRUE(problem.output.starts_with("the SYCL runtime cannot list its devices (cuda backend failed with error: "))
      << problem.output;
  EXPECT_NE(problem.output.find("the driver is broken"), std::string::npos) << problem.output;
  EXPECT_NE(problem.output.find("ONEAPI_DEVICE_SELECTOR='!cuda:*'"), std::string::npos) << problem.output;
  EXPECT_EQ(std::count(problem.output.begin(), problem.output.end(), '\n'), 1) << problem.output;
  const test::ChildResult wanted = test::run_child({"create", "cuda"}, kBroken);
  EXPECT_TRUE(wanted.output.starts_with("no_device: device 'cuda': an NVIDIA GPU was asked for")) << wanted.output;
  EXPECT_NE(wanted.output.find("cuda backend failed"), std::string::npos) << wanted.output;
}

TEST(BrokenBackend, TheRemedyHelps) {
  EXPECT_EQ(test::run_child({"discovery_problem"}, broken_with("!cuda:*")).output, "\n");
  EXPECT_EQ(test::run_child({"create", "cpu"}, broken_with("!cuda:*")).output, "cpu\n");
}

TEST(BrokenBackend, ASelectorIsNotOverruled) {
  const test::ChildResult result = test::run_child({"create", "cpu"}, broken_with("cuda:*"));
  EXPECT_TRUE(result.output.starts_with("no_device: ")) << result.output;
  EXPECT_NE(result.output.find("cuda backend failed"), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("which is 'cuda:*' now"), std::string::npos) << result.output;
}

TEST(BrokenBackend, OtherErrorsOfTheRuntime) {
  EXPECT_EQ(describe_failure("No device of requested type available", "hip:*"), "");
  EXPECT_EQ(describe_failure("no adapters\n", ""),
            "the SYCL runtime cannot list its devices (no adapters): set ONEAPI_DEVICE_SELECTOR='*:cpu'");
}

}  // namespace
}  // namespace dcn::runtime
