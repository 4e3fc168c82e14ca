/// \file copy.hpp
/// A tensor in other strides, and in another type where one of the two is f32.
///
/// Macros: DCN_T_* and DCN_INDEX as in deform_common.hpp: the type of what is not f32;
///   DCN_FROM_F32, DCN_TO_F32  1: the source (destination) is f32
#include "copy_args.hpp"
#include "deform_common.hpp"

namespace syclexp = sycl::ext::oneapi::experimental;

/// One work-item per element.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void copy(CopyArgs args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const Index id = static_cast<Index>(item.get_global_id(0));
  if (id >= static_cast<Index>(args.size[0] * args.size[1] * args.size[2] * args.size[3])) return;
  Index from = 0;
  Index to = 0;
  Index rest = id;
#pragma unroll
  for (int d = 3; d >= 0; --d) {
    const Index next = rest / static_cast<Index>(args.size[d]);
    const Index at = rest - next * static_cast<Index>(args.size[d]);
    from += at * static_cast<Index>(args.source_stride[d]);
    to += at * static_cast<Index>(args.destination_stride[d]);
    rest = next;
  }
#if DCN_FROM_F32
  static_cast<Element*>(args.destination)[to] = store(static_cast<const float*>(args.source)[from]);
#elif DCN_TO_F32
  static_cast<float*>(args.destination)[to] = load(static_cast<const Element*>(args.source)[from]);
#else
  static_cast<Element*>(args.destination)[to] = static_cast<const Element*>(args.source)[from];
#endif
}
