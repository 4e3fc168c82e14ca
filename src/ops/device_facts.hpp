/// \file device_facts.hpp
/// What plans need to know of a device. A plain struct, so that plans can be tested for devices that are not there.
#pragma once

#include <cstddef>
#include <string>

#include "dcn/device.hpp"
#include "dcn/tensor.hpp"

namespace dcn::ops {

/// What one sub-group's matrix units multiply at once: [rows, depth] by [depth, columns], with sums in f32.
struct MatrixShape {
  int rows = 0;  ///< 0: no units for the type
  int columns = 0;
  int depth = 0;
  bool mma = false;         ///< through NVIDIA's own instructions (kernels/tile_mma.hpp) instead of joint_matrix
  bool warpgroups = false;  ///< four sub-groups may multiply together (kernels/tile_warpgroup.hpp), too
};

struct DeviceFacts {
  std::string name;
  bool is_cpu = true;
  bool fp16 = true;
  bool fp64 = true;
  int lanes = 16;                       ///< sub-group size that fills a vector register (CPU) or a warp
  int vector_registers = 32;            ///< CPU: registers of that width
  int compute_units = 1;                ///< CPU: hardware threads
  std::size_t local_bytes = 64 * 1024;  ///< local memory of a work-group
  bool ptx = false;                     ///< its code is NVIDIA's PTX
  MatrixShape matrix_f16{};
  MatrixShape matrix_bf16{};
  MatrixShape matrix_tf32{};  ///< for f32 tensors, where the caller allows for its shorter mantissa
};

/// Asks the driver; a few microseconds.
[[nodiscard]] DeviceFacts device_facts(const Queue& queue);

/// The matrix units that products of a type may use; rows is 0 when there are none.
[[nodiscard]] MatrixShape matrix_shape(DataType type, bool allow_tf32, const DeviceFacts& device);

/// "matrix units of 16x16x16", or "multiply-adds" without any: for reports.
[[nodiscard]] std::string describe(const MatrixShape& matrix);

/// The macro that tells kernels the element type, such as "DCN_T_F32".
[[nodiscard]] const char* element_macro(DataType type);

/// \throws Error kUnsupported when the device has no such type.
void expect_supported(DataType type, const DeviceFacts& device);

}  // namespace dcn::ops
