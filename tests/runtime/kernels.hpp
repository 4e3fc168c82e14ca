/// \file kernels.hpp
/// A kernel that no library holds: one element, times a factor given as a macro.
#pragma once

#include <string>

#include "dcn/device.hpp"
#include "runtime/kernel.hpp"
#include "runtime/launch.hpp"

namespace dcn::test {

inline constexpr std::string_view kScaleText = R"(
#include <sycl/ext/oneapi/free_function_queries.hpp>
#include <sycl/ext/oneapi/kernel_properties/properties.hpp>
struct ScaleArgs { const float* x; float* y; };
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((sycl::ext::oneapi::experimental::nd_range_kernel<1>))
void scale(ScaleArgs args) {
  const auto i = sycl::ext::oneapi::this_work_item::get_nd_item<1>().get_global_id(0);
  args.y[i] = DCN_FACTOR * args.x[i];
}
)";

struct ScaleArgs {
  const float* x;
  float* y;
};

inline runtime::KernelRequest scale_request(const std::string& factor) {
  return {.source = "scale.hpp", .entry = "scale", .macros = {{"DCN_FACTOR", factor}}, .text = kScaleText};
}

inline runtime::Kernel get_scale_kernel(const Queue& queue, const std::string& factor) {
  return runtime::get_kernel(queue, scale_request(factor));
}

inline float run_scale(const Queue& queue, const runtime::Kernel& kernel, float x) {
  const DeviceBuffer memory(queue, 2 * sizeof(float));
  auto* device = static_cast<float*>(memory.data());
  queue.copy(device, &x, sizeof(float));
  runtime::launch(queue, kernel, runtime::range_1d(1, 1), ScaleArgs{device, device + 1});
  float y = 0;
  queue.copy(&y, device + 1, sizeof(float));
  queue.wait();
  return y;
}

}  // namespace dcn::test
