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
#ifdef __CUDA_ARCH__
__device__ void helper_arch(double *p) {
#if __CUDA_ARCH__ < 600
  *p += 2;
#endif
  *p += 1;
}
#endif
template <typename T>
__global__ void calls_arch(T *p) {
  helper_arch(p);
}
long version_arch() {
#if defined(CUDA_VERSION) && CUDA_VERSION >= 11000
  return CUDA_VERSION;
#endif
  return CUDART_VERSION;
}
