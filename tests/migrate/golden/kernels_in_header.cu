#include <ATen/ATen.h>
#include "kernels_in_header.cuh"
at::Tensor launch_header(at::Tensor x) {
  doubled_header<float><<<1, 1>>>(x.data_ptr<float>());
  return x;
}
__global__ void constants_header(float *x) { x[0] = scale_header * steps_header[1] + table_header[2]; }
