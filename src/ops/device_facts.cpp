#include "ops/device_facts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sycl/sycl.hpp>

#include "dcn/status.hpp"

namespace dcn::ops {

DeviceFacts device_facts(const Queue& queue) {
  const sycl::device device = queue.native().get_device();
  DeviceFacts facts;
  facts.name = queue.device().name;
  facts.is_cpu = device.is_cpu();
  facts.fp16 = queue.device().fp16;
  facts.fp64 = queue.device().fp64;
  facts.compute_units = std::max(1, static_cast<int>(device.get_info<sycl::info::device::max_compute_units>()));
  facts.local_bytes = device.get_info<sycl::info::device::local_mem_size>();
  const auto sizes = device.get_info<sycl::info::device::sub_group_sizes>();
  const auto has = [&](std::size_t size) { return std::find(sizes.begin(), sizes.end(), size) != sizes.end(); };
  if (facts.is_cpu) {
    // 16 floats: AVX-512; 8: AVX2.
    facts.lanes = device.get_info<sycl::info::device::native_vector_width_float>() >= 16 && has(16) ? 16 : 8;
    facts.vector_registers = facts.lanes == 16 ? 32 : 16;
  } else {
    facts.lanes = has(16) ? 16 : has(32) ? 32 : static_cast<int>(sizes.empty() ? 1 : sizes.back());
  }
  return facts;
}

const char* element_macro(DataType type) {
  switch (type) {
    case DataType::kF32:
      return "DCN_T_F32";
    case DataType::kF16:
      return "DCN_T_F16";
    case DataType::kBf16:
      return "DCN_T_BF16";
    case DataType::kF64:
      return "DCN_T_F64";
    default:
      throw Error(ErrorCode::kInternal, fmt::format("element type {} has no kernels", to_string(type)));
  }
}

void expect_supported(DataType type, const DeviceFacts& device) {
  if ((type == DataType::kF64 && !device.fp64) || (type == DataType::kF16 && !device.fp16)) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{} does not compute in {}: use f32, or another device", device.name, to_string(type)));
  }
}

}  // namespace dcn::ops
