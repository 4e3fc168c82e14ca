// What cooperative groups, cub, thrust and cuRAND's kernel side declare, as far as a parse needs it. Names beyond these are errors in the parse, which
// goes on; the rules see them all the same.
#pragma once
#pragma clang system_header
#include <vector>

#include "csy_cuda.h"
#pragma clang force_cuda_host_device begin
struct curandState { int x; };
typedef curandState curandState_t;
typedef curandState curandStateXORWOW_t;
typedef curandState curandStateMRG32k3a_t;
typedef curandState curandStatePhilox4_32_10_t;
typedef curandState curandStatePhilox4_32_10;
void curand_init(unsigned long long, unsigned long long, unsigned long long, curandState *);
unsigned curand(curandState *);
float curand_uniform(curandState *);
float4 curand_uniform4(curandState *);
double curand_uniform_double(curandState *);
float curand_normal(curandState *);
double curand_normal_double(curandState *);
namespace cooperative_groups {
struct csy_group {
  void sync() const;
  unsigned thread_rank() const;
  unsigned size() const;
  unsigned num_threads() const;
  dim3 group_index() const;
  dim3 thread_index() const;
  dim3 group_dim() const;
  dim3 dim_threads() const;
  unsigned meta_group_rank() const;
  unsigned meta_group_size() const;
  template <class T> T shfl(T, int) const;
  template <class T> T shfl_up(T, unsigned) const;
  template <class T> T shfl_down(T, unsigned) const;
  template <class T> T shfl_xor(T, unsigned) const;
  int any(int) const;
  int all(int) const;
  unsigned ballot(int) const;
};
struct thread_block : csy_group {};
struct grid_group : csy_group {
  unsigned long long thread_rank() const;
  unsigned long long size() const;
  unsigned long long num_threads() const;
  unsigned long long block_rank() const;
  unsigned long long num_blocks() const;
  dim3 block_index() const;
  dim3 dim_blocks() const;
};
struct coalesced_group : csy_group {};
template <unsigned N, class P = void> struct thread_block_tile : csy_group {};
thread_block this_thread_block();
grid_group this_grid();
coalesced_group coalesced_threads();
template <unsigned N, class P> thread_block_tile<N, P> tiled_partition(const P &);
template <class G> void sync(const G &);
template <class G> unsigned thread_rank(const G &);
template <class T = void> struct plus {};
template <class T = void> struct less {};
template <class T = void> struct greater {};
template <class T = void> struct bit_and {};
template <class T = void> struct bit_or {};
template <class T = void> struct bit_xor {};
template <class G, class T, class O> T reduce(const G &, T, O);
template <class G, class T> T inclusive_scan(const G &, T);
template <class G, class T, class O> T inclusive_scan(const G &, T, O);
template <class G, class T> T exclusive_scan(const G &, T);
template <class G, class T, class O> T exclusive_scan(const G &, T, O);
}  // namespace cooperative_groups
namespace cub {
struct Sum {};
struct Max {};
struct Min {};
enum BlockReduceAlgorithm { BLOCK_REDUCE_RAKING_COMMUTATIVE_ONLY, BLOCK_REDUCE_RAKING, BLOCK_REDUCE_WARP_REDUCTIONS };
enum BlockScanAlgorithm { BLOCK_SCAN_RAKING, BLOCK_SCAN_RAKING_MEMOIZE, BLOCK_SCAN_WARP_SCANS };
#define CSY_COLLECTIVE(name, ...)                                   \
  template <class T, int X, __VA_ARGS__> struct name {              \
    struct TempStorage { T x[X]; };                                 \
    name(TempStorage &);                                            \
    template <class... B> T Sum(const B &...);                      \
    template <class... B> T Reduce(const B &...);                   \
    template <class... B> void InclusiveSum(B &&...);               \
    template <class... B> void ExclusiveSum(B &&...);               \
    template <class... B> void InclusiveScan(B &&...);              \
    template <class... B> void ExclusiveScan(B &&...);              \
  };
CSY_COLLECTIVE(BlockReduce, BlockReduceAlgorithm = BLOCK_REDUCE_WARP_REDUCTIONS, int Y = 1, int Z = 1, int A = 0)
CSY_COLLECTIVE(BlockScan, BlockScanAlgorithm = BLOCK_SCAN_RAKING, int Y = 1, int Z = 1, int A = 0)
enum BlockLoadAlgorithm {
  BLOCK_LOAD_DIRECT, BLOCK_LOAD_STRIPED, BLOCK_LOAD_VECTORIZE, BLOCK_LOAD_TRANSPOSE, BLOCK_LOAD_WARP_TRANSPOSE, BLOCK_LOAD_WARP_TRANSPOSE_TIMESLICED
};
enum BlockStoreAlgorithm {
  BLOCK_STORE_DIRECT, BLOCK_STORE_STRIPED, BLOCK_STORE_VECTORIZE, BLOCK_STORE_TRANSPOSE, BLOCK_STORE_WARP_TRANSPOSE, BLOCK_STORE_WARP_TRANSPOSE_TIMESLICED
};
template <class T, int X, int N, BlockLoadAlgorithm = BLOCK_LOAD_DIRECT, int Y = 1, int Z = 1, int A = 0> struct BlockLoad {
  struct TempStorage { T x; };
  BlockLoad();
  BlockLoad(TempStorage &);
  template <class I, class... B> void Load(I, T (&)[N], const B &...);
};
template <class T, int X, int N, BlockStoreAlgorithm = BLOCK_STORE_DIRECT, int Y = 1, int Z = 1, int A = 0> struct BlockStore {
  struct TempStorage { T x; };
  BlockStore();
  BlockStore(TempStorage &);
  template <class I, class... B> void Store(I, T (&)[N], const B &...);
};
template <class T, int X, int N, bool S = false, int Y = 1, int Z = 1, int A = 0> struct BlockExchange {
  struct TempStorage { T x[X * N]; };
  BlockExchange(TempStorage &);
  template <class... B> void BlockedToStriped(B &&...);
  template <class... B> void StripedToBlocked(B &&...);
  template <class... B> void BlockedToWarpStriped(B &&...);
  template <class... B> void WarpStripedToBlocked(B &&...);
  template <class... B> void ScatterToBlocked(B &&...);
  template <class... B> void ScatterToStriped(B &&...);
};
template <class T, int N = 32, int A = 0> struct WarpReduce {
  struct TempStorage { T x; };
  WarpReduce(TempStorage &);
  template <class... B> T Sum(const B &...);
  template <class... B> T Reduce(const B &...);
  template <class... B> T HeadSegmentedSum(const B &...);
  template <class... B> T HeadSegmentedReduce(const B &...);
  template <class... B> T TailSegmentedSum(const B &...);
  template <class... B> T TailSegmentedReduce(const B &...);
};
template <class T, int N = 32, int A = 0> struct WarpScan {
  struct TempStorage { T x; };
  WarpScan(TempStorage &);
  template <class... B> void InclusiveSum(B &&...);
  template <class... B> void ExclusiveSum(B &&...);
  template <class... B> void InclusiveScan(B &&...);
  template <class... B> void ExclusiveScan(B &&...);
  T Broadcast(T, unsigned);
};
struct csy_wide {
#define CSY_WIDE(name) template <class... A> static cudaError_t name(void *, size_t &, A &&...);
  CSY_WIDE(Sum) CSY_WIDE(Max) CSY_WIDE(Min) CSY_WIDE(Reduce) CSY_WIDE(InclusiveSum) CSY_WIDE(ExclusiveSum)
  CSY_WIDE(SortPairs) CSY_WIDE(SortKeys) CSY_WIDE(SortPairsDescending) CSY_WIDE(SortKeysDescending)
};
struct DeviceReduce : csy_wide {};
struct DeviceScan : csy_wide {};
struct DeviceRadixSort : csy_wide {};
}  // namespace cub
namespace thrust {
struct csy_policy {
  template <class... A> csy_policy operator()(A &&...) const;
  csy_policy on(cudaStream_t) const;
};
extern const csy_policy device, host;
namespace cuda { extern const csy_policy par, par_nosync; }
template <class T> using device_ptr = T *;
template <class T> struct csy_pointer { T *get() const; operator T *() const; };
template <class T> T *raw_pointer_cast(csy_pointer<T>);
template <class T> struct host_vector : std::vector<T> {
  using std::vector<T>::vector;
  template <class U> host_vector(const U &);
};
template <class T> struct device_vector {
  device_vector();
  template <class... A> device_vector(A &&...);
  csy_pointer<T> data() const;
  T *begin() const, *end() const, *cbegin() const, *cend() const;
  size_t size() const;
  bool empty() const;
  T &operator[](size_t) const;
  T &front() const, &back() const;
  void resize(size_t, T = T()), reserve(size_t), clear(), push_back(T), swap(device_vector &);
};
template <class T> T *device_pointer_cast(T *);
template <class T> T *raw_pointer_cast(T *);
template <class T = void> struct plus {};
template <class T = void> struct multiplies {};
template <class T = void> struct greater {};
template <class T = void> struct less {};
template <class T = void> struct maximum {};
template <class T = void> struct minimum {};
struct csy_any {
  template <class T> operator T() const;
};
#define CSY_THRUST(name) template <class... A> csy_any name(A &&...);
CSY_THRUST(fill) CSY_THRUST(fill_n) CSY_THRUST(sequence) CSY_THRUST(copy) CSY_THRUST(reduce)
CSY_THRUST(sort) CSY_THRUST(stable_sort) CSY_THRUST(sort_by_key) CSY_THRUST(stable_sort_by_key)
CSY_THRUST(inclusive_scan) CSY_THRUST(exclusive_scan) CSY_THRUST(transform) CSY_THRUST(copy_if) CSY_THRUST(unique)
CSY_THRUST(count) CSY_THRUST(max_element) CSY_THRUST(min_element)
}  // namespace thrust
#pragma clang force_cuda_host_device end
