#include "cli/offsets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "dcn/status.hpp"

namespace dcn::cli {
namespace {

using centernet::Affine;
using centernet::SamplingPoints;

std::array<double, 2> apply(const Affine& affine, double x, double y) {
  return {affine[0] * x + affine[1] * y + affine[2], affine[3] * x + affine[4] * y + affine[5]};
}

Affine inverse(const Affine& a) {
  const double determinant = a[0] * a[4] - a[1] * a[3];
  const Affine linear{a[4] / determinant, -a[1] / determinant, 0, -a[3] / determinant, a[0] / determinant, 0};
  const auto moved = apply(linear, a[2], a[5]);
  return {linear[0], linear[1], -moved[0], linear[3], linear[4], -moved[1]};
}

std::array<float, 2> narrowed(const std::array<double, 2>& point) {
  return {static_cast<float>(point[0]), static_cast<float>(point[1])};
}

}  // namespace

std::vector<DeformLayer> deform_layers(const nn::Network& network) {
  std::vector<DeformLayer> layers;
  for (const nn::Layer& layer : network.layers) {
    if (layer.kind != nn::LayerKind::kDeformConv) continue;
    DeformLayer found;
    found.name = layer.name;
    found.geometry = layer;
    found.geometry.weight.clear();
    found.geometry.bias.clear();
    for (const nn::Layer& other : network.layers) {
      if (other.output == layer.inputs.at(1)) found.offset_layer = other.name;
    }
    layers.push_back(std::move(found));
  }
  return layers;
}

const DeformLayer& choose_layer(const std::vector<DeformLayer>& layers, const std::string& name) {
  if (layers.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "--show-offsets: this network has no deformable convolution");
  }
  if (name.empty()) return layers.back();
  std::vector<const DeformLayer*> matches;
  std::vector<std::string> names;
  for (const DeformLayer& layer : layers) {
    if (layer.name == name) return layer;
    if (layer.name.find(name) != std::string::npos) matches.push_back(&layer);
    names.push_back(layer.name);
  }
  if (matches.size() == 1) return *matches.front();
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("--show-offsets: {} layer \"{}\"; the deformable layers are: {}",
                          matches.empty() ? "there is no" : "there is more than one", name, fmt::join(names, ", ")));
}

SamplingPoints sampling_at(const nn::Layer& layer, const std::vector<float>& values, std::int64_t height,
                           std::int64_t width, std::array<std::int64_t, 2> position, std::array<double, 2> input_pixels,
                           const Affine& to_picture) {
  const std::int64_t taps = layer.kernel_h * layer.kernel_w;
  const std::int64_t all_taps = layer.deformable_groups * taps;
  const auto value = [&](std::int64_t channel) {
    return values.at(static_cast<std::size_t>((channel * height + position[1]) * width + position[0]));
  };
  const auto in_picture = [&](double x, double y) {
    return narrowed(apply(to_picture, x * input_pixels[0], y * input_pixels[1]));
  };
  const double left = static_cast<double>(position[0] * layer.stride_w - layer.padding_w);
  const double top = static_cast<double>(position[1] * layer.stride_h - layer.padding_h);

  SamplingPoints result;
  result.center = in_picture(left + static_cast<double>((layer.kernel_w - 1) * layer.dilation_w) / 2,
                             top + static_cast<double>((layer.kernel_h - 1) * layer.dilation_h) / 2);
  for (std::int64_t tap = 0; tap < all_taps; ++tap) {
    const std::int64_t column = tap % taps % layer.kernel_w;
    const std::int64_t row = tap % taps / layer.kernel_w;
    const double x = left + static_cast<double>(column * layer.dilation_w);
    const double y = top + static_cast<double>(row * layer.dilation_h);
    result.regular.push_back(in_picture(x, y));
    // Two thirds of the channels are offsets, (row, column) per tap; the last third are the logits of the mask.
    result.points.push_back(
        in_picture(x + static_cast<double>(value(2 * tap + 1)), y + static_cast<double>(value(2 * tap))));
    result.weights.push_back(1.0F / (1.0F + std::exp(-value(2 * all_taps + tap))));
  }
  return result;
}

std::vector<SamplingPoints> sampling_points(centernet::Detector& detector, const DeformLayer& layer,
                                            const cv::Mat& picture,
                                            const std::vector<centernet::Detection>& detections) {
  const auto prepared = detector.prepare(picture);
  const auto& input = prepared.scales.front();
  detector.load_input(input);
  std::vector<std::int64_t> sizes;
  const std::vector<float> values = detector.executor().read_value(layer.offset_layer, sizes);
  const std::int64_t height = sizes.at(2);
  const std::int64_t width = sizes.at(3);
  const Affine to_picture = centernet::input_to_picture(input.geometry);
  const Affine to_input = inverse(to_picture);
  // One step on the layer's input grid, in pixels of the network's input.
  const std::array<double, 2> step{
      static_cast<double>(input.geometry.input_w) / static_cast<double>(width * layer.geometry.stride_w),
      static_cast<double>(input.geometry.input_h) / static_cast<double>(height * layer.geometry.stride_h)};

  std::vector<SamplingPoints> result;
  for (const auto& detection : detections) {
    const auto& box = detection.box;
    const auto center =
        apply(to_input, (static_cast<double>(box[0]) + box[2]) / 2, (static_cast<double>(box[1]) + box[3]) / 2);
    const auto cell = [](double pixel, double pixels, std::int64_t stride, std::int64_t count) {
      const auto index = static_cast<std::int64_t>(std::floor(pixel / (pixels * static_cast<double>(stride))));
      return std::clamp<std::int64_t>(index, 0, count - 1);
    };
    result.push_back(sampling_at(layer.geometry, values, height, width,
                                 {cell(center[0], step[0], layer.geometry.stride_w, width),
                                  cell(center[1], step[1], layer.geometry.stride_h, height)},
                                 step, to_picture));
  }
  return result;
}

}  // namespace dcn::cli
