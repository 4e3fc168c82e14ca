#include <cuda_runtime.h>
#include "regions.cuh"
#define COUNT 3
using Pair = std::pair<int, int>;
#ifdef WITH_NOTHING
int never() { return 1; }
#else
int always() { return 2; }
#endif
typedef float real;
namespace inner {
static int host_state = 0;
__global__ void reduce_regions(real *x) { x[0] = Reduce_regions<SUM>::apply(x[1], x[kBlock]) * COUNT; }
int host() { return host_state; }
}  // namespace inner
extern "C" void entry_regions(float *x) { inner::reduce_regions<<<1, 1>>>(x); }
