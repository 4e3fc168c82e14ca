#include <cuda_runtime.h>
void all_memory(float *host, size_t n, cudaStream_t stream) {
  float *d = nullptr, *pinned = nullptr;
  cudaMalloc((void **)&d, n * sizeof(float));
  cudaHostAlloc((void **)&pinned, n, cudaHostAllocDefault);
  cudaMemcpy(d, host, n * sizeof(float), cudaMemcpyHostToDevice);
  cudaMemcpyAsync(host, d, n, cudaMemcpyDeviceToHost, stream);
  cudaMemset(d, 0, n);
  cudaMemsetAsync(d, 0, n, stream);
  cudaMemcpy2D(d, 16, host, 16, 8, 2, cudaMemcpyHostToDevice);
  cudaFree(d);
  cudaFreeHost(pinned);
}
