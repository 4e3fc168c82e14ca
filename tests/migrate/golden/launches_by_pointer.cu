// Kernels behind void*, chosen by a function and started by cudaLaunchKernel.
#include <ATen/ATen.h>
#include <ATen/cuda/CUDAContext.h>
#include <cuda_runtime.h>
struct params {
  const void *x;
  float *y;
  int n;
};
template <typename T, int N>
__global__ void scale(params p) {
  for (int i = threadIdx.x; i < p.n; i += blockDim.x) p.y[i] = N * (float)((const T *)p.x)[i];
}
static __global__ void setup(params p) { p.y[0] = 0; }
struct spec {
  void *setup;
  void *exec;
  int threads;
};
template <typename T>
spec choose(const params &p) {
  spec s = {0};
#define CASE(N, THREADS)                  \
  if (p.n <= N) {                         \
    s.setup = (void *)setup;              \
    s.exec = (void *)scale<T, N * 2>;     \
    s.threads = THREADS;                  \
    return s;                             \
  }
  CASE(16, 32)
  CASE(64, 128)
#undef CASE
  s = {(void *)&setup, (void *)scale<T, 1>, 256};
  return s;
}
template <typename T>
void *choose_one(int n) {
  if (n == 2) return (void *)scale<T, 2>;
  if (n == 3) return reinterpret_cast<void *>(&scale<T, 3>);
  return n == 4 ? (void *)scale<T, 4> : NULL;
}
void run(at::Tensor x, params p) {
  spec s;
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "choose", [&] { s = choose<scalar_t>(p); });
  void *args[] = {&p};
  AT_CUDA_CHECK(cudaLaunchKernel(s.setup, 1, 1024, args, 0, at::cuda::getCurrentCUDAStream()));
  AT_CUDA_CHECK(cudaFuncSetSharedMemConfig(s.exec, cudaSharedMemBankSizeFourByte));
  for (int i = 0; i < 2; ++i) {
    p.n -= i;
    cudaError_t err = cudaLaunchKernel(s.exec, dim3(4, 2, 1), s.threads, args, p.n << 10, at::cuda::getCurrentCUDAStream());
    TORCH_CHECK(err == cudaSuccess);
  }
  const void *one = choose_one<float>(p.n);
  if (one) cudaLaunchKernel(one, dim3(1), dim3(64), args, 0, 0);
  cudaLaunchKernel((const void *)scale<float, 5>, dim3(1), dim3(64), args, 0, 0);
}
