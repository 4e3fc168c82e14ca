/// \file deform_conv2d_run.hpp
/// A case of deformable convolution (tests/cases): its inputs from a seed, its expected output from the formula, and
/// its run on the device.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cases/deform_conv2d_case.hpp"
#include "dcn/deform_conv2d.hpp"
#include "ops/device_tensor.hpp"

namespace dcn::test {

struct DeformConv2dInputs {
  HostTensor input, offset, mask, weight, bias;

  [[nodiscard]] DeformConv2dInputs rounded(DataType type) const;
};

[[nodiscard]] DeformConv2dInputs make_inputs(const DeformConv2dCase& c);

/// The formula in double precision.
[[nodiscard]] HostTensor reference(const DeformConv2dCase& c, const DeformConv2dInputs& inputs);
/// A plain implementation in f32 that rounds its result to `type`: what a type's error is measured by.
[[nodiscard]] HostTensor plain_f32(const DeformConv2dCase& c, const DeformConv2dInputs& inputs, DataType type);

struct DeformConv2dResult {
  HostTensor output;
  std::string variant;
  std::string damage;  ///< empty: nothing but the output was written
  std::int64_t unwritten = 0;
};

[[nodiscard]] DeformConv2dResult run_on_device(const DeformConv2dCase& c, const DeformConv2dInputs& inputs,
                                               DataType type, const std::string& variant, bool wide = false);

/// Largest difference, with NaN where only one of them has NaN counting as infinity.
/// DeformConv2dDesc::staging_bytes that let channels-last copies be made of all pictures, of one or two at a time, or
/// of none, by the case's seed.
[[nodiscard]] std::size_t few_staging_bytes(const DeformConv2dCase& c, DataType type);

[[nodiscard]] double largest_difference(const HostTensor& a, const HostTensor& b);
[[nodiscard]] double largest_magnitude(const HostTensor& a);

/// The variants that tests run on the device that they have: those of its kind, one of the others, and the reference.
[[nodiscard]] std::vector<std::string> test_variants();

}  // namespace dcn::test
