#include <ATen/ATen.h>
#include <cuda_runtime.h>
template <typename T, typename U, typename V = T>
__global__ void norm_in_templates(V *__restrict__ out, U *__restrict__ mean, const T *__restrict__ vals, const int n, const U eps, const V *__restrict__ g) { out[0] = vals[n] * mean[0] * eps * g[0]; }
template <typename T, typename U, typename V = T>
void host_norm(V *output, U *mean, const T *input, int n, double epsilon, const V *gamma) {
  norm_in_templates<<<1, 2>>>(output, mean, input, n, U(epsilon), gamma);
}
void run_norm(float *f, double *d) { host_norm(f, f, f, 1, .1, f); host_norm(d, f, d, 1, .1, d); }
template <typename T> struct List { T *p[4]; };
template <typename T, typename U, typename... A>
__global__ void apply_all(int n, T list, U call, A... args) { call(n, list, args...); }
template <typename S>
struct Scale { __device__ void operator()(int n, List<S> &l, float f) { l.p[0][n] *= f; } };
template <typename S, typename F, typename... A>
void for_all(S *x, F call, A... args) {
  List<S> list;
  list.p[0] = x;
  apply_all<<<1, 1>>>(1, list, call, args...);
}
void run_apply(float *f, double *d) { for_all(f, Scale<float>(), 2.f);  for_all(d, Scale<double>(), 2.f); }
