#ifndef SEGMENT_OPS_COMMON_CUH
#define SEGMENT_OPS_COMMON_CUH

#include <cuda.h>
#include <cuda_runtime.h>

#define CUDA_1D_KERNEL_LOOP(i, n) \
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += blockDim.x * gridDim.x)

#define CUDA_CHECK(call)                                                            \
  do {                                                                              \
    cudaError_t status = (call);                                                    \
    if (status != cudaSuccess) AT_ERROR("CUDA error: ", cudaGetErrorString(status)); \
  } while (0)

constexpr int CUDA_NUM_THREADS = 256;

inline int GET_BLOCKS(const int n) { return (n + CUDA_NUM_THREADS - 1) / CUDA_NUM_THREADS; }

enum Mode { kSumMode, kMaxMode };

// CUDA has no atomicMax for floating point.
__device__ inline void atomic_max_float(float* address, float value) {
  int* bits = reinterpret_cast<int*>(address);
  int old = *bits, assumed;
  do {
    assumed = old;
    if (__int_as_float(assumed) >= value) break;
    old = atomicCAS(bits, assumed, __float_as_int(value));
  } while (assumed != old);
}

template <typename T, Mode M>
struct Combine {
  static __device__ __forceinline__ void into(T* to, T value) { atomicAdd(to, value); }
};

template <>
struct Combine<float, kMaxMode> {
  static __device__ __forceinline__ void into(float* to, float value) { atomic_max_float(to, value); }
};

#endif
