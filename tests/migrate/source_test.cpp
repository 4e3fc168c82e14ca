#include "migrate/source.hpp"

#include <gtest/gtest.h>

#include "dcn/status.hpp"
#include "migrate/migrate.hpp"

namespace dcn::migrate {
namespace {

TEST(MigrateSource, TokensLeaveCommentsAndStringsAlone) {
  const Source source(
      "a.cu", "// threadIdx\nint a = 'x'; /* blockIdx */ f(\"threadIdx\", R\"(<<<)\");\n#define M(x) \\\n  g(x)\n");
  EXPECT_EQ(source.word(0), "int");
  unsigned names = 0, directive = 0;
  for (std::size_t i = 0; i < source.size(); ++i) {
    names += source.is_word(i) && (source.is(i, "threadIdx") || source.is(i, "blockIdx")) ? 1 : 0;
    directive += source.tokens()[i].directive ? 1 : 0;
  }
  EXPECT_EQ(names, 0U);
  EXPECT_EQ(directive, 10U);  // # define M ( x ) g ( x )
  ASSERT_EQ(source.directives().size(), 1U);
  EXPECT_EQ(source.directives()[0].name, "define");
}

TEST(MigrateSource, ArgumentsSeeTemplatesAndComparisons) {
  const Source source("a.cu", "f(a<b, c>(1), d < e, g[1, 2])");
  EXPECT_EQ(source.arguments(1).size(), 3U);
  const Source empty("a.cu", "f()");
  EXPECT_TRUE(empty.arguments(1).empty());
}

TEST(MigrateSource, PostfixBegin) {
  const Source source("a.cu", "return a.b(c)[2]->d.is_cuda();");
  EXPECT_EQ(source.word(source.postfix_begin(source.at(20))), "a");
}

TEST(MigrateEdits, OverlapIsAnError) {
  const Source source("a.cu", "abcdef");
  Edits edits;
  edits.replace({0, 3}, "x", "one");
  edits.replace({2, 4}, "y", "two");
  EXPECT_THROW(edits.apply(source), Error);
}

TEST(MigrateEdits, SwallowedEditsAreVoid) {
  const Source source("a.cu", "abcdef");
  Edits edits;
  edits.replace({1, 2}, "x", "one");
  edits.insert(3, "y", "two");
  edits.replace({1, 5}, "-", "big", true);
  EXPECT_EQ(edits.apply(source), "a-f");
}

TEST(MigratePython, ImportsFromTorchCuda) {
  const PythonResult result = migrate_python(
      "import torch\n"
      "import torch.cuda.amp\n"
      "import torch.cuda.nvtx as marks\n"
      "from torch.cuda import synchronize as wait, is_available\n"
      "def f():\n"
      "    from torch.cuda import amp\n"
      "    with amp.autocast():\n        marks.range_push(torch.cuda.memory_reserved(0))\n"
      "    return torch.cuda.amp.grad_scaler.GradScaler()\n",
      "package/op.py", "../csy");
  EXPECT_EQ(result.text,
            "import torch\n"
            "import torch\n"
            "try:\n    from . import csy_torch\nexcept ImportError:\n    import csy_torch\n"
            "marks = csy_torch.nvtx\n"
            "wait = csy_torch.synchronize; is_available = csy_torch.is_available\n"
            "def f():\n"
            "    amp = csy_torch.amp\n"
            "    with amp.autocast():\n        marks.range_push(csy_torch.memory_reserved(0))\n"
            "    return csy_torch.GradScaler()\n");
  EXPECT_TRUE(result.leftovers.empty());
  // A name that has no stand-in stays, and is left to a person.
  for (const char* line :
       {"from torch.cuda import comm\n", "from torch.cuda.amp import (autocast)\n", "import torch.cuda.comm\n"}) {
    const PythonResult stays = migrate_python(line, "op.py", "csy");
    EXPECT_EQ(stays.text, line);
    EXPECT_EQ(stays.leftovers.size(), 1U) << line;
  }
}

TEST(MigratePython, TorchCudaBecomesTheHelper) {
  const std::string text =
      "\"\"\"cuda in a docstring: torch.cuda.synchronize()\"\"\"\n"
      "import torch\n"
      "from torch.cuda.amp import custom_bwd, custom_fwd\n"
      "x = torch.randn(2).cuda()  # .cuda() stays here\n"
      "y = x.to(\"cuda\") if x.is_cuda else torch.zeros(1, device='cuda:0')\n"
      "with torch.autocast('cuda'), torch.cuda.device_of(x), torch.cuda.device(1):\n    torch.cuda.synchronize()\n"
      "print(f'{torch.cuda.current_device()} of {{torch.cuda.x}}')\n"
      "print(\"cuda is a word\", os.path.join(\"src\", \"cuda\"))\n";
  const PythonResult result = migrate_python(text, "package/op.py", "../csy");
  EXPECT_EQ(result.text,
            "\"\"\"cuda in a docstring: torch.cuda.synchronize()\"\"\"\n"
            "import torch\n"
            "try:\n    from . import csy_torch\nexcept ImportError:\n    import csy_torch\n"
            "custom_bwd = csy_torch.custom_bwd; custom_fwd = csy_torch.custom_fwd\n"
            "x = torch.randn(2).to(csy_torch.device())  # .cuda() stays here\n"
            "y = x.to(csy_torch.device()) if csy_torch.on_device(x) else torch.zeros(1, device=csy_torch.device())\n"
            "with torch.autocast(csy_torch.device().type), csy_torch.device_of(x), csy_torch.device_of(1):\n    "
            "csy_torch.synchronize()\n"
            "print(f'{csy_torch.current_device()} of {{torch.cuda.x}}')\n"
            "print(\"cuda is a word\", os.path.join(\"src\", \"cuda\"))\n");
  EXPECT_TRUE(result.needs_helper);
  EXPECT_TRUE(result.leftovers.empty());
  EXPECT_EQ(migrate_python(result.text, "package/op.py", "../csy").text, result.text);
}

TEST(MigratePython, SetupBuildsThroughTheShim) {
  const std::string text =
      "import glob\nfrom setuptools import setup\nfrom torch.utils.cpp_extension import (\n    CUDAExtension,\n    "
      "BuildExtension,\n)\n\nsetup()\n";
  const PythonResult result = migrate_python(text, "setup.py", "csy");
  EXPECT_NE(
      result.text.find(
          ")\nimport os, sys; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), \"csy\"))\n"
          "import csy_build; csy_build.install(globals())\n\nsetup()"),
      std::string::npos)
      << result.text;
  EXPECT_EQ(migrate_python(result.text, "setup.py", "csy").text, result.text);
}

TEST(MigratePython, WhatHasNoRuleIsLeft) {
  const PythonResult result = migrate_python("import torch\ntorch.cuda.graphs.graph()\n", "a.py", "csy");
  ASSERT_EQ(result.leftovers.size(), 1U);
  EXPECT_EQ(result.leftovers[0].number, 1021);
}

}  // namespace
}  // namespace dcn::migrate
