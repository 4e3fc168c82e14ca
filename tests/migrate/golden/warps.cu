#include <cuda_runtime.h>
#define FULL 0xffffffff
#define SHUFFLE __shfl_xor_sync
__device__ float sum_warps(float v) {
  for (int d = 16; d > 0; d /= 2) v += __shfl_down_sync(FULL, v, d);
  v += __shfl(v, 0);
  v += __shfl_up(v, 1, 16);
  return SHUFFLE(FULL, v, 1);
}
__global__ void vote_warps(float *x, int *y) {
  x[threadIdx.x] = sum_warps(x[threadIdx.x]);
  y[0] = __ballot_sync(FULL, x[0] > 0) + __any_sync(FULL, 1) + __all(1);
  __syncwarp();
  if (__activemask() == FULL) __syncthreads();
  y[1] = __syncthreads_count(x[0] > 1);
  __threadfence();
  __threadfence_block();
}
