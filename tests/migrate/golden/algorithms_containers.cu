#include <thrust/device_vector.h>
#include <thrust/sort.h>
void sort_containers(int n) {
  thrust::device_vector<int> x(n);  // C2S1013
  thrust::sort(x.begin(), x.end());  // C2S1013
}
