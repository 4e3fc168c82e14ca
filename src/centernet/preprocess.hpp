/// \file preprocess.hpp
/// From a picture to the network's 8-bit input, as the original's `pre_process` does it
/// (src/lib/detectors/base_detector.py, ddd.py; get_affine_transform in src/lib/utils/image.py). Host only, no state:
/// every function may be called from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <opencv2/core.hpp>

#include "centernet/model.hpp"

namespace dcn::centernet {

/// 2 x 3, row-major; maps (x, y, 1).
using Affine = std::array<double, 6>;

/// What decides how a picture becomes an input.
struct InputRules {
  Task task = Task::kCtdet;
  Resolution resolution = Resolution::kFix;
  std::int64_t input_h = 512, input_w = 512;  ///< kFix, and ddd always
  std::int64_t size_divisor = 32;             ///< kKeep pads the picture to a multiple of this
  std::int64_t down_ratio = 4;
};

/// Where the input lies on the picture that was resized by `scale`.
struct InputGeometry {
  double scale = 1;
  std::int64_t picture_h = 0, picture_w = 0;  ///< of the picture before resizing
  std::int64_t scaled_h = 0, scaled_w = 0;    ///< int(picture * scale)
  std::int64_t input_h = 0, input_w = 0;      ///< what the network sees
  std::int64_t output_h = 0, output_w = 0;    ///< the heads' size
  std::array<float, 2> center{};              ///< x, y on the scaled picture: the original's `c`
  std::array<float, 2> extent{};              ///< width, height there that the input covers: the original's `s`
};

/// One input of the network, before (x / 255 - mean) / std.
struct WarpedPicture {
  InputGeometry geometry;
  cv::Mat pixels;  ///< CV_8UC3, B G R, input_h x input_w
};

/// 8-bit B G R from what an image reader may give: 1, 2 (grey and alpha), 3 or 4 channels; 8 bit, 16 bit (the high
/// byte counts, as in OpenCV's reader) or floating point (0 to 1). A picture that is fine already is not copied.
/// \throws Error kInvalidArgument for an empty picture or another type.
[[nodiscard]] cv::Mat to_bgr8(const cv::Mat& picture);

/// \throws Error kInvalidArgument when a side of the picture or the scale is not positive.
[[nodiscard]] InputGeometry input_geometry(const InputRules& rules, std::int64_t picture_h, std::int64_t picture_w,
                                           double scale);

/// The original's get_affine_transform for rotation 0: maps the scaled picture to a grid of `width` x `height`
/// (the network's input or output), or back.
[[nodiscard]] Affine affine_to_grid(const InputGeometry& geometry, std::int64_t width, std::int64_t height);
[[nodiscard]] Affine affine_from_grid(const InputGeometry& geometry, std::int64_t width, std::int64_t height);

/// Resizes by the scale and warps, both bilinear on 8 bits (OpenCV's resize and warpAffine).
/// \param picture CV_8UC3, picture_h x picture_w.
[[nodiscard]] WarpedPicture warp(const cv::Mat& picture, const InputGeometry& geometry);

/// Normalised value of each of the 256 levels of the channels B, G, R, rounded where the original rounds: in double
/// and then once for ctdet and multi_pose, in float throughout for ddd.
using NormalizationTable = std::array<std::array<float, 256>, 3>;
[[nodiscard]] NormalizationTable normalization_table(const ModelInfo& info);

}  // namespace dcn::centernet
