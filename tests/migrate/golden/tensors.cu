#include <ATen/ATen.h>
#include <cuda_runtime.h>
__global__ void read_tensors(const float *in, float *out, int n) { out[n] = in[n]; }
at::Tensor strides(const at::Tensor &input, const at::Tensor &checked, at::Tensor out) {
  TORCH_CHECK(checked.is_contiguous());
  auto part = input.select(0, 1);
  read_tensors<<<1, 1>>>(input.data_ptr<float>(), out.data_ptr<float>(), 1);
  read_tensors<<<1, 1>>>(checked.data_ptr<float>(), out.data_ptr<float>(), 1);
  read_tensors<<<1, 1>>>(part.data_ptr<float>() + 4, out.data_ptr<float>(), 1);
  auto flat = input.view({-1});
  auto written = out.view({-1});
  read_tensors<<<1, 1>>>(flat.contiguous().data_ptr<float>(), written.data_ptr<float>(), 1);
  auto fresh = at::zeros({4}, input.options());
  return at::matmul(part.view({2, 2}), fresh.view({2, 2}));
}
at::Tensor pointers(at::Tensor input, at::Tensor strided, at::Tensor out) {
  const float *in = input.data_ptr<float>();
  auto also = input.data_ptr<float>();
  auto steps = strided.data_ptr<float>();
  auto to = out.data_ptr<float>();
  read_tensors<<<1, 1>>>(in, to, 1);
  read_tensors<<<1, 1>>>(also + 4, to, 1);
  read_tensors<<<1, 1>>>(steps, to, strided.stride(0));
  return out;
}
