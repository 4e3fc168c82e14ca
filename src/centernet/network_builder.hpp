/// \file network_builder.hpp
/// Turns named tensors of a checkpoint into layers. Whatever does not fit is remembered, not thrown, so that one error
/// can name all of it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "nn/network.hpp"

namespace dcn::centernet {

using Shape = std::vector<std::int64_t>;

/// "[64, 3, 7, 7]"
[[nodiscard]] std::string to_string(const Shape& shape);

/// A tensor and the dimension of it that tells a width.
struct WidthHint {
  std::string tensor;
  std::size_t dimension = 0;
};

/// A convolution by its module names. Its kernel is square.
struct ConvSpec {
  std::string name;        ///< module with `.weight` (and `.bias`)
  std::string batch_norm;  ///< module of the batch-norm behind it, "" for none
  int input = 0;           ///< value id
  std::int64_t out_channels = 0;
  std::int64_t kernel = 3;
  std::int64_t stride = 1;
  std::int64_t padding = 1;
  std::int64_t groups = 1;
  bool bias = false;
  Activation activation = Activation::kNone;
  int residual = -1;  ///< value added before the activation
};

class NetworkBuilder {
 public:
  explicit NetworkBuilder(const checkpoint::Checkpoint& checkpoint);

  [[nodiscard]] bool has(const std::string& tensor) const;
  /// nullptr when the checkpoint has no such tensor.
  [[nodiscard]] const Shape* shape(const std::string& tensor) const;
  [[nodiscard]] const checkpoint::Checkpoint& checkpoint() const { return checkpoint_; }

  /// The size that most hints agree on, so that one damaged tensor does not make its neighbours look wrong.
  /// \param otherwise the width when none of the tensors is there (they will all be reported as missing).
  [[nodiscard]] std::int64_t width(const std::vector<WidthHint>& hints, std::int64_t otherwise) const;

  // Each adds one layer and returns the id of the value it writes.

  int conv(const ConvSpec& spec);
  /// Transposed convolution, weight [in, out / groups, k, k].
  int deconv(const ConvSpec& spec);
  /// DCNv2's `DCN` module: `name.conv_offset_mask` (an ordinary convolution with bias, a layer of its own), then the
  /// modulated deformable convolution with `name.weight` and `name.bias`. The number of deformable groups follows from
  /// the channels of conv_offset_mask.
  int deform_conv(const ConvSpec& spec);
  int max_pool(const std::string& name, int input, std::int64_t kernel, std::int64_t stride, std::int64_t padding);
  int concat(const std::string& name, const std::vector<int>& inputs);

  void output(const std::string& head, int value);
  [[nodiscard]] std::int64_t channels(int value) const { return channels_.at(static_cast<std::size_t>(value)); }

  /// Tensors under this module name belong to the architecture but take no part in the result.
  void ignore_module(const std::string& name);
  /// For a tensor whose size only the caller can judge.
  void expect_shape(const std::string& tensor, const Shape& expected);
  /// Reported as missing, although no layer asks for it.
  void require(const std::string& tensor, const std::string& why);

  /// The finished network.
  /// \throws Error kBadFile listing all missing, unexpected, mis-shaped and unusable tensors.
  nn::Network finish(const std::string& arch);

 private:
  /// The values as f32, zeros when they are missing, mis-shaped or not finite (which is then on the list).
  std::vector<float> take(const std::string& tensor, const Shape& expected);
  int append(nn::Layer layer);
  nn::Layer layer_of(const ConvSpec& spec, nn::LayerKind kind);
  /// Multiplies the batch-norm into weight and bias, in double. `outputs_last`: weight is [in, out / groups, k, k].
  void fold(nn::Layer& layer, const std::string& batch_norm);
  void report_unused();

  const checkpoint::Checkpoint& checkpoint_;
  nn::Network network_;
  std::vector<std::int64_t> channels_;  ///< of each value
  std::set<std::string> used_;
  std::set<std::string> ignored_modules_;
  std::map<std::string, std::string> missing_, unexpected_, misshaped_, unusable_;  ///< name -> details
};

}  // namespace dcn::centernet
