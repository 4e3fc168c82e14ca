#pragma once
#include "regions.cuh"
template <typename T>
__global__ void doubled_header(T *x) { x[threadIdx.x] *= 2; }
__device__ const float scale_header = 0.5f;
__device__ const float steps_header[] = {1.f, 2.f};
__constant__ float table_header[4];
