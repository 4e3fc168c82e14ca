#include <cuda_runtime.h>
float all_streams() {
  cudaStream_t stream;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  cudaEvent_t start, stop;
  cudaEventCreate(&start);
  cudaEventCreateWithFlags(&stop, cudaEventDisableTiming);
  cudaEventRecord(start, stream);
  cudaStreamWaitEvent(stream, stop, 0);
  cudaStreamSynchronize(stream);
  float ms = 0;
  cudaEventElapsedTime(&ms, start, stop);
  cudaDeviceProp properties;
  int device = 0;
  cudaGetDevice(&device);
  cudaGetDeviceProperties(&properties, device);
  int bytes = 0;
  cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  cudaStreamDestroy(stream);
  cudaDeviceSynchronize();
  return ms * properties.multiProcessorCount;
}
__global__ void sized_streams(float *x) { x[0] = 1; }
void sizes_streams(float *x) {
  int blocks, threads;
  cudaOccupancyMaxPotentialBlockSize(&blocks, &threads, sized_streams, 0, 0);
  cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, sized_streams, threads, 0);
  sized_streams<<<blocks, threads>>>(x);
}
