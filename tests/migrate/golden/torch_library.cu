#include <torch/library.h>
#include <c10/cuda/CUDAGuard.h>
namespace library {
__global__ void twice_kernel(float *x) { x[threadIdx.x] *= 2; }
at::Tensor twice_cpu(at::Tensor x) { return x * 2; }
at::Tensor twice_cuda(at::Tensor x) {
  twice_kernel<<<1, 1>>>(x.data_ptr<float>());
  return x;
}
TORCH_LIBRARY_IMPL(library, CPU, m) {
  m.impl("library::twice", TORCH_FN(twice_cpu));
  m.impl("thrice", &twice_cpu);
}
TORCH_LIBRARY_IMPL(library, CUDA, m) {
  m.impl("twice", &twice_cuda);
}
TORCH_LIBRARY_IMPL(other, CUDA, m) {
  m.impl("twice", &twice_cuda);
}
}  // namespace library
