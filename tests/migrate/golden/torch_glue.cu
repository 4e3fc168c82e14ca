#include <torch/extension.h>

#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDAGuard.h>
#include <vector>
#define CHECK_CUDA(x) TORCH_CHECK(x.type().is_cuda(), #x " must be a CUDA tensor")
#define CHECK_CONTIGUOUS(x) AT_CHECK(x.is_contiguous(), #x " must be contiguous")

at::Tensor glue(at::Tensor a, const torch::Tensor &b, const std::vector<at::Tensor> &list) {
  CHECK_CUDA(a);
  CHECK_CONTIGUOUS(a);
  CHECK_EQ(a.size(0), b.size(0));
  AT_ASSERTM(!b.is_cuda() || list[0].device().is_cuda(), "device");
  TORCH_CHECK(a.device().type() == at::kCUDA && b.device().type() != torch::kCUDA);
  const at::cuda::OptionalCUDAGuard guard(device_of(a));
  at::cuda::CUDAStream stream = c10::cuda::getCurrentCUDAStream(a.get_device());
  auto out = torch::zeros({2}, torch::TensorOptions().device(torch::kCUDA));
  int *p = out.data<int>();
  AT_DISPATCH_ALL_TYPES(a.type(), "glue", [&] { p[0] = int(*a.data<scalar_t>()); });
  if (a.type() != b.type()) AT_ERROR("types differ");
  at::checkAllSameGPU("glue", {at::TensorArg{a, "a", 1}, at::TensorArg{b, "b", 2}});
  if (at::cuda::detail::canUse32BitIndexMath(a)) p[0] = 1;
  auto like = at::zeros({1}, a.type());
  return out.to(b.cuda().device());
}
TORCH_LIBRARY_IMPL(glue, CUDA, m) { m.impl("glue", &glue); }
__device__ at::Half shifted_glue(at::Half v) { return __shfl_down_sync(0xffffffff, v.operator __half(), 1); }
