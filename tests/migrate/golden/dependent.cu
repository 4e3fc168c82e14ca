#include <cuda_runtime.h>
template <typename T>
struct Pair {
  T a, b;
  template <int I>
  __host__ __device__ T get(int add) const { return (I == 0 ? a : b) + add; }
  template <int I, int J>
  __device__ Pair pick() const { return {get<I>(0), get<J>(0)}; }
};
// The type depends on T: g++ needs "template" before get and pick.
template <typename T>
__global__ void dependent(const Pair<T> *x, T *out, int n) {
  out[0] = x->get<1>(2) + x[1].pick<1, 0>().template get<0>(n);
  out[1] = x->a < 1 && n > (2);
}
void dependent_host(Pair<float> *x, float *out) { dependent<float><<<1, 1>>>(x, out, int(x->get<0>(1))); }
