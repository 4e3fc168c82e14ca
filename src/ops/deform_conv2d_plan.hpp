/// \file deform_conv2d_plan.hpp
/// Check and plan of deformable convolution: everything that is decided before a kernel is asked for. No function here
/// touches a device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "dcn/deform_conv2d.hpp"
#include "kernels/deform_conv2d_args.hpp"
#include "ops/conv_tile.hpp"
#include "ops/device_facts.hpp"
#include "ops/index_width.hpp"

namespace dcn::ops {

/// One way to run the operator.
struct DeformConv2dVariant {
  enum class Kernel : std::uint8_t { kReference, kFused, kTiled };
  std::string_view name;
  Kernel kernel = Kernel::kReference;
  int panel = 0;  ///< fused: output channels of a register block
  int rows = 0;   ///< fused: output pixels of a register block
  ConvTile tile{};
};

/// In the order in which they are tried.
[[nodiscard]] std::span<const DeformConv2dVariant> deform_conv2d_variant_list() noexcept;

/// \throws Error kInvalidArgument naming the tensor or parameter, what it has and what is expected.
void check_deform_conv2d(const DeformConv2dDesc& desc);

/// What launching takes.
struct DeformConv2dSchedule {
  DeformConv2dVariant variant;
  IndexWidth index = IndexWidth::k32;
  DeformConv2dArgs args{};  ///< without pointers
  bool empty = false;       ///< nothing to compute
  // Fused and tiled variants:
  int lanes = 0;
  int chunk = 0;  ///< channels sampled at a time
  std::size_t tiles = 0;
  std::size_t slices = 0;  ///< of all groups
  std::size_t local_bytes = 0;
  std::size_t packed_weight_elements = 0;  ///< fused: f32; tiled: of packed_type
  DataType packed_type = DataType::kF32;
  std::size_t packed_bias_elements = 0;  ///< f32
  std::size_t zero_elements = 0;         ///< of the tensors' type
  MatrixShape matrix{};                  ///< tiled: rows is 0 for plain multiply-adds
  bool ptx = false;                      ///< tiled: as DeviceFacts has it
  bool whole_steps = false;              ///< tiled: every channel of every step exists
  /// Tiled: pictures of the input that are copied to channels-last scratch for one launch; 0: it is read as it is.
  std::int64_t staged_pictures = 0;
};

/// \param force name of a variant, or empty.
/// \throws Error kInvalidArgument for a forced name that does not exist, kUnsupported when the variant cannot run this
///         call, or the device has no such type.
[[nodiscard]] DeformConv2dSchedule plan_deform_conv2d(const DeformConv2dDesc& desc, const DeviceFacts& device,
                                                      std::string_view force);

/// How one work-group's share is chosen for the fused variants.
struct DeformConv2dTile {
  int pixels = 0;
  int panels = 0;  ///< of the group's weight panels
};

/// The share with the least estimated time. Exposed for tests and tuning.
/// \param taps_channels K: taps times channels of a group.
[[nodiscard]] DeformConv2dTile choose_tile(const DeformConv2dVariant& variant, const DeviceFacts& device,
                                           IndexWidth index, std::int64_t pixels, std::int64_t groups,
                                           std::int64_t panels_per_group, std::int64_t taps_channels);

/// Local memory of one work-group: the same sum as carve() in deform_conv2d_fused.hpp.
[[nodiscard]] std::size_t fused_local_bytes(const DeformConv2dVariant& variant, int lanes, IndexWidth index,
                                            const DeformConv2dTile& tile);

}  // namespace dcn::ops
