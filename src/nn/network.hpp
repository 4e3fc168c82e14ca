/// \file network.hpp
/// A network as a flat, printable list of layers over numbered values. It knows nothing of devices or memory formats:
/// src/nn/plan.hpp makes it runnable for one input shape.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "dcn/deform_conv2d.hpp"

namespace dcn::nn {

enum class LayerKind : std::uint8_t {
  kConv,        ///< convolution, batch-norm already folded into weight and bias
  kDeconv,      ///< transposed convolution; grouped bilinear up-sampling is groups == channels
  kDeformConv,  ///< inputs[0] features, inputs[1] the conv_offset_mask output: 2/3 offsets, 1/3 mask logits
  kMaxPool,
  kConcat,  ///< along channels
};

/// One layer. Weights are host fp32 in PyTorch's order: conv and deformable conv [out, in / groups, kh, kw], transposed
/// conv [in, out / groups, kh, kw].
struct Layer {
  LayerKind kind = LayerKind::kConv;
  std::string name;         ///< the checkpoint's module name, e.g. "base.level2.tree1.conv1"
  std::vector<int> inputs;  ///< value ids
  int residual = -1;        ///< value added to the result before the activation, or -1
  int output = -1;          ///< value id
  std::int64_t in_channels = 0, out_channels = 0;
  std::int64_t kernel_h = 1, kernel_w = 1;
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t padding_h = 0, padding_w = 0;
  std::int64_t dilation_h = 1, dilation_w = 1;
  std::int64_t groups = 1, deformable_groups = 1;
  Activation activation = Activation::kNone;
  std::vector<float> weight, bias;  ///< bias may be empty
};

/// Value 0 is the input picture, [N, 3, H, W].
struct Network {
  std::vector<Layer> layers;           ///< in an order in which they can run
  std::map<std::string, int> outputs;  ///< head name -> value id, e.g. "hm", "wh", "reg"
  int value_count = 1;
  std::int64_t input_channels = 3;
  std::int64_t size_divisor = 32;  ///< input height and width must be multiples of this
};

}  // namespace dcn::nn
