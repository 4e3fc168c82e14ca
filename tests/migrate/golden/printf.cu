#include <cassert>
#include <cstdio>
#include <cuda_runtime.h>
__global__ void say_printf(int n) {
  if (n < 0) printf("n is %d\n", n);
  assert(n >= 0);
  CUDA_KERNEL_ASSERT(n < 10);
}
void host_printf() { printf("on the host\n"); }
