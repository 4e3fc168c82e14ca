/// \file csy_tensor_info.hpp
/// Sizes and strides of a tensor in migrated kernels: what ATen/cuda/detail/TensorInfo.cuh and IndexUtils.cuh give.
#pragma once
#include "csy.hpp"
#if CSY_HOST
#include <ATen/CollapseDims.h>
#endif
CSY_SOURCE

namespace csy {

/// Of up to 25 dimensions, with the member names of the original.
template <typename T, typename I>
struct tensor_info {
  T* data = nullptr;
  I sizes[25];
  I strides[25];
  int dims = 0;
  tensor_info() = default;
  tensor_info(T* p, int count, const I* size, const I* stride) : data(p), dims(count) {
    for (int i = 0; i < count; ++i) sizes[i] = size[i], strides[i] = stride[i];
  }
  bool isContiguous() const { return dims == 1 && strides[0] == 1; }
  void reduceDim(int dim) { sizes[dim] = 1; }
#if CSY_HOST
  int collapseDims(int except = -1) {
    const auto [kept, left] = at::collapse_dims(sizes, strides, dims, except);
    dims = static_cast<int>(left);
    return static_cast<int>(kept);
  }
#endif
};

/// Where element number `index`, counted along the last dimension first, lies. `Dims` -1: as many as the tensor has.
template <typename T, typename I, int Dims>
struct index_to_offset {
  static I get(I index, const tensor_info<T, I>& info) {
    I offset = 0;
    for (int i = (Dims == -1 ? info.dims : Dims) - 1; i > 0; --i) {
      offset += index % info.sizes[i] * info.strides[i];
      index /= info.sizes[i];
    }
    return offset + index * info.strides[0];
  }
};

#if CSY_HOST
template <typename T, typename I, typename Tensor>
tensor_info<T, I> get_tensor_info(const Tensor& x) {
  if (x.dim() > 25) detail::fail("a tensor of more than 25 dimensions");
  tensor_info<T, I> info;
  info.dims = static_cast<int>(x.dim());
  for (int i = 0; i < info.dims; ++i) info.sizes[i] = I(x.size(i)), info.strides[i] = I(x.stride(i));
  if constexpr (std::is_const_v<T>)
    info.data = x.template const_data_ptr<std::remove_const_t<T>>();
  else
    info.data = x.template data_ptr<T>();
  return info;
}
#endif

}  // namespace csy
