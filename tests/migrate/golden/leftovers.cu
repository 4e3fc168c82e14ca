#include <cub/cub.cuh>
#include <cuda_runtime.h>
__global__ void barrier_leftovers(float *x, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  while (i > n) if (i >= n) return;  // C2S1007
  __syncthreads();
  asm volatile("membar.gl;");  // C2S1008
  x[i] = clock64();  // C2S1019
}
__global__ void lock_leftovers(int *lock) {
  while (atomicCAS(lock, 0, 1) != 0)  // C2S1011
    ;
}
template <typename T, typename U>
__global__ void undeducible(T *x) {}
void calls_leftovers(float *x) {
  cudaGraph_t graph;  // C2S1001
  at::cuda::detail::maybeOverlappingIndices(at::Tensor());  // C2S1001
  typedef cub::BlockRadixSort<float, 128> Load;  // C2S1013
  undeducible<<<1, 1>>>(x);  // C2S1004
}
__global__ void overloaded_leftovers(float *x) {}
__global__ void overloaded_leftovers(int *x) {}
#define START(K, x) K<<<1, 1>>>(x)  // C2S1023
void overloads_leftovers(float *x) { START(overloaded_leftovers, x); }
__global__ void waiting_leftovers(unsigned *lock, volatile int *flag, int *value) {
  do {} while (atomicAdd(lock, 0) < blockIdx.x);  // C2S1011
  while (flag[blockIdx.x] == 0) __nanosleep(20);  // C2S1011 C2S1019
  unsigned seen;
  do {
    seen = atomicOr(lock, 0);
    __threadfence();
  } while (seen == 0);  // C2S1011
  while (true) {  // C2S1011
    seen = atomicAdd(lock, 0);
    if (seen > 3) break;
  }
  int old = *value, assumed;
  do {
    assumed = old;
    old = atomicCAS(value, assumed, assumed * 2);
  } while (assumed != old);
  *value = __dp4a(1, 2, 3);  // C2S1001
}
