/// \file max_pool.hpp
/// The largest of each window; what lies outside of the picture does not count.
///
/// Macros: DCN_T_* and DCN_INDEX as in deform_common.hpp.
#include "deform_common.hpp"
#include "max_pool_args.hpp"

namespace syclexp = sycl::ext::oneapi::experimental;

/// One work-item per element in the order n, y, x, c; any strides.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void max_pool(MaxPoolArgs args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const Index id = static_cast<Index>(item.get_global_id(0));
  if (id >= static_cast<Index>(args.batch * args.channels * args.out_height * args.out_width)) return;
  const Index pixel = id / static_cast<Index>(args.channels);
  const Index c = id - pixel * static_cast<Index>(args.channels);
  const Index line = pixel / static_cast<Index>(args.out_width);
  const Index column = pixel - line * static_cast<Index>(args.out_width);
  const Index n = line / static_cast<Index>(args.out_height);
  const Index row = line - n * static_cast<Index>(args.out_height);
  const int y = static_cast<int>(row) * args.stride_h - args.padding_h;
  const int x = static_cast<int>(column) * args.stride_w - args.padding_w;
  const auto* input = static_cast<const Element*>(args.input) + n * static_cast<Index>(args.input_stride[0]) +
                      c * static_cast<Index>(args.input_stride[1]);
  Real largest = 0;
  bool any = false;
  for (int j = 0; j < args.kernel_h; ++j) {
    for (int i = 0; i < args.kernel_w; ++i) {
      if ((y + j < 0) | (y + j >= args.height) | (x + i < 0) | (x + i >= args.width)) continue;
      const Real value = load(input[static_cast<Index>(y + j) * static_cast<Index>(args.input_stride[2]) +
                                    static_cast<Index>(x + i) * static_cast<Index>(args.input_stride[3])]);
      // Negated, so that NaN counts as the largest.
      if (!any || !(value <= largest)) largest = largest != largest ? largest : value;
      any = true;
    }
  }
  static_cast<Element*>(
      args.output)[n * static_cast<Index>(args.output_stride[0]) + c * static_cast<Index>(args.output_stride[1]) +
                   row * static_cast<Index>(args.output_stride[2]) +
                   column * static_cast<Index>(args.output_stride[3])] = store(largest);
}
