#include "segment_cuda.h"

#include <ATen/Dispatch.h>
#include <ATen/cuda/Atomic.cuh>
#include <ATen/cuda/CUDAContext.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>

#include "common.cuh"

#define MAX_TAPS 9

__constant__ float c_taps[MAX_TAPS];
__constant__ float c_scale[2] = {1.0f, 0.5f};
__device__ int d_runs = 0;

namespace segment {

template <typename scalar_t, Mode M>
__global__ void reduce_kernel(const int n, const scalar_t* x, const int64_t* segment, const int channels, scalar_t* out) {
  CUDA_1D_KERNEL_LOOP(i, n) {
    const int64_t to = segment[i / channels];
    Combine<scalar_t, M>::into(out + to * channels + i % channels, x[i]);
  }
}

__global__ void count_kernel(const int rows, const int64_t* segment, float* count) {
  CUDA_1D_KERNEL_LOOP(i, rows) { atomicAdd(count + segment[i], 1.0); }
}

template <typename scalar_t>
__global__ void gather_kernel(const int n, const scalar_t* rows, const int64_t* segment, const int channels, scalar_t* out) {
  CUDA_1D_KERNEL_LOOP(i, n) { out[i] = rows[segment[i / channels] * channels + i % channels]; }
}

}  // namespace segment

// Odd filters with c_taps, zero outside, in blocks of one row each. TAPS: known when compiled, or 0.
template <typename scalar_t, int TAPS>
__global__ void smooth_kernel(const scalar_t* x, scalar_t* out, int width, int all_taps) {
  const int taps = TAPS > 0 ? TAPS : all_taps;
  const scalar_t* row = x + (long)blockIdx.x * width;
  for (int i = threadIdx.x; i < width; i += blockDim.x) {
    scalar_t sum = 0;
    for (int t = 0; t < taps; ++t) {
      const int from = i + t - taps / 2;
      if (from >= 0 && from < width) sum += c_taps[t] * row[from];
    }
    out[(long)blockIdx.x * width + i] = sum * c_scale[0];
  }
  if (blockIdx.x == 0 && threadIdx.x == 0) atomicAdd(&d_runs, 1);
}

struct smooth_spec {
  void* kernel;
  int threads;
};

template <typename scalar_t>
smooth_spec choose_smooth(int taps) {
  smooth_spec spec = {(void*)smooth_kernel<scalar_t, 0>, 32};
  if (taps == 3) spec = {(void*)smooth_kernel<scalar_t, 3>, 16};
  if (taps == 7) spec = {(void*)smooth_kernel<scalar_t, 7>, 16};
  return spec;
}

// One block: smallest and largest of all values.
__global__ void bounds_kernel(const float* x, int n, float2* out) {
  __shared__ float2 best[CUDA_NUM_THREADS];
  float2 mine = make_float2(x[0], x[0]);
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    mine.x = fminf(mine.x, x[i]);
    mine.y = fmaxf(mine.y, x[i]);
  }
  best[threadIdx.x] = mine;
  __syncthreads();
  for (int s = blockDim.x >> 1; s > 0; s >>= 1) {
    if (threadIdx.x < s) {
      best[threadIdx.x].x = min(best[threadIdx.x].x, best[threadIdx.x + s].x);
      best[threadIdx.x].y = max(best[threadIdx.x].y, best[threadIdx.x + s].y);
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) *out = best[0];
}

at::Tensor segment_reduce_cuda(const at::Tensor& x, const at::Tensor& segment, int segments, int reduction) {
  AT_ASSERTM(x.is_cuda(), "x must be a CUDA tensor");
  AT_ASSERTM(segment.type().is_cuda(), "segment must be a CUDA tensor");
  const int rows = x.size(0), channels = x.size(1);
  cudaStream_t stream = at::cuda::getCurrentCUDAStream();
  if (reduction == 2) {
    auto out = at::full({segments, channels}, -std::numeric_limits<float>::infinity(), x.options());
    auto kernel = segment::reduce_kernel<float, kMaxMode>;
    kernel<<<GET_BLOCKS(rows * channels), CUDA_NUM_THREADS, 0, stream>>>(rows * channels, x.data<float>(), segment.data<int64_t>(),
                                                                        channels, out.data<float>());
    return out;
  }
  auto out = at::zeros({segments, channels}, x.options());
  AT_DISPATCH_FLOATING_TYPES_AND_HALF(x.type(), "segment_reduce", ([&] {
    segment::reduce_kernel<scalar_t, kSumMode><<<GET_BLOCKS(rows * channels), CUDA_NUM_THREADS, 0, stream>>>(
        rows * channels, x.data<scalar_t>(), segment.data<int64_t>(), channels, out.data<scalar_t>());
  }));
  if (reduction == 1) {
    auto count = at::zeros({segments}, x.options().dtype(at::kFloat));
    segment::count_kernel<<<GET_BLOCKS(rows), CUDA_NUM_THREADS, 0, stream>>>(rows, segment.data<int64_t>(), count.data<float>());
    out = out.div(count.clamp_min(1).view({segments, 1}).to(x.scalar_type()));
  }
  cudaError_t err = cudaGetLastError();
  if (cudaSuccess != err) fprintf(stderr, "segment_reduce failed: %s\n", cudaGetErrorString(err));
  return out;
}

at::Tensor segment_gather_cuda(const at::Tensor& rows, const at::Tensor& segment) {
  const int channels = rows.size(1);
  auto out = at::empty({segment.size(0), channels}, rows.options());
  const int n = out.numel();
  AT_DISPATCH_FLOATING_TYPES_AND_HALF(rows.type(), "segment_gather", ([&] {
    segment::gather_kernel<<<GET_BLOCKS(n), CUDA_NUM_THREADS>>>(n, rows.data<scalar_t>(), segment.data<int64_t>(), channels,
                                                               out.data<scalar_t>());
  }));
  CUDA_CHECK(cudaGetLastError());
  return out;
}

std::pair<at::Tensor, int> smooth_cuda(const at::Tensor& x, const std::vector<float>& weights) {
  AT_ASSERTM(weights.size() <= MAX_TAPS, "at most 9 weights");
  CUDA_CHECK(cudaMemcpyToSymbol(c_taps, weights.data(), weights.size() * sizeof(float)));
  const auto input = x.contiguous();
  auto out = at::empty(input.sizes(), input.options());
  const void* from = input.data_ptr();
  void* to = out.data_ptr();
  int width = input.size(input.dim() - 1), taps = weights.size();
  smooth_spec spec;
  AT_DISPATCH_FLOATING_TYPES(input.type(), "smooth", [&] { spec = choose_smooth<scalar_t>(taps); });
  void* arguments[] = {&from, &to, &width, &taps};
  CUDA_CHECK(cudaLaunchKernel(spec.kernel, input.numel() / width, spec.threads, arguments, 0, at::cuda::getCurrentCUDAStream()));
  int runs = 0;
  CUDA_CHECK(cudaDeviceSynchronize());
  CUDA_CHECK(cudaMemcpyFromSymbol(&runs, d_runs, sizeof(int), 0, cudaMemcpyDeviceToHost));
  return {out, runs};
}

std::vector<float> bounds_cuda(const at::Tensor& x) {
  float2* device_result = nullptr;
  float2 result;
  cudaStream_t stream = at::cuda::getCurrentCUDAStream().stream();
  CUDA_CHECK(cudaMalloc((void**)&device_result, sizeof(float2)));
  bounds_kernel<<<1, CUDA_NUM_THREADS, 0, stream>>>(x.contiguous().data<float>(), x.numel(), device_result);
  CUDA_CHECK(cudaMemcpyAsync(&result, device_result, sizeof(float2), cudaMemcpyDeviceToHost, stream));
  CUDA_CHECK(cudaStreamSynchronize(stream));
  CUDA_CHECK(cudaFree(device_result));
  return {result.x, result.y};
}
