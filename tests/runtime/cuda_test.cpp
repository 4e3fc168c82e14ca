// What kernels for NVIDIA GPUs need: entries in words, the compiler's built-in functions. No such device is needed.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "dcn/device.hpp"
#include "dcn/status.hpp"
#include "runtime/cuda_code.hpp"

namespace dcn::test {
namespace {

std::string split(const std::string& parameters) {
  return runtime::split_entries(
      "struct Args { int x; };\nextern \"C\" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((nd_range_kernel<1>))\n"
      "    SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((sub_group_size<32>)) void scale(\n        " +
      parameters + ") {\n  body();\n}\n");
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(CudaEntries, AStructBecomesWords) {
  const std::string text = split("Args args");
  EXPECT_TRUE(contains(text, "void scale_body(Args args) {\n  body();\n}\n")) << text;
  // The properties stay with the entry, which now takes words.
  EXPECT_TRUE(contains(text, "SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((sub_group_size<32>)) void scale(long w0) {")) << text;
  EXPECT_TRUE(contains(text, "scale_body(args);"));
  EXPECT_FALSE(contains(text, "void scale(\n"));
}

TEST(CudaEntries, TakeAsManyWordsAsTheStructHas) {
  const auto words = [](const std::string& structs) {
    const auto counts = runtime::entry_words(runtime::split_entries(
        structs + "extern \"C\" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((nd_range_kernel<1>)) void scale(Args args) {\n}\n"));
    return counts.at("scale");
  };
  EXPECT_EQ(words("struct Args { int x; };\n"), 1U);
  EXPECT_EQ(words("struct Args { int x; const float* y; int z; };\n"), 3U) << "with the gaps of alignment";
  EXPECT_EQ(words("struct Args {\n  long long a[4], b[2][3];  ///< not; these\n#if 1\n  unsigned c, d;\n#endif\n};\n"),
            11U);
  EXPECT_EQ(words("struct Part { float x, y, z; };\nstruct Args { Part parts[3]; double d; };\n"), 6U);
  // What cannot be read off takes the most there can be.
  EXPECT_EQ(words("struct Args { int x[kCount]; };\n"), runtime::kMostEntryWords);
  EXPECT_EQ(words("struct Args { Unknown x; };\n"), runtime::kMostEntryWords);
}

TEST(CudaEntries, ALocalAccessorBecomesTheWorkGroupsMemory) {
  const std::string text = split("Args args, sycl::local_accessor<sycl::vec<unsigned, 4>, 1> local");
  EXPECT_TRUE(contains(text, "void scale_body(Args args, DcnLocalMemory<sycl::vec<unsigned, 4>> local) {")) << text;
  EXPECT_TRUE(contains(text, "scale_body(args, {});"));
}

TEST(CudaEntries, OtherFormsAreErrors) {
  EXPECT_THROW((void)split("Args args, int more"), Error);
  EXPECT_THROW((void)split("Args"), Error);
  EXPECT_EQ(runtime::split_entries("int no_entry;\n").substr(0, 5), "#line");
}

TEST(CudaEntries, OtherContentIsLeftAlone) {
  std::vector<char> content{'a', 'b', 'c'};
  runtime::mend_target(content);
  EXPECT_EQ(std::string(content.begin(), content.end()), "abc");
  const std::string written = "x target=2|gDAAAAAAAAAbsZXbf5mdwRHe2QTL152au92du1Sdutmbvdnb y";
  content.assign(written.begin(), written.end());
  runtime::mend_target(content);
  EXPECT_EQ(content.size(), written.size());
  EXPECT_FALSE(contains({content.begin(), content.end()}, "gDAAAAAAAAAbsZXbf5mdwRHe2QTL152au92du1Sdutmbvdnb"));
}

TEST(CudaCode, RegistersAreLimited) {
  const std::string entry =
      "\t// .globl\ta_long_name_of_a_kernel\n.visible .entry a_long_name_of_a_kernel(\n\t.param .u64 x\n)\n{\n";
  const std::string marked = entry + "\t// dcn-registers 96\n}\n";
  const std::string written = entry + "}\n" + marked + entry + "}\n";
  std::vector<char> content(written.begin(), written.end());
  runtime::limit_registers(content);
  EXPECT_EQ(content.size(), written.size());
  std::string expected = entry + "}\n" + marked + entry + "}\n";
  const std::string directive = "\n.maxnreg 96";
  const std::size_t first = (entry + "}\n").size();
  expected.insert(expected.find("\n{", first), directive);
  expected.erase(expected.find('\n', first) - directive.size(), directive.size());
  EXPECT_EQ(std::string(content.begin(), content.end()), expected);
}

TEST(CudaBuiltins, AreWrittenAsTheCompilerCarriesThem) {
  const std::filesystem::path root = std::filesystem::path(testing::TempDir()) / "cuda_builtins";
  std::filesystem::remove_all(root);
  const std::string path = install_cuda_builtins(root);
  EXPECT_EQ(path, root.string() + cuda_builtins_path());
  std::ifstream file(path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  ASSERT_GT(content.size(), 1U << 20);
  EXPECT_EQ(content.substr(0, 4), "BC\xc0\xde");
  EXPECT_TRUE(contains(content, "nvptx64-nvidia-cuda"));
  EXPECT_TRUE(contains(content, "__spirv_BuiltInWorkgroupId"));
  EXPECT_FALSE(std::filesystem::exists(path + ".part"));
  std::filesystem::remove_all(root);
}

TEST(CudaBuiltins, WhatCannotBeWrittenIsAnError) {
  try {
    (void)install_cuda_builtins("/proc");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_TRUE(contains(error.what(), cuda_builtins_path())) << error.what();
  }
}

}  // namespace
}  // namespace dcn::test
