#include <ATen/ATen.h>
#include <THC/THCAtomics.cuh>
#include <cuda_runtime.h>
template <typename T>
__global__ void add_atomics(T *x, double d, int *i, unsigned long long *u) {
  atomicAdd(x, T(1));
  atomicAdd(&x[1], x[2]);
  int old = atomicCAS(i, 0, 1);
  atomicMax(i, old);
  atomicExch(i, 3);
  atomicAdd_block(i, 1);
  gpuAtomicAdd(x, T(2));
  atomicAdd(u, 1ull);
}
__device__ double atomicMul_own(double *p, double v) {
  unsigned long long *q = (unsigned long long *)p;
  unsigned long long old = *q, assumed;
  do {
    assumed = old;
    old = atomicCAS(q, assumed, __double_as_longlong(v * __longlong_as_double(assumed)));
  } while (assumed != old);
  return __longlong_as_double(old);
}
__global__ void product_atomics(double *x) { atomicMul_own(x, 2.0); }
template __global__ void add_atomics<float>(float *, double, int *, unsigned long long *);
