#include "runtime/sources.hpp"

#include <gtest/gtest.h>

#include <map>

#include "dcn/status.hpp"
#include "runtime/kernel_key.hpp"
#include "runtime/sha256.hpp"

namespace dcn::runtime {
namespace {

const std::map<std::string, std::string, std::less<>> kFiles{
    {"a.hpp", "#pragma once\n#include <sycl/sycl.hpp>\n#include \"b.hpp\"\n#  include \"c.hpp\"\nint a;\n"},
    {"b.hpp", "#pragma once\n#include \"c.hpp\"\nint b;\n"},
    {"c.hpp", "int c;\n// no newline at the end"},
    {"bad.hpp", "int x;\n#include \"missing.hpp\"\n"}};

std::optional<std::string_view> lookup(std::string_view name) {
  const auto found = kFiles.find(name);
  if (found == kFiles.end()) return std::nullopt;
  return found->second;
}

std::string expand(std::string_view name) { return expand_source(name, *lookup(name), lookup); }

TEST(Sources, IncludesArePastedOnceWithTheirLines) {
  EXPECT_EQ(expand("a.hpp"),
            "#line 1 \"a.hpp\"\n\n#include <sycl/sycl.hpp>\n"
            "#line 1 \"b.hpp\"\n\n"
            "#line 1 \"c.hpp\"\nint c;\n// no newline at the end\n"
            "#line 3 \"b.hpp\"\nint b;\n"
            "#line 4 \"a.hpp\"\n\nint a;\n");
}

TEST(Sources, MissingIncludeIsNamed) {
  try {
    (void)expand("bad.hpp");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInternal);
    EXPECT_EQ(std::string(error.what()).find("kernel file bad.hpp, line 2: includes \"missing.hpp\""), 0U)
        << error.what();
  }
}

TEST(Sources, LogsGetTheirFilesBack) {
  const std::string text = expand("a.hpp");
  // Lines 7, 10 and 13 of the expanded text.
  EXPECT_EQ(restore_locations("rtc_0.cpp:7:5: error: x\nIn file rtc_12.cpp:10:1, rtc_0.cpp:13: y", text),
            "c.hpp:1:5: error: x\nIn file b.hpp:3:1, a.hpp:5: y");
  EXPECT_EQ(restore_locations("rtc_0.cpp:99: beyond; rtc_; rtc_1.cpp; sycl.hpp:4:2", text),
            "rtc_0.cpp:99: beyond; rtc_; rtc_1.cpp; sycl.hpp:4:2");
}

TEST(Sources, EveryEmbeddedFileIsFoundAndExpands) {
  ASSERT_FALSE(embedded_sources().empty());
  for (const SourceFile& file : embedded_sources()) {
    EXPECT_EQ(find_source(file.name), file.text);
    EXPECT_NO_THROW((void)expand_source(file.name, file.text, find_source)) << file.name;
  }
  EXPECT_FALSE(find_source("no_such_kernel.hpp"));
}

TEST(Sha256, MatchesThePublishedVectors) {
  // FIPS 180-4 examples, and lengths around the padding's edge against a well-known implementation.
  EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(to_hex(sha256(std::string(55, 'x'))), "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072");
  EXPECT_EQ(to_hex(sha256(std::string(56, 'x'))), "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e");
  EXPECT_EQ(to_hex(sha256(std::string(64, 'x'))), "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c");
  EXPECT_EQ(to_hex(sha256(std::string(1000000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(KernelKey, EveryFieldChangesTheText) {
  const NativeKey base{.source = {.name = "f.hpp", .source_hash = "00", .options = "-DDCN_A=1", .target = "spirv"},
                       .device = "cpu",
                       .driver = "1",
                       .backend = "opencl",
                       .isa = "x",
                       .runtime = "9",
                       .environment = ""};
  std::vector<NativeKey> keys(11, base);
  keys[1].source.name = "g.hpp";
  keys[2].source.source_hash = "01";
  keys[3].source.options = "-DDCN_A=2";
  keys[4].source.target = "ptx";
  keys[5].device = "cpu2";
  keys[6].driver = "2";
  keys[7].backend = "level_zero";
  keys[8].isa = "y";
  keys[9].runtime = "10";
  keys[10].environment = "A=1;";
  for (std::size_t i = 0; i < keys.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(keys[i].to_text(), keys[j].to_text()) << i << " and " << j;
  }
  // A value cannot pass for the next field.
  NativeKey forged = base;
  forged.device = "cpu\ndriver=1";
  NativeKey other = base;
  other.driver = "1\ndriver=1";
  EXPECT_NE(forged.to_text(), other.to_text());
}

TEST(KernelKey, OptionsAreUnambiguousAndMacrosHaveNoOrder) {
  EXPECT_EQ(compile_options({{"DCN_B", "2"}, {"DCN_A", "1"}}, {"-w"}),
            (std::vector<std::string>{"-DDCN_A=1", "-DDCN_B=2", "-w"}));
  EXPECT_NE(join_options({"-DDCN_A=1 -w"}), join_options({"-DDCN_A=1", "-w"}));
}

}  // namespace
}  // namespace dcn::runtime
