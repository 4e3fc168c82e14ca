/// \file tile_warpgroup.hpp
/// The product of tile_matrix.hpp by four sub-groups at once (PTX ISA: wgmma, of sm_90a alone), which read both
/// operands from local memory while their own registers and instructions sample the next step.
///
/// A work-group is two warpgroups. They share the tile by rows of 64, or by halves of its columns where it has only 64.
#pragma once

#include "deform_common.hpp"

constexpr int kStagePad = 0;  ///< rows of 128 bytes, whose packs are swizzled instead
constexpr int kSumPad = 8;    ///< pairs of four rows lie in different banks
constexpr int kWarpgroups = DCN_ROW_TEAMS * DCN_COLUMN_TEAMS / 4;
constexpr int kWarpgroup = 4 * DCN_LANES;
constexpr int kBlockRows = 64;
constexpr int kRowTeams = DCN_PIXELS / kBlockRows;
constexpr int kColumnTeams = kWarpgroups / kRowTeams;
constexpr int kTeamColumns = DCN_OUTPUTS / kColumnTeams;
constexpr int kBlockColumns = kTeamColumns < 64 ? kTeamColumns : 64;
constexpr int kColumnBlocks = kTeamColumns / kBlockColumns;
constexpr int kBlockBytes = 32;  ///< of depth of one instruction
constexpr int kRowBytes = 128;
static_assert(DCN_LANES == 32 && DCN_DEPTH * sizeof(Stage) == kRowBytes && kBlockColumns % 32 == 0);
static_assert(kRowTeams * kColumnTeams == kWarpgroups);

/// Element of [rows][DCN_DEPTH], as the units read it: the 16-byte packs of a row lie in another order in each of eight
/// rows, so that a column of packs is in all banks.
DCN_INLINE int staged_at(int row, int column) {
  constexpr int kPack = 16 / int{sizeof(Stage)};
  return row * DCN_DEPTH + (column / kPack ^ row % 8) * kPack + column % kPack;
}

/// [column block][sums of one lane]
struct Sums {
  float value[kColumnBlocks][kBlockColumns / 2];
};

DCN_INLINE void clear(Sums& sums) {
#pragma unroll
  for (int j = 0; j < kColumnBlocks; ++j) {
#pragma unroll
    for (int c = 0; c < kBlockColumns / 2; ++c) sums.value[j][c] = 0.0f;
  }
}

/// An address in the window of local memory.
DCN_INLINE unsigned local_address(const void* pointer) {
  unsigned address;
  asm("{ .reg .u64 at; cvta.to.shared.u64 at, %1; cvt.u32.u64 %0, at; }" : "=r"(address) : "l"(pointer));
  return address;
}

/// The first place from there on where swizzled rows may begin; the host leaves room for it.
DCN_INLINE unsigned char* align(unsigned char* memory) {
  constexpr unsigned kSwizzled = 8 * kRowBytes;
  return memory + (kSwizzled - local_address(memory) % kSwizzled) % kSwizzled;
}

/// What wgmma takes for [rows][128 bytes] at an address: eight rows are 1024 bytes, swizzled over 128 bytes.
DCN_INLINE unsigned long long describe_rows(unsigned address) {
  return static_cast<unsigned long long>(address >> 4 & 0x3fffu) | 1ull << 16 |
         static_cast<unsigned long long>(8 * kRowBytes >> 4) << 32 | 1ull << 62;
}

// The compiler (2026.2) writes code for sm_90, whose driver build refuses wgmma: it stands in comments that the runtime
// removes (runtime/cuda_code.hpp), and code that still has them stops.
#define DCN_SM_90A "\n//dcn-sm_90a "
#define DCN_STOP_UNLESS_SM_90A "\n/*dcn-sm_90a*/trap;\n"

#if defined(DCN_T_F16)
#define DCN_UNITS "k16.f32.f16.f16"
#define DCN_UNITS_ORDER ", 0, 0"
#elif defined(DCN_T_BF16)
#define DCN_UNITS "k16.f32.bf16.bf16"
#define DCN_UNITS_ORDER ", 0, 0"
#else
#define DCN_UNITS "k8.f32.tf32.tf32"
#define DCN_UNITS_ORDER ""
#endif
#define DCN_SUMS_8(s, i)                                                                                      \
  "+f"(s[i]), "+f"(s[i + 1]), "+f"(s[i + 2]), "+f"(s[i + 3]), "+f"(s[i + 4]), "+f"(s[i + 5]), "+f"(s[i + 6]), \
      "+f"(s[i + 7])

DCN_INLINE void multiply_block(float (&s)[16], unsigned long long rows, unsigned long long columns) {
  asm volatile(
      "{ .reg .pred p; setp.ne.b32 p, %18, 0;" DCN_SM_90A "wgmma.mma_async.sync.aligned.m64n32" DCN_UNITS
      " {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15}, %16, %17, p, 1, 1" DCN_UNITS_ORDER
      ";\n}"
      : DCN_SUMS_8(s, 0), DCN_SUMS_8(s, 8)
      : "l"(rows), "l"(columns), "r"(1));
}
DCN_INLINE void multiply_block(float (&s)[32], unsigned long long rows, unsigned long long columns) {
  asm volatile("{ .reg .pred p; setp.ne.b32 p, %34, 0;" DCN_SM_90A "wgmma.mma_async.sync.aligned.m64n64" DCN_UNITS
               " {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, "
               "%22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, %32, %33, p, 1, 1" DCN_UNITS_ORDER ";\n}"
               : DCN_SUMS_8(s, 0), DCN_SUMS_8(s, 8), DCN_SUMS_8(s, 16), DCN_SUMS_8(s, 24)
               : "l"(rows), "l"(columns), "r"(1));
}

/// Local memory that this work-item has written becomes visible to the units, after a barrier.
DCN_INLINE void publish() {
  asm volatile("cp.async.wait_all;" DCN_SM_90A "fence.proxy.async.shared::cta;\n" ::: "memory");
}

template <typename Group>
DCN_INLINE void synchronize(Group) {
  asm volatile("bar.sync 0;" ::: "memory");
}

/// Begins sums += column [DCN_PIXELS][DCN_DEPTH] * weight, for the part of the tile that is this warpgroup's.
DCN_INLINE void begin_multiply(int thread, const Stage* column, const Stage* weight, Sums& sums) {
  const int warpgroup = thread / kWarpgroup;
  const int row = warpgroup / kColumnTeams * kBlockRows;
  const int first = warpgroup % kColumnTeams * kTeamColumns;
  const unsigned long long rows = describe_rows(local_address(column) + row * kRowBytes);
  const unsigned long long columns = describe_rows(local_address(weight) + first * kRowBytes);
  asm volatile(DCN_STOP_UNLESS_SM_90A DCN_SM_90A "wgmma.fence.sync.aligned;\n" ::: "memory");
#pragma unroll
  for (int k = 0; k < kRowBytes / kBlockBytes; ++k) {
#pragma unroll
    for (int j = 0; j < kColumnBlocks; ++j) {
      multiply_block(sums.value[j], rows + k * (kBlockBytes >> 4),
                     columns + (j * kBlockColumns * kRowBytes + k * kBlockBytes >> 4));
    }
  }
  asm volatile(DCN_SM_90A "wgmma.commit_group.sync.aligned;\n" ::: "memory");
}

/// Ends what begin_multiply() began.
DCN_INLINE void end_multiply() { asm volatile(DCN_SM_90A "wgmma.wait_group.sync.aligned 0;\n" ::: "memory"); }

/// Begins to copy a step's weights to local memory; publish() ends it.
DCN_INLINE void begin_weights(Stage* to, const Stage* from, int thread) {
  constexpr int kPack = 16 / int{sizeof(Stage)};
  constexpr int kPacks = DCN_OUTPUTS * DCN_DEPTH / kPack;
  constexpr int kItems = kWarpgroups * kWarpgroup;
  const unsigned at = local_address(to) + thread * 16;
#pragma unroll
  for (int i = 0; i < kPacks / kItems; ++i) {
    asm volatile("{ .reg .u64 from; cvta.to.global.u64 from, %1; cp.async.cg.shared.global [%0], [from], 16; }" ::"r"(
                     at + i * kItems * 16),
                 "l"(from + (thread + i * kItems) * kPack)
                 : "memory");
  }
}

/// sums to [DCN_PIXELS][DCN_OUTPUTS + kSumPad].
DCN_INLINE void put(sycl::sub_group, int, int thread, const Sums& sums, float* to) {
  const int warpgroup = thread / kWarpgroup;
  const int lane = thread % DCN_LANES;
  const int row = warpgroup / kColumnTeams * kBlockRows + thread % kWarpgroup / DCN_LANES * 16 + lane / 4;
  const int column = warpgroup % kColumnTeams * kTeamColumns + lane % 4 * 2;
  struct alignas(8) Pair {
    float value[2];
  };
#pragma unroll
  for (int j = 0; j < kColumnBlocks; ++j) {
#pragma unroll
    for (int c = 0; c < kBlockColumns / 2; c += 2) {
      const int at = (row + c % 4 / 2 * 8) * (DCN_OUTPUTS + kSumPad) + column + j * kBlockColumns + c / 4 * 8;
      *reinterpret_cast<Pair*>(to + at) = {{sums.value[j][c], sums.value[j][c + 1]}};
    }
  }
}

/// Row (channel) and column (output) of an element of a step's packed weights: [DCN_OUTPUTS][DCN_DEPTH] by staged_at().
DCN_INLINE int column_of(int within) { return within / DCN_DEPTH; }
DCN_INLINE int row_of(int within) {
  const int column = within / DCN_DEPTH;
  return staged_at(column, within % DCN_DEPTH) - column * DCN_DEPTH;  // the swizzle is its own inverse
}
