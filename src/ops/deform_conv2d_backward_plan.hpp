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

/// In the order in which they are tried.
[[nodiscard]] std::span<const std::string_view> deform_conv2d_backward_variant_list() noexcept;

/// The same checks as for the forward call, and those of the gradients.
/// \throws Error kInvalidArgument naming the tensor or parameter, what it has and what is expected.
void check_deform_conv2d_backward(const DeformConv2dBackwardDesc& desc);

/// What launching takes.
struct DeformConv2dBackwardSchedule {
  std::string_view variant;
  IndexWidth index = IndexWidth::k32;
  DeformConv2dBackwardArgs args{};  ///< without pointers
  std::int64_t planes = 0;          ///< reference: channels of pictures that one launch takes for grad_input
  std::size_t scratch_bytes = 0;
};

/// \param force name of a variant, or empty.
/// \throws Error kInvalidArgument for a forced name that does not exist, kUnsupported when the variant cannot run this
///         call, or the device has no such type.
[[nodiscard]] DeformConv2dBackwardSchedule plan_deform_conv2d_backward(const DeformConv2dBackwardDesc& desc,
                                                                       const DeviceFacts& device,
                                                                       std::string_view force);

}  // namespace dcn::ops
