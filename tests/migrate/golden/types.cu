#include <cuda_fp16.h>
#include <cuda_runtime.h>
__global__ void vectors_types(float4 *a, half *h, __half2 *h2, __nv_bfloat16 *b) {
  float4 v = a[0];
  a[1] = make_float4(v.x, v.y, v.z, v.w);
  h[0] = __float2half(__half2float(h[1]) + 1.f);
  h[1] = __hadd(h[0], __hmul(h[1], h[2]));
  float2 pair = make_float2(1.f, 2.f);
  b[0] = __float2bfloat16(pair.x);
  uint bits = 3;
  h[2] = __float2half(float(bits));
}
