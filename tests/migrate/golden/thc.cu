#include <ATen/ATen.h>
#include <THC/THC.h>
extern THCState *state;
void product_thc(at::Tensor a, at::Tensor b, at::Tensor c, long m, long n, long k) {
  auto buffer = static_cast<float *>(THCudaMalloc(state, m * sizeof(float)));
  THCudaBlas_Sgemm(state, 'n', 't', n, m, k, 1.0f, a.data<float>(), n, b.data<float>(), m, 0.0f, c.data<float>(), n);
  THCudaFree(state, buffer);
}
#include <TH/TH.h>
void host_product_th(at::Tensor a, at::Tensor c, long n) {
  THArgCheck(a.is_contiguous(), 1, "has to be contiguous");
  THFloatBlas_gemm('t', 'n', n, n, n, 1.0f, a.data<float>(), n, a.data<float>(), n, 0.0f, c.data<float>(), n);
}
