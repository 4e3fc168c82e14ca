/// Every kind of layer against the fp64 reference, in f32 and bf16, in all memory formats, by oneDNN and by own
/// kernels.
///
/// To add a case: a line in kCases; `build` adds layers to a network whose input has three channels, unless said
/// otherwise, and returns the value to compare.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>

#include "dcn/status.hpp"
#include "make_network.hpp"
#include "reference.hpp"

namespace dcn::test {
namespace {

using nn::Layer;
using nn::LayerKind;

struct Case {
  std::string name;
  std::function<int(NetworkMaker&)> build;
  std::int64_t channels = 3;
  std::int64_t height = 13, width = 18;
};

/// With 2 groups, 5 x 3 kernel and so on: every field that a convolution has.
Layer conv(int input, std::int64_t out, std::int64_t kernel, std::int64_t stride, std::int64_t padding) {
  Layer layer;
  layer.inputs = {input};
  layer.out_channels = out;
  layer.kernel_h = layer.kernel_w = kernel;
  layer.stride_h = layer.stride_w = stride;
  layer.padding_h = layer.padding_w = padding;
  return layer;
}

Layer deconv(int input, std::int64_t out, std::int64_t kernel, std::int64_t stride, std::int64_t padding,
             std::int64_t groups = 1) {
  Layer layer = conv(input, out, kernel, stride, padding);
  layer.kind = LayerKind::kDeconv;
  layer.groups = groups;
  return layer;
}

Layer max_pool(int input, std::int64_t kernel, std::int64_t stride, std::int64_t padding) {
  Layer layer = conv(input, 0, kernel, stride, padding);
  layer.kind = LayerKind::kMaxPool;
  return layer;
}

template <typename Change>
Layer changed(Layer layer, Change change) {
  change(layer);
  return layer;
}

Layer relu(Layer layer) {
  layer.activation = Activation::kRelu;
  return layer;
}

/// A DCN module: the convolution that gives offsets and masks, then the deformable one.
int deform(NetworkMaker& maker, int input, std::int64_t out, const std::function<void(Layer&)>& change = {}) {
  Layer layer = relu(conv(input, out, 3, 1, 1));
  layer.kind = LayerKind::kDeformConv;
  if (change) change(layer);
  Layer offsets = layer;
  offsets.kind = LayerKind::kConv;
  offsets.activation = Activation::kNone;
  offsets.groups = 1;
  offsets.out_channels = 3 * layer.deformable_groups * layer.kernel_h * layer.kernel_w;
  layer.inputs.push_back(maker.add(offsets));
  return maker.add(layer);
}

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases{
      {"conv_1x1", [](NetworkMaker& m) { return m.add(conv(0, 24, 1, 1, 0)); }, 16},
      {"conv_3x3", [](NetworkMaker& m) { return m.add(relu(conv(0, 32, 3, 1, 1))); }, 16},
      {"conv_3x3_stride_2", [](NetworkMaker& m) { return m.add(relu(conv(0, 32, 3, 2, 1))); }, 16},
      {"conv_7x7_of_a_picture", [](NetworkMaker& m) { return m.add(relu(conv(0, 16, 7, 2, 3))); }},
      {"conv_without_bias", [](NetworkMaker& m) { return m.add(conv(0, 16, 3, 1, 1), false); }, 8},
      {"conv_odd_channels", [](NetworkMaker& m) { return m.add(conv(0, 27, 3, 1, 1)); }, 5},
      {"conv_dilated",
       [](NetworkMaker& m) {
         return m.add(changed(conv(0, 16, 3, 1, 2), [](Layer& l) { l.dilation_h = l.dilation_w = 2; }));
       },
       16},
      {"conv_groups",
       [](NetworkMaker& m) { return m.add(changed(conv(0, 48, 3, 1, 1), [](Layer& l) { l.groups = 2; })); }, 32},
      {"conv_depthwise",
       [](NetworkMaker& m) { return m.add(changed(conv(0, 32, 3, 1, 1), [](Layer& l) { l.groups = 32; })); }, 32},
      {"conv_not_square",
       [](NetworkMaker& m) {
         return m.add(changed(conv(0, 16, 3, 1, 1), [](Layer& l) {
           l.kernel_w = 5;
           l.padding_w = 2;
           l.stride_h = 2;
         }));
       },
       8},
      {"conv_residual",
       [](NetworkMaker& m) {
         const int x = m.add(relu(conv(0, 32, 3, 1, 1)));
         return m.add(relu(changed(conv(x, 32, 3, 1, 1), [&](Layer& l) { l.residual = x; })));
       },
       16},
      {"conv_residual_read_again",
       [](NetworkMaker& m) {
         const int x = m.add(conv(0, 32, 1, 1, 0));
         const int y = m.add(relu(changed(conv(x, 32, 3, 1, 1), [&](Layer& l) { l.residual = x; })));
         return m.add(changed(conv(y, 32, 3, 1, 1), [&](Layer& l) { l.residual = x; }));
       },
       16},
      {"deconv_4x4_stride_2", [](NetworkMaker& m) { return m.add(relu(deconv(0, 24, 4, 2, 1))); }, 16},
      {"deconv_2x2_stride_2", [](NetworkMaker& m) { return m.add(deconv(0, 16, 2, 2, 0)); }, 16},
      {"deconv_groups", [](NetworkMaker& m) { return m.add(deconv(0, 32, 4, 2, 1, 2)); }, 16},
      {"upsample_2", [](NetworkMaker& m) { return m.add(deconv(0, 32, 4, 2, 1, 32), false); }, 32},
      {"upsample_4", [](NetworkMaker& m) { return m.add(deconv(0, 20, 8, 4, 2, 20), false); }, 20, 5, 7},
      {"upsample_8", [](NetworkMaker& m) { return m.add(deconv(0, 16, 16, 8, 4, 16), false); }, 16, 4, 3},
      {"upsample_bias_relu", [](NetworkMaker& m) { return m.add(relu(deconv(0, 17, 4, 2, 1, 17))); }, 17},
      {"upsample_odd_kernel", [](NetworkMaker& m) { return m.add(deconv(0, 16, 3, 2, 1, 16)); }, 16},
      {"upsample_residual",
       [](NetworkMaker& m) {
         const int fine = m.add(conv(0, 32, 3, 1, 1));
         const int coarse = m.add(conv(fine, 32, 3, 2, 1));
         return m.add(relu(changed(deconv(coarse, 32, 4, 2, 1, 32), [&](Layer& l) { l.residual = fine; })), false);
       },
       8, 12, 16},
      {"deconv_residual",
       [](NetworkMaker& m) {
         const int fine = m.add(conv(0, 32, 3, 1, 1));
         const int coarse = m.add(conv(fine, 16, 3, 2, 1));
         return m.add(relu(changed(deconv(coarse, 32, 4, 2, 1), [&](Layer& l) { l.residual = fine; })));
       },
       8, 12, 16},
      {"max_pool_2", [](NetworkMaker& m) { return m.add(max_pool(0, 2, 2, 0)); }, 16},
      {"max_pool_3_padded", [](NetworkMaker& m) { return m.add(max_pool(0, 3, 2, 1)); }, 20},
      {"concat",
       [](NetworkMaker& m) {
         const int a = m.add(conv(0, 16, 1, 1, 0));
         const int b = m.add(conv(0, 7, 1, 1, 0));
         return m.add(changed(Layer{}, [&](Layer& l) {
           l.kind = LayerKind::kConcat;
           l.inputs = {b, 0, a};
         }));
       }},
      {"deform", [](NetworkMaker& m) { return deform(m, 0, 32); }, 16},
      {"deform_stride_2",
       [](NetworkMaker& m) { return deform(m, 0, 16, [](Layer& l) { l.stride_h = l.stride_w = 2; }); }, 16},
      {"deform_groups",
       [](NetworkMaker& m) {
         return deform(m, 0, 16, [](Layer& l) {
           l.groups = 2;
           l.deformable_groups = 4;
         });
       },
       16},
      {"deform_behind_conv", [](NetworkMaker& m) { return deform(m, m.add(relu(conv(0, 24, 3, 2, 1))), 20); }},
  };
  return kCases;
}

using Parameters = std::tuple<std::size_t, DataType, nn::FormatChoice, bool>;

class Layers : public testing::TestWithParam<Parameters> {};

TEST_P(Layers, AgreeWithTheReference) {
  const auto& [index, type, format, own_kernels] = GetParam();
  const Case& tested = cases()[index];
  NetworkMaker maker(tested.channels, static_cast<unsigned>(index) + 1);
  const int result = tested.build(maker);
  maker.network.outputs["out"] = result;
  const HostTensor picture = maker.picture(2, tested.height, tested.width);
  const HostTensor expected = run_reference(maker.network, picture)[static_cast<std::size_t>(result)];
  ASSERT_GT(max_magnitude(expected), 0.1) << "a reference of zeros proves nothing";

  double tolerance = 3e-6 * max_magnitude(expected);
  if (type == DataType::kBf16) {
    // Twice the error of a plain implementation in that type.
    const HostTensor plain = run_reference(maker.network, picture, to_bf16)[static_cast<std::size_t>(result)];
    tolerance = 2 * max_difference(plain, expected);
  }
  nn::Executor executor(shared_queue(), maker.network,
                        {.type = type, .format = format, .own_kernels = own_kernels, .upsample_variant = ""});
  run(executor, shared_queue(), picture);
  EXPECT_LE(max_difference(read_output(executor, shared_queue(), "out"), expected), tolerance);
}

std::string parameter_name(const testing::TestParamInfo<Parameters>& info) {
  const auto& [index, type, format, own_kernels] = info.param;
  const std::array<std::string, 3> formats{"auto", "nchw", "nhwc"};
  return cases()[index].name + "_" + std::string(to_string(type)) + "_" + formats.at(static_cast<std::size_t>(format)) +
         (own_kernels ? "_own" : "");
}

INSTANTIATE_TEST_SUITE_P(
    , Layers,
    testing::Combine(testing::Range<std::size_t>(0, cases().size()), testing::Values(DataType::kF32, DataType::kBf16),
                     testing::Values(nn::FormatChoice::kAuto, nn::FormatChoice::kNchw, nn::FormatChoice::kNhwc),
                     testing::Bool()),
    parameter_name);

TEST(UpsampleVariants, AreListedWithTheFallbackLast) {
  EXPECT_EQ(nn::upsample_variants(), (std::vector<std::string>{"depthwise_nhwc", "depthwise_any", "onednn"}));
}

TEST(UpsampleVariants, RunWhenForcedAndAgree) {
  NetworkMaker maker(24);
  maker.network.outputs["out"] = maker.add(deconv(0, 24, 4, 2, 1, 24));
  const HostTensor picture = maker.picture(2, 9, 7);
  const HostTensor expected = run_reference(maker.network, picture)[1];
  for (const std::string& variant : nn::upsample_variants()) {
    nn::Executor executor(shared_queue(), maker.network,
                          {.format = nn::FormatChoice::kNhwc, .upsample_variant = variant});
    run(executor, shared_queue(), picture);
    EXPECT_LE(max_difference(read_output(executor, shared_queue(), "out"), expected), 3e-6 * max_magnitude(expected));
    const std::string ran = executor.report().at(0).implementation;
    if (variant == "onednn") {
      EXPECT_EQ(ran.find("depthwise"), std::string::npos) << ran;
    } else {
      EXPECT_EQ(ran, variant);
    }
  }
}

TEST(UpsampleVariants, RefuseWhatTheyCannotDo) {
  NetworkMaker maker(16);
  maker.network.outputs["out"] = maker.add(deconv(0, 16, 4, 2, 1, 16));
  const auto code_of = [&](const nn::PlanOptions& options) {
    nn::Executor executor(shared_queue(), maker.network, options);
    try {
      executor.prepare(1, 8, 8);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kInternal;
  };
  EXPECT_EQ(code_of({.format = nn::FormatChoice::kNchw, .upsample_variant = "depthwise_nhwc"}),
            ErrorCode::kUnsupported);
  EXPECT_EQ(code_of({.upsample_variant = "fastest"}), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace dcn::test
