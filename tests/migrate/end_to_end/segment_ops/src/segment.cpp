#include "segment.h"

#include <ATen/ops/zeros.h>
#include <torch/csrc/utils/pybind.h>

#include <limits>

at::Tensor segment_reduce_cpu(const at::Tensor& x, const at::Tensor& segment, int segments, int reduction) {
  TORCH_CHECK(reduction == static_cast<int>(Reduction::kSum), "the CPU only sums");
  return at::zeros({segments, x.size(1)}, x.options()).index_add(0, segment, x);
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("segment_reduce", &segment_reduce, "reduce the rows of each segment");
#ifdef WITH_CUDA
  m.def("segment_gather", &segment_gather_cuda, "the row of its segment, for each row");
  m.def("smooth", &smooth_cuda, "a filter along the last dimension, and how many kernels have run");
  m.def("bounds", &bounds_cuda, "smallest and largest value");
#endif
}
