#include <cuda_runtime.h>
#define MY_KERNEL_LOOP(i, n)                                     \
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < (n);   \
       i += blockDim.x * gridDim.x)

__global__ void fill_indices(int *x, int n) {
  MY_KERNEL_LOOP(i, n) { x[i] = threadIdx.y + blockIdx.z * gridDim.y + warpSize; }
  const dim3 copy = blockDim;
  const uint3 where = threadIdx;
  x[0] = copy.x + where.y;
}
struct Mine {
  int threadIdx;  // a member of one's own keeps its name
};
int own_indices(Mine m) { return m.threadIdx; }
