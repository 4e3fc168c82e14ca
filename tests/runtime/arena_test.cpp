#include "runtime/arena.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <vector>

#include "dcn/status.hpp"

namespace dcn::runtime {
namespace {

/// Two buffers that live in a common step share no byte; every buffer is aligned and inside the block.
void expect_valid(const std::vector<BufferLife>& lives, const ArenaPlan& plan, std::size_t alignment) {
  ASSERT_EQ(plan.offsets.size(), lives.size());
  for (std::size_t i = 0; i < lives.size(); ++i) {
    EXPECT_EQ(plan.offsets[i] % alignment, 0U);
    EXPECT_LE(plan.offsets[i] + lives[i].bytes, plan.bytes);
    for (std::size_t j = 0; j < i; ++j) {
      const bool together = lives[i].first <= lives[j].last && lives[j].first <= lives[i].last;
      const bool apart =
          plan.offsets[i] + lives[i].bytes <= plan.offsets[j] || plan.offsets[j] + lives[j].bytes <= plan.offsets[i];
      EXPECT_TRUE(!together || apart) << "buffers " << i << " and " << j;
    }
  }
}

/// The most bytes alive in one step, counted the slow way.
std::size_t most_alive(const std::vector<BufferLife>& lives, int steps, std::size_t alignment) {
  std::size_t most = 0;
  for (int step = 0; step < steps; ++step) {
    std::size_t alive = 0;
    for (const BufferLife& life : lives) {
      if (life.first <= step && step <= life.last) alive += (life.bytes + alignment - 1) / alignment * alignment;
    }
    most = std::max(most, alive);
  }
  return most;
}

TEST(Arena, RandomBuffersNeverOverlapAndTheBlockIsSmall) {
  std::mt19937 random(7);
  double worst = 0;
  for (int round = 0; round < 300; ++round) {
    const int steps = 1 + static_cast<int>(random() % 60);
    const std::size_t alignment = std::size_t{1} << (random() % 10);
    std::vector<BufferLife> lives(random() % 120);
    for (BufferLife& life : lives) {
      life.first = static_cast<int>(random() % static_cast<unsigned>(steps));
      life.last = std::min(steps - 1, life.first + static_cast<int>(random() % 8));
      life.bytes = random() % 5 == 0 ? 0 : random() % 100000;
    }
    const ArenaPlan plan = plan_arena(lives, alignment);
    expect_valid(lives, plan, alignment);
    const std::size_t bound = arena_lower_bound(lives, alignment);
    EXPECT_EQ(bound, most_alive(lives, steps, alignment));
    EXPECT_GE(plan.bytes, bound);
    if (bound > 0) worst = std::max(worst, static_cast<double>(plan.bytes) / static_cast<double>(bound));
  }
  EXPECT_LT(worst, 1.5);
}

TEST(Arena, ChainNeedsTwoBuffers) {
  std::vector<BufferLife> lives;
  for (int i = 0; i < 50; ++i) lives.push_back({.bytes = 1000, .first = i, .last = i + 1});
  EXPECT_EQ(plan_arena(lives).bytes, 2U * 1024U);
}

TEST(Arena, SmallBufferGoesIntoTheTightestGap) {
  // Alive in step 1: big blocks at both ends of two gaps, 128 and 64 bytes wide; the newcomer of 64 takes the latter.
  const std::vector<BufferLife> lives{{1024, 0, 1}, {128, 0, 0}, {960, 0, 1}, {64, 0, 0}, {896, 0, 1}, {64, 1, 1}};
  const ArenaPlan plan = plan_arena(lives);
  expect_valid(lives, plan, kArenaAlignment);
  EXPECT_EQ(plan.bytes, arena_lower_bound(lives));
}

TEST(Arena, NothingNeedsNothing) {
  EXPECT_EQ(plan_arena({}).bytes, 0U);
  const std::vector<BufferLife> empty{{0, 0, 3}, {0, 1, 2}};
  EXPECT_EQ(plan_arena(empty).bytes, 0U);
  EXPECT_EQ(arena_lower_bound(empty), 0U);
}

TEST(Arena, RefusesWhatMakesNoSense) {
  const auto code_of = [](const std::vector<BufferLife>& lives, std::size_t alignment) {
    try {
      (void)plan_arena(lives, alignment);
    } catch (const Error& error) {
      return std::string(to_string(error.code())) + ": " + error.what();
    }
    return std::string("none");
  };
  EXPECT_EQ(code_of({{1, 3, 2}}, 64), "invalid_argument: arena: buffer 0 lives from step 3 to step 2");
  EXPECT_EQ(code_of({{1, 0, 0}}, 48), "invalid_argument: arena: alignment 48, expected a power of two");
  constexpr std::size_t kHuge = std::numeric_limits<std::size_t>::max() / 3;
  EXPECT_TRUE(code_of({{kHuge, 0, 0}, {kHuge, 5, 5}}, 64).starts_with("out_of_memory: arena: buffer 1 of "));
  EXPECT_TRUE(code_of({{std::numeric_limits<std::size_t>::max(), 0, 0}}, 64).starts_with("out_of_memory"));
}

}  // namespace
}  // namespace dcn::runtime
