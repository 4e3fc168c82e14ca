/// \file normalize.hpp
/// 8-bit pictures to the network's normalised input in any memory order, and their mirror images.
#include <sycl/ext/oneapi/free_function_queries.hpp>
#include <sycl/ext/oneapi/kernel_properties/properties.hpp>

#include "normalize_args.hpp"

/// One work-item per pixel: dimension 0 image, dimension 1 pixel.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((sycl::ext::oneapi::experimental::nd_range_kernel<2>)) void normalize(
    NormalizeArgs args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<2>();
  const long image = static_cast<long>(item.get_global_id(0));
  const int i = static_cast<int>(item.get_global_id(1));
  if (i < args.height * args.width) {
    const int y = i / args.width, x = i % args.width;
    const unsigned char* pixel = args.pixels + (image * args.height * args.width + i) * 3;
    float* to = args.out + image * (args.flip != 0 ? 2 : 1) * args.stride_n + y * args.stride_y;
    for (int c = 0; c < 3; ++c) {
      const float value = args.table[c * 256 + pixel[c]];
      to[c * args.stride_c + x * args.stride_x] = value;
      if (args.flip != 0) {
        to[args.stride_n + c * args.stride_c + (args.width - 1 - x) * args.stride_x] = value;
      }
    }
  }
}
