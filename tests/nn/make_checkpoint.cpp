#include "make_checkpoint.hpp"

#include <cmath>
#include <cstring>
#include <random>

namespace dcn::test {

namespace {

using Sizes = std::vector<std::int64_t>;

class Maker {
 public:
  checkpoint::Checkpoint checkpoint;

  void add(const std::string& name, const Sizes& sizes, double mean, double deviation, bool positive = false) {
    checkpoint::Tensor tensor;
    tensor.sizes = sizes;
    std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
    std::normal_distribution<double> distribution(mean, deviation);
    for (float& value : values) {
      value = static_cast<float>(positive ? std::abs(distribution(random_)) : distribution(random_));
    }
    const std::shared_ptr<std::byte[]> data(new std::byte[values.size() * sizeof(float)]);
    std::memcpy(data.get(), values.data(), values.size() * sizeof(float));
    tensor.data = data;
    checkpoint.tensors[name] = tensor;
  }
  void conv(const std::string& name, std::int64_t out, std::int64_t in, std::int64_t kernel, bool bias = false) {
    add(name + ".weight", {out, in, kernel, kernel}, 0, 1 / std::sqrt(static_cast<double>(in * kernel * kernel)));
    if (bias) add(name + ".bias", {out}, 0, 0.1);
  }
  void batch_norm(const std::string& name, std::int64_t width) {
    add(name + ".weight", {width}, 1, 0.1);
    add(name + ".bias", {width}, 0, 0.1);
    add(name + ".running_mean", {width}, 0, 0.1);
    add(name + ".running_var", {width}, 1, 0.1, true);
    checkpoint::Tensor counter;
    counter.type = DataType::kI64;
    counter.data = std::shared_ptr<std::byte[]>(new std::byte[8]());
    checkpoint.tensors[name + ".num_batches_tracked"] = counter;
  }
  void dcn(const std::string& name, std::int64_t in, std::int64_t out) {
    conv(name, out, in, 3, true);
    conv(name + ".conv_offset_mask", 27, in, 3, true);
  }
  void heads(const HeadSpec& spec, std::int64_t in) {
    for (const auto& [name, channels] : spec.heads) {
      if (spec.head_conv == 0) {
        conv(name, channels, in, 1, true);
      } else {
        conv(name + ".0", spec.head_conv, in, 3, true);
        conv(name + ".2", channels, spec.head_conv, 1, true);
      }
    }
  }

  // DLA

  void basic_block(const std::string& name, std::int64_t in, std::int64_t out) {
    conv(name + ".conv1", out, in, 3);
    batch_norm(name + ".bn1", out);
    conv(name + ".conv2", out, out, 3);
    batch_norm(name + ".bn2", out);
  }
  void tree(const std::string& name, int levels, std::int64_t in, std::int64_t out, bool level_root,
            std::int64_t root_in = 0) {
    if (root_in == 0) root_in = 2 * out;
    if (level_root) root_in += in;
    if (levels == 1) {
      basic_block(name + ".tree1", in, out);
      basic_block(name + ".tree2", out, out);
      conv(name + ".root.conv", out, root_in, 1);
      batch_norm(name + ".root.bn", out);
    } else {
      tree(name + ".tree1", levels - 1, in, out, false);
      tree(name + ".tree2", levels - 1, out, out, false, root_in + out);
    }
    if (in != out) {
      conv(name + ".project.0", out, in, 1);
      batch_norm(name + ".project.1", out);
    }
  }
  void ida(const std::string& name, std::int64_t out, const Sizes& in, const Sizes& factors) {
    for (std::size_t i = 1; i < in.size(); ++i) {
      const std::string n = std::to_string(i);
      dcn(name + ".proj_" + n + ".conv", in[i], out);
      batch_norm(name + ".proj_" + n + ".actf.0", out);
      conv(name + ".up_" + n, out, 1, 2 * factors[i]);
      dcn(name + ".node_" + n + ".conv", out, out);
      batch_norm(name + ".node_" + n + ".actf.0", out);
    }
  }

 private:
  std::mt19937 random_{5};
};

}  // namespace

checkpoint::Checkpoint make_dla_34(const std::vector<std::int64_t>& w, const HeadSpec& heads) {
  Maker maker;
  maker.conv("base.base_layer.0", w[0], 3, 7);
  maker.batch_norm("base.base_layer.1", w[0]);
  maker.conv("base.level0.0", w[0], w[0], 3);
  maker.batch_norm("base.level0.1", w[0]);
  maker.conv("base.level1.0", w[1], w[0], 3);
  maker.batch_norm("base.level1.1", w[1]);
  maker.tree("base.level2", 1, w[1], w[2], false);
  maker.tree("base.level3", 2, w[2], w[3], true);
  maker.tree("base.level4", 2, w[3], w[4], true);
  maker.tree("base.level5", 1, w[4], w[5], true);
  maker.conv("base.fc", 1000, w[5], 1, true);
  maker.ida("dla_up.ida_0", w[4], {w[4], w[5]}, {1, 2});
  maker.ida("dla_up.ida_1", w[3], {w[3], w[4], w[4]}, {1, 2, 2});
  maker.ida("dla_up.ida_2", w[2], {w[2], w[3], w[3], w[3]}, {1, 2, 2, 2});
  maker.ida("ida_up", w[2], {w[2], w[3], w[4]}, {1, 2, 4});
  maker.heads(heads, w[2]);
  return maker.checkpoint;
}

checkpoint::Checkpoint make_resdcn(const std::vector<int>& blocks, bool bottleneck,
                                   const std::vector<std::int64_t>& widths, const std::vector<std::int64_t>& up_widths,
                                   const HeadSpec& heads) {
  Maker maker;
  maker.conv("conv1", widths[0], 3, 7);
  maker.batch_norm("bn1", widths[0]);
  std::int64_t in = widths[0];
  for (std::size_t stage = 0; stage < 4; ++stage) {
    const std::int64_t inner = widths[stage + 1];
    const std::int64_t out = bottleneck ? 4 * inner : inner;
    for (int i = 0; i < blocks[stage]; ++i) {
      const std::string name = "layer" + std::to_string(stage + 1) + "." + std::to_string(i);
      if (bottleneck) {
        maker.conv(name + ".conv1", inner, in, 1);
        maker.batch_norm(name + ".bn1", inner);
        maker.conv(name + ".conv2", inner, inner, 3);
        maker.batch_norm(name + ".bn2", inner);
        maker.conv(name + ".conv3", out, inner, 1);
        maker.batch_norm(name + ".bn3", out);
      } else {
        maker.basic_block(name, in, out);
      }
      if (i == 0 && (stage > 0 || in != out)) {
        maker.conv(name + ".downsample.0", out, in, 1);
        maker.batch_norm(name + ".downsample.1", out);
      }
      in = out;
    }
  }
  for (std::size_t i = 0; i < 3; ++i) {
    const auto place = [&](std::size_t offset) { return "deconv_layers." + std::to_string(6 * i + offset); };
    maker.dcn(place(0), in, up_widths[i]);
    maker.batch_norm(place(1), up_widths[i]);
    maker.conv(place(3), up_widths[i], up_widths[i], 4);
    maker.batch_norm(place(4), up_widths[i]);
    in = up_widths[i];
  }
  maker.heads(heads, in);
  return maker.checkpoint;
}

}  // namespace dcn::test
