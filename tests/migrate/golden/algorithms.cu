#include <cub/device/device_radix_sort.cuh>
#include <thrust/execution_policy.h>
#include <thrust/sort.h>
#include <cuda_runtime.h>
int sort_algorithms(float *keys, int *values, int *sums, int n, cudaStream_t stream) {
  thrust::fill(thrust::device, sums, sums + n, 1);
  thrust::sort_by_key(thrust::cuda::par.on(stream), keys, keys + n, values, thrust::greater<float>());
  thrust::device_ptr<int> begin(sums);
  thrust::exclusive_scan(begin, begin + n, sums);
  size_t bytes = 0;
  cub::DeviceRadixSort::SortPairs(nullptr, bytes, keys, keys, values, values, n, 0, 32, stream);
  cub::DeviceScan::InclusiveSum(values, bytes, sums, sums, n);
  cub::DeviceSelect::Flagged(values, bytes, sums, sums, sums, n);  // C2S1013
  return thrust::reduce(thrust::device, sums, sums + n, 0, thrust::plus<int>());
}
