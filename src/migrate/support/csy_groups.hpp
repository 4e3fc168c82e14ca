/// \file csy_groups.hpp
/// Cooperative groups, and cub's primitives of blocks and warps, as migrated kernels use them. CUDA's names are kept:
/// `cooperative_groups::x` is csy::cg::x, `cub::X` is csy::cub::X. Included by files that need it; README.md has the
/// list.
///
/// Blocks are SYCL work-groups, tiles are parts of a warp, which is a sub-group of 32. The kernels of a file that
/// includes this header run in flat groups, as all that use the csy::warp_ functions do.
#pragma once
#include "csy.hpp"
CSY_SOURCE

namespace csy {
namespace detail {
/// The work-item's number in its block, x fastest; that many are in the block.
inline unsigned block_rank() {
  const dim3 i = local_id(), n = local_range();
  return (i.z * n.y + i.y) * n.x + i.x;
}
inline unsigned block_size() {
  const dim3 n = local_range();
  return n.x * n.y * n.z;
}
}  // namespace detail

}  // namespace csy

/// An operand as a type of the global namespace, where projects declare operators on vector types: templates see such
/// an operator through an argument's namespace only.
template <typename T>
struct csy_operand {
  const T& value;
  operator const T&() const { return value; }
};

namespace csy {
// ---- Function objects: cub::Sum, cooperative_groups::plus. Types as in C++ when the operands' types differ.
namespace operation {
struct sum {
  template <typename A, typename B>
  auto operator()(const A& a, const B& b) const {
    if constexpr (requires { a + b; })
      return a + b;
    else
      return csy_operand<A>{a} + csy_operand<B>{b};
  }
};
struct maximum {
  template <typename T>
  T operator()(const T& a, const T& b) const {
    return a < b ? b : a;
  }
};
struct minimum {
  template <typename T>
  T operator()(const T& a, const T& b) const {
    return b < a ? b : a;
  }
};
}  // namespace operation

namespace cg {

class thread_block {
 public:
  static void sync() { barrier(); }
  static unsigned thread_rank() { return detail::block_rank(); }
  static unsigned size() { return detail::block_size(); }
  static unsigned num_threads() { return detail::block_size(); }
  static dim3 group_index() { return group_id(); }
  static dim3 thread_index() { return local_id(); }
  static dim3 group_dim() { return local_range(); }
  static dim3 dim_threads() { return local_range(); }
};
inline thread_block this_thread_block() { return {}; }

/// All blocks of the launch. They can be counted, not waited for.
class grid_group {
 public:
  static unsigned long long thread_rank() { return block_rank() * detail::block_size() + detail::block_rank(); }
  static unsigned long long size() { return num_blocks() * detail::block_size(); }
  static unsigned long long num_threads() { return size(); }
  static unsigned long long block_rank() {
    const dim3 i = group_id(), n = group_range();
    return (static_cast<unsigned long long>(i.z) * n.y + i.y) * n.x + i.x;
  }
  static unsigned long long num_blocks() {
    const dim3 n = group_range();
    return static_cast<unsigned long long>(n.x) * n.y * n.z;
  }
  static dim3 block_index() { return group_id(); }
  static dim3 group_dim() { return group_range(); }
  static dim3 dim_blocks() { return group_range(); }
};
inline grid_group this_grid() { return {}; }

/// N neighbouring lanes of a warp, N a power of two up to 32.
template <unsigned N, typename Parent = void>
class thread_block_tile {
  static_assert(N >= 1 && N <= 32 && (N & (N - 1)) == 0, "tiles of more than a warp have no equivalent");

 public:
  static void sync() { csy::warp_barrier(); }
  static unsigned thread_rank() { return warp_lane() & (N - 1); }
  static constexpr unsigned size() { return N; }
  static constexpr unsigned num_threads() { return N; }
  static unsigned meta_group_rank() { return detail::block_rank() / N; }
  static unsigned meta_group_size() { return (detail::block_size() + N - 1) / N; }
  template <typename T>
  T shfl(T v, int lane) const {
    return csy::warp_shfl(~0u, v, lane, int(N));
  }
  template <typename T>
  T shfl_up(T v, unsigned delta) const {
    return csy::warp_shfl_up(~0u, v, delta, int(N));
  }
  template <typename T>
  T shfl_down(T v, unsigned delta) const {
    return csy::warp_shfl_down(~0u, v, delta, int(N));
  }
  template <typename T>
  T shfl_xor(T v, unsigned mask) const {
    return csy::warp_shfl_xor(~0u, v, int(mask), int(N));
  }
  /// Bit i: the predicate of the tile's lane i.
  static unsigned ballot(int predicate) {
    const unsigned all = warp_ballot(~0u, predicate) >> (warp_lane() & ~(N - 1));
    return N == 32 ? all : all & ((1u << (N % 32)) - 1);
  }
  static int any(int predicate) { return ballot(predicate) != 0; }
  static int all(int predicate) { return ballot(predicate == 0) == 0; }
};
template <unsigned N, typename Parent>
thread_block_tile<N, Parent> tiled_partition(const Parent&) {
  return {};
}
template <typename Group>
void sync(const Group&) {
  Group::sync();
}
template <typename Group>
unsigned thread_rank(const Group&) {
  return Group::thread_rank();
}

template <typename T>
struct plus : operation::sum {};
template <typename T>
struct greater : operation::maximum {};
template <typename T>
struct less : operation::minimum {};
template <typename T>
struct bit_and {
  T operator()(T a, T b) const { return a & b; }
};
template <typename T>
struct bit_or {
  T operator()(T a, T b) const { return a | b; }
};
template <typename T>
struct bit_xor {
  T operator()(T a, T b) const { return a ^ b; }
};
/// All lanes of the tile get the result.
template <unsigned N, typename P, typename T, typename Op>
T reduce(const thread_block_tile<N, P>& tile, T v, Op op) {
  for (unsigned d = N / 2; d > 0; d /= 2) v = T(op(v, tile.shfl_xor(v, d)));
  return v;
}
template <unsigned N, typename P, typename T, typename Op = plus<T>>
T inclusive_scan(const thread_block_tile<N, P>& tile, T v, Op op = {}) {
  for (unsigned d = 1; d < N; d *= 2) {
    const T other = tile.shfl_up(v, d);
    if (tile.thread_rank() >= d) v = T(op(other, v));
  }
  return v;
}
template <unsigned N, typename P, typename T, typename Op = plus<T>>
T exclusive_scan(const thread_block_tile<N, P>& tile, T v, Op op = {}) {
  const T before = tile.shfl_up(inclusive_scan(tile, v, op), 1);
  return tile.thread_rank() == 0 ? T(0) : before;
}

}  // namespace cg

namespace cub {

using Sum = operation::sum;
using Max = operation::maximum;
using Min = operation::minimum;
enum BlockReduceAlgorithm { BLOCK_REDUCE_RAKING_COMMUTATIVE_ONLY, BLOCK_REDUCE_RAKING, BLOCK_REDUCE_WARP_REDUCTIONS };
enum BlockScanAlgorithm { BLOCK_SCAN_RAKING, BLOCK_SCAN_RAKING_MEMOIZE, BLOCK_SCAN_WARP_SCANS };

/// What BlockReduce and BlockScan share: a value per work-item in the storage that the kernel declares. Every work-item
/// of the block must call; the block may be smaller than X * Y * Z.
template <typename T, int X, int Y, int Z>
class block_values {
 public:
  /// Kernels lay other data of up to 16 bytes alignment behind a storage in the same memory.
  struct alignas(16) TempStorage {
    T value[X * Y * Z];
  };
  explicit block_values(TempStorage& storage) : value_(storage.value) {}

 protected:
  /// What each work-item of rank < count has, combined in order from rank 0 on; the whole to everyone.
  template <typename Op>
  T scan(T v, Op op, unsigned count, T* before, T* whole) const {
    const unsigned rank = detail::block_rank();
    barrier();  // the storage may still be read from the call before
    value_[rank] = v;
    barrier();
    for (unsigned d = 1; d < count; d *= 2) {
      const bool takes = rank >= d && rank < count;
      const T other = value_[takes ? rank - d : rank];
      barrier();
      if (takes) value_[rank] = v = T(op(other, v));
      barrier();
    }
    if (before != nullptr && rank > 0 && rank < count) *before = value_[rank - 1];
    if (whole != nullptr) *whole = value_[count - 1];
    return v;
  }
  /// What `callback` makes of the block's whole, for everyone: the first warp calls it, work-item 0's result counts.
  template <typename Callback>
  T seed(Callback& callback, const T& whole) const {
    const unsigned rank = detail::block_rank();
    T prefix{};
    if (rank < 32) prefix = T(callback(whole));
    barrier();
    if (rank == 0) value_[0] = prefix;
    barrier();
    return value_[0];
  }
  static unsigned present(int limit) {
    const unsigned n = detail::block_size();
    return limit < 0 || unsigned(limit) > n ? n : unsigned(limit);
  }
  T* value_;
};

/// cub gives the result to work-item 0 alone; here every one gets it.
template <typename T, int X, BlockReduceAlgorithm A = BLOCK_REDUCE_WARP_REDUCTIONS, int Y = 1, int Z = 1, int Arch = 0>
class BlockReduce : public block_values<T, X, Y, Z> {
 public:
  using block_values<T, X, Y, Z>::block_values;
  template <typename Op>
  T Reduce(T v, Op op, int valid = -1) const {
    T whole = v;
    this->scan(v, op, this->present(valid), nullptr, &whole);
    return whole;
  }
  T Sum(T v, int valid = -1) const { return Reduce(v, operation::sum(), valid); }
  template <int N>
  T Sum(const T (&v)[N]) const {
    T mine = v[0];
    for (int i = 1; i < N; ++i) mine = T(mine + v[i]);
    return Sum(mine);
  }
};

template <typename T, int X, BlockScanAlgorithm A = BLOCK_SCAN_RAKING, int Y = 1, int Z = 1, int Arch = 0>
class BlockScan : public block_values<T, X, Y, Z> {
 public:
  using block_values<T, X, Y, Z>::block_values;
  template <typename Op>
  void InclusiveScan(T v, T& out, Op op) const {
    out = this->scan(v, op, this->present(-1), nullptr, nullptr);
  }
  template <typename Op>
  void InclusiveScan(T v, T& out, Op op, T& whole) const {
    out = this->scan(v, op, this->present(-1), nullptr, &whole);
  }
  template <typename Op>
  void ExclusiveScan(T v, T& out, T initial, Op op) const {
    T ignored;
    ExclusiveScan(v, out, initial, op, ignored);
  }
  template <typename Op>
  void ExclusiveScan(T v, T& out, T initial, Op op, T& whole) const {
    T before{};
    this->scan(v, op, this->present(-1), &before, &whole);
    out = detail::block_rank() == 0 ? initial : T(op(initial, before));
  }
  /// A callback gets the block's whole and returns what stands before the block's first value.
  template <typename Op, typename Callback>
    requires std::is_invocable_v<Callback&, T>
  void InclusiveScan(T v, T& out, Op op, Callback& callback) const {
    T whole;
    InclusiveScan(v, out, op, whole);
    out = T(op(this->seed(callback, whole), out));
  }
  template <typename Op, typename Callback>
    requires std::is_invocable_v<Callback&, T>
  void ExclusiveScan(T v, T& out, Op op, Callback& callback) const {
    T before{}, whole;
    this->scan(v, op, this->present(-1), &before, &whole);
    const T prefix = this->seed(callback, whole);
    out = detail::block_rank() == 0 ? prefix : T(op(prefix, before));
  }
  void InclusiveSum(T v, T& out) const { InclusiveScan(v, out, operation::sum()); }
  template <typename WholeOrCallback>
  void InclusiveSum(T v, T& out, WholeOrCallback& more) const {
    InclusiveScan(v, out, operation::sum(), more);
  }
  void ExclusiveSum(T v, T& out) const { ExclusiveScan(v, out, T(0), operation::sum()); }
  void ExclusiveSum(T v, T& out, T& whole) const { ExclusiveScan(v, out, T(0), operation::sum(), whole); }
  template <typename Callback>
    requires std::is_invocable_v<Callback&, T>
  void ExclusiveSum(T v, T& out, Callback& callback) const {
    ExclusiveScan(v, out, operation::sum(), callback);
  }

  // N neighbouring values a work-item. `more` is the block's whole, or a callback as above.
  template <int N, typename Op, typename... More>
  void InclusiveScan(const T (&in)[N], T (&out)[N], Op op, More&... more) const {
    T inner = in[0], before{};
    for (int i = 1; i < N; ++i) inner = T(op(inner, in[i]));
    const bool seeded = scan_items(inner, before, op, more...);
    T running = seeded ? T(op(before, in[0])) : in[0];
    for (int i = 0; i < N; ++i) {
      if (i > 0) running = T(op(running, in[i]));
      out[i] = running;
    }
  }
  template <int N, typename Op, typename... More>
  void ExclusiveScan(const T (&in)[N], T (&out)[N], T initial, Op op, More&... more) const {
    T inner = in[0], before{};
    for (int i = 1; i < N; ++i) inner = T(op(inner, in[i]));
    const bool seeded = scan_items(inner, before, op, more...);
    spread(in, out, seeded ? T(op(initial, before)) : initial, op);
  }
  template <int N, typename Op, typename Callback>
    requires std::is_invocable_v<Callback&, T>
  void ExclusiveScan(const T (&in)[N], T (&out)[N], Op op, Callback& callback) const {
    T inner = in[0], before{};
    for (int i = 1; i < N; ++i) inner = T(op(inner, in[i]));
    scan_items(inner, before, op, callback);
    spread(in, out, before, op);
  }
  template <int N, typename... More>
  void InclusiveSum(const T (&in)[N], T (&out)[N], More&... more) const {
    InclusiveScan(in, out, operation::sum(), more...);
  }
  template <int N>
  void ExclusiveSum(const T (&in)[N], T (&out)[N]) const {
    ExclusiveScan(in, out, T(0), operation::sum());
  }
  template <int N, typename WholeOrCallback>
  void ExclusiveSum(const T (&in)[N], T (&out)[N], WholeOrCallback& more) const {
    if constexpr (std::is_invocable_v<WholeOrCallback&, T>)
      ExclusiveScan(in, out, operation::sum(), more);
    else
      ExclusiveScan(in, out, T(0), operation::sum(), more);
  }

 private:
  /// What stands before this work-item's values; false if nothing does.
  template <typename Op>
  bool scan_items(T inner, T& before, Op op) const {
    this->scan(inner, op, this->present(-1), &before, nullptr);
    return detail::block_rank() > 0;
  }
  template <typename Op>
  bool scan_items(T inner, T& before, Op op, T& whole) const {
    this->scan(inner, op, this->present(-1), &before, &whole);
    return detail::block_rank() > 0;
  }
  template <typename Op, typename Callback>
    requires std::is_invocable_v<Callback&, T>
  bool scan_items(T inner, T& before, Op op, Callback& callback) const {
    ExclusiveScan(inner, before, op, callback);
    return true;
  }
  template <int N, typename Op>
  static void spread(const T (&in)[N], T (&out)[N], T running, Op op) {
    for (int i = 0; i < N; ++i) {
      const T item = in[i];
      out[i] = running;
      running = T(op(running, item));
    }
  }
};

/// N neighbouring lanes. Values travel between lanes, so the storage stays unused. All lanes get the result of a
/// reduction.
template <typename T, int N = 32, int Arch = 0>
class WarpReduce {
 public:
  struct TempStorage {
    char unused;
  };
  explicit WarpReduce(TempStorage&) {}
  template <typename Op>
  T Reduce(T v, Op op) const {
    return cg::reduce(tile_, v, op);
  }
  template <typename Op>
  T Reduce(T v, Op op, int valid) const {
    for (int d = 1; d < N; d *= 2) {
      const T other = tile_.shfl_down(v, unsigned(d));
      if (int(tile_.thread_rank()) % (2 * d) == 0 && int(tile_.thread_rank()) + d < valid) v = T(op(v, other));
    }
    return tile_.shfl(v, 0);
  }
  T Sum(T v) const { return Reduce(v, operation::sum()); }
  T Sum(T v, int valid) const { return Reduce(v, operation::sum(), valid); }
  /// Segments begin at lanes with a flag; the first lane of each gets its segment's result.
  template <typename Flag, typename Op>
  T HeadSegmentedReduce(T v, Flag head, Op op) const {
    return segmented(v, tile_.ballot(head ? 1 : 0) >> 1, op);
  }
  template <typename Flag>
  T HeadSegmentedSum(T v, Flag head) const {
    return HeadSegmentedReduce(v, head, operation::sum());
  }
  /// Segments end at lanes with a flag.
  template <typename Flag, typename Op>
  T TailSegmentedReduce(T v, Flag tail, Op op) const {
    return segmented(v, tile_.ballot(tail ? 1 : 0), op);
  }
  template <typename Flag>
  T TailSegmentedSum(T v, Flag tail) const {
    return TailSegmentedReduce(v, tail, operation::sum());
  }

 private:
  /// Bit i of `last`: lane i is the last of its segment.
  template <typename Op>
  T segmented(T v, unsigned last, Op op) const {
    const unsigned lane = tile_.thread_rank(), here = (last | (1u << (N - 1))) >> lane;
    unsigned left = 0;  // lanes behind this one in its segment
    while ((here >> left & 1u) == 0) ++left;
    for (unsigned d = 1; d < unsigned(N); d *= 2) {
      const T other = tile_.shfl_down(v, d);
      if (d <= left) v = T(op(v, other));
    }
    return v;
  }

  cg::thread_block_tile<unsigned(N)> tile_;
};

template <typename T, int N = 32, int Arch = 0>
class WarpScan {
 public:
  struct TempStorage {
    char unused;
  };
  explicit WarpScan(TempStorage&) {}
  template <typename Op>
  void InclusiveScan(T v, T& out, Op op) const {
    out = cg::inclusive_scan(tile_, v, op);
  }
  template <typename Op>
  void InclusiveScan(T v, T& out, Op op, T& whole) const {
    InclusiveScan(v, out, op);
    whole = tile_.shfl(out, N - 1);
  }
  template <typename Op>
  void ExclusiveScan(T v, T& out, T initial, Op op) const {
    const T before = tile_.shfl_up(cg::inclusive_scan(tile_, v, op), 1);
    out = tile_.thread_rank() == 0 ? initial : T(op(initial, before));
  }
  T Broadcast(T v, unsigned lane) const { return tile_.shfl(v, int(lane)); }
  void InclusiveSum(T v, T& out) const { InclusiveScan(v, out, operation::sum()); }
  void InclusiveSum(T v, T& out, T& whole) const { InclusiveScan(v, out, operation::sum(), whole); }
  void ExclusiveSum(T v, T& out) const { out = cg::exclusive_scan(tile_, v, operation::sum()); }
  void ExclusiveSum(T v, T& out, T& whole) const {
    ExclusiveSum(v, out);
    whole = tile_.shfl(T(out + v), N - 1);
  }

 private:
  cg::thread_block_tile<unsigned(N)> tile_;
};

}  // namespace cub
}  // namespace csy
