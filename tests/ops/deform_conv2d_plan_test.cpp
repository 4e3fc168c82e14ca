// What is decided before a kernel runs: checks and their words, variants, index width, tiles, and what a plan holds.

#include "ops/deform_conv2d_plan.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>

#include "dcn/deform_conv2d.hpp"
#include "dcn/status.hpp"
#include "ops/deform_conv2d_run.hpp"
#include "ops/device_tensor.hpp"
#include "ops/index_width.hpp"

namespace dcn::test {
namespace {

using ops::DeviceFacts;
using ops::IndexWidth;

DeviceFacts avx512() {
  return {.name = "AVX-512", .lanes = 16, .vector_registers = 32, .compute_units = 2, .local_bytes = 256 * 1024};
}
DeviceFacts avx2() {
  return {.name = "AVX2", .lanes = 8, .vector_registers = 16, .compute_units = 4, .local_bytes = 256 * 1024};
}
DeviceFacts cuda() {
  return {.name = "CUDA", .is_cpu = false, .lanes = 32, .compute_units = 132, .local_bytes = 48 * 1024};
}

const ops::DeformConv2dVariant& fused_64() {
  const auto list = ops::deform_conv2d_variant_list();
  return *std::find_if(list.begin(), list.end(), [](const auto& variant) { return variant.name == "fused_64"; });
}

/// A valid call; its memory is one byte that nobody reads.
DeformConv2dDesc valid_desc(DataType type = DataType::kF32, std::int64_t channels = 16, std::int64_t outputs = 64) {
  static std::array<std::byte, 1> memory{};
  const auto activation = [&](std::int64_t c) {
    return TensorView::activation(memory.data(), type, MemoryFormat::kNhwc, 2, c, 7, 9);
  };
  DeformConv2dDesc desc;
  desc.tensors = {.input = activation(channels),
                  .offset = activation(18),
                  .mask = activation(9),
                  .weight = TensorView::contiguous(memory.data(), type, {outputs, channels, 3, 3}),
                  .bias = TensorView::contiguous(memory.data(), type, {outputs}),
                  .output = activation(outputs)};
  return desc;
}

template <typename Call>
void expect_error(Call&& call, const std::string& message, ErrorCode code = ErrorCode::kInvalidArgument) {
  try {
    call();
    ADD_FAILURE() << "no error, expected: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), message);
    EXPECT_EQ(error.code(), code);
  }
}

/// Changes a valid desc and expects the check to refuse it in these words.
template <typename Change>
void expect_refused(Change&& change, const std::string& message) {
  DeformConv2dDesc desc = valid_desc();
  ops::check_deform_conv2d(desc);
  change(desc);
  expect_error([&] { ops::check_deform_conv2d(desc); }, message);
}

TEST(DeformConv2dCheck, Parameters) {
  expect_refused([](auto& d) { d.params.kernel_h = 0; }, "kernel_h: value 0, expected 1 to 32768");
  expect_refused([](auto& d) { d.params.kernel_w = -1; }, "kernel_w: value -1, expected 1 to 32768");
  expect_refused([](auto& d) { d.params.stride_h = 0; }, "stride_h: value 0, expected 1 to 32768");
  expect_refused([](auto& d) { d.params.stride_w = 0; }, "stride_w: value 0, expected 1 to 32768");
  expect_refused([](auto& d) { d.params.padding_h = -1; }, "padding_h: value -1, expected 0 to 32768");
  expect_refused([](auto& d) { d.params.padding_w = 1 << 20; }, "padding_w: value 1048576, expected 0 to 32768");
  expect_refused([](auto& d) { d.params.dilation_h = 0; }, "dilation_h: value 0, expected 1 to 32768");
  expect_refused([](auto& d) { d.params.dilation_w = 0; }, "dilation_w: value 0, expected 1 to 32768");
  expect_refused([](auto& d) { d.params.groups = 0; }, "groups: value 0, expected 1 to 16777216");
  expect_refused([](auto& d) { d.params.deformable_groups = 0; }, "deformable_groups: value 0, expected 1 to 16777216");
}

TEST(DeformConv2dCheck, Input) {
  expect_refused([](auto& d) { d.tensors.input.type = DataType::kI64; },
                 "input: type i64, expected f32, f16, bf16 or f64");
  expect_refused([](auto& d) { d.tensors.input.rank = 3; },
                 "input: rank 3 [2, 16, 7], expected rank 4 [N, in_channels, H, W]");
  expect_refused([](auto& d) { d.tensors.input.strides[3] = -16; },
                 "input: stride -16 in dimension 3, expected 0 or more: copy the tensor");
  expect_refused([](auto& d) { d.tensors.input.sizes[2] = 0; }, "input: H: value 0, expected 1 to 16777216");
  expect_refused([](auto& d) { d.params.groups = 3; }, "input: 16 channels, expected a multiple of groups = 3");
  expect_refused([](auto& d) { d.params.deformable_groups = 5; },
                 "input: 16 channels, expected a multiple of deformable_groups = 5");
  expect_refused([](auto& d) { d.params.dilation_h = 5; },
                 "input: 7x9 with padding 1x1 is smaller than the dilated kernel of 11x3");
}

TEST(DeformConv2dCheck, WeightAndBias) {
  expect_refused([](auto& d) { d.tensors.weight.type = DataType::kF16; },
                 "weight: type f16, expected f32 (the type of input)");
  expect_refused([](auto& d) { d.tensors.weight.sizes[1] = 15; },
                 "weight: 15 input channels per group, expected 16 (input's channels / groups)");
  expect_refused([](auto& d) { d.tensors.weight.sizes[2] = 5; }, "weight: 5 rows, expected 3 (kernel_h)");
  expect_refused([](auto& d) { d.tensors.weight.sizes[3] = 1; }, "weight: 1 columns, expected 3 (kernel_w)");
  expect_refused(
      [](auto& d) {
        d.params.groups = 16;
        d.tensors.weight.sizes[0] = 63;
      },
      "weight: 63 output channels, expected a multiple of groups = 16");
  expect_refused([](auto& d) { d.tensors.weight.strides[0] = -1; },
                 "weight: stride -1 in dimension 0, expected 0 or more: copy the tensor");
  expect_refused([](auto& d) { d.tensors.bias->sizes[0] = 63; },
                 "bias: 63 values, expected 64 (weight's output channels)");
  expect_refused([](auto& d) { d.tensors.bias->rank = 4; },
                 "bias: rank 4 [64, 0, 0, 0], expected rank 1 [out_channels]");
}

TEST(DeformConv2dCheck, OffsetAndMask) {
  expect_refused([](auto& d) { d.tensors.offset.sizes[1] = 17; },
                 "offset: 17 channels, expected 18 (2 * deformable_groups * kernel_h * kernel_w)");
  expect_refused([](auto& d) { d.tensors.offset.sizes[0] = 1; }, "offset: 1 pictures, expected 2 (input's batch)");
  expect_refused([](auto& d) { d.tensors.offset.sizes[2] = 6; }, "offset: 6 rows, expected 7 (output height)");
  expect_refused([](auto& d) { d.tensors.offset.sizes[3] = 8; }, "offset: 8 columns, expected 9 (output width)");
  expect_refused([](auto& d) { d.tensors.offset.type = DataType::kF64; },
                 "offset: type f64, expected f32 (the type of input)");
  expect_refused([](auto& d) { d.tensors.mask->sizes[1] = 8; },
                 "mask: 8 channels, expected 9 (deformable_groups * kernel_h * kernel_w)");
  expect_refused([](auto& d) { d.tensors.mask->sizes[3] = 8; }, "mask: 8 columns, expected 9 (output width)");
  expect_refused(
      [](auto& d) {
        d.tensors.mask.reset();
        d.mask_is_logit = true;
      },
      "mask: absent, expected one (mask_is_logit is set)");
}

TEST(DeformConv2dCheck, Output) {
  expect_refused([](auto& d) { d.tensors.output.sizes[1] = 63; },
                 "output: 63 channels, expected 64 (weight's output channels)");
  expect_refused([](auto& d) { d.tensors.output.sizes[2] = 8; }, "output: 8 rows, expected 7 (output height)");
  expect_refused([](auto& d) { d.tensors.output.strides[3] = 32; },
                 "output: f32 [2, 64, 7, 9] strides [4032, 1, 576, 32] has elements that share a place, expected one "
                 "for each");
}

TEST(DeformConv2dCheck, OutputStridesMayLeaveGaps) {
  DeformConv2dDesc desc = valid_desc();
  desc.tensors.output.strides = {100000, 2, 10000, 1000};
  ops::check_deform_conv2d(desc);
}

TEST(IndexWidth, NarrowUpToTheLastIndexThatFits) {
  constexpr std::int64_t kLast = std::numeric_limits<std::int32_t>::max();
  TensorView view = TensorView::contiguous(nullptr, DataType::kF32, {kLast});
  EXPECT_EQ(ops::index_width({&view}), IndexWidth::k32);
  view = TensorView::contiguous(nullptr, DataType::kF32, {kLast + 1});
  EXPECT_EQ(ops::index_width({&view}), IndexWidth::k64);
}

TEST(IndexWidth, StridesCountNotOnlySizes) {
  TensorView view = TensorView::contiguous(nullptr, DataType::kF32, {2, 3});
  view.strides[0] = (std::int64_t{1} << 30) - 1;
  EXPECT_EQ(ops::index_width({&view}), IndexWidth::k32);
  view.strides[0] = std::int64_t{1} << 30;
  EXPECT_EQ(ops::index_width({&view}), IndexWidth::k64);
}

TEST(IndexWidth, SumsOfDimensionsCount) {
  TensorView view = TensorView::contiguous(nullptr, DataType::kF32, {2, 2, 2, 2});
  view.strides = {1 << 29, 1 << 29, 1 << 29, 1 << 29};
  EXPECT_EQ(ops::index_width({&view}), IndexWidth::k64);
  view.strides = {1 << 29, 1 << 29, 1 << 29, 1 << 28};
  EXPECT_EQ(ops::index_width({&view}), IndexWidth::k32);
}

TEST(IndexWidth, DoesNotOverflow) {
  TensorView view = TensorView::contiguous(nullptr, DataType::kF32, {1 << 20, 1 << 20});
  view.strides[0] = std::numeric_limits<std::int64_t>::max() / 2;
  EXPECT_EQ(ops::index_width({&view}), IndexWidth::k64);
  view.strides = {0, 0};
  view.sizes = {std::int64_t{1} << 40, 1};
  EXPECT_EQ(ops::index_width({&view}), IndexWidth::k64);
}

TEST(IndexWidth, AbsentViewsAndCounts) {
  EXPECT_EQ(ops::index_width({nullptr}), IndexWidth::k32);
  EXPECT_EQ(ops::index_width({}, {std::numeric_limits<std::int32_t>::max()}), IndexWidth::k32);
  EXPECT_EQ(ops::index_width({}, {std::int64_t{1} << 31}), IndexWidth::k64);
  TensorView empty = TensorView::contiguous(nullptr, DataType::kF32, {0, 4});
  empty.strides[1] = std::int64_t{1} << 40;
  EXPECT_EQ(ops::index_width({&empty}), IndexWidth::k64);
}

/// The view's pictures lie more than 2^31 elements apart, in memory of which only the touched pages exist: the CPU's,
/// whatever device the other tests use.
TEST(DeformConv2dWide, ReadsAndWritesPast2To31Elements) {
  constexpr std::int64_t kApart = (std::int64_t{1} << 31) + 4096;
  constexpr std::size_t kBytes = 2 * static_cast<std::size_t>(kApart) * sizeof(float);
  DeformConv2dCase c = DeformConv2dCase::parse("n=2 c=16 o=16 in=5x6");
  const DeformConv2dInputs inputs = make_inputs(c).rounded(DataType::kF32);
  const HostTensor expected = reference(c, inputs);
  Queue queue = Queue::create("cpu");
  const DeviceTensor offset(queue, DataType::kF32, inputs.offset, Layout::kNhwc);
  const DeviceTensor mask(queue, DataType::kF32, inputs.mask, Layout::kNhwc);
  const DeviceTensor weight(queue, DataType::kF32, inputs.weight);
  const DeviceTensor bias(queue, DataType::kF32, inputs.bias);
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  auto* elements = static_cast<float*>(memory);
  TensorView input = TensorView::activation(elements, DataType::kF32, MemoryFormat::kNhwc, 2, 16, 5, 6);
  input.strides[0] = kApart;
  TensorView output = TensorView::activation(elements + 1024, DataType::kF32, MemoryFormat::kNhwc, 2, 16, 5, 6);
  output.strides[0] = kApart;
  const auto at = [&](const TensorView& view, std::int64_t n, std::int64_t channel, std::int64_t y, std::int64_t x) {
    return static_cast<float*>(view.data) + n * view.strides[0] + channel * view.strides[1] + y * view.strides[2] +
           x * view.strides[3];
  };
  const auto for_all = [&](auto&& visit) {
    for (std::int64_t n = 0; n < 2; ++n) {
      for (std::int64_t channel = 0; channel < 16; ++channel) {
        for (std::int64_t y = 0; y < 5; ++y) {
          for (std::int64_t x = 0; x < 6; ++x) visit(n, channel, y, x);
        }
      }
    }
  };
  for_all([&](auto... i) { *at(input, i...) = static_cast<float>(inputs.input.at(i...)); });
  for (const std::string variant : {"fused_64", "tiled_64x64", "reference"}) {
    for_all([&](auto... i) { *at(output, i...) = std::numeric_limits<float>::quiet_NaN(); });
    DeformConv2dDesc desc;
    desc.tensors = {.input = input,
                    .offset = offset.view(),
                    .mask = mask.view(),
                    .weight = weight.view(),
                    .bias = bias.view(),
                    .output = output};
    desc.force_variant = variant;
    DeformConv2dPlan plan(queue, desc);
    EXPECT_NE(plan.describe().find("64-bit indices"), std::string::npos) << plan.describe();
    plan.set_weights(desc.tensors.weight, desc.tensors.bias);
    plan.run(desc.tensors);
    queue.wait();
    for_all([&](auto... i) { ASSERT_NEAR(*at(output, i...), expected.at(i...), 1e-4) << variant; });
  }
  munmap(memory, kBytes);
}

TEST(DeformConv2dVariants, ReferenceIsLast) {
  const std::vector<std::string> names = deform_conv2d_variants();
  ASSERT_GE(names.size(), 2U);
  EXPECT_EQ(names.back(), "reference");
}

TEST(DeformConv2dVariants, TheFirstThatSuitsIsChosen) {
  const auto chosen = [](const DeviceFacts& device, std::int64_t outputs, DataType type = DataType::kF32) {
    return ops::plan_deform_conv2d(valid_desc(type, 16, outputs), device, "").variant.name;
  };
  EXPECT_EQ(chosen(avx512(), 64), "fused_64");
  EXPECT_EQ(chosen(avx512(), 256), "fused_64");
  EXPECT_EQ(chosen(avx512(), 61), "fused_64");
  EXPECT_EQ(chosen(avx512(), 32), "fused_32");
  EXPECT_EQ(chosen(avx512(), 96), "fused_32");
  EXPECT_EQ(chosen(avx512(), 10), "fused_16");
  EXPECT_EQ(chosen(avx512(), 64, DataType::kF64), "reference");
  EXPECT_EQ(chosen(avx2(), 64), "fused_16");
  EXPECT_EQ(chosen(cuda(), 64, DataType::kF64), "reference");
}

TEST(DeformConv2dVariants, GpusTakeTheTileThatFillsThem) {
  DeviceFacts device = cuda();
  device.local_bytes = 227 * 1024;
  device.matrix_f16 = {.rows = 16, .columns = 16, .depth = 16};
  const auto chosen = [&](std::int64_t channels, std::int64_t outputs, std::int64_t size, DataType type) {
    DeformConv2dDesc desc = valid_desc(type, channels, outputs);
    for (TensorView* view : {&desc.tensors.input, &desc.tensors.offset, &*desc.tensors.mask, &desc.tensors.output}) {
      *view = TensorView::activation(view->data, type, MemoryFormat::kNhwc, 16, view->sizes[1], size, size);
    }
    return ops::plan_deform_conv2d(desc, device, "");
  };
  const auto large = chosen(64, 64, 128, DataType::kF16);
  EXPECT_EQ(large.matrix.rows, 16);
  EXPECT_EQ(large.variant.tile.outputs, 64);
  EXPECT_GE(large.tiles * large.slices, 132U);
  // f32 takes the matrix units for tf32 only where the caller allows for them.
  EXPECT_EQ(chosen(64, 64, 128, DataType::kF32).matrix.rows, 0);
  const auto small = chosen(512, 256, 16, DataType::kF16);
  EXPECT_GE(small.tiles * small.slices * static_cast<std::size_t>(small.args.splits), 128U);
  for (const auto& schedule : {large, small}) {
    EXPECT_EQ(schedule.variant.kernel, ops::DeformConv2dVariant::Kernel::kTiled);
    EXPECT_LE(schedule.local_bytes, device.local_bytes);
    EXPECT_EQ(schedule.args.wide_input, 1);
    EXPECT_EQ(schedule.args.wide_output, 1);
  }
  // As measured to be best on an H100: docs/performance.md.
  device.matrix_f16.mma = device.matrix_f16.warpgroups = true;
  EXPECT_EQ(chosen(64, 64, 128, DataType::kF16).variant.name, "tiled_64x64_by_4");
  EXPECT_EQ(chosen(128, 64, 64, DataType::kF16).variant.name, "tiled_64x64_by_4");
  EXPECT_EQ(chosen(128, 128, 64, DataType::kF16).variant.name, "tiled_64x128");
  EXPECT_EQ(chosen(256, 64, 32, DataType::kF16).variant.name, "tiled_128x64");
  EXPECT_EQ(chosen(256, 128, 32, DataType::kF16).variant.name, "tiled_64x128");
  EXPECT_EQ(chosen(256, 256, 32, DataType::kF16).variant.name, "tiled_64x256");
  const auto divided = chosen(512, 256, 16, DataType::kF16);
  EXPECT_EQ(divided.variant.name, "tiled_64x256");
  EXPECT_EQ(divided.args.splits, 2);
  EXPECT_EQ(chosen(256, 256, 32, DataType::kF16).args.splits, 1);
}

TEST(DeformConv2dTiles, AreTheSquarestBlocksThatFit) {
  const auto blocks = [](std::int64_t pictures, std::int64_t height, std::int64_t width, int pixels) {
    return ops::choose_blocks(pictures, height, width, pixels);
  };
  EXPECT_EQ(blocks(1, 128, 128, 64).shift, 3);
  EXPECT_EQ(blocks(16, 16, 16, 64).across, 2);
  EXPECT_EQ(blocks(16, 16, 16, 64).down, 2);
  // 8 rows would be half a block too many; one line is none.
  const ops::TileBlocks low = blocks(1, 4, 64, 64);
  EXPECT_EQ(64 >> low.shift, 4);
  // 7 x 7 is no multiple of anything: 16 pictures are 13 tiles of 64 pixels, not 16.
  EXPECT_EQ(blocks(16, 7, 7, 64).shift, -1);
  EXPECT_EQ(ops::count_tiles(blocks(16, 7, 7, 64), 16, 7, 7, 64), 13);
  EXPECT_EQ(ops::count_tiles(blocks(3, 16, 24, 128), 3, 16, 24, 128), 9);
}

TEST(DeformConv2dTiles, DivideTheirChannelsWhereFewFillTheDevice) {
  DeviceFacts device = cuda();
  ops::TiledProblem problem{.type = DataType::kF32,
                            .pixels = 256,
                            .outputs = 64,
                            .steps = 16 * 9,
                            .chunks = 16,
                            .position_bytes = 48,
                            .sample_cost = 8.0};
  const ops::ConvTile& tile = ops::kConvTiles[2];
  ASSERT_EQ(tile.pixels * tile.outputs, 64 * 64);
  EXPECT_GT(ops::choose_splits(tile, problem, device), 1);
  problem.pixels = 1 << 20;
  EXPECT_EQ(ops::choose_splits(tile, problem, device), 1);
  problem.pixels = 256;
  problem.chunks = 1;
  EXPECT_EQ(ops::choose_splits(tile, problem, device), 1);
  problem.chunks = 3;
  problem.force_splits = 2;
  EXPECT_EQ(ops::choose_splits(tile, problem, device), 2);
  problem.force_splits = 5;
  EXPECT_EQ(ops::choose_splits(tile, problem, device), 3);
}

TEST(DeformConv2dVariants, DepthWiseTakesTheReference) {
  DeformConv2dDesc desc = valid_desc(DataType::kF32, 64, 64);
  desc.params.groups = 64;
  desc.tensors.weight = TensorView::contiguous(nullptr, DataType::kF32, {64, 1, 3, 3});
  EXPECT_EQ(ops::plan_deform_conv2d(desc, avx512(), "").variant.name, "reference");
  EXPECT_EQ(ops::plan_deform_conv2d(desc, avx512(), "fused_64").variant.name, "fused_64");
}

TEST(DeformConv2dVariants, UnknownNamesAreErrors) {
  expect_error([] { (void)ops::plan_deform_conv2d(valid_desc(), avx512(), "fastest"); },
               fmt::format("deform_conv2d: forced variant 'fastest' does not exist: one of {}",
                           fmt::join(deform_conv2d_variants(), ", ")));
}

TEST(DeformConv2dVariants, DecliningOnesSayWhy) {
  expect_error([] { (void)ops::plan_deform_conv2d(valid_desc(DataType::kF64), avx512(), "fused_64"); },
               "deform_conv2d: forced variant 'fused_64' declines: it computes in f32, the tensors are f64",
               ErrorCode::kUnsupported);
  expect_error([] { (void)ops::plan_deform_conv2d(valid_desc(), cuda(), "fused_16"); },
               "deform_conv2d: forced variant 'fused_16' declines: its 16 output channels are no multiple of the "
               "device's sub-group of 32",
               ErrorCode::kUnsupported);
  DeviceFacts tiny = avx512();
  tiny.local_bytes = 1024;
  const std::string needed =
      std::to_string(ops::fused_local_bytes(fused_64(), 16, IndexWidth::k64, {.pixels = 6, .panels = 1}));
  expect_error([&] { (void)ops::plan_deform_conv2d(valid_desc(), tiny, "fused_64"); },
               "deform_conv2d: forced variant 'fused_64' declines: it needs " + needed +
                   " bytes of local memory, the device has 1024",
               ErrorCode::kUnsupported);
}

TEST(DeformConv2dVariants, TypesThatTheDeviceLacksAreErrors) {
  DeviceFacts device = avx512();
  device.fp64 = false;
  device.fp16 = false;
  expect_error([&] { (void)ops::plan_deform_conv2d(valid_desc(DataType::kF64), device, ""); },
               "AVX-512 does not compute in f64: use f32, or another device", ErrorCode::kUnsupported);
  expect_error([&] { (void)ops::plan_deform_conv2d(valid_desc(DataType::kF16), device, ""); },
               "AVX-512 does not compute in f16: use f32, or another device", ErrorCode::kUnsupported);
}

TEST(DeformConv2dVariants, TheEnvironmentForcesAsTheDescDoes) {
  const DeformConv2dDesc desc = valid_desc();
  setenv("DCN_FORCE_VARIANT", "fused_32", 1);
  const DeformConv2dPlan forced(test_queue(), desc);
  DeformConv2dDesc both = desc;
  both.force_variant = "reference";
  const DeformConv2dPlan desc_wins(test_queue(), both);
  setenv("DCN_FORCE_VARIANT", "nonsense", 1);
  EXPECT_THROW(DeformConv2dPlan(test_queue(), desc), Error);
  unsetenv("DCN_FORCE_VARIANT");
  EXPECT_EQ(forced.variant(), "fused_32");
  EXPECT_EQ(desc_wins.variant(), "reference");
  EXPECT_EQ(DeformConv2dPlan(test_queue(), desc).variant(),
            ops::plan_deform_conv2d(desc, ops::device_facts(test_queue()), "").variant.name);
}

/// Whatever the sizes: every pixel and panel has its work-group, and a work-group fits the device.
TEST(DeformConv2dTiles, CoverEverythingWithinLocalMemory) {
  for (const DeviceFacts& device : {avx512(), avx2(), cuda()}) {
    for (const auto& variant : ops::deform_conv2d_variant_list()) {
      if (variant.kernel != ops::DeformConv2dVariant::Kernel::kFused || variant.panel % device.lanes != 0) continue;
      for (const std::int64_t pixels : {1, 5, 16, 97, 256, 1024, 16384, 1 << 22}) {
        for (const std::int64_t panels : {1, 2, 3, 4, 7, 32}) {
          for (const std::int64_t groups : {1, 3}) {
            for (const IndexWidth index : {IndexWidth::k32, IndexWidth::k64}) {
              const auto tile = ops::choose_tile(variant, device, index, pixels, groups, panels, 576);
              SCOPED_TRACE(fmt::format("{} {} {} pixels {} panels", device.name, variant.name, pixels, panels));
              EXPECT_GE(tile.pixels, 1);
              EXPECT_EQ(tile.pixels % variant.rows, 0);
              EXPECT_GE(tile.panels, 1);
              EXPECT_LE(tile.panels, panels);
              EXPECT_LE(ops::fused_local_bytes(variant, device.lanes, index, tile), device.local_bytes);
            }
          }
        }
      }
    }
  }
}

TEST(DeformConv2dTiles, SmallPicturesStillFillAllCores) {
  DeviceFacts device = avx512();
  for (const int cores : {2, 4, 8, 16}) {
    device.compute_units = cores;
    // DLA-34's smallest deformable layer: 512 -> 256 channels at 16x16.
    const auto tile = ops::choose_tile(fused_64(), device, IndexWidth::k32, 256, 1, 4, 512 * 9);
    const std::int64_t work_groups = (256 + tile.pixels - 1) / tile.pixels * ((4 + tile.panels - 1) / tile.panels);
    EXPECT_GE(work_groups, cores);
  }
}

TEST(DeformConv2dPlanObject, ScratchDoesNotGrowWithBatchOrSize) {
  const auto held = [](const std::string& line) {
    const DeformConv2dCase c = DeformConv2dCase::parse(line);
    const DeformConv2dParams params = c.params();
    static std::array<std::byte, 1> memory{};
    const auto activation = [&](std::int64_t channels, std::int64_t h, std::int64_t w) {
      return TensorView::activation(memory.data(), DataType::kF32, MemoryFormat::kNhwc, c.batch, channels, h, w);
    };
    const std::int64_t h = params.output_h(c.height);
    const std::int64_t w = params.output_w(c.width);
    DeformConv2dDesc desc;
    desc.tensors = {
        .input = activation(c.in_channels, c.height, c.width),
        .offset = activation(18, h, w),
        .mask = activation(9, h, w),
        .weight = TensorView::contiguous(memory.data(), DataType::kF32, {c.out_channels, c.in_channels, 3, 3}),
        .output = activation(c.out_channels, h, w)};
    const DeformConv2dPlan plan(test_queue(), desc);
    EXPECT_LE(plan.local_bytes(), ops::device_facts(test_queue()).local_bytes);
    return plan.scratch_bytes();
  };
  EXPECT_EQ(held("n=1 c=64 o=64 in=16x16"), 64 * sizeof(float));
  EXPECT_EQ(held("n=64 c=64 o=64 in=512x512"), 64 * sizeof(float));
}

/// A plan with its tensors, ready to run.
class DeformConv2dPlanRun : public ::testing::Test {
 protected:
  DeformConv2dPlanRun()
      : input_(test_queue(), DataType::kF32, inputs_.input, Layout::kNhwc),
        offset_(test_queue(), DataType::kF32, inputs_.offset, Layout::kNhwc),
        mask_(test_queue(), DataType::kF32, inputs_.mask, Layout::kNhwc),
        weight_(test_queue(), DataType::kF32, inputs_.weight),
        bias_(test_queue(), DataType::kF32, inputs_.bias),
        output_(test_queue(), DataType::kF32, {1, 24, 6, 5}, Layout::kNhwc) {
    desc_.tensors = {.input = input_.view(),
                     .offset = offset_.view(),
                     .mask = mask_.view(),
                     .weight = weight_.view(),
                     .bias = bias_.view(),
                     .output = output_.view()};
  }

  DeformConv2dCase case_ = DeformConv2dCase::parse("c=20 o=24 in=6x5");
  DeformConv2dInputs inputs_ = make_inputs(case_).rounded(DataType::kF32);
  DeviceTensor input_, offset_, mask_, weight_, bias_, output_;
  DeformConv2dDesc desc_;
};

TEST_F(DeformConv2dPlanRun, NeedsWeightsFirst) {
  DeformConv2dPlan plan(test_queue(), desc_);
  expect_error([&] { plan.run(desc_.tensors); }, "weight: not set: call set_weights before run");
}

TEST_F(DeformConv2dPlanRun, RefusesOtherTensors) {
  DeformConv2dPlan plan(test_queue(), desc_);
  plan.set_weights(weight_.view(), bias_.view());
  DeformConv2dTensors tensors = desc_.tensors;
  tensors.input.sizes[2] = 7;
  expect_error([&] { plan.run(tensors); },
               "input: f32 [1, 20, 7, 5] strides [600, 1, 100, 20], but the plan was made for f32 [1, 20, 6, 5] "
               "strides [600, 1, 100, 20]: make another plan");
  tensors = desc_.tensors;
  tensors.mask.reset();
  expect_error([&] { plan.run(tensors); }, "mask: absent, but the plan was made with one");
  tensors = desc_.tensors;
  tensors.output.data = nullptr;
  expect_error([&] { plan.run(tensors); },
               "output: null pointer, expected memory for f32 [1, 24, 6, 5] strides [720, 1, 120, 24]");
  expect_error([&] { plan.set_weights(weight_.view(), std::nullopt); }, "bias: absent, but the plan was made with one");
  TensorView narrow = weight_.view();
  narrow.sizes[0] = 12;
  expect_error([&] { plan.set_weights(narrow, bias_.view()); },
               "weight: f32 [12, 20, 3, 3] strides [180, 9, 3, 1], but the plan was made for f32 [24, 20, 3, 3] "
               "strides [180, 9, 3, 1]: make another plan");
}

TEST_F(DeformConv2dPlanRun, RunsAgainWithOtherDataAndWeights) {
  for (const std::string& variant : test_variants()) {
    desc_.force_variant = variant;
    DeformConv2dPlan first(test_queue(), desc_);
    DeformConv2dPlan plan = std::move(first);
    plan.set_weights(weight_.view(), bias_.view());
    plan.run(desc_.tensors);
    EXPECT_LE(largest_difference(output_.read(), reference(case_, inputs_)), 1e-4) << variant;

    DeformConv2dCase other_case = case_;
    other_case.seed = 77;
    const DeformConv2dInputs other = make_inputs(other_case).rounded(DataType::kF32);
    const DeviceTensor other_input(test_queue(), DataType::kF32, other.input, Layout::kNhwc);
    const DeviceTensor other_weight(test_queue(), DataType::kF32, other.weight);
    DeformConv2dInputs mixed = inputs_;
    mixed.input = other.input;
    mixed.weight = other.weight;
    DeformConv2dTensors tensors = desc_.tensors;
    tensors.input = other_input.view();
    plan.set_weights(other_weight.view(), bias_.view());
    plan.run(tensors);
    EXPECT_LE(largest_difference(output_.read(), reference(case_, mixed)), 1e-4) << variant;
  }
}

/// The packed weights belong to the plan: the user's may change as soon as the queue is idle.
TEST_F(DeformConv2dPlanRun, KeepsItsOwnWeights) {
  for (const std::string& variant : test_variants()) {
    desc_.force_variant = variant;
    DeformConv2dPlan plan(test_queue(), desc_);
    {
      const DeviceTensor passing(test_queue(), DataType::kF32, inputs_.weight);
      plan.set_weights(passing.view(), bias_.view());
      test_queue().wait();
      test_queue().fill(passing.view().data, 0, inputs_.weight.values.size() * sizeof(float));
      test_queue().wait();
    }
    plan.run(desc_.tensors);
    EXPECT_LE(largest_difference(output_.read(), reference(case_, inputs_)), 1e-4) << variant;
  }
}

}  // namespace
}  // namespace dcn::test
