#include <thrust/device_vector.h>
#include <thrust/sequence.h>
__global__ void twice_vectors(int *x) { x[threadIdx.x] *= 2; }
int run_vectors(int n) {
  thrust::device_vector<int> x(n), y(n, 3);
  thrust::sequence(x.begin(), x.end());
  twice_vectors<<<1, n>>>(thrust::raw_pointer_cast(x.data()));
  twice_vectors<<<1, n>>>(y.data().get());
  thrust::host_vector<int> h = x;
  y[0] = h[1];
  return thrust::reduce(y.begin(), y.end()) + x.back();
}
