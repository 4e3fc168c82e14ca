/// \file deform_conv2d_backward_plan.hpp
/// Check and plan of deformable convolution's gradients: everything that is decided before a kernel is asked for. No
/// function here touches a device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "dcn/deform_conv2d_backward.hpp"
#include "kernels/deform_conv2d_backward_args.hpp"
#include "ops/device_facts.hpp"
#include "ops/index_width.hpp"

namespace dcn::ops {

/// One way to run the operator.
struct DeformConv2dBackwardVariant {
  enum class Kernel : std::uint8_t { kReference, kFused, kTiled };
  std::string_view name;
  Kernel kernel = Kernel::kReference;
  int panel = 0;     ///< input channels of a register block (fused) or of a work-group (tiled)
  int rows = 0;      ///< output pixels of the register block of the samples' gradient (fused) or of a tile (tiled)
  int out_rows = 0;  ///< output channels of the register block of grad_weight (fused) or of a work-group (tiled)
};

/// How the sub-groups of a tiled work-group share its tile.
constexpr int kBackwardRowTeams = 4;
constexpr int kBackwardColumnTeams = 2;

/// In the order in which they are tried.
[[nodiscard]] std::span<const DeformConv2dBackwardVariant> deform_conv2d_backward_variant_list() noexcept;

/// The same checks as for the forward call, and those of the gradients.
/// \throws Error kInvalidArgument naming the tensor or parameter, what it has and what is expected.
void check_deform_conv2d_backward(const DeformConv2dBackwardDesc& desc);

/// What launching takes.
struct DeformConv2dBackwardSchedule {
  DeformConv2dBackwardVariant variant;
  IndexWidth index = IndexWidth::k32;
  DeformConv2dBackwardFusedArgs args{};  ///< without pointers; the reference and the tiled variants need `call` alone
  // Reference:
  std::int64_t planes = 0;  ///< channels of pictures that one launch takes for grad_input
  // Fused variants:
  int lanes = 0;
  std::int64_t pictures = 0;  ///< of one launch
  bool direct_input = false;  ///< grad_input is added to without sums of its own
  std::size_t local_bytes = 0;
  // Tiled variants:
  DeformConv2dBackwardTiledArgs tiled{};  ///< without pointers and `call`; `pictures` and `slices` are a launch's most
  MatrixShape matrix{};                   ///< rows is 0 for plain multiply-adds
  bool ptx = false;                       ///< kernels/atomic_add.hpp
  bool wide = false;                      ///< DCN_WIDE, but for the tensors' addresses
  bool stage_input = false;               ///< a launch's pictures are copied to channels-last scratch first
  bool stage_grad_output = false;
  int depth = 0;           ///< outputs of one step
  std::size_t ranges = 0;  ///< of output pixels
  // Parts of the scratch, in bytes, in this order.
  std::size_t input_bytes = 0;     ///< sums of grad_input
  std::size_t packed_bytes = 0;    ///< weights
  std::size_t weight_bytes = 0;    ///< sums of grad_weight
  std::size_t position_bytes = 0;  ///< sums of grad_offset and grad_mask
  std::size_t bias_bytes = 0;      ///< sums of grad_bias
  std::size_t zero_bytes = 0;      ///< zeros

  [[nodiscard]] std::size_t scratch_bytes() const noexcept {
    return input_bytes + packed_bytes + weight_bytes + position_bytes + bias_bytes + zero_bytes;
  }
};

/// \param force name of a variant, or empty.
/// \throws Error kInvalidArgument for a forced name that does not exist, kUnsupported when the variant cannot run this
///         call, or the device has no such type.
[[nodiscard]] DeformConv2dBackwardSchedule plan_deform_conv2d_backward(const DeformConv2dBackwardDesc& desc,
                                                                       const DeviceFacts& device,
                                                                       std::string_view force);

/// Local memory of one work-group: the same sum as carve() in deform_conv2d_backward_fused.hpp.
[[nodiscard]] std::size_t backward_local_bytes(const DeformConv2dBackwardVariant& variant, int lanes, IndexWidth index,
                                               int tile_pixels, std::int64_t padded_outputs);

/// The same for a tiled variant: carve() in deform_conv2d_backward_tiled.hpp.
[[nodiscard]] std::size_t backward_tiled_local_bytes(const DeformConv2dBackwardVariant& variant, IndexWidth index,
                                                     int depth, DataType staged);

}  // namespace dcn::ops
