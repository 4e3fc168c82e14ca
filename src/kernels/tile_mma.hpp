/// \file tile_mma.hpp
/// The product of tile_matrix.hpp on NVIDIA's matrix units through their own instructions (PTX ISA: mma.sync and
/// ldmatrix, from sm_80 on). What joint_matrix becomes there loads its operands word by word: 1.3 times the time.
///
/// Blocks are 16 rows by 16 columns by 32 bytes of depth.
#pragma once

#include "deform_common.hpp"

constexpr int kStagePad = 16 / int{sizeof(Stage)};  ///< rows of the column start in different banks
constexpr int kSumPad = 4;
constexpr int kBlockSide = 16;
constexpr int kBlockDepth = 32 / int{sizeof(Stage)};
constexpr int kRowBlocks = DCN_PIXELS / DCN_ROW_TEAMS / kBlockSide;
constexpr int kColumnBlocks = DCN_OUTPUTS / DCN_COLUMN_TEAMS / kBlockSide;
constexpr int kLaneElements = 16 / int{sizeof(Stage)};  ///< of a block of weights
static_assert(DCN_LANES == 32 && DCN_DEPTH % kBlockDepth == 0 && kRowBlocks > 0 && kColumnBlocks > 0);

/// [row block][column block][half of its columns][what a lane holds of 16 x 8 sums]
struct Sums {
  float value[kRowBlocks][kColumnBlocks][2][4];
};

struct alignas(16) Words {
  unsigned of[4];
};

DCN_INLINE void clear(Sums& sums) {
#pragma unroll
  for (int i = 0; i < kRowBlocks; ++i) {
#pragma unroll
    for (int j = 0; j < kColumnBlocks; ++j) {
#pragma unroll
      for (int c = 0; c < 8; ++c) sums.value[i][j][c / 4][c % 4] = 0.0f;
    }
  }
}

/// The rows of a block of the column, as mma.sync takes them: four 8 x 8 matrices, of which each lane names one row.
DCN_INLINE Words load_rows(const Stage* block, int lane) {
  const Stage* row = block + (lane % 16) * (DCN_DEPTH + kStagePad) + lane / 16 * (kBlockDepth / 2);
  Words words;
  asm volatile(
      "{ .reg .u64 at; cvta.to.shared.u64 at, %4; ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [at]; }"
      : "=r"(words.of[0]), "=r"(words.of[1]), "=r"(words.of[2]), "=r"(words.of[3])
      : "l"(row)
      : "memory");
  return words;
}

DCN_INLINE void multiply_add(float (&sum)[4], const Words& rows, unsigned column0, unsigned column1) {
#if defined(DCN_T_F16)
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
      "%3};"
#elif defined(DCN_T_BF16)
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
#else
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
#endif
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(rows.of[0]), "r"(rows.of[1]), "r"(rows.of[2]), "r"(rows.of[3]), "r"(column0), "r"(column1));
}

/// sums += column [DCN_PIXELS][DCN_DEPTH] * weight, for the part of the tile that is this sub-group's.
DCN_INLINE void multiply(sycl::sub_group, int team, int thread, const Stage* column, const Stage* weight, Sums& sums) {
  constexpr int kAcross = DCN_OUTPUTS / kBlockSide;
  const int lane = thread % DCN_LANES;
  const Stage* rows = column + team / DCN_COLUMN_TEAMS * (kRowBlocks * kBlockSide) * (DCN_DEPTH + kStagePad);
  const Stage* blocks = weight + team % DCN_COLUMN_TEAMS * kColumnBlocks * (32 * kLaneElements) + lane * kLaneElements;
#pragma unroll
  for (int k = 0; k < DCN_DEPTH / kBlockDepth; ++k) {
    Words b[kColumnBlocks];
#pragma unroll
    for (int j = 0; j < kColumnBlocks; ++j) {
      b[j] = *reinterpret_cast<const Words*>(blocks + (k * kAcross + j) * (32 * kLaneElements));
    }
#pragma unroll
    for (int i = 0; i < kRowBlocks; ++i) {
      const Words a = load_rows(rows + i * kBlockSide * (DCN_DEPTH + kStagePad) + k * kBlockDepth, lane);
#pragma unroll
      for (int j = 0; j < kColumnBlocks; ++j) {
        multiply_add(sums.value[i][j][0], a, b[j].of[0], b[j].of[1]);
        multiply_add(sums.value[i][j][1], a, b[j].of[2], b[j].of[3]);
      }
    }
  }
}

/// sums to [DCN_PIXELS][DCN_OUTPUTS + kSumPad].
DCN_INLINE void put(sycl::sub_group, int team, int thread, const Sums& sums, float* to) {
  const int lane = thread % DCN_LANES;
  const int row = team / DCN_COLUMN_TEAMS * (kRowBlocks * kBlockSide) + lane / 4;
  const int column = team % DCN_COLUMN_TEAMS * (kColumnBlocks * kBlockSide) + lane % 4 * 2;
#pragma unroll
  for (int i = 0; i < kRowBlocks; ++i) {
#pragma unroll
    for (int j = 0; j < kColumnBlocks; ++j) {
#pragma unroll
      for (int c = 0; c < 8; ++c) {
        const int at_row = row + i * kBlockSide + c % 4 / 2 * 8;
        const int at_column = column + j * kBlockSide + c / 4 * 8 + c % 2;
        to[at_row * (DCN_OUTPUTS + kSumPad) + at_column] = sums.value[i][j][c / 4][c % 4];
      }
    }
  }
}

/// Row (channel) and column (output) of an element of a step's packed weights: block after block, in each what lane 0
/// holds, lane 1, ...: two pairs of words, one pair for each half of the columns.
DCN_INLINE int row_of(int within) {
  constexpr int kWord = 4 / int{sizeof(Stage)};
  const int block = within / (32 * kLaneElements);
  const int element = within % kLaneElements;
  const int lane = within / kLaneElements % 32;
  return block / (DCN_OUTPUTS / kBlockSide) * kBlockDepth + lane % 4 * kWord + element % kWord +
         element / kWord % 2 * (kBlockDepth / 2);
}
DCN_INLINE int column_of(int within) {
  const int block = within / (32 * kLaneElements);
  const int element = within % kLaneElements;
  const int lane = within / kLaneElements % 32;
  return block % (DCN_OUTPUTS / kBlockSide) * kBlockSide + lane / 4 + element / (kLaneElements / 2) * 8;
}
