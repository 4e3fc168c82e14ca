#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDAException.h>
#include <cuda_runtime.h>
#define CHECK_LAST()                                       \
  do {                                                     \
    cudaError_t err = cudaGetLastError();                  \
    if (err != cudaSuccess) {                              \
      printf("failed: %s\n", cudaGetErrorString(err));     \
      exit(-1);                                            \
    }                                                      \
  } while (0)
__global__ void nothing_errors() {}
cudaError_t checked_errors(void **p, bool ask) {
  nothing_errors<<<1, 1>>>();
  cudaError_t err = cudaGetLastError();
  if (err != cudaSuccess) {
    printf("error in checked_errors: %s\n", cudaGetErrorString(err));
  }
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  AT_CUDA_CHECK(cudaGetLastError());
  C10_CUDA_CHECK(cudaMalloc(p, 16));
  if (ask) C10_CUDA_CHECK(cudaGetLastError());
  CHECK_LAST();
  cudaError_t kept = cudaMemset(*p, 0, 16);
  if (kept != cudaSuccess) return kept;
  return cudaPeekAtLastError();
}
