/// \file offsets.hpp
/// Where the samples of a deformable convolution lie in the picture (--show-offsets).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "centernet/detector.hpp"
#include "centernet/draw.hpp"
#include "nn/network.hpp"

namespace dcn::cli {

/// What is needed of one deformable layer.
struct DeformLayer {
  std::string name;
  std::string offset_layer;  ///< the layer that computes its offsets and mask
  nn::Layer geometry;        ///< without weights
};

/// All of a network, in the order in which they run.
[[nodiscard]] std::vector<DeformLayer> deform_layers(const nn::Network& network);

/// The layer of that name (or the only one whose name contains it); "" is the last one.
/// \throws Error kInvalidArgument listing the layers.
[[nodiscard]] const DeformLayer& choose_layer(const std::vector<DeformLayer>& layers, const std::string& name);

/// For each detection, where the layer looks at the detection's centre. Runs the network on the picture.
[[nodiscard]] std::vector<centernet::SamplingPoints> sampling_points(
    centernet::Detector& detector, const DeformLayer& layer, const cv::Mat& picture,
    const std::vector<centernet::Detection>& detections);

/// The same for one position of the layer's output.
/// \param values        the offset layer's output of one picture, channels x height x width
/// \param position      x, y on that grid
/// \param input_pixels  pixels of the network's input from one sample of the layer's input to the next, x and y
[[nodiscard]] centernet::SamplingPoints sampling_at(const nn::Layer& layer, const std::vector<float>& values,
                                                    std::int64_t height, std::int64_t width,
                                                    std::array<std::int64_t, 2> position,
                                                    std::array<double, 2> input_pixels,
                                                    const centernet::Affine& to_picture);

}  // namespace dcn::cli
