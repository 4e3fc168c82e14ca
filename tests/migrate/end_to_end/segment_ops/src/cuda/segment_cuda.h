#pragma once
#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

at::Tensor segment_reduce_cuda(const at::Tensor& x, const at::Tensor& segment, int segments, int reduction);
at::Tensor segment_gather_cuda(const at::Tensor& rows, const at::Tensor& segment);
std::pair<at::Tensor, int> smooth_cuda(const at::Tensor& x, const std::vector<float>& weights);
std::vector<float> bounds_cuda(const at::Tensor& x);
