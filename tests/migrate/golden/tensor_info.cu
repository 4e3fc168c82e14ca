#include <ATen/ATen.h>
#include <ATen/cuda/detail/IndexUtils.cuh>
#include <ATen/cuda/detail/TensorInfo.cuh>
template <typename T>
__global__ void pick(const at::cuda::detail::TensorInfo<T, int> info, T *out) {
  out[threadIdx.x] = info.data[at::cuda::detail::IndexToOffset<T, int, -1>::get(threadIdx.x, info)];
}
void run_tensor_info(at::Tensor x, at::Tensor out) {
  auto info = at::cuda::detail::getTensorInfo<float, int>(x);
  pick<float><<<1, 32>>>(info, out.data_ptr<float>());
}
namespace mine {
template <typename T>
int getTensorInfo(T x);  // the project's own
}
template <typename T>
struct TensorInfo {
  T *data;
};
int own_info(int x) { return mine::getTensorInfo<int>(x) + *TensorInfo<int>().data; }
