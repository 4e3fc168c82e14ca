#include <cuda_runtime.h>
template <typename T, int N>
__global__ void tile_shared(const T *in, T *out) {
  __shared__ T tile[N][N + 1];
  __shared__ float sums[32], total;
  __shared__ volatile int flag;
  extern __shared__ unsigned char raw[];
  T *typed = reinterpret_cast<T *>(raw);
  tile[threadIdx.y][threadIdx.x] = in[threadIdx.x];
  if (threadIdx.x == 0) total = sums[0], flag = 1;
  __syncthreads();
  typed[0] = tile[threadIdx.x][threadIdx.y];
  out[threadIdx.x] = typed[0] + T(total) + T(sizeof(tile));
}
