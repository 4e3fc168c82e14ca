#include <cuda_runtime.h>
// Each thread writes its element and reads those of others: all arrive, so a barrier of the block.
__global__ void samples(const float *x, float *y, int n) {
  __shared__ float place[32];
  const int tid = threadIdx.x * blockDim.y + threadIdx.y;
  for (int j = 0; j < n; j++) {
    place[tid] = x[j * 32 + tid];
    float own = floor(place[tid]);
    for (int k = 0; k < 32; k++) own += place[k];
    y[j * 32 + tid] = own;
  }
}
__global__ void neighbours(float *x) {
  __shared__ float edge[64];
  edge[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  const float right = edge[threadIdx.x + 1];
  edge[threadIdx.x] = right;
}
// The last steps of a reduction, in step by the hardware of old.
__global__ void reduced(const float *x, float *y) {
  extern __shared__ float sums[];
  const unsigned tid = threadIdx.x;
  sums[tid] = x[tid];
  __syncthreads();
  for (unsigned s = blockDim.x / 2; s > 32; s >>= 1) {
    if (tid < s) sums[tid] += sums[tid + s];
    __syncthreads();
  }
  if (tid < 32) {
    volatile float *last = sums;
    last[tid] += last[tid + 32];
    last[tid] += last[tid + 16];
    last[tid] = last[tid] + last[tid + 8];
  }
  if (tid == 0) y[0] = sums[0];
}
template <int size>
__device__ void reduce_warp(volatile float *sums, int tid) {
  if (size >= 64) sums[tid] += sums[tid + 32];
  if (size >= 32) { sums[tid] += sums[tid + 16]; }
}
template <int size>
__global__ void reduced_by_call(const float *x, float *y) {
  __shared__ float sums[size];
  sums[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  if (threadIdx.x < 32) reduce_warp<size>(sums, threadIdx.x);
  if (threadIdx.x == 0) y[0] = sums[0];
}
// A scan whose lanes read, then write, under a condition of their own; a loop of steps.
__global__ void scanned(volatile int *x) {
  __shared__ int line[64];
  const int tid = threadIdx.x, lane = tid % 32;
  line[tid] = x[tid];
  if (tid < 32) {
    if (lane >= 1) line[tid] += line[tid - 1];
    if (lane >= 2) { line[tid] += line[tid - 2]; }
    for (int d = 16; d > 0; d /= 2) line[tid] += line[tid ^ d];
  }
}
// Left to a person: half a warp, and threads that went.
__global__ void halves(const float *x, float *y, int n) {
  __shared__ float part[32];
  part[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  if (threadIdx.x < 16) {
    part[threadIdx.x] = x[threadIdx.x] + 1;
    y[threadIdx.x] = part[threadIdx.x + 1];  // C2S1024
  }
}
// The sums of three numbers each, as far apart; a variable that all have read before one writes it.
__global__ void triples(const float *x, float *y, int n) {
  __shared__ float sum[96];
  __shared__ int next;
  if (threadIdx.x == 0) next = 0;
  sum[threadIdx.x * 3] = sum[threadIdx.x * 3 + 1] = x[threadIdx.x];
  __syncthreads();
  const int now = next;
  if (threadIdx.x == 0) next = n;
  for (int j = 1; j < blockDim.x; j <<= 1) {
    __syncthreads();
    if ((threadIdx.x & j) == 0) {
      sum[threadIdx.x * 3] += sum[(threadIdx.x + j) * 3];
      sum[threadIdx.x * 3 + 1] += sum[(threadIdx.x + j) * 3 + 1];
    }
  }
  if (threadIdx.x == 0) y[now] = sum[0] + sum[1];
}
// Nothing to add: elements of one's own, rows, steps of the block, one thread, a barrier that is there.
__global__ void in_order(const float *x, float *y, int n) {
  __shared__ float one[64], row[64][4], total, found;
  const int tid = threadIdx.x;
  one[tid] = x[tid];
  one[tid] *= 2;
  y[tid] = one[tid];
  for (int j = 0; j < 4; ++j) row[tid][j] = x[j];
  for (int j = 1; j < 4; ++j) row[tid][j] += row[tid][j - 1];
  __syncthreads();
  for (int i = tid; i < 64; i += blockDim.x) one[i] = x[i];
  for (int i = tid; i < 64; i += blockDim.x) y[i] = one[i] + 1;
  __syncthreads();
  for (int s = 32; s > 0; s >>= 1) {
    if (tid < s) one[tid] += one[tid + s];
    __syncthreads();
  }
  if (tid == 0) {
    total = one[0];
    total += one[1];
    y[0] = total;
  }
  __syncthreads();
  if (tid < 32) {
    one[tid] = x[tid];
    __syncwarp();
    y[tid] = one[31 - tid];
  }
  __syncthreads();
  if (tid % 32 == 0) row[tid / 32][0] = x[tid];
  __syncthreads();
  if (tid < 2) found = row[tid][0];
}
