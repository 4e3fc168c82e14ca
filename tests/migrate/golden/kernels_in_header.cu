#include <ATen/ATen.h>
#include "kernels_in_header.cuh"
at::Tensor launch_header(at::Tensor x) {
  doubled_header<float><<<1, 1>>>(x.data_ptr<float>());
  return x;
}
