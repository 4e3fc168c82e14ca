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
// An array, not a pointer: its address, references to it.
struct Pair_shared {
  float a, b;
};
__global__ void views_shared(float *x) {
  extern __shared__ char bytes[];
  Pair_shared &pair = reinterpret_cast<Pair_shared &>(bytes);
  float *floats = (float *)&bytes;
  pair.a = floats[1];
  x[0] = ((Pair_shared &)bytes).b;
}
__global__ void plain_shared(float *x) {
  extern __shared__ float values[];
  x[0] = values[0] + *(values + 1) + reinterpret_cast<float *>(values)[2];
}
