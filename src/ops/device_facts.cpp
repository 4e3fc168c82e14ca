#include "ops/device_facts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <sycl/sycl.hpp>
#include <vector>

#include "dcn/status.hpp"

namespace dcn::ops {

namespace {

namespace matrix = sycl::ext::oneapi::experimental::matrix;

/// The shape of the units for a type, with sums in f32: the squarest that a sub-group can hold.
MatrixShape find_shape(const std::vector<matrix::combination>& combinations, matrix::matrix_type type) {
  MatrixShape best;
  for (const matrix::combination& c : combinations) {
    if (c.atype != type || c.btype != type || c.ctype != matrix::matrix_type::fp32 ||
        c.dtype != matrix::matrix_type::fp32) {
      continue;
    }
    // Where a size may be anything up to a limit, the fixed one is 0.
    const MatrixShape shape{static_cast<int>(c.msize != 0 ? c.msize : c.max_msize),
                            static_cast<int>(c.nsize != 0 ? c.nsize : c.max_nsize),
                            static_cast<int>(c.ksize != 0 ? c.ksize : c.max_ksize)};
    const auto worst_side = [](const MatrixShape& s) { return std::min(s.rows, s.columns); };
    if (worst_side(shape) > worst_side(best)) best = shape;
  }
  return best;
}

}  // namespace

DeviceFacts device_facts(const Queue& queue) {
  const sycl::device device = queue.native().get_device();
  DeviceFacts facts;
  facts.name = queue.device().name;
  facts.is_cpu = device.is_cpu();
  facts.ptx = queue.device().backend == "cuda";
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
    if (device.has(sycl::aspect::ext_intel_matrix) || facts.ptx) {
      const auto combinations = device.get_info<sycl::ext::oneapi::experimental::info::device::matrix_combinations>();
      // sm_80 and newer have the shapes of tile_mma.hpp, and bf16 with them.
      if (facts.ptx && find_shape(combinations, matrix::matrix_type::bf16).rows != 0) {
        facts.matrix_f16 = facts.matrix_bf16 = {.rows = 16, .columns = 16, .depth = 16, .mma = true};
        facts.matrix_tf32 = {.rows = 16, .columns = 16, .depth = 8, .mma = true};
        // wgmma exists in sm_90 and in no other.
        const auto architecture = device.get_info<sycl::ext::oneapi::experimental::info::device::architecture>();
        const bool warpgroups = architecture == sycl::ext::oneapi::experimental::architecture::nvidia_gpu_sm_90;
        for (MatrixShape* shape : {&facts.matrix_f16, &facts.matrix_bf16, &facts.matrix_tf32}) {
          shape->warpgroups = warpgroups;
        }
        return facts;
      }
      facts.matrix_f16 = find_shape(combinations, matrix::matrix_type::fp16);
      facts.matrix_bf16 = find_shape(combinations, matrix::matrix_type::bf16);
      facts.matrix_tf32 = find_shape(combinations, matrix::matrix_type::tf32);
    }
  }
  return facts;
}

MatrixShape matrix_shape(DataType type, bool allow_tf32, const DeviceFacts& device) {
  switch (type) {
    case DataType::kF16:
      return device.matrix_f16;
    case DataType::kBf16:
      return device.matrix_bf16;
    case DataType::kF32:
      return allow_tf32 ? device.matrix_tf32 : MatrixShape{};
    default:
      return {};
  }
}

std::string describe(const MatrixShape& matrix) {
  if (matrix.rows == 0) return "multiply-adds";
  return fmt::format("matrix units of {}x{}x{}", matrix.rows, matrix.columns, matrix.depth);
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
