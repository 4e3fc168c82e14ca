#include <cuda_runtime.h>
#include "not_there.h"
UNKNOWN_MACRO_BEFORE_KERNEL
__global__ void still_broken(float *x, Unknown<int> u) { x[threadIdx.x] = u.value(); }
void go_broken(float *x) {
  Unknown<int> u = make_unknown(3);
  still_broken<<<1, 32>>>(x, u);
}
