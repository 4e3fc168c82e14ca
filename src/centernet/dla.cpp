#include "centernet/dla.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace dcn::centernet {

namespace {

constexpr std::size_t kLevels = 6;
constexpr std::size_t kFirstLevel = 2;  // of the up-sampling: stride 4
constexpr std::size_t kLastLevel = 5;   // the heads' features come from the levels [kFirstLevel, kLastLevel)
constexpr std::array<std::int64_t, kLevels> kWidths{16, 32, 64, 128, 256, 512};
constexpr std::array<int, kLevels> kTreeDepth{0, 0, 1, 2, 2, 1};

std::string level_name(std::size_t level) { return "base.level" + std::to_string(level); }

std::array<std::int64_t, kLevels> infer_widths(const NetworkBuilder& builder) {
  std::array<std::int64_t, kLevels> widths{};
  widths[0] = builder.width(
      {{"base.base_layer.0.weight", 0}, {"base.base_layer.1.weight", 0}, {"base.level0.0.weight", 0}}, kWidths[0]);
  widths[1] =
      builder.width({{"base.level1.0.weight", 0}, {"base.level1.1.weight", 0}, {"base.level1.1.bias", 0}}, kWidths[1]);
  for (std::size_t level = kFirstLevel; level < kLevels; ++level) {
    const std::string block = level_name(level) + (kTreeDepth[level] == 1 ? ".tree1" : ".tree1.tree1");
    widths[level] = builder.width({{block + ".conv1.weight", 0},
                                   {block + ".bn1.weight", 0},
                                   {block + ".conv2.weight", 0},
                                   {block + ".bn2.bias", 0}},
                                  kWidths[level]);
  }
  return widths;
}

class Dla {
 public:
  explicit Dla(NetworkBuilder& builder) : builder_(builder), widths_(infer_widths(builder)) {}

  int build() {
    std::vector<int> levels = backbone();
    levels.erase(levels.begin(), levels.begin() + kFirstLevel);
    levels = aggregate(levels);
    // The original clones the features of strides 4, 8 and 16, then brings them all to stride 4.
    levels.resize(kLastLevel - kFirstLevel);
    const std::vector<std::int64_t> factors{1, 2, 4};
    return iterate("ida_up", levels, 0, widths_[kFirstLevel], factors).back();
  }

 private:
  int conv_bn_relu(const std::string& name, int input, std::int64_t width, std::int64_t kernel, std::int64_t stride) {
    return builder_.conv({.name = name + ".0",
                          .batch_norm = name + ".1",
                          .input = input,
                          .out_channels = width,
                          .kernel = kernel,
                          .stride = stride,
                          .padding = kernel / 2,
                          .activation = Activation::kRelu});
  }

  int block(const std::string& name, int input, std::int64_t width, std::int64_t stride, int residual) {
    const int middle = builder_.conv({.name = name + ".conv1",
                                      .batch_norm = name + ".bn1",
                                      .input = input,
                                      .out_channels = width,
                                      .stride = stride,
                                      .activation = Activation::kRelu});
    return builder_.conv({.name = name + ".conv2",
                          .batch_norm = name + ".bn2",
                          .input = middle,
                          .out_channels = width,
                          .activation = Activation::kRelu,
                          .residual = residual});
  }

  /// A tree of 2^depth blocks; `children` are the values that its last root reads besides those of its own.
  /// \param bottoms pooled inputs made so far, so that a tree and its first sub-tree share theirs.
  int tree(const std::string& name, int depth, int input, std::int64_t width, std::int64_t stride, bool level_root,
           std::vector<int> children, int pooled = -1) {
    int bottom = input;
    // Both a tree and its first sub-tree pool the same input; what neither uses is not computed.
    const bool projects = builder_.channels(input) != width;
    if (stride > 1 && (level_root || depth == 1)) {
      bottom = pooled >= 0 ? pooled : builder_.max_pool(name + ".downsample", input, stride, stride, 0);
    }
    if (level_root) children.push_back(bottom);
    if (depth > 1) {
      // Its projection is in the checkpoints, but the sub-tree makes its own residual.
      if (projects) builder_.ignore_module(name + ".project");
      const int first = tree(name + ".tree1", depth - 1, input, width, stride, false, {}, level_root ? bottom : -1);
      children.push_back(first);
      return tree(name + ".tree2", depth - 1, first, width, 1, false, children);
    }
    int residual = bottom;
    if (projects) {
      residual = builder_.conv({.name = name + ".project.0",
                                .batch_norm = name + ".project.1",
                                .input = bottom,
                                .out_channels = width,
                                .kernel = 1,
                                .padding = 0});
    }
    const int first = block(name + ".tree1", input, width, stride, residual);
    const int second = block(name + ".tree2", first, width, 1, first);
    std::vector<int> parts{second, first};
    parts.insert(parts.end(), children.begin(), children.end());
    return builder_.conv({.name = name + ".root.conv",
                          .batch_norm = name + ".root.bn",
                          .input = builder_.concat(name + ".root.concat", parts),
                          .out_channels = width,
                          .kernel = 1,
                          .padding = 0,
                          .activation = Activation::kRelu});
  }

  /// The features of strides 1, 2, 4, 8, 16 and 32.
  std::vector<int> backbone() {
    std::vector<int> levels;
    int x = conv_bn_relu("base.base_layer", 0, widths_[0], 7, 1);
    x = conv_bn_relu("base.level0", x, widths_[0], 3, 1);
    levels.push_back(x);
    x = conv_bn_relu("base.level1", x, widths_[1], 3, 2);
    levels.push_back(x);
    for (std::size_t level = kFirstLevel; level < kLevels; ++level) {
      x = tree(level_name(level), kTreeDepth[level], x, widths_[level], 2, level != kFirstLevel, {});
      levels.push_back(x);
    }
    builder_.ignore_module("base.fc");  // the classifier of the pre-trained backbone
    return levels;
  }

  int deform_bn_relu(const std::string& name, int input, std::int64_t width) {
    return builder_.deform_conv({.name = name + ".conv",
                                 .batch_norm = name + ".actf.0",
                                 .input = input,
                                 .out_channels = width,
                                 .bias = true,
                                 .activation = Activation::kRelu});
  }

  /// Brings each feature after `first` to the size of the one before it and merges the two, finest first.
  /// \param factors how much coarser feature first + i is than feature first.
  std::vector<int> iterate(const std::string& name, std::vector<int> features, std::size_t first, std::int64_t width,
                           const std::vector<std::int64_t>& factors) {
    for (std::size_t i = first + 1; i < features.size(); ++i) {
      const std::size_t step = i - first;
      const std::string suffix = std::to_string(step);
      const int projected = deform_bn_relu(name + ".proj_" + suffix, features[i], width);
      const std::int64_t factor = factors[step];
      const int sum = builder_.deconv({.name = name + ".up_" + suffix,
                                       .batch_norm = "",
                                       .input = projected,
                                       .out_channels = width,
                                       .kernel = 2 * factor,
                                       .stride = factor,
                                       .padding = factor / 2,
                                       .groups = width,
                                       .residual = features[i - 1]});
      features[i] = deform_bn_relu(name + ".node_" + suffix, sum, width);
    }
    return features;
  }

  /// dla_up: step i merges the i + 2 coarsest features into the finest of them; the results, finest first.
  std::vector<int> aggregate(std::vector<int> features) {
    std::vector<int> merged{features.back()};
    for (std::size_t i = 0; i + 1 < features.size(); ++i) {
      const std::size_t first = features.size() - 2 - i;
      // Earlier steps have brought everything coarser than feature first + 1 to that one's size.
      const std::vector<std::int64_t> factors(features.size() - first, 2);
      features = iterate("dla_up.ida_" + std::to_string(i), features, first, widths_[kFirstLevel + first], factors);
      merged.insert(merged.begin(), features.back());
    }
    return merged;
  }

  NetworkBuilder& builder_;
  std::array<std::int64_t, kLevels> widths_;
};

}  // namespace

int build_dla_34(NetworkBuilder& builder) { return Dla(builder).build(); }

}  // namespace dcn::centernet
