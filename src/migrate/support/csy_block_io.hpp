/// \file csy_block_io.hpp
/// cub's BlockLoad, BlockStore and BlockExchange, as migrated kernels use them: `cub::X` is csy::cub::X. Included by
/// files that need it, after csy_groups.hpp; README.md has the list.
///
/// cub's algorithms (transpose, vectorize, ...) give all the same result and differ in the order of memory accesses.
/// Here each work-item reads and writes its own items, so loads and stores need no storage and no barrier.
#pragma once
#include "csy_groups.hpp"
CSY_SOURCE

namespace csy {
namespace detail {
/// Kernels lay other data of up to 16 bytes alignment behind a storage in the same memory.
struct alignas(16) no_storage {
  char unused[16];
};
/// Where a work-item's item i lies: its own one behind the other, or every X-th of the block.
template <int Threads, int Items, bool Striped>
int item_place(int i) {
  const int rank = int(block_rank());
  return Striped ? i * Threads + rank : rank * Items + i;
}
}  // namespace detail

namespace cub {

enum BlockLoadAlgorithm {
  BLOCK_LOAD_DIRECT,
  BLOCK_LOAD_STRIPED,
  BLOCK_LOAD_VECTORIZE,
  BLOCK_LOAD_TRANSPOSE,
  BLOCK_LOAD_WARP_TRANSPOSE,
  BLOCK_LOAD_WARP_TRANSPOSE_TIMESLICED
};
enum BlockStoreAlgorithm {
  BLOCK_STORE_DIRECT,
  BLOCK_STORE_STRIPED,
  BLOCK_STORE_VECTORIZE,
  BLOCK_STORE_TRANSPOSE,
  BLOCK_STORE_WARP_TRANSPOSE,
  BLOCK_STORE_WARP_TRANSPOSE_TIMESLICED
};

template <typename T, int X, int N, BlockLoadAlgorithm A = BLOCK_LOAD_DIRECT, int Y = 1, int Z = 1, int Arch = 0>
class BlockLoad {
 public:
  using TempStorage = detail::no_storage;
  BlockLoad() = default;
  explicit BlockLoad(TempStorage&) {}
  template <typename Input>
  void Load(Input from, T (&items)[N]) const {
    for (int i = 0; i < N; ++i) items[i] = from[place(i)];
  }
  /// Items behind the first `valid` ones of the block stay as they are.
  template <typename Input>
  void Load(Input from, T (&items)[N], int valid) const {
    for (int i = 0; i < N; ++i)
      if (place(i) < valid) items[i] = from[place(i)];
  }
  template <typename Input, typename Default>
  void Load(Input from, T (&items)[N], int valid, Default otherwise) const {
    for (int i = 0; i < N; ++i) items[i] = T(otherwise);
    Load(from, items, valid);
  }

 private:
  static int place(int i) { return detail::item_place < X * Y * Z, N, A == BLOCK_LOAD_STRIPED > (i); }
};

template <typename T, int X, int N, BlockStoreAlgorithm A = BLOCK_STORE_DIRECT, int Y = 1, int Z = 1, int Arch = 0>
class BlockStore {
 public:
  using TempStorage = detail::no_storage;
  BlockStore() = default;
  explicit BlockStore(TempStorage&) {}
  template <typename Output>
  void Store(Output to, const T (&items)[N]) const {
    for (int i = 0; i < N; ++i) to[place(i)] = items[i];
  }
  template <typename Output>
  void Store(Output to, const T (&items)[N], int valid) const {
    for (int i = 0; i < N; ++i)
      if (place(i) < valid) to[place(i)] = items[i];
  }

 private:
  static int place(int i) { return detail::item_place < X * Y * Z, N, A == BLOCK_STORE_STRIPED > (i); }
};

/// Items change their owners through the storage. Every work-item of the block must call.
template <typename T, int X, int N, bool Sliced = false, int Y = 1, int Z = 1, int Arch = 0>
class BlockExchange {
  static constexpr int kThreads = X * Y * Z, kWarp = kThreads < 32 ? kThreads : 32;

 public:
  struct alignas(16) TempStorage {
    T value[kThreads * N];
  };
  explicit BlockExchange(TempStorage& storage) : value_(storage.value) {}
  template <typename Out>
  void BlockedToStriped(const T (&in)[N], Out (&out)[N]) const {
    exchange(in, out, blocked{}, striped{});
  }
  template <typename Out>
  void StripedToBlocked(const T (&in)[N], Out (&out)[N]) const {
    exchange(in, out, striped{}, blocked{});
  }
  template <typename Out>
  void BlockedToWarpStriped(const T (&in)[N], Out (&out)[N]) const {
    exchange(in, out, blocked{}, warp_striped{});
  }
  template <typename Out>
  void WarpStripedToBlocked(const T (&in)[N], Out (&out)[N]) const {
    exchange(in, out, warp_striped{}, blocked{});
  }
  template <typename Out, typename Rank>
  void ScatterToBlocked(const T (&in)[N], Out (&out)[N], const Rank (&ranks)[N]) const {
    exchange(in, out, [&](int i) { return int(ranks[i]); }, blocked{});
  }
  template <typename Out, typename Rank>
  void ScatterToStriped(const T (&in)[N], Out (&out)[N], const Rank (&ranks)[N]) const {
    exchange(in, out, [&](int i) { return int(ranks[i]); }, striped{});
  }
  void BlockedToStriped(T (&items)[N]) const { BlockedToStriped(items, items); }
  void StripedToBlocked(T (&items)[N]) const { StripedToBlocked(items, items); }
  void BlockedToWarpStriped(T (&items)[N]) const { BlockedToWarpStriped(items, items); }
  void WarpStripedToBlocked(T (&items)[N]) const { WarpStripedToBlocked(items, items); }

 private:
  // Objects, not functions: kernels call through no pointer.
  struct blocked {
    int operator()(int i) const { return detail::item_place<kThreads, N, false>(i); }
  };
  struct striped {
    int operator()(int i) const { return detail::item_place<kThreads, N, true>(i); }
  };
  struct warp_striped {
    int operator()(int i) const {
      const int rank = int(detail::block_rank());
      return rank / kWarp * kWarp * N + i * kWarp + rank % kWarp;
    }
  };
  template <typename Out, typename From, typename To>
  void exchange(const T (&in)[N], Out (&out)[N], From from, To to) const {
    barrier();  // the storage may still be read from the call before
    for (int i = 0; i < N; ++i) value_[from(i)] = in[i];
    barrier();
    for (int i = 0; i < N; ++i) out[i] = Out(value_[to(i)]);
  }
  T* value_;
};

}  // namespace cub
}  // namespace csy
