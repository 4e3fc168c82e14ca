#include <cuda_runtime.h>

// Kept: comments, __restrict__, order.
static __device__ __forceinline__ float twice(float x) { return x + x; }
__host__ __device__ inline int both(int x) { return x * 2; }
__device__ float plain(float x) { return x; }
template <typename T>
__device__ T generic(T x) {
  return x;
}
struct Functor {
  __host__ __device__ Functor(float a) : a_(a) {}
  __device__ float operator()(float x) const { return a_ * x; }
  float a_;
};
#define HD __host__ __device__
HD inline float by_macro(float x) { return x; }

__global__ void __launch_bounds__(256, 2) scale_attributes(float *__restrict__ x, int n) {
#pragma unroll
  for (int i = 0; i < n; ++i) x[i] = Functor(2.f)(twice(plain(generic(by_macro(x[i]))))) + both(i);
}
namespace {
static __global__ void hidden_attributes(float *x) { x[0] = 1; }
}  // namespace
