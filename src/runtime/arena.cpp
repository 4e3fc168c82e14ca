#include "runtime/arena.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <map>
#include <numeric>

#include "dcn/status.hpp"

namespace dcn::runtime {

namespace {

constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max() / 2;

/// Sizes rounded up; all checks on the input.
std::vector<std::size_t> padded_sizes(std::span<const BufferLife> lives, std::size_t alignment) {
  if (!std::has_single_bit(alignment)) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("arena: alignment {}, expected a power of two", alignment));
  }
  std::vector<std::size_t> sizes;
  sizes.reserve(lives.size());
  std::size_t total = 0;
  for (std::size_t i = 0; i < lives.size(); ++i) {
    const BufferLife& life = lives[i];
    if (life.last < life.first) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("arena: buffer {} lives from step {} to step {}", i, life.first, life.last));
    }
    if (life.bytes > kMost - alignment || total > kMost - life.bytes - alignment) {
      throw Error(ErrorCode::kOutOfMemory, fmt::format("arena: buffer {} of {} bytes, after {} bytes of others: more "
                                                       "than can be addressed",
                                                       i, life.bytes, total));
    }
    sizes.push_back((life.bytes + alignment - 1) & ~(alignment - 1));
    total += sizes.back();
  }
  return sizes;
}

bool overlap_in_time(const BufferLife& a, const BufferLife& b) { return a.first <= b.last && b.first <= a.last; }

/// Start of the tightest gap of `bytes` between `taken` (sorted by offset), else the end of the last of them.
std::size_t best_fit(std::span<const std::pair<std::size_t, std::size_t>> taken, std::size_t bytes) {
  std::size_t best = 0;
  std::size_t best_gap = 0;
  bool found = false;
  std::size_t end = 0;
  for (const auto& [offset, size] : taken) {
    if (offset > end && offset - end >= bytes && (!found || offset - end < best_gap)) {
      best = end;
      best_gap = offset - end;
      found = true;
    }
    end = std::max(end, offset + size);
  }
  return found ? best : end;
}

ArenaPlan place(std::span<const BufferLife> lives, std::span<const std::size_t> sizes,
                std::span<const std::size_t> order) {
  ArenaPlan plan{.offsets = std::vector<std::size_t>(lives.size(), 0), .bytes = 0};
  std::vector<std::size_t> placed;  // sorted by offset
  std::vector<std::pair<std::size_t, std::size_t>> taken;
  for (const std::size_t i : order) {
    if (sizes[i] == 0) continue;
    taken.clear();
    for (const std::size_t j : placed) {
      if (overlap_in_time(lives[i], lives[j])) taken.emplace_back(plan.offsets[j], sizes[j]);
    }
    plan.offsets[i] = best_fit(taken, sizes[i]);
    plan.bytes = std::max(plan.bytes, plan.offsets[i] + sizes[i]);
    const auto by_offset = [&](std::size_t offset, std::size_t j) { return offset < plan.offsets[j]; };
    placed.insert(std::upper_bound(placed.begin(), placed.end(), plan.offsets[i], by_offset), i);
  }
  return plan;
}

}  // namespace

ArenaPlan plan_arena(std::span<const BufferLife> lives, std::size_t alignment) {
  const std::vector<std::size_t> sizes = padded_sizes(lives, alignment);
  std::vector<std::size_t> order(lives.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return sizes[a] > sizes[b]; });
  ArenaPlan by_size = place(lives, sizes, order);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return lives[a].first < lives[b].first; });
  ArenaPlan by_time = place(lives, sizes, order);
  return by_time.bytes < by_size.bytes ? by_time : by_size;
}

std::size_t arena_lower_bound(std::span<const BufferLife> lives, std::size_t alignment) {
  const std::vector<std::size_t> sizes = padded_sizes(lives, alignment);
  // Bytes that begin and end to be alive at a step; ends are exclusive.
  std::map<long long, std::pair<std::size_t, std::size_t>> changes;
  for (std::size_t i = 0; i < lives.size(); ++i) {
    changes[lives[i].first].first += sizes[i];
    changes[lives[i].last + 1LL].second += sizes[i];
  }
  std::size_t alive = 0;
  std::size_t most = 0;
  for (const auto& [step, change] : changes) {
    alive = alive - change.second + change.first;
    most = std::max(most, alive);
  }
  return most;
}

}  // namespace dcn::runtime
