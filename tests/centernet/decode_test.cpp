#include "centernet/decode.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <tuple>

#include "dcn/status.hpp"
#include "decode_reference.hpp"
#include "test_queue.hpp"

namespace {

using dcn::centernet::DecodeOptions;
using dcn::centernet::Decoder;
using dcn::centernet::Rows;
using dcn::centernet::Task;
using dcn::test::DeviceHeads;
using dcn::test::HeadLayout;
using dcn::test::HostHead;
using dcn::test::HostHeads;
using dcn::test::test_queue;

/// Heads of every task over one grid. Heat maps take few levels, so that there are many exact ties; means of two levels
/// differ by far more than rounding.
class Heads {
 public:
  explicit Heads(unsigned seed) : engine_(seed) {}

  HostHeads make(Task task, std::int64_t n, std::int64_t classes, std::int64_t h, std::int64_t w) {
    std::uniform_real_distribution<float> small(0, 1), sizes(-1, 12), wide(-3, 3);
    const auto draw = [this](auto& from) { return [this, &from] { return from(engine_); }; };
    const auto level = [this] {
      static const std::vector<float> kLevels{-9, -5.3F, -4.1F, -3.7F, -2.9F, -2.6F, -1.1F, -0.3F, 0.4F, 1.9F};
      return kLevels[engine_() % kLevels.size()];
    };
    HostHeads heads;
    heads["hm"] = HostHead(n, classes, h, w, level);
    heads["wh"] = HostHead(n, 2, h, w, draw(sizes));
    heads["reg"] = HostHead(n, 2, h, w, draw(small));
    if (task == Task::kMultiPose) {
      heads["hps"] = HostHead(n, 34, h, w, draw(wide));
      heads["hm_hp"] = HostHead(n, 17, h, w, level);
      heads["hp_offset"] = HostHead(n, 2, h, w, draw(small));
    } else if (task == Task::kDdd) {
      heads["rot"] = HostHead(n, 8, h, w, draw(wide));
      heads["dep"] = HostHead(n, 1, h, w, draw(wide));
      heads["dim"] = HostHead(n, 3, h, w, draw(wide));
    }
    return heads;
  }
  HostHead random(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w) {
    std::uniform_real_distribution<float> values(-4, 4);
    return {n, c, h, w, [&] { return values(engine_); }};
  }

 private:
  std::mt19937 engine_;
};

void expect_equal(const std::vector<Rows>& mine, const std::vector<Rows>& wanted) {
  ASSERT_EQ(mine.size(), wanted.size());
  for (std::size_t picture = 0; picture < mine.size(); ++picture) {
    ASSERT_EQ(mine[picture].columns, wanted[picture].columns);
    ASSERT_EQ(mine[picture].count(), wanted[picture].count());
    for (std::int64_t r = 0; r < mine[picture].count(); ++r) {
      const auto row = mine[picture].row(r), expected = wanted[picture].row(r);
      for (std::size_t column = 0; column < row.size(); ++column) {
        const float tolerance = 2e-6F * std::max(1.0F, std::abs(expected[column]));
        if (std::isnan(expected[column])) {
          ASSERT_TRUE(std::isnan(row[column])) << "picture " << picture << " row " << r << " column " << column;
        } else {
          ASSERT_NEAR(row[column], expected[column], tolerance)
              << "picture " << picture << " row " << r << " column " << column;
        }
      }
    }
  }
}

void check(const HostHeads& heads, const DecodeOptions& options, HeadLayout layout) {
  Decoder decoder(test_queue(), options);
  const DeviceHeads on_device(test_queue(), heads, layout);
  expect_equal(device_decode(test_queue(), decoder, on_device), reference_decode(heads, options));
}

struct Case {
  Task task;
  std::int64_t pictures, classes, height, width, top_k;
  bool flip;
};

std::string describe(const Case& shape) {
  return fmt::format("{} pictures, {} classes, {} x {}, top {}{}", shape.pictures, shape.classes, shape.height,
                     shape.width, shape.top_k, shape.flip ? ", flip" : "");
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {Task::kCtdet, 1, 1, 1, 1, 100, false},      {Task::kCtdet, 1, 3, 1, 7, 5, false},
      {Task::kCtdet, 2, 1, 9, 5, 100, false},      {Task::kCtdet, 1, 5, 16, 16, 100, true},
      {Task::kCtdet, 1, 16, 33, 17, 40, false},    {Task::kCtdet, 3, 17, 12, 20, 100, false},
      {Task::kCtdet, 1, 20, 40, 24, 1000, false},  {Task::kCtdet, 2, 7, 32, 32, 1, true},
      {Task::kCtdet, 1, 80, 128, 128, 100, false}, {Task::kCtdet, 1, 80, 64, 48, 100, true},
      {Task::kCtdet, 1, 2, 6, 6, 5000, false},     {Task::kMultiPose, 1, 1, 32, 32, 100, false},
      {Task::kMultiPose, 2, 1, 24, 40, 20, true},  {Task::kMultiPose, 1, 2, 5, 3, 100, false},
      {Task::kMultiPose, 1, 1, 96, 64, 100, true}, {Task::kDdd, 1, 3, 24, 80, 100, false},
      {Task::kDdd, 2, 1, 7, 9, 10, false},
  };
  return all;
}

TEST(Decode, EqualsTheReferenceInEveryShapeAndLayout) {
  unsigned seed = 1;
  for (const Case& shape : cases()) {
    const std::int64_t batch = shape.pictures * (shape.flip ? 2 : 1);
    const HostHeads heads = Heads(seed++).make(shape.task, batch, shape.classes, shape.height, shape.width);
    for (const HeadLayout layout : {HeadLayout::kNchw, HeadLayout::kNhwc, HeadLayout::kSlice}) {
      SCOPED_TRACE(describe(shape) + fmt::format(", layout {}", static_cast<int>(layout)));
      check(heads, {shape.task, shape.top_k, shape.flip}, layout);
      if (HasFatalFailure()) {
        return;
      }
    }
  }
}

TEST(Decode, WorksWithoutTheOptionalHeads) {
  for (const auto& [task, names] :
       std::vector<std::pair<Task, std::vector<std::string>>>{{Task::kCtdet, {"reg"}},
                                                              {Task::kMultiPose, {"reg", "hm_hp", "hp_offset"}},
                                                              {Task::kMultiPose, {"hp_offset"}},
                                                              {Task::kDdd, {"reg", "wh"}}}) {
    HostHeads heads = Heads(7).make(task, 1, 2, 20, 20);
    for (const std::string& name : names) {
      heads.erase(name);
    }
    check(heads, {task, 50, false}, HeadLayout::kNhwc);
  }
}

TEST(Decode, SizesPerClass) {
  for (const bool flip : {false, true}) {
    Heads random(8);
    HostHeads heads = random.make(Task::kCtdet, 2, 6, 20, 20);
    heads["wh"] = random.random(2, 12, 20, 20);
    check(heads, {Task::kCtdet, 100, flip}, HeadLayout::kNhwc);
  }
}

// Every place is a peak of the same height: the first ones win, in class, row, column order.
TEST(Decode, ConstantHeatMap) {
  for (const float logit : {0.0F, 30.0F, -INFINITY}) {
    HostHeads heads = Heads(9).make(Task::kCtdet, 1, 20, 40, 40);
    heads["hm"] = HostHead(1, 20, 40, 40, [&] { return logit; });
    for (const HeadLayout layout : {HeadLayout::kNchw, HeadLayout::kNhwc}) {
      check(heads, {Task::kCtdet, 100, false}, layout);
      check(heads, {Task::kCtdet, 2000, false}, layout);
    }
  }
}

// Scores that rise along the walk: every list is cut again and again.
TEST(Decode, RisingHeatMap) {
  HostHeads heads = Heads(10).make(Task::kCtdet, 1, 3, 64, 64);
  int next = 0;
  heads["hm"] = HostHead(1, 3, 64, 64, [&] {
    const int x = next % 64, y = next / 64 % 64;
    ++next;
    return x % 2 == 0 && y % 2 == 0 ? -8 + 0.001F * static_cast<float>(next) : -20.0F;
  });
  for (const HeadLayout layout : {HeadLayout::kNchw, HeadLayout::kNhwc}) {
    check(heads, {Task::kCtdet, 100, false}, layout);
  }
}

TEST(Decode, NotANumberIsNoPeak) {
  HostHeads heads = Heads(11).make(Task::kCtdet, 1, 4, 16, 16);
  for (std::size_t i = 0; i < heads["hm"].values.size(); i += 3) {
    heads["hm"].values[i] = i % 2 == 0 ? std::nanf("") : INFINITY;
  }
  heads["wh"].values[5] = std::nanf("");
  check(heads, {Task::kCtdet, 100, false}, HeadLayout::kNhwc);

  for (const Task task : {Task::kCtdet, Task::kMultiPose, Task::kDdd}) {
    HostHeads lost = Heads(12).make(task, 1, 2, 16, 16);
    for (auto& [name, head] : lost) {
      std::fill(head.values.begin(), head.values.end(), std::nanf(""));
    }
    Decoder decoder(test_queue(), {task, 100, false});
    const auto rows = device_decode(test_queue(), decoder, DeviceHeads(test_queue(), lost, HeadLayout::kNhwc));
    for (std::int64_t r = 0; r < 100; ++r) {
      EXPECT_EQ(rows[0].row(r)[task == Task::kDdd ? 2 : 4], 0);
    }
  }
}

// Random heights: no ties, the same rows whatever the memory order.
TEST(Decode, LayoutsAgreeBitForBit) {
  Heads random(13);
  HostHeads heads = random.make(Task::kMultiPose, 2, 1, 64, 48);
  heads["hm"] = random.random(2, 1, 64, 48);
  heads["hm_hp"] = random.random(2, 17, 64, 48);
  Decoder decoder(test_queue(), {Task::kMultiPose, 100, true});
  const auto nchw = device_decode(test_queue(), decoder, DeviceHeads(test_queue(), heads, HeadLayout::kNchw));
  const auto nhwc = device_decode(test_queue(), decoder, DeviceHeads(test_queue(), heads, HeadLayout::kNhwc));
  EXPECT_EQ(nchw[0].values, nhwc[0].values);
}

// One decoder over changing shapes: what an earlier, larger one left in memory does not show, and a shape that fits
// into the memory of an earlier one takes no more.
TEST(Decode, ReusesItsMemory) {
  Decoder decoder(test_queue(), {Task::kCtdet, 100, false});
  unsigned seed = 20;
  const void* memory = nullptr;
  for (const auto& [n, c, h, w] : std::vector<std::tuple<int, int, int, int>>{
           {3, 80, 32, 32}, {1, 3, 4, 4}, {1, 80, 64, 64}, {1, 1, 2, 2}, {3, 20, 32, 48}}) {
    const HostHeads heads = Heads(seed++).make(Task::kCtdet, n, c, h, w);
    expect_equal(device_decode(test_queue(), decoder, DeviceHeads(test_queue(), heads, HeadLayout::kNhwc)),
                 reference_decode(heads, {Task::kCtdet, 100, false}));
    memory = memory == nullptr ? decoder.rows().data : memory;
    EXPECT_EQ(decoder.rows().data, memory);
  }
}

TEST(Decode, RefusesHeadsThatDoNotFit) {
  EXPECT_THROW(Decoder(test_queue(), {Task::kCtdet, 0, false}), dcn::Error);
  const auto refuses = [](Task task, bool flip, const HostHeads& heads, const std::string& name) {
    Decoder decoder(test_queue(), {task, 100, flip});
    const DeviceHeads on_device(test_queue(), heads, HeadLayout::kNhwc);
    try {
      decoder.run(on_device.views());
      ADD_FAILURE() << "accepted a wrong head " << name;
    } catch (const dcn::Error& error) {
      EXPECT_NE(std::string(error.what()).find("head " + name), std::string::npos) << error.what();
    }
  };
  Heads random(30);
  HostHeads heads = random.make(Task::kCtdet, 1, 4, 8, 8);
  refuses(Task::kMultiPose, false, heads, "hps");
  refuses(Task::kDdd, false, heads, "rot");
  refuses(Task::kCtdet, true, heads, "hm");  // an odd batch
  heads["reg"] = random.random(1, 2, 8, 7);
  refuses(Task::kCtdet, false, heads, "reg");
  heads.erase("reg");
  heads["wh"] = random.random(1, 3, 8, 8);
  refuses(Task::kCtdet, false, heads, "wh");
  heads.erase("wh");
  refuses(Task::kCtdet, false, heads, "wh");
}

}  // namespace
