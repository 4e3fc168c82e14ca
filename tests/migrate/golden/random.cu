#include <curand_kernel.h>
__global__ void walk_random(float *x, unsigned long long seed) {
  curandStatePhilox4_32_10_t state;
  curand_init(seed, threadIdx.x, 0, &state);
  x[threadIdx.x] = curand_uniform(&state) + curand_normal(&state) + curand(&state) % 3;
}
void generators_random() {
  curandGenerator_t generator;  // C2S1015
}
