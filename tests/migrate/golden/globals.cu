#include <cuda_runtime.h>
__constant__ float kWeights[3] = {0.25f, 0.5f, 0.25f};
__constant__ float table[64];
__device__ int counter = 0;
__device__ const int kSize = 4;
__global__ void use_globals(float *x) {
  x[0] = kWeights[1] * table[kSize];
  atomicAdd(&counter, 1);
}
__device__ float both[2 * 8];
#define FIRST (both)
#define SECOND (both + 8)
__global__ void use_macros(float *x) { x[threadIdx.x] = FIRST[threadIdx.x] * SECOND[0]; }
void set_globals(const float *host) {
  cudaMemcpyToSymbol(table, host, 64 * sizeof(float));
  int result = 0;
  cudaMemcpyFromSymbol(&result, counter, sizeof(int), 0, cudaMemcpyDeviceToHost);
}
