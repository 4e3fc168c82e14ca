#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDABlas.h>
#include <cublas_v2.h>
void product_blas(const float *a, const float *b, float *c, int m, int n, int k) {
  cublasHandle_t handle = at::cuda::getCurrentCUDABlasHandle();
  const float one = 1, zero = 0;
  TORCH_CUDABLAS_CHECK(cublasSgemm(handle, CUBLAS_OP_T, CUBLAS_OP_N, m, n, k, &one, a, k, b, k, &zero, c, m));
  cublasStatus_t status = cublasSgemv(handle, CUBLAS_OP_N, m, n, &one, a, m, b, 1, &zero, c, 1);
  if (status != CUBLAS_STATUS_SUCCESS) return;
  at::cuda::blas::gemm<float>('n', 'n', m, n, k, 1.f, a, m, b, k, 0.f, c, m);
  cublasSdot(handle, n, a, 1, b, 1, c);  // C2S1015
}
