#include <thrust/device_vector.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/sort.h>
void sort_containers(int n) {
  thrust::device_vector<int> x(n);  // C2S1013
  thrust::sort(x.begin(), x.end());  // C2S1013
  thrust::sort(thrust::make_counting_iterator(0), x.end());  // C2S1013
}
