/// \file params.hpp
/// The operators' numbers, as PyTorch's schemas and sycl_dcn/usm.py list them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dcn/deform_conv2d.hpp"
#include "dcn/deform_psroi_pool.hpp"

namespace dcn::torch_binding {

/// Stride, padding, dilation (height, then width, of each), groups, deformable groups.
inline constexpr std::size_t kConvNumbers = 8;
/// output_dim, group_size, pooled_size, part_size, sample_per_part.
inline constexpr std::size_t kPoolNumbers = 5;

[[nodiscard]] inline DeformConv2dParams conv_params(std::int64_t kernel_h, std::int64_t kernel_w,
                                                    const std::array<std::int64_t, kConvNumbers>& n) {
  return {.kernel_h = kernel_h,
          .kernel_w = kernel_w,
          .stride_h = n[0],
          .stride_w = n[1],
          .padding_h = n[2],
          .padding_w = n[3],
          .dilation_h = n[4],
          .dilation_w = n[5],
          .groups = n[6],
          .deformable_groups = n[7]};
}

[[nodiscard]] inline DeformPsroiPoolParams pool_params(double spatial_scale,
                                                       const std::array<std::int64_t, kPoolNumbers>& n,
                                                       double trans_std) {
  return {.spatial_scale = spatial_scale,
          .output_dim = n[0],
          .group_size = n[1],
          .pooled_size = n[2],
          .part_size = n[3],
          .sample_per_part = n[4],
          .trans_std = trans_std};
}

}  // namespace dcn::torch_binding
