/// \file deform_conv2d_case.hpp
/// One case of deformable convolution, as a line of tests/cases/deform_conv2d_*.txt: its inputs from a seed, its
/// expected output from the formula, and its run on the device.
///
/// A line is a list of KEY=VALUE; what is missing has the default below. Lines that start with # are comments.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "dcn/deform_conv2d.hpp"
#include "ops/device_tensor.hpp"

namespace dcn::test {

struct DeformConv2dCase {
  std::int64_t batch = 1;                   // n
  std::int64_t in_channels = 8;             // c
  std::int64_t out_channels = 8;            // o
  std::int64_t height = 8, width = 8;       // in=HxW
  std::int64_t kernel_h = 3, kernel_w = 3;  // k=HxW; so stride, pad, dil
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t padding_h = 1, padding_w = 1;
  std::int64_t dilation_h = 1, dilation_w = 1;
  std::int64_t groups = 1;             // g
  std::int64_t deformable_groups = 1;  // dg
  bool mask = true;
  bool logit = false;
  bool bias = true;
  bool relu = false;
  std::string offsets = "normal";        // normal, zero, integer, half, border, far, wild (NaN and infinity among them)
  Layout layout = Layout::kNhwc;         // of the input
  Layout output_layout = Layout::kNhwc;  // out
  Layout offset_layout = Layout::kNhwc;  // off; of the mask as well
  int seed = 1;

  [[nodiscard]] static DeformConv2dCase parse(const std::string& line);
  [[nodiscard]] std::string line() const;
  [[nodiscard]] DeformConv2dParams params() const;
};

/// The cases of a file of tests/cases.
[[nodiscard]] std::vector<DeformConv2dCase> read_cases(const std::filesystem::path& file);

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
[[nodiscard]] double largest_difference(const HostTensor& a, const HostTensor& b);
[[nodiscard]] double largest_magnitude(const HostTensor& a);

}  // namespace dcn::test
