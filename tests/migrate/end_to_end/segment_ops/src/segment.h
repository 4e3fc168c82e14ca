#pragma once
#include <ATen/core/Tensor.h>

#ifdef WITH_CUDA
#include "cuda/segment_cuda.h"
#endif

enum class Reduction { kSum = 0, kMean = 1, kMax = 2 };

at::Tensor segment_reduce_cpu(const at::Tensor& x, const at::Tensor& segment, int segments, int reduction);

// x: (rows, channels), segment: (rows) of int64 in [0, segments). Gives (segments, channels).
inline at::Tensor segment_reduce(const at::Tensor& x, const at::Tensor& segment, int segments, int reduction) {
  AT_ASSERTM(x.size(0) == segment.size(0), "one segment a row");
  if (x.type().is_cuda()) {
#ifdef WITH_CUDA
    return segment_reduce_cuda(x, segment, segments, reduction);
#else
    AT_ERROR("Not compiled with GPU support");
#endif
  }
  return segment_reduce_cpu(x, segment, segments, reduction);
}
