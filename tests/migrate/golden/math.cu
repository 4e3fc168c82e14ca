#include <cmath>
#include <cuda_runtime.h>
template <typename T>
__global__ void all_math(T *x, float *f, int n) {
  x[0] = floor(x[1]) + std::exp(x[2]) + ::sqrt(x[3]) + max(x[4], T(0)) + std::min(x[5], x[6]);
  f[0] = expf(f[1]) + __expf(f[2]) + powf(f[3], 2.f) + __fdividef(f[4], f[5]) + rsqrtf(f[6]) + fmaxf(f[7], 0.f);
  f[1] = __fmul_rn(f[0], f[1] + 1) + __fmaf_rn(f[0], f[1], f[2]);
  sincosf(f[0], &f[1], &f[2]);
  const int low = __float2int_rd(f[3]), bits = __float_as_int(f[4]);
  n = min(max(low, 0), n - 1) + abs(bits) + __popc(7) + __clz(n) + __mul24(n, 3) + __popcll(5);
  x[1] = __ldg(x + n) + T(isnan(f[0]));
}
inline int on_host_math(int a) { return max(min(a, 512), 1) + (int)std::floor(2.5) + std::max(a, 3); }
template __global__ void all_math<double>(double *, float *, int);
__global__ void more_math(float *x, double *y, int *n) {
  x[0] = norm3df(x[1], x[2], x[3]) * rnorm3df(x[1], x[2], x[3]) + rhypotf(x[4], x[5]) + sinpif(x[6]);
  y[0] = norm4d(y[1], y[2], y[3], y[4]) + rcbrt(y[5]) + normcdf(y[6]) + scalbnf(x[0], n[0]) + frexpf(x[1], n);
  n[1] = __float2uint_ru(x[0]) + int(__float2ll_rn(x[1]));
  sincospif(x[0], x + 1, x + 2);
  __stcg(x + 3, __ldlu(x + 4));
}
constexpr size_t largest_math(std::initializer_list<size_t> list) { return std::max(list); }
__global__ void lists_math(int *n) { n[0] = std::max({n[1], n[2], 3}) + int(largest_math({sizeof(int), sizeof(double)})); }
