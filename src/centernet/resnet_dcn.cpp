#include "centernet/resnet_dcn.hpp"

#include <array>
#include <cstddef>
#include <string_view>

#include "dcn/status.hpp"

namespace dcn::centernet {

namespace {

constexpr std::size_t kStages = 4;
constexpr std::size_t kUpSteps = 3;

struct Variant {
  std::string_view name;
  bool bottleneck;
  std::array<std::int64_t, kStages> blocks;
};

constexpr std::array<Variant, 5> kVariants{{
    {"resdcn_18", false, {2, 2, 2, 2}},
    {"resdcn_34", false, {3, 4, 6, 3}},
    {"resdcn_50", true, {3, 4, 6, 3}},
    {"resdcn_101", true, {3, 4, 23, 3}},
    {"resdcn_152", true, {3, 8, 36, 3}},
}};

constexpr std::array<std::int64_t, kStages> kStageWidths{64, 128, 256, 512};
constexpr std::array<std::int64_t, kUpSteps> kUpWidths{256, 128, 64};
constexpr std::int64_t kExpansion = 4;  // of a bottleneck

std::string stage_name(std::size_t stage) { return "layer" + std::to_string(stage + 1); }

class ResnetDcn {
 public:
  ResnetDcn(NetworkBuilder& builder, const Variant& variant) : builder_(builder), variant_(variant) {}

  int build() {
    const std::int64_t stem =
        builder_.width({{"conv1.weight", 0}, {"bn1.weight", 0}, {"bn1.bias", 0}}, kStageWidths[0]);
    int x = builder_.conv({.name = "conv1",
                           .batch_norm = "bn1",
                           .input = 0,
                           .out_channels = stem,
                           .kernel = 7,
                           .stride = 2,
                           .padding = 3,
                           .activation = Activation::kRelu});
    x = builder_.max_pool("maxpool", x, 3, 2, 1);
    for (std::size_t i = 0; i < kStages; ++i) x = stage(i, x);
    for (std::size_t i = 0; i < kUpSteps; ++i) x = up_step(i, x);
    builder_.ignore_module("fc");  // the classifier of the pre-trained backbone
    return x;
  }

 private:
  int stage(std::size_t index, int x) {
    const std::string first = stage_name(index) + ".0";
    const std::int64_t inner = builder_.width(
        {{first + ".conv1.weight", 0}, {first + ".bn1.weight", 0}, {first + ".conv2.weight", 0}}, kStageWidths[index]);
    const std::int64_t outer =
        variant_.bottleneck
            ? builder_.width({{first + ".conv3.weight", 0}, {first + ".bn3.weight", 0}, {first + ".bn3.bias", 0}},
                             kExpansion * inner)
            : inner;
    for (std::int64_t i = 0; i < variant_.blocks[index]; ++i) {
      const std::string name = stage_name(index) + "." + std::to_string(i);
      const std::int64_t stride = i == 0 && index > 0 ? 2 : 1;
      int residual = x;
      if (stride != 1 || builder_.channels(x) != outer) {
        residual = builder_.conv({.name = name + ".downsample.0",
                                  .batch_norm = name + ".downsample.1",
                                  .input = x,
                                  .out_channels = outer,
                                  .kernel = 1,
                                  .stride = stride,
                                  .padding = 0});
      }
      x = variant_.bottleneck ? bottleneck(name, x, inner, outer, stride, residual)
                              : basic_block(name, x, outer, stride, residual);
    }
    return x;
  }

  int basic_block(const std::string& name, int x, std::int64_t width, std::int64_t stride, int residual) {
    x = builder_.conv({.name = name + ".conv1",
                       .batch_norm = name + ".bn1",
                       .input = x,
                       .out_channels = width,
                       .stride = stride,
                       .activation = Activation::kRelu});
    return builder_.conv({.name = name + ".conv2",
                          .batch_norm = name + ".bn2",
                          .input = x,
                          .out_channels = width,
                          .activation = Activation::kRelu,
                          .residual = residual});
  }

  int bottleneck(const std::string& name, int x, std::int64_t inner, std::int64_t outer, std::int64_t stride,
                 int residual) {
    x = builder_.conv({.name = name + ".conv1",
                       .batch_norm = name + ".bn1",
                       .input = x,
                       .out_channels = inner,
                       .kernel = 1,
                       .padding = 0,
                       .activation = Activation::kRelu});
    x = builder_.conv({.name = name + ".conv2",
                       .batch_norm = name + ".bn2",
                       .input = x,
                       .out_channels = inner,
                       .stride = stride,
                       .activation = Activation::kRelu});
    return builder_.conv({.name = name + ".conv3",
                          .batch_norm = name + ".bn3",
                          .input = x,
                          .out_channels = outer,
                          .kernel = 1,
                          .padding = 0,
                          .activation = Activation::kRelu,
                          .residual = residual});
  }

  /// In the original's nn.Sequential a step has six places: DCN, batch-norm, ReLU, deconvolution, batch-norm, ReLU.
  int up_step(std::size_t index, int x) {
    const auto place = [&](std::size_t offset) { return "deconv_layers." + std::to_string(6 * index + offset); };
    const std::int64_t width = builder_.width(
        {{place(0) + ".weight", 0}, {place(0) + ".bias", 0}, {place(1) + ".weight", 0}, {place(3) + ".weight", 0}},
        kUpWidths[index]);
    x = builder_.deform_conv({.name = place(0),
                              .batch_norm = place(1),
                              .input = x,
                              .out_channels = width,
                              .bias = true,
                              .activation = Activation::kRelu});
    return builder_.deconv({.name = place(3),
                            .batch_norm = place(4),
                            .input = x,
                            .out_channels = width,
                            .kernel = 4,
                            .stride = 2,
                            .padding = 1,
                            .activation = Activation::kRelu});
  }

  NetworkBuilder& builder_;
  const Variant& variant_;
};

}  // namespace

std::vector<std::string> resnet_dcn_names() {
  std::vector<std::string> names;
  for (const Variant& variant : kVariants) names.emplace_back(variant.name);
  return names;
}

std::string infer_resnet_dcn(const checkpoint::Checkpoint& checkpoint) {
  std::array<std::int64_t, kStages> blocks{};
  bool bottleneck = false;
  for (std::size_t stage = 0; stage < kStages; ++stage) {
    const auto exists = [&](std::int64_t block, std::string_view tensor) {
      return checkpoint.tensors.contains(stage_name(stage) + "." + std::to_string(block) + std::string(tensor));
    };
    while (exists(blocks[stage], ".conv1.weight") || exists(blocks[stage], ".conv2.weight")) ++blocks[stage];
    bottleneck = bottleneck || exists(0, ".conv3.weight");
  }
  for (const Variant& variant : kVariants) {
    if (variant.bottleneck == bottleneck && variant.blocks == blocks) return std::string(variant.name);
  }
  return "";
}

int build_resnet_dcn(NetworkBuilder& builder, const std::string& arch) {
  for (const Variant& variant : kVariants) {
    if (variant.name == arch) return ResnetDcn(builder, variant).build();
  }
  throw Error(ErrorCode::kInternal, "no ResNet with deformable convolution is called " + arch);
}

}  // namespace dcn::centernet
