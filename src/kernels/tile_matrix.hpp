/// \file tile_matrix.hpp
/// The product of a tile in local memory with packed weights, on matrix units or by plain multiply-adds. Part of the
/// tiled kernels, whose macros it takes.
#pragma once

#include <sycl/ext/oneapi/matrix/matrix.hpp>
#include <sycl/multi_ptr.hpp>

#include "deform_common.hpp"
#include "tile_stage.hpp"

#if defined(DCN_WARPGROUPS)

#include "tile_warpgroup.hpp"

#elif defined(DCN_MMA)

#include "tile_mma.hpp"

#elif defined(DCN_MATRIX_ROWS)

namespace matrix = sycl::ext::oneapi::experimental::matrix;

constexpr int kMatrixRows = DCN_MATRIX_ROWS;
constexpr int kMatrixColumns = DCN_MATRIX_COLUMNS;
constexpr int kMatrixDepth = DCN_MATRIX_DEPTH;
constexpr int kRowBlocks = DCN_PIXELS / DCN_ROW_TEAMS / kMatrixRows;
constexpr int kColumnBlocks = DCN_OUTPUTS / DCN_COLUMN_TEAMS / kMatrixColumns;

#if defined(DCN_T_F16)
using Stage = sycl::half;
using MatrixElement = sycl::half;
using MatrixMemory = sycl::half;
DCN_INLINE Stage stage(float value) { return static_cast<sycl::half>(value); }
#elif defined(DCN_T_BF16)
using Stage = unsigned short;
using MatrixElement = sycl::ext::oneapi::bfloat16;
using MatrixMemory = sycl::ext::oneapi::bfloat16;
DCN_INLINE Stage stage(float value) { return store(value); }
#else
using Stage = float;
using MatrixElement = matrix::precision::tf32;
using MatrixMemory = float;
/// To the nearest tf32: what lies below its last bit is cut off by the units. Infinities and NaN stay what they are.
DCN_INLINE Stage stage(float value) {
  const unsigned bits = __builtin_bit_cast(unsigned, value);
  return (bits & 0x7f800000u) == 0x7f800000u ? value : __builtin_bit_cast(float, bits + 0x1000u & 0xffffe000u);
}
#endif

constexpr int kStagePad = 16 / int{sizeof(Stage)};  ///< rows of the column start in different banks
constexpr int kSumPad = 4;

template <matrix::use Use, matrix::layout Layout>
using Operand =
    matrix::joint_matrix<sycl::sub_group, MatrixElement, Use, Use == matrix::use::a ? kMatrixRows : kMatrixDepth,
                         Use == matrix::use::a ? kMatrixDepth : kMatrixColumns, Layout>;

struct Sums {
  matrix::joint_matrix<sycl::sub_group, float, matrix::use::accumulator, kMatrixRows, kMatrixColumns>
      block[kRowBlocks][kColumnBlocks];
};

template <sycl::access::address_space Space, typename T>
DCN_INLINE auto in_space(T* pointer) {
  return sycl::address_space_cast<Space, sycl::access::decorated::no>(pointer);
}

DCN_INLINE void clear(Sums& sums) {
  const auto sub_group = sycl::ext::oneapi::this_work_item::get_sub_group();
#pragma unroll
  for (int i = 0; i < kRowBlocks; ++i) {
#pragma unroll
    for (int j = 0; j < kColumnBlocks; ++j) matrix::joint_matrix_fill(sub_group, sums.block[i][j], 0.0f);
  }
}

/// sums += column [DCN_PIXELS][DCN_DEPTH] * weight, for the part of the tile that is this sub-group's.
DCN_INLINE void multiply(sycl::sub_group sub_group, int team, int, const Stage* column, const Stage* weight,
                         Sums& sums) {
  constexpr auto kLocal = sycl::access::address_space::local_space;
  constexpr auto kGlobal = sycl::access::address_space::global_space;
  constexpr int kRowStride = DCN_DEPTH + kStagePad;
  constexpr int kBlock = kMatrixDepth * kMatrixColumns;
  const int row = team / DCN_COLUMN_TEAMS * (kRowBlocks * kMatrixRows);
  const int column_block = team % DCN_COLUMN_TEAMS * kColumnBlocks;
  auto* rows = const_cast<MatrixMemory*>(reinterpret_cast<const MatrixMemory*>(column));
  auto* blocks = const_cast<MatrixMemory*>(reinterpret_cast<const MatrixMemory*>(weight));
#pragma unroll
  for (int k = 0; k < DCN_DEPTH; k += kMatrixDepth) {
    Operand<matrix::use::a, matrix::layout::row_major> a[kRowBlocks];
    Operand<matrix::use::b, matrix::layout::col_major> b[kColumnBlocks];
#pragma unroll
    for (int j = 0; j < kColumnBlocks; ++j) {
      const int block = k / kMatrixDepth * (DCN_OUTPUTS / kMatrixColumns) + column_block + j;
      matrix::joint_matrix_load(sub_group, b[j], in_space<kGlobal>(blocks + block * kBlock), kMatrixDepth);
    }
#pragma unroll
    for (int i = 0; i < kRowBlocks; ++i) {
      matrix::joint_matrix_load(sub_group, a[i], in_space<kLocal>(rows + (row + i * kMatrixRows) * kRowStride + k),
                                kRowStride);
    }
#pragma unroll
    for (int i = 0; i < kRowBlocks; ++i) {
#pragma unroll
      for (int j = 0; j < kColumnBlocks; ++j) {
        matrix::joint_matrix_mad(sub_group, sums.block[i][j], a[i], b[j], sums.block[i][j]);
      }
    }
  }
}

/// sums to [DCN_PIXELS][DCN_OUTPUTS + kSumPad].
DCN_INLINE void put(sycl::sub_group sub_group, int team, int, Sums& sums, float* to) {
  constexpr auto kLocal = sycl::access::address_space::local_space;
  const int row = team / DCN_COLUMN_TEAMS * (kRowBlocks * kMatrixRows);
  const int column = team % DCN_COLUMN_TEAMS * (kColumnBlocks * kMatrixColumns);
#pragma unroll
  for (int i = 0; i < kRowBlocks; ++i) {
#pragma unroll
    for (int j = 0; j < kColumnBlocks; ++j) {
      float* block = to + (row + i * kMatrixRows) * (DCN_OUTPUTS + kSumPad) + column + j * kMatrixColumns;
      matrix::joint_matrix_store(sub_group, sums.block[i][j], in_space<kLocal>(block), DCN_OUTPUTS + kSumPad,
                                 matrix::layout::row_major);
    }
  }
}

/// Row (channel) and column (output) of an element of a step's packed weights: blocks of the matrix units' shape, each
/// column by column, so that neighbours in depth lie side by side.
DCN_INLINE int row_of(int within) {
  return within / (kMatrixDepth * DCN_OUTPUTS) * kMatrixDepth + within % kMatrixDepth;
}
DCN_INLINE int column_of(int within) {
  return within % (kMatrixDepth * DCN_OUTPUTS) / (kMatrixDepth * kMatrixColumns) * kMatrixColumns +
         within / kMatrixDepth % kMatrixColumns;
}

#else

using Stage = float;
DCN_INLINE Stage stage(float value) { return value; }

constexpr int kStagePad = 4;
constexpr int kSumPad = 4;
constexpr int kQuad = 4;
/// Work-items side by side: each has four output channels of every `kColumnItems` quads, and of every kRowItems-th row.
constexpr int kAllItems = DCN_ROW_TEAMS * DCN_COLUMN_TEAMS * DCN_LANES;
constexpr int kColumnItems = DCN_OUTPUTS / kQuad < 16 ? DCN_OUTPUTS / kQuad : 16;
constexpr int kRowItems = kAllItems / kColumnItems;
constexpr int kItemRows = DCN_PIXELS / kRowItems;
constexpr int kItemQuads = DCN_OUTPUTS / kQuad / kColumnItems;
static_assert(kItemRows * kRowItems == DCN_PIXELS && kItemQuads * kColumnItems * kQuad == DCN_OUTPUTS);

struct Sums {
  float value[kItemRows][kItemQuads][kQuad];
};

struct alignas(16) Quad {
  float value[kQuad];
};

DCN_INLINE void clear(Sums& sums) {
#pragma unroll
  for (int i = 0; i < kItemRows; ++i) {
#pragma unroll
    for (int j = 0; j < kItemQuads; ++j) {
#pragma unroll
      for (int c = 0; c < kQuad; ++c) sums.value[i][j][c] = 0.0f;
    }
  }
}

DCN_INLINE void multiply(sycl::sub_group, int, int thread, const Stage* column, const Stage* weight, Sums& sums) {
  constexpr int kRowStride = DCN_DEPTH + kStagePad;
  const int first_row = thread / kColumnItems;
  const int first_quad = thread % kColumnItems;
#pragma unroll 2
  for (int k = 0; k < DCN_DEPTH; k += kQuad) {
    Quad rows[kItemRows];
#pragma unroll
    for (int i = 0; i < kItemRows; ++i) {
      rows[i] = *reinterpret_cast<const Quad*>(column + (first_row + i * kRowItems) * kRowStride + k);
    }
#pragma unroll
    for (int d = 0; d < kQuad; ++d) {
#pragma unroll
      for (int j = 0; j < kItemQuads; ++j) {
        const Quad quad =
            *reinterpret_cast<const Quad*>(weight + (k + d) * DCN_OUTPUTS + (first_quad + j * kColumnItems) * kQuad);
#pragma unroll
        for (int i = 0; i < kItemRows; ++i) {
#pragma unroll
          for (int c = 0; c < kQuad; ++c) {
            sums.value[i][j][c] = sycl::fma(rows[i].value[d], quad.value[c], sums.value[i][j][c]);
          }
        }
      }
    }
  }
}

DCN_INLINE void put(sycl::sub_group, int, int thread, const Sums& sums, float* to) {
  const int first_row = thread / kColumnItems;
  const int first_quad = thread % kColumnItems;
#pragma unroll
  for (int i = 0; i < kItemRows; ++i) {
#pragma unroll
    for (int j = 0; j < kItemQuads; ++j) {
#pragma unroll
      for (int c = 0; c < kQuad; ++c) {
        to[(first_row + i * kRowItems) * (DCN_OUTPUTS + kSumPad) + (first_quad + j * kColumnItems) * kQuad + c] =
            sums.value[i][j][c];
      }
    }
  }
}

/// Row (channel) and column (output) of an element of a step's packed weights.
DCN_INLINE int row_of(int within) { return within / DCN_OUTPUTS; }
DCN_INLINE int column_of(int within) { return within % DCN_OUTPUTS; }

#endif
