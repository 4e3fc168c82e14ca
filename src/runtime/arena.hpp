/// \file arena.hpp
/// One block of memory for many buffers that do not live at the same time. Pure: plans numbers, allocates nothing.
///
///     const BufferLife lives[] = {{.bytes = 4096, .first = 0, .last = 1}, {.bytes = 4096, .first = 1, .last = 2}};
///     const ArenaPlan plan = plan_arena(lives);
///     const DeviceBuffer memory(queue, plan.bytes);
///     auto* second = static_cast<std::byte*>(memory.data()) + plan.offsets[1];
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace dcn::runtime {

/// A buffer that is written or read by the steps first..last, both included. Two buffers of which one is read and the
/// other written in the same step both live in it, and never share memory.
struct BufferLife {
  std::size_t bytes = 0;
  int first = 0;
  int last = 0;
};

struct ArenaPlan {
  std::vector<std::size_t> offsets;  ///< one for each buffer, a multiple of the alignment
  std::size_t bytes = 0;             ///< size of the whole block
};

/// A cache line, an AVX-512 vector, and what device allocations are aligned to.
inline constexpr std::size_t kArenaAlignment = 64;

/// Places the buffers so that those alive in a common step never overlap, in a small block: each goes into the tightest
/// gap between the ones placed before it; the largest come first, or the earliest, whichever gives the smaller block.
/// Takes time quadratic in the number of buffers. The same input gives the same plan.
/// \param alignment a power of two.
/// \throws Error kInvalidArgument for last < first, kOutOfMemory when the sizes exceed the address space.
[[nodiscard]] ArenaPlan plan_arena(std::span<const BufferLife> lives, std::size_t alignment = kArenaAlignment);

/// What no plan can go below: the most bytes that are alive in one step, each buffer rounded up to the alignment.
[[nodiscard]] std::size_t arena_lower_bound(std::span<const BufferLife> lives, std::size_t alignment = kArenaAlignment);

}  // namespace dcn::runtime
