#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cub/cub.cuh>
namespace cg = cooperative_groups;
template <int N>
__global__ void tiles_groups(const float *x, float *out, int n) {
  cg::thread_block block = cg::this_thread_block();
  auto tile = cg::tiled_partition<N>(block);
  float v = block.thread_rank() < n ? x[block.thread_rank()] : 0.f;
  for (int d = tile.size() / 2; d > 0; d /= 2) v += tile.shfl_down(v, d);
  block.sync();
  out[0] = cg::reduce(tile, v, cg::plus<float>());
}
__global__ void grid_groups(float *out) {
  auto counted = cg::this_grid();
  if (counted.thread_rank() >= 8 || cg::this_grid().block_rank() > 1) return;
  cooperative_groups::grid_group all = cooperative_groups::this_grid();  // C2S1012
  all.sync();
  out[0] = cooperative_groups::this_thread_block().thread_rank();
}
__global__ void collectives_groups(const int *x, int *out) {
  typedef cub::BlockReduce<int, 128> Reduce;
  using Scan = cub::BlockScan<int, 128, cub::BLOCK_SCAN_WARP_SCANS>;
  __shared__ typename Reduce::TempStorage reduce;
  __shared__ typename Scan::TempStorage scan;
  int before;
  Scan(scan).ExclusiveSum(x[threadIdx.x], before);
  out[0] = Reduce(reduce).Reduce(before, cub::Max()) + Reduce(reduce).Sum(1);
  cub::WarpReduce<int>::TempStorage *unused = nullptr;
  typedef cub::BlockRadixSort<int, 128, 1> Sort;  // C2S1013
}
void launch_groups(const float *x, float *out, int n) { tiles_groups<16><<<1, 64>>>(x, out, n); }
__global__ void segments_groups(const float *x, float *out) {
  __shared__ cub::WarpReduce<float>::TempStorage storage;
  out[threadIdx.x] = cub::WarpReduce<float>(storage).HeadSegmentedSum(x[threadIdx.x], threadIdx.x % 5 == 0);
}
