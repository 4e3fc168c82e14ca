#include "centernet/preprocess.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <opencv2/imgproc.hpp>

#include "dcn/status.hpp"

namespace dcn::centernet {
namespace {

/// warpAffine keeps coordinates in 16 bits.
constexpr std::int64_t kMaxWarpSide = std::numeric_limits<short>::max() - 1;

/// The three point pairs of the original: the centre, the point half a width above it (it takes the width for both
/// axes), and the corner of the square on that side.
std::array<cv::Point2f, 3> frame(cv::Point2f center, double width) {
  const cv::Point2f above(center.x, static_cast<float>(center.y - 0.5 * width));
  const cv::Point2f direction = center - above;
  return {center, above, above + cv::Point2f(-direction.y, direction.x)};
}

Affine solve(const std::array<cv::Point2f, 3>& from, const std::array<cv::Point2f, 3>& to) {
  const cv::Mat matrix = cv::getAffineTransform(from.data(), to.data());
  Affine affine;
  std::copy_n(matrix.ptr<double>(), affine.size(), affine.begin());
  return affine;
}

std::array<cv::Point2f, 3> picture_frame(const InputGeometry& geometry) {
  return frame({geometry.center[0], geometry.center[1]}, geometry.extent[0]);
}

std::array<cv::Point2f, 3> grid_frame(std::int64_t width, std::int64_t height) {
  return frame({static_cast<float>(width) * 0.5F, static_cast<float>(height) * 0.5F}, static_cast<double>(width));
}

/// One channel of a 16-bit or floating-point picture, or all of them, in 8 bits.
cv::Mat to_8bit(const cv::Mat& picture) {
  cv::Mat result;
  switch (picture.depth()) {
    case CV_8U:
      return picture;
    case CV_16U: {
      result.create(picture.size(), CV_8UC(picture.channels()));
      for (int y = 0; y < picture.rows; ++y) {
        const auto* source = picture.ptr<std::uint16_t>(y);
        std::transform(source, source + static_cast<std::ptrdiff_t>(picture.cols) * picture.channels(), result.ptr(y),
                       [](std::uint16_t value) { return static_cast<std::uint8_t>(value >> 8); });
      }
      return result;
    }
    case CV_32F:
    case CV_64F: {
      cv::Mat clean = picture.clone();
      cv::patchNaNs(clean.depth() == CV_32F ? clean : (clean.convertTo(clean, CV_32F), clean), 0);
      clean.convertTo(result, CV_8U, 255.0);
      return result;
    }
    default:
      throw Error(
          ErrorCode::kInvalidArgument,
          fmt::format("picture: OpenCV depth {}, expected 8-bit or 16-bit unsigned, or floating point: convert it "
                      "first",
                      picture.depth()));
  }
}

}  // namespace

cv::Mat to_bgr8(const cv::Mat& picture) {
  if (picture.empty() || picture.dims != 2) {
    throw Error(ErrorCode::kInvalidArgument, "picture: empty, expected at least one pixel: was the file read?");
  }
  const cv::Mat shallow = to_8bit(picture);
  cv::Mat result;
  switch (shallow.channels()) {
    case 1:
      cv::cvtColor(shallow, result, cv::COLOR_GRAY2BGR);
      return result;
    case 2: {
      cv::Mat grey;
      cv::extractChannel(shallow, grey, 0);
      cv::cvtColor(grey, result, cv::COLOR_GRAY2BGR);
      return result;
    }
    case 3:
      return shallow;
    case 4:
      cv::cvtColor(shallow, result, cv::COLOR_BGRA2BGR);
      return result;
    default:
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("picture: {} channels, expected 1 (grey), 2 (grey, alpha), 3 (B G R) or 4 (B G R, alpha)",
                              shallow.channels()));
  }
}

InputGeometry input_geometry(const InputRules& rules, std::int64_t picture_h, std::int64_t picture_w, double scale) {
  if (picture_h < 1 || picture_w < 1) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("picture: {} x {} pixels, expected at least 1 x 1", picture_w, picture_h));
  }
  if (!(scale > 0) || !std::isfinite(scale)) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("scale: {}, expected a positive number", scale));
  }
  InputGeometry geometry;
  geometry.picture_h = picture_h;
  geometry.picture_w = picture_w;
  geometry.input_h = rules.input_h;
  geometry.input_w = rules.input_w;
  if (rules.task == Task::kDdd) {
    geometry.scaled_h = picture_h;
    geometry.scaled_w = picture_w;
    geometry.center = {static_cast<float>(static_cast<double>(picture_w) / 2),
                       static_cast<float>(static_cast<double>(picture_h) / 2)};
    geometry.extent = rules.resolution == Resolution::kKeep
                          ? std::array{static_cast<float>(rules.input_w), static_cast<float>(rules.input_h)}
                          : std::array{static_cast<float>(picture_w), static_cast<float>(picture_h)};
  } else {
    geometry.scale = scale;
    // A side must not vanish; the original fails there.
    geometry.scaled_h = std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(picture_h) * scale));
    geometry.scaled_w = std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(picture_w) * scale));
    if (rules.resolution == Resolution::kKeep) {
      const std::int64_t padding = rules.size_divisor - 1;  // of the form 2^n - 1
      geometry.input_h = (geometry.scaled_h | padding) + 1;
      geometry.input_w = (geometry.scaled_w | padding) + 1;
      const std::int64_t center_x = geometry.scaled_w / 2;  // whole numbers, as in the original
      const std::int64_t center_y = geometry.scaled_h / 2;
      geometry.center = {static_cast<float>(center_x), static_cast<float>(center_y)};
      geometry.extent = {static_cast<float>(geometry.input_w), static_cast<float>(geometry.input_h)};
    } else {
      geometry.center = {static_cast<float>(static_cast<double>(geometry.scaled_w) / 2),
                         static_cast<float>(static_cast<double>(geometry.scaled_h) / 2)};
      // Of the picture before resizing: in this mode a scale below 1 shows it smaller, with a border around it.
      const auto side = static_cast<float>(std::max(picture_h, picture_w));
      geometry.extent = {side, side};
    }
  }
  geometry.output_h = geometry.input_h / rules.down_ratio;
  geometry.output_w = geometry.input_w / rules.down_ratio;
  return geometry;
}

Affine affine_to_grid(const InputGeometry& geometry, std::int64_t width, std::int64_t height) {
  return solve(picture_frame(geometry), grid_frame(width, height));
}

Affine affine_from_grid(const InputGeometry& geometry, std::int64_t width, std::int64_t height) {
  return solve(grid_frame(width, height), picture_frame(geometry));
}

WarpedPicture warp(const cv::Mat& picture, const InputGeometry& geometry) {
  if (picture.type() != CV_8UC3 || picture.rows != geometry.picture_h || picture.cols != geometry.picture_w) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("picture: {} x {}, OpenCV type {}, expected {} x {}, type {} (8-bit B G R)", picture.cols,
                            picture.rows, picture.type(), geometry.picture_w, geometry.picture_h, CV_8UC3));
  }
  if (std::max(geometry.input_h, geometry.input_w) > kMaxWarpSide) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("picture: an input of {} x {} is beyond {} pixels a side: use the fixed resolution or a "
                            "smaller scale",
                            geometry.input_w, geometry.input_h, kMaxWarpSide));
  }
  Affine affine = affine_to_grid(geometry, geometry.input_w, geometry.input_h);
  std::int64_t scaled_h = geometry.scaled_h, scaled_w = geometry.scaled_w;
  int interpolation = cv::INTER_LINEAR;
  if (const std::int64_t side = std::max(scaled_h, scaled_w); side > kMaxWarpSide) {
    // Beyond what the warp can address (and the original can handle): an intermediate picture of that size.
    const double shrink = static_cast<double>(kMaxWarpSide) / static_cast<double>(side);
    const auto shorten = [shrink](std::int64_t extent) {
      return std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(extent) * shrink));
    };
    const double ratio_x = static_cast<double>(scaled_w) / static_cast<double>(shorten(scaled_w));
    const double ratio_y = static_cast<double>(scaled_h) / static_cast<double>(shorten(scaled_h));
    scaled_w = shorten(scaled_w);
    scaled_h = shorten(scaled_h);
    affine = {affine[0] * ratio_x, affine[1] * ratio_y, affine[2], affine[3] * ratio_x, affine[4] * ratio_y, affine[5]};
    interpolation = cv::INTER_AREA;
  }
  cv::Mat resized = picture;
  if (scaled_h != picture.rows || scaled_w != picture.cols) {
    cv::resize(picture, resized, cv::Size(static_cast<int>(scaled_w), static_cast<int>(scaled_h)), 0, 0, interpolation);
  }
  WarpedPicture warped{geometry, {}};
  cv::warpAffine(resized, warped.pixels, cv::Mat(2, 3, CV_64F, affine.data()),
                 cv::Size(static_cast<int>(geometry.input_w), static_cast<int>(geometry.input_h)), cv::INTER_LINEAR);
  return warped;
}

NormalizationTable normalization_table(const ModelInfo& info) {
  NormalizationTable table;
  for (std::size_t channel = 0; channel < 3; ++channel) {
    const float mean = info.mean[channel], std = info.std[channel];
    for (std::size_t level = 0; level < 256; ++level) {
      if (info.task == Task::kDdd) {
        const float shifted = static_cast<float>(level) / 255.0F - mean;
        table[channel][level] = shifted / std;
      } else {
        const double shifted = static_cast<double>(level) / 255.0 - static_cast<double>(mean);
        table[channel][level] = static_cast<float>(shifted / static_cast<double>(std));
      }
    }
  }
  return table;
}

}  // namespace dcn::centernet
