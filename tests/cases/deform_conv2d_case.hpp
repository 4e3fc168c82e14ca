/// \file deform_conv2d_case.hpp
/// One case of deformable convolution, as a line of deform_conv2d_*.txt in this folder. Tests and benchmarks read it.
///
/// A line is a list of KEY=VALUE; the comments below name the keys, and what is missing has the default below. Lines
/// that start with # are comments.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "dcn/deform_conv2d.hpp"

namespace dcn::test {

/// Where the elements of a 4-D tensor lie.
enum class Layout {
  kNchw,
  kNhwc,
  kNhwcSlice,  ///< channels 3 to 3 + C of an NHWC tensor with five more
  kStrided,    ///< width slowest, then picture, channel, row, with a gap after each; no dimension has stride 1
};

[[nodiscard]] inline std::string to_string(Layout layout) {
  switch (layout) {
    case Layout::kNchw:
      return "nchw";
    case Layout::kNhwc:
      return "nhwc";
    case Layout::kNhwcSlice:
      return "nhwc_slice";
    case Layout::kStrided:
      return "strided";
  }
  return "?";
}

[[nodiscard]] inline Layout layout_of(const std::string& name) {
  for (const Layout layout : {Layout::kNchw, Layout::kNhwc, Layout::kNhwcSlice, Layout::kStrided}) {
    if (to_string(layout) == name) return layout;
  }
  throw std::runtime_error("layout '" + name + "'");
}

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

namespace detail {

inline void parse_pair(const std::string& text, std::int64_t& h, std::int64_t& w) {
  const auto cross = text.find('x');
  h = std::stoll(text.substr(0, cross));
  w = cross == std::string::npos ? h : std::stoll(text.substr(cross + 1));
}

}  // namespace detail

inline DeformConv2dCase DeformConv2dCase::parse(const std::string& line) {
  DeformConv2dCase c;
  std::istringstream words(line);
  std::string word;
  while (words >> word) {
    const auto equals = word.find('=');
    const std::string key = word.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (key == "n") {
      c.batch = std::stoll(value);
    } else if (key == "c") {
      c.in_channels = std::stoll(value);
    } else if (key == "o") {
      c.out_channels = std::stoll(value);
    } else if (key == "in") {
      detail::parse_pair(value, c.height, c.width);
    } else if (key == "k") {
      detail::parse_pair(value, c.kernel_h, c.kernel_w);
    } else if (key == "stride") {
      detail::parse_pair(value, c.stride_h, c.stride_w);
    } else if (key == "pad") {
      detail::parse_pair(value, c.padding_h, c.padding_w);
    } else if (key == "dil") {
      detail::parse_pair(value, c.dilation_h, c.dilation_w);
    } else if (key == "g") {
      c.groups = std::stoll(value);
    } else if (key == "dg") {
      c.deformable_groups = std::stoll(value);
    } else if (key == "mask") {
      c.mask = value != "0";
      c.logit = value == "logit";
    } else if (key == "bias") {
      c.bias = value == "1";
    } else if (key == "relu") {
      c.relu = value == "1";
    } else if (key == "offsets") {
      c.offsets = value;
    } else if (key == "layout") {
      c.layout = layout_of(value);
    } else if (key == "out") {
      c.output_layout = layout_of(value);
    } else if (key == "off") {
      c.offset_layout = layout_of(value);
    } else if (key == "seed") {
      c.seed = std::stoi(value);
    } else {
      throw std::runtime_error(fmt::format("case '{}': unknown key '{}'", line, key));
    }
  }
  return c;
}

inline std::string DeformConv2dCase::line() const {
  return fmt::format(
      "n={} c={} o={} in={}x{} k={}x{} stride={}x{} pad={}x{} dil={}x{} g={} dg={} mask={} bias={} relu={} offsets={} "
      "layout={} out={} off={} seed={}",
      batch, in_channels, out_channels, height, width, kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w,
      dilation_h, dilation_w, groups, deformable_groups,
      logit  ? "logit"
      : mask ? "1"
             : "0",
      bias ? 1 : 0, relu ? 1 : 0, offsets, to_string(layout), to_string(output_layout), to_string(offset_layout), seed);
}

inline DeformConv2dParams DeformConv2dCase::params() const {
  return {.kernel_h = kernel_h,
          .kernel_w = kernel_w,
          .stride_h = stride_h,
          .stride_w = stride_w,
          .padding_h = padding_h,
          .padding_w = padding_w,
          .dilation_h = dilation_h,
          .dilation_w = dilation_w,
          .groups = groups,
          .deformable_groups = deformable_groups};
}

/// The cases of a file of this folder.
[[nodiscard]] inline std::vector<DeformConv2dCase> read_cases(const std::filesystem::path& file) {
  std::ifstream stream(file);
  if (!stream) throw std::runtime_error("cannot open " + file.string());
  std::vector<DeformConv2dCase> cases;
  std::string line;
  while (std::getline(stream, line)) {
    if (!line.empty() && line.front() != '#') cases.push_back(DeformConv2dCase::parse(line));
  }
  return cases;
}

}  // namespace dcn::test
