#include <cuda_runtime.h>
// Reads best[0] while another thread may be in the next round: one more barrier.
__global__ void rounds(float *x, int *out, int n) {
  __shared__ float value[64];
  __shared__ int best[64];
  int last = 0;
  for (int j = 1; j < n; ++j) {
    value[threadIdx.x] = x[threadIdx.x] - x[last];
    best[threadIdx.x] = threadIdx.x;
    __syncthreads();
    if (threadIdx.x < 32 && value[threadIdx.x + 32] > value[threadIdx.x]) best[threadIdx.x] = best[threadIdx.x + 32];
    last = best[0];
  }
  while (n > 0) { value[threadIdx.x] += n--; __syncthreads(); out[n] = value[0]; }
}
// Nothing to add at their ends: a barrier ends the round, other variables, no writing, threads that leave. The last loop
// writes what the one before it reads, and what its own round before reads.
__global__ void guarded(float *x, int n) {
  __shared__ float value[64], other[64];
  for (int j = 0; j < n; ++j) {
    value[threadIdx.x] = x[j];
    __syncthreads();
    x[j] = value[0];
    __syncthreads();
  }
  for (int j = 0; j < n; ++j) {
    value[threadIdx.x] = x[j];
    __syncthreads();
    x[j] = other[0];
  }
  for (int j = 0; j < n; ++j) {
    x[j] = value[j];
    __syncthreads();
    x[j] += value[0];
  }
  do {
    value[threadIdx.x] = x[n];
    __syncthreads();
    if (value[0] > 1) break;
  } while (n-- > 0);
}
