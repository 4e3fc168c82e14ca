/// \file random_case.hpp
/// Cases of deformable convolution that nobody thought of.
#pragma once

#include <array>
#include <cstdint>
#include <random>

#include "cases/deform_conv2d_case.hpp"

namespace dcn::test {

/// What f32 results may miss, of the largest value, as for the reference data.
inline constexpr double kTolerance = 3e-5;

/// A case with sizes around those of vectors, register blocks, chunks and tiles.
[[nodiscard]] inline DeformConv2dCase random_case(std::mt19937& generator) {
  const auto pick = [&](auto... values) {
    const std::array<std::int64_t, sizeof...(values)> list{static_cast<std::int64_t>(values)...};
    return list[generator() % list.size()];
  };
  DeformConv2dCase c;
  c.groups = pick(1, 1, 1, 2, 3, 4);
  c.deformable_groups = pick(1, 1, 1, 2, 3);
  c.in_channels = c.groups * c.deformable_groups * pick(1, 2, 5, 8, 15, 16, 17, 33, 64);
  c.out_channels = c.groups * pick(1, 3, 7, 8, 15, 16, 17, 31, 33, 64, 65);
  c.batch = pick(1, 1, 2, 3);
  c.kernel_h = pick(1, 2, 3, 3, 5);
  c.kernel_w = pick(1, 2, 3, 3, 4);
  c.stride_h = pick(1, 1, 2, 3);
  c.stride_w = pick(1, 1, 2, 3);
  c.padding_h = pick(0, 1, 2);
  c.padding_w = pick(0, 1, 3);
  c.dilation_h = pick(1, 1, 2);
  c.dilation_w = pick(1, 1, 3);
  c.height = c.dilation_h * (c.kernel_h - 1) + pick(1, 2, 5, 9);
  c.width = c.dilation_w * (c.kernel_w - 1) + pick(1, 3, 8, 17);
  const auto mask = pick(0, 1, 2);
  c.mask = mask != 0;
  c.logit = mask == 2;
  c.bias = pick(0, 1) != 0;
  c.relu = pick(0, 1) != 0;
  const std::array<const char*, 7> offsets{"normal", "normal", "integer", "half", "border", "far", "wild"};
  c.offsets = offsets[generator() % offsets.size()];
  const auto layout = [&] { return static_cast<Layout>(generator() % 4); };
  c.layout = layout();
  c.output_layout = layout();
  c.offset_layout = layout();
  c.seed = static_cast<int>(generator() % 100000);
  return c;
}

}  // namespace dcn::test
