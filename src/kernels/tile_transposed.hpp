/// \file tile_transposed.hpp
/// The product of two tiles in local memory over their rows (pixels): outputs by channels. Part of the tiled kernel of
/// the gradients, whose macros it takes; beside those of tile_matrix.hpp
///   DCN_SLICE  output channels: rows of the product; DCN_OUTPUTS are its columns, DCN_PIXELS its depth
#pragma once

#include "tile_matrix.hpp"

constexpr int kLeftStride = DCN_DEPTH + kStagePad;     ///< of a pixel's DCN_DEPTH outputs
constexpr int kRightStride = DCN_OUTPUTS + kStagePad;  ///< of a pixel's channels

/// Where an output's values are: blocks of DCN_DEPTH outputs, in each [DCN_PIXELS][kLeftStride].
DCN_INLINE int left_at(int output) { return output / DCN_DEPTH * (DCN_PIXELS * kLeftStride) + output % DCN_DEPTH; }

#if defined(DCN_MMA)

constexpr int kProductRowBlocks = DCN_SLICE / DCN_ROW_TEAMS / kBlockSide;
static_assert(kProductRowBlocks > 0 && DCN_PIXELS % kBlockDepth == 0 && DCN_DEPTH % kBlockSide == 0);

/// [row block][column block][half of its columns][what a lane holds of 16 x 8 sums]
struct ProductSums {
  float value[kProductRowBlocks][kColumnBlocks][2][4];
};

#if defined(DCN_T_F16) || defined(DCN_T_BF16)
/// Four 8 x 8 matrices, transposed on the way; each lane names one row (pixel).
DCN_INLINE Words load_transposed(const Stage* row) {
  Words words;
  asm volatile(
      "{ .reg .u64 at; cvta.to.shared.u64 at, %4; "
      "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [at]; }"
      : "=r"(words.of[0]), "=r"(words.of[1]), "=r"(words.of[2]), "=r"(words.of[3])
      : "l"(row)
      : "memory");
  return words;
}
/// 16 outputs as the rows of a product: matrices go down the outputs first, then down the pixels.
DCN_INLINE Words load_left(const Stage* block, int lane) {
  return load_transposed(block + (lane % 8 + lane / 16 * 8) * kLeftStride + lane / 8 % 2 * 8);
}
/// 16 channels as its columns: matrices go down the pixels first.
DCN_INLINE Words load_right(const Stage* block, int lane) {
  return load_transposed(block + (lane % 16) * kRightStride + lane / 16 * 8);
}
#else
DCN_INLINE Words load_left(const Stage* block, int lane) {
  const Stage* at = block + lane % 4 * kLeftStride + lane / 4;
  return {{__builtin_bit_cast(unsigned, at[0]), __builtin_bit_cast(unsigned, at[8]),
           __builtin_bit_cast(unsigned, at[4 * kLeftStride]), __builtin_bit_cast(unsigned, at[4 * kLeftStride + 8])}};
}
DCN_INLINE Words load_right(const Stage* block, int lane) {
  const Stage* at = block + lane % 4 * kRightStride + lane / 4;
  return {{__builtin_bit_cast(unsigned, at[0]), __builtin_bit_cast(unsigned, at[4 * kRightStride]),
           __builtin_bit_cast(unsigned, at[8]), __builtin_bit_cast(unsigned, at[4 * kRightStride + 8])}};
}
#endif

DCN_INLINE void clear(ProductSums& sums) {
#pragma unroll
  for (int i = 0; i < kProductRowBlocks; ++i) {
#pragma unroll
    for (int j = 0; j < kColumnBlocks; ++j) {
#pragma unroll
      for (int c = 0; c < 8; ++c) sums.value[i][j][c / 4][c % 4] = 0.0f;
    }
  }
}

/// sums[output][channel] += left[pixel][output] * right[pixel][channel], for the part that is this sub-group's.
DCN_INLINE void multiply_transposed(int team, int thread, const Stage* left, const Stage* right, ProductSums& sums) {
  const int lane = thread % DCN_LANES;
  const int output = team / DCN_COLUMN_TEAMS * (kProductRowBlocks * kBlockSide);
  const int channel = team % DCN_COLUMN_TEAMS * (kColumnBlocks * kBlockSide);
#pragma unroll
  for (int k = 0; k < DCN_PIXELS; k += kBlockDepth) {
    Words b[kColumnBlocks];
#pragma unroll
    for (int j = 0; j < kColumnBlocks; ++j) {
      b[j] = load_right(right + k * kRightStride + channel + j * kBlockSide, lane);
    }
#pragma unroll
    for (int i = 0; i < kProductRowBlocks; ++i) {
      const Words a = load_left(left + left_at(output + i * kBlockSide) + k * kLeftStride, lane);
#pragma unroll
      for (int j = 0; j < kColumnBlocks; ++j) {
        multiply_add(sums.value[i][j][0], a, b[j].of[0], b[j].of[1]);
        multiply_add(sums.value[i][j][1], a, b[j].of[2], b[j].of[3]);
      }
    }
  }
}

/// Calls take(output, channel, sum) for what this work-item holds.
template <typename Take>
DCN_INLINE void visit(int team, int thread, const ProductSums& sums, Take take) {
  const int lane = thread % DCN_LANES;
  const int output = team / DCN_COLUMN_TEAMS * (kProductRowBlocks * kBlockSide) + lane / 4;
  const int channel = team % DCN_COLUMN_TEAMS * (kColumnBlocks * kBlockSide) + lane % 4 * 2;
#pragma unroll
  for (int i = 0; i < kProductRowBlocks; ++i) {
#pragma unroll
    for (int j = 0; j < kColumnBlocks; ++j) {
#pragma unroll
      for (int c = 0; c < 8; ++c) {
        take(output + i * kBlockSide + c % 4 / 2 * 8, channel + j * kBlockSide + c / 4 * 8 + c % 2,
             sums.value[i][j][c / 4][c % 4]);
      }
    }
  }
}

#elif defined(DCN_MATRIX_ROWS)
#error "no product over pixels through joint_matrix: ask for plain multiply-adds"
#else

constexpr int kProductRowItems = kAllItems / kColumnItems;
constexpr int kProductRowQuads = DCN_SLICE / kQuad / kProductRowItems;
static_assert(kProductRowQuads * kProductRowItems * kQuad == DCN_SLICE && DCN_DEPTH % kQuad == 0);

struct ProductSums {
  float value[kProductRowQuads][kItemQuads][kQuad][kQuad];
};

DCN_INLINE void clear(ProductSums& sums) {
#pragma unroll
  for (int i = 0; i < kProductRowQuads; ++i) {
#pragma unroll
    for (int j = 0; j < kItemQuads; ++j) {
#pragma unroll
      for (int c = 0; c < kQuad * kQuad; ++c) sums.value[i][j][c / kQuad][c % kQuad] = 0.0f;
    }
  }
}

/// sums[output][channel] += left[pixel][output] * right[pixel][channel], for the part that is this work-item's.
DCN_INLINE void multiply_transposed(int, int thread, const Stage* left, const Stage* right, ProductSums& sums) {
  const int row = thread / kColumnItems;
  const int column = thread % kColumnItems;
#pragma unroll 2
  for (int p = 0; p < DCN_PIXELS; ++p) {
    Quad columns[kItemQuads];
#pragma unroll
    for (int j = 0; j < kItemQuads; ++j) {
      columns[j] = *reinterpret_cast<const Quad*>(right + p * kRightStride + (column + j * kColumnItems) * kQuad);
    }
#pragma unroll
    for (int i = 0; i < kProductRowQuads; ++i) {
      const Quad rows =
          *reinterpret_cast<const Quad*>(left + left_at((row + i * kProductRowItems) * kQuad) + p * kLeftStride);
#pragma unroll
      for (int j = 0; j < kItemQuads; ++j) {
#pragma unroll
        for (int c = 0; c < kQuad * kQuad; ++c) {
          float& sum = sums.value[i][j][c / kQuad][c % kQuad];
          sum = sycl::fma(rows.value[c / kQuad], columns[j].value[c % kQuad], sum);
        }
      }
    }
  }
}

/// Calls take(output, channel, sum) for what this work-item holds.
template <typename Take>
DCN_INLINE void visit(int, int thread, const ProductSums& sums, Take take) {
  const int row = thread / kColumnItems;
  const int column = thread % kColumnItems;
#pragma unroll
  for (int i = 0; i < kProductRowQuads; ++i) {
#pragma unroll
    for (int j = 0; j < kItemQuads; ++j) {
#pragma unroll
      for (int c = 0; c < kQuad * kQuad; ++c) {
        take((row + i * kProductRowItems) * kQuad + c / kQuad, (column + j * kColumnItems) * kQuad + c % kQuad,
             sums.value[i][j][c / kQuad][c % kQuad]);
      }
    }
  }
}

#endif
