#include <cuda_runtime.h>
// Threads beyond n go along to the barriers.
__global__ void tail_returns(const float *x, float *out, int n, int rounds) {
  __shared__ float value[64];
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) {
    return;
  }
  if (n < 0) return;
  const int row = i / 8;
  const float first = x[i];
  const float *second = x + row;
  unsigned int unused = row % 3;
  const float third = x[row];
  if (third < 0) return;
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    value[threadIdx.x] += first * k;
  }
  i = row;
  __syncthreads();
  for (int k = 0; k < rounds; ++k) {
    value[threadIdx.x] += *second;
    __syncthreads();
    out[i] += value[0];
    __syncthreads();
  }
  if (third > 2)
    out[i] = third;
  else
    out[i] += 1;
  if (i > 2) return;
  out[i] = 0;
}
// Left to a person: the loop's end, and a return inside it, differ between threads.
__global__ void hard_returns(const float *x, float *out, int n) {
  __shared__ float value[64];
  if (threadIdx.x >= n) return;  // C2S1007
  for (int k = 0; k < threadIdx.x; ++k) {
    value[threadIdx.x] += x[k];
    __syncthreads();
  }
  out[threadIdx.x] = value[0];
}
__global__ void inner_returns(const float *x, float *out, int n) {
  __shared__ float value[64];
  for (int k = 0; k < n; ++k) {
    if (x[threadIdx.x] > k) return;  // C2S1007
    value[threadIdx.x] += x[k];
    __syncthreads();
  }
  out[threadIdx.x] = value[0];
}
