#include <cuda_runtime.h>
__device__ double add_arch(double *p, double v) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 600
  return *p;
#else
  return atomicAdd(p, v);
#endif
}
__host__ __device__ inline int where_arch() {
#ifdef __CUDA_ARCH__
  return 1;
#else
  return 0;
#endif
}
#ifdef __CUDACC__
__global__ void only_arch(double *p, int *w) {
  add_arch(p, 1.0);
  *w = where_arch();
}
#endif
