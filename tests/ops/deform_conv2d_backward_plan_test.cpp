// Check and plan of deformable convolution's gradients, and the plan object.

#include "ops/deform_conv2d_backward_plan.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "dcn/deform_conv2d_backward.hpp"
#include "dcn/status.hpp"
#include "ops/device_tensor.hpp"

namespace dcn::test {
namespace {

using ops::DeviceFacts;
using ops::IndexWidth;

/// A call that is in order, without memory.
DeformConv2dBackwardDesc make_desc(std::int64_t batch = 2, std::int64_t channels = 64, std::int64_t outputs = 64,
                                   std::int64_t size = 16, DataType type = DataType::kF32) {
  const auto activation = [&](std::int64_t count) {
    return TensorView::activation(nullptr, type, MemoryFormat::kNhwc, batch, count, size, size);
  };
  DeformConv2dBackwardDesc desc;
  desc.tensors = {.grad_output = activation(outputs),
                  .input = activation(channels),
                  .offset = activation(18),
                  .mask = activation(9),
                  .weight = TensorView::contiguous(nullptr, type, {outputs, channels, 3, 3})};
  desc.tensors.grad_input = desc.tensors.input;
  desc.tensors.grad_offset = desc.tensors.offset;
  desc.tensors.grad_mask = desc.tensors.mask;
  desc.tensors.grad_weight = desc.tensors.weight;
  desc.tensors.grad_bias = TensorView::contiguous(nullptr, type, {outputs});
  return desc;
}

template <typename Change>
void expect_refused(Change&& change, const std::string& message) {
  DeformConv2dBackwardDesc desc = make_desc();
  change(desc);
  try {
    ops::check_deform_conv2d_backward(desc);
    ADD_FAILURE() << "no error, expected: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(std::string(error.what()), message);
  }
}

TEST(DeformConv2dBackwardCheck, WhatTheForwardCallRefuses) {
  ops::check_deform_conv2d_backward(make_desc());
  expect_refused([](auto& d) { d.params.stride_h = 0; }, "stride_h: value 0, expected 1 to 32768");
  expect_refused([](auto& d) { d.tensors.offset.sizes[1] = 17; },
                 "offset: 17 channels, expected 18 (2 * deformable_groups * kernel_h * kernel_w)");
  expect_refused([](auto& d) { d.tensors.weight.sizes[1] = 15; },
                 "weight: 15 input channels per group, expected 64 (input's channels / groups)");
  expect_refused([](auto& d) { d.tensors.grad_output.sizes[1] = 63; },
                 "grad_output: 63 channels, expected 64 (weight's output channels)");
  expect_refused([](auto& d) { d.tensors.grad_output.type = DataType::kF16; },
                 "grad_output: type f16, expected f32 (the type of input)");
}

TEST(DeformConv2dBackwardCheck, Gradients) {
  expect_refused([](auto& d) { d.tensors.grad_input->sizes[2] = 15; },
                 "grad_input: [2, 64, 15, 16], expected [2, 64, 16, 16] (the sizes of input)");
  expect_refused([](auto& d) { d.tensors.grad_offset->type = DataType::kF64; },
                 "grad_offset: type f64, expected f32 (the type of offset)");
  expect_refused([](auto& d) { d.tensors.mask.reset(); }, "grad_mask: given, but there is no mask");
  expect_refused(
      [](auto& d) { d.tensors.grad_weight->strides = {0, 9, 3, 1}; },
      "grad_weight: f32 [64, 64, 3, 3] strides [0, 9, 3, 1] has elements that share a place, expected one for "
      "each");
  expect_refused([](auto& d) { d.tensors.grad_bias->sizes[0] = 63; },
                 "grad_bias: 63 values, expected 64 (weight's output channels)");
  expect_refused([](auto& d) { d.tensors.grad_bias->strides[0] = 0; },
                 "grad_bias: f32 [64] strides [0] has elements that share a place, expected one for each");
}

TEST(DeformConv2dBackwardVariants, TheFirstThatSuitsIsChosen) {
  const auto chosen = [](const DeformConv2dBackwardDesc& desc, const DeviceFacts& device) {
    return std::string(ops::plan_deform_conv2d_backward(desc, device, "").variant.name);
  };
  const DeviceFacts avx512{.name = "", .compute_units = 2, .local_bytes = 256 * 1024};
  DeviceFacts avx2 = avx512;
  avx2.lanes = 8;
  avx2.vector_registers = 16;
  EXPECT_EQ(chosen(make_desc(), avx512), "fused_32");
  EXPECT_EQ(chosen(make_desc(), avx2), "fused_16");
  EXPECT_EQ(chosen(make_desc(2, 64, 64, 16, DataType::kF64), avx512), "reference");
  DeformConv2dBackwardDesc depthwise = make_desc();
  depthwise.params.groups = 64;
  depthwise.tensors.weight = TensorView::contiguous(nullptr, DataType::kF32, {64, 1, 3, 3});
  depthwise.tensors.grad_weight = depthwise.tensors.weight;
  EXPECT_EQ(chosen(depthwise, avx512), "reference");
}

/// As an H100 shows itself.
DeviceFacts make_gpu() {
  const ops::MatrixShape units{.rows = 16, .columns = 16, .depth = 16, .mma = true};
  return {.name = "",
          .is_cpu = false,
          .lanes = 32,
          .compute_units = 132,
          .local_bytes = 227 * 1024,
          .ptx = true,
          .matrix_f16 = units,
          .matrix_bf16 = units};
}

TEST(DeformConv2dBackwardVariants, GpusTakeTilesByTheOutputs) {
  const DeviceFacts gpu = make_gpu();
  const auto chosen = [&](DeformConv2dBackwardDesc desc, bool deterministic = false) {
    desc.deterministic = deterministic;
    return std::string(ops::plan_deform_conv2d_backward(desc, gpu, "").variant.name);
  };
  for (const DataType type : {DataType::kF32, DataType::kF16, DataType::kBf16}) {
    EXPECT_EQ(chosen(make_desc(2, 64, 64, 16, type)), "tiled_64");
    EXPECT_EQ(chosen(make_desc(2, 64, 100, 16, type)), "tiled_128");
    EXPECT_EQ(chosen(make_desc(2, 64, 600, 16, type)), "tiled_256");
    EXPECT_EQ(chosen(make_desc(2, 64, 64, 16, type), true), "fused_32");
  }
  EXPECT_EQ(chosen(make_desc(2, 64, 64, 16, DataType::kF64)), "reference");
}

/// Sums in scratch are bounded whatever the batch, as long as one picture's 64 channels fit; launches are even.
TEST(DeformConv2dBackwardVariants, TiledScratchIsBounded) {
  for (const std::int64_t batch : {1, 16, 64, 1000}) {
    const auto schedule =
        ops::plan_deform_conv2d_backward(make_desc(batch, 512, 64, 128, DataType::kF16), make_gpu(), "");
    EXPECT_LE(schedule.input_bytes + schedule.position_bytes, std::size_t{129} << 20) << batch;
    EXPECT_GE(schedule.tiled.pictures, 1);
    EXPECT_LE(schedule.tiled.pictures, batch);
    EXPECT_LE(schedule.ranges, 65535U);
  }
}

TEST(DeformConv2dBackwardVariants, ForcedNamesRunOrAreErrors) {
  const auto message = [](const DeformConv2dBackwardDesc& desc, const char* name) {
    try {
      (void)ops::plan_deform_conv2d_backward(desc, DeviceFacts{}, name);
      return std::string();
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  for (const auto& variant : ops::deform_conv2d_backward_variant_list()) {
    const DeviceFacts device{.name = "", .local_bytes = 256 * 1024};
    EXPECT_EQ(ops::plan_deform_conv2d_backward(make_desc(), device, variant.name).variant.name, variant.name);
  }
  EXPECT_EQ(deform_conv2d_backward_variants().back(), "reference");
  EXPECT_EQ(message(make_desc(), "fast"),
            "deform_conv2d_backward: forced variant 'fast' does not exist: one of tiled_64, tiled_128, tiled_256, "
            "fused_32, fused_16, reference");
  EXPECT_EQ(message(make_desc(2, 64, 64, 16, DataType::kF64), "fused_32"),
            "deform_conv2d_backward: forced variant 'fused_32' declines: it computes in f32, the tensors are f64");
}

TEST(DeformConv2dBackwardVariants, TheEnvironmentForcesAsTheDescDoes) {
  setenv("DCN_FORCE_VARIANT_BACKWARD", "reference", 1);
  const DeformConv2dBackwardPlan plan(test_queue(), make_desc());
  unsetenv("DCN_FORCE_VARIANT_BACKWARD");
  EXPECT_EQ(plan.variant(), "reference");
}

/// Every work-group has sums of its own, all output pixels are taken once, and the scratch has its bounds.
TEST(DeformConv2dBackwardSchedule, CoversEverythingWithinItsBounds) {
  for (const int cores : {1, 2, 3, 8, 64}) {
    for (const std::int64_t batch : {1, 2, 5, 64}) {
      for (const std::int64_t channels : {1, 40, 64, 512}) {
        for (const std::int64_t size : {1, 16, 129}) {
          const DeviceFacts device{.name = "", .compute_units = cores, .local_bytes = 128 * 1024};
          const auto schedule =
              ops::plan_deform_conv2d_backward(make_desc(batch, channels, 48, size), device, "fused_32");
          const DeformConv2dBackwardFusedArgs& args = schedule.args;
          SCOPED_TRACE(fmt::format("cores {} batch {} channels {} size {}", cores, batch, channels, size));
          EXPECT_LE(schedule.local_bytes, device.local_bytes);
          EXPECT_EQ(args.strands, schedule.pictures * args.segments);
          EXPECT_LE(schedule.pictures, batch);
          EXPECT_GE(args.segments * args.segment_pixels, size * size);
          EXPECT_GE(args.round_pixels, 1);
          EXPECT_TRUE(args.round_pixels >= args.segment_pixels || args.round_pixels % args.tile_pixels == 0);
          EXPECT_EQ(schedule.direct_input, args.segments == 1);
          EXPECT_LE(schedule.position_bytes, (std::size_t{16} << 20) + 64 * 1024);
        }
      }
    }
  }
}

TEST(DeformConv2dBackwardSchedule, ScratchDoesNotGrowWithTheBatch) {
  const DeviceFacts device{.name = "", .compute_units = 2, .local_bytes = 256 * 1024};
  for (const DataType type : {DataType::kF32, DataType::kBf16}) {
    for (const char* variant : {"fused_32", "reference"}) {
      const auto bytes = [&](std::int64_t batch) {
        return ops::plan_deform_conv2d_backward(make_desc(batch, 512, 256, 64, type), device, variant).scratch_bytes();
      };
      EXPECT_EQ(bytes(32), bytes(1000)) << to_string(type) << " " << variant;
    }
  }
}

TEST(DeformConv2dBackwardSchedule, LargeTensorsTakeWideIndices) {
  DeformConv2dBackwardDesc desc = make_desc();
  const auto index = [&](const char* variant) {
    return ops::plan_deform_conv2d_backward(desc, DeviceFacts{}, variant).index;
  };
  EXPECT_EQ(index("fused_32"), IndexWidth::k32);
  EXPECT_EQ(index("reference"), IndexWidth::k32);
  desc.tensors.grad_input->strides[0] = std::int64_t{1} << 31;
  EXPECT_EQ(index("fused_32"), IndexWidth::k64);
  EXPECT_EQ(index("reference"), IndexWidth::k64);
}

TEST(DeformConv2dBackwardPlanObject, RefusesOtherTensors) {
  const DeformConv2dBackwardDesc desc = make_desc(0);
  DeformConv2dBackwardPlan plan(test_queue(), desc);
  const auto refused = [&](const DeformConv2dBackwardTensors& tensors) {
    try {
      plan.run(tensors);
      return std::string();
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  DeformConv2dBackwardTensors tensors = desc.tensors;
  EXPECT_EQ(refused(tensors), "weight: null pointer, expected memory for f32 [64, 64, 3, 3] strides [576, 9, 3, 1]");
  tensors.grad_weight.reset();
  std::vector<float> weight(64 * 64 * 9);
  tensors.weight.data = weight.data();
  EXPECT_EQ(refused(tensors), "grad_weight: absent, but the plan was made with one");
}

}  // namespace
}  // namespace dcn::test
