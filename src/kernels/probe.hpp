/// \file probe.hpp
/// The smallest kernel: shows that a device can really build and run one.
#include <sycl/ext/oneapi/free_function_queries.hpp>
#include <sycl/ext/oneapi/kernel_properties/properties.hpp>

/// Arguments of probe(); mirrored in src/runtime/device.cpp.
struct ProbeArgs {
  unsigned* out;   ///< one word per work-item
  unsigned value;  ///< added to each work-item's index
};

extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((sycl::ext::oneapi::experimental::nd_range_kernel<1>)) void probe(
    ProbeArgs args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const auto i = item.get_global_id(0);
  args.out[i] = args.value + static_cast<unsigned>(i);
}
