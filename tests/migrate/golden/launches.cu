#include <ATen/ATen.h>
#include <ATen/cuda/CUDAContext.h>
namespace deep {
template <typename T, int N>
__global__ void fixed(T *x, int n) {
  if (n > N) x[0] = T(n);
}
}  // namespace deep
template <typename T>
__global__ void deduced(const T *from, T *to, long n) {
  to[0] = from[n];
}
__global__ void simple() {}
__global__ void other(float *x, int n) { x[0] = n; }

template <typename scalar_t>
void start(const scalar_t *from, scalar_t *to, cudaStream_t stream) {
  deduced<<<1, 32, 0, stream>>>(from, to, 3);
}

void run_launches(at::Tensor x, int n) {
  simple<<<1, 1>>>();
  deep::fixed<float, 4><<<dim3(n, 2), dim3(16, 16), 0, at::cuda::getCurrentCUDAStream()>>>(
      x.data_ptr<float>(), n);
  const int blocks = (n + 255) / 256;
  other
      <<<blocks, 256, n * sizeof(float), at::cuda::getCurrentCUDAStream().stream()>>>(x.data_ptr<float>(), n);
  deduced<<<1, 1>>>(x.data_ptr<float>(), x.data_ptr<float>(), n);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "launches", [&] {
    deep::fixed<scalar_t, 1><<<1, 1>>>(x.data_ptr<scalar_t>(), n);
    deduced<<<1, 1>>>(x.data_ptr<scalar_t>(), x.data_ptr<scalar_t>(), n);
  });
  auto kernel = deep::fixed<float, 8>;
  if (n > 8) kernel = deep::fixed<float, 16>;
  cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 1024);
  kernel<<<1, 2>>>(x.data_ptr<float>(), n);
  void (*pointer)(float *, int) = other;
  pointer<<<1, 2>>>(x.data_ptr<float>(), n);
  float *data = x.data_ptr<float>();
  void *args[] = {&data, &n};
  cudaLaunchKernel((void *)other, dim3(1), dim3(64), args, 0, 0);
}
#define LAUNCH(K, G, ...) K<<<G, 128>>>(__VA_ARGS__)
void by_macro(float *x) { LAUNCH(other, 4, x, 1); }
__global__ void many(float *x, int n) { x[0] = n; }
__global__ void many(const float4 *x, __half *y) { y[0] = x[0].x; }
template <typename T, int N>
__global__ void many(T *x, const T *y) { x[0] = y[N]; }
template <typename T, int N>
__global__ void many(T *x, long n) { x[0] = n; }
void run_overloads(at::Tensor x, int n) {
  many<<<1, 32>>>(x.data_ptr<float>(), n);
  many<<<1, 32>>>(reinterpret_cast<const float4 *>(x.data_ptr<float>()), nullptr);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "many", [&] {
    many<scalar_t, 4><<<1, 32>>>(x.data_ptr<scalar_t>(), x.data_ptr<scalar_t>());
    many<scalar_t, 8><<<1, 32>>>(x.data_ptr<scalar_t>(), n);
  });
  void (*pointer)(float *, int) = many;
  pointer<<<1, 32>>>(x.data_ptr<float>(), n);
}
template <typename T, int N>
__global__ void spaced(T *x) { x[0] = N; }
void run_spaced(float *x, int n) {
  other << <n, 256 >> > (x, n);
  spaced<float, 4> << < dim3(n, 2), 32, 0, 0 >> >(x);
  spaced<int, (1 << 3)><< <1, 1>> >(nullptr);
}
