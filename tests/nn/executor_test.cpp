/// Planning: shapes, formats, memory, reports, errors.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <set>

#include "allocation_counter.hpp"
#include "dcn/status.hpp"
#include "make_network.hpp"
#include "nn/geometry.hpp"
#include "nn/plan.hpp"

namespace dcn::test {
namespace {

using nn::Layer;
using nn::LayerKind;

Layer conv(int input, std::int64_t out, std::int64_t kernel, std::int64_t stride) {
  Layer layer;
  layer.inputs = {input};
  layer.out_channels = out;
  layer.kernel_h = layer.kernel_w = kernel;
  layer.stride_h = layer.stride_w = stride;
  layer.padding_h = layer.padding_w = kernel / 2;
  layer.activation = Activation::kRelu;
  return layer;
}

/// Every kind of layer, a residual, a branch, two heads, one of them read by another layer too.
NetworkMaker small_network() {
  NetworkMaker maker(3, 7);
  const int stem = maker.add(conv(0, 16, 7, 2));
  Layer pool = conv(stem, 0, 2, 2);
  pool.kind = LayerKind::kMaxPool;
  pool.padding_h = pool.padding_w = 0;
  pool.activation = Activation::kNone;
  const int pooled = maker.add(pool);
  const int block = maker.add(conv(pooled, 16, 3, 1));
  Layer sum = conv(block, 16, 3, 1);
  sum.residual = pooled;
  const int summed = maker.add(sum);
  Layer concat;
  concat.kind = LayerKind::kConcat;
  concat.inputs = {summed, block, pooled};
  const int joined = maker.add(concat);
  const int root = maker.add(conv(joined, 16, 1, 1));
  Layer offsets = conv(root, 27, 3, 1);
  offsets.activation = Activation::kNone;
  offsets.name = "dcn.conv_offset_mask";
  const int offset_mask = maker.add(offsets);
  Layer deform = conv(root, 16, 3, 1);
  deform.kind = LayerKind::kDeformConv;
  deform.inputs.push_back(offset_mask);
  deform.name = "dcn";
  const int sampled = maker.add(deform);
  Layer up = conv(sampled, 16, 4, 2);
  up.kind = LayerKind::kDeconv;
  up.groups = 16;
  up.padding_h = up.padding_w = 1;
  up.residual = stem;
  up.activation = Activation::kNone;
  const int fine = maker.add(up);
  Layer head = conv(fine, 5, 1, 1);
  head.activation = Activation::kNone;
  maker.network.outputs["hm"] = maker.add(head);
  maker.network.outputs["features"] = fine;
  maker.network.size_divisor = 4;
  return maker;
}

void expect_agreement(nn::Executor& executor, const nn::Network& network, const HostTensor& picture) {
  run(executor, shared_queue(), picture);
  const std::vector<HostTensor> expected = run_reference(network, picture);
  for (const auto& [head, value] : network.outputs) {
    const HostTensor& reference = expected.at(static_cast<std::size_t>(value));
    EXPECT_LE(max_difference(read_output(executor, shared_queue(), head), reference), 1e-5 * max_magnitude(reference))
        << head << " of " << picture.n << " x " << picture.h << " x " << picture.w;
  }
}

template <typename Function>
std::string message_of(ErrorCode code, Function function) {
  try {
    function();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

class Formats : public testing::TestWithParam<nn::FormatChoice> {};

TEST_P(Formats, ShapesComeAndGo) {
  NetworkMaker maker = small_network();
  nn::Executor executor(shared_queue(), maker.network, {.format = GetParam()});
  // Larger, so that the arena moves, then back to a plan that was made for the old one.
  for (const auto& [n, h, w] :
       {std::array<std::int64_t, 3>{1, 16, 24}, {2, 16, 24}, {1, 40, 36}, {1, 16, 24}, {3, 8, 4}}) {
    expect_agreement(executor, maker.network, maker.picture(n, h, w));
  }
  EXPECT_EQ(executor.plan_count(), 4U);
}

TEST_P(Formats, BatchEqualsSinglePictures) {
  NetworkMaker maker = small_network();
  nn::Executor executor(shared_queue(), maker.network, {.format = GetParam()});
  const HostTensor pictures = maker.picture(4, 24, 32);
  run(executor, shared_queue(), pictures);
  const HostTensor together = read_output(executor, shared_queue(), "hm");
  const std::size_t size = pictures.values.size() / 4;
  const std::size_t head_size = together.values.size() / 4;
  for (std::size_t n = 0; n < 4; ++n) {
    HostTensor picture(1, pictures.c, pictures.h, pictures.w);
    std::copy_n(pictures.values.begin() + static_cast<std::ptrdiff_t>(n * size), size, picture.values.begin());
    run(executor, shared_queue(), picture);
    const HostTensor alone = read_output(executor, shared_queue(), "hm");
    for (std::size_t i = 0; i < head_size; ++i) {
      ASSERT_NEAR(alone.values[i], together.values[n * head_size + i], 1e-5) << "picture " << n << ", element " << i;
    }
  }
}

TEST_P(Formats, RunsAgainOnTheSameInput) {
  NetworkMaker maker = small_network();
  nn::Executor executor(shared_queue(), maker.network, {.format = GetParam()});
  run(executor, shared_queue(), maker.picture(1, 24, 32));
  const HostTensor first = read_output(executor, shared_queue(), "hm");
  executor.run();
  EXPECT_EQ(max_difference(read_output(executor, shared_queue(), "hm"), first), 0.0);
}

std::string format_name(const testing::TestParamInfo<nn::FormatChoice>& parameter) {
  const std::array<std::string, 3> names{"auto", "nchw", "nhwc"};
  return names.at(static_cast<std::size_t>(parameter.param));
}

INSTANTIATE_TEST_SUITE_P(, Formats,
                         testing::Values(nn::FormatChoice::kAuto, nn::FormatChoice::kNchw, nn::FormatChoice::kNhwc),
                         format_name);

std::vector<nn::LayerReport> report_of(const nn::Network& network, nn::FormatChoice format) {
  nn::Executor executor(shared_queue(), network, {.format = format});
  executor.prepare(1, 32, 32);
  return executor.report();
}

std::size_t reorders(const std::vector<nn::LayerReport>& report) {
  std::size_t count = 0;
  for (const auto& line : report) count += line.kind == "reorder" ? 1 : 0;
  return count;
}

// The lesson: one order from the picture to the heads needs no reorder at all; the other one needs them around every
// convolution, and the report shows each.
TEST(Report, ShowsWhatEachMemoryFormatCosts) {
  const NetworkMaker maker = small_network();
  const auto nhwc = report_of(maker.network, nn::FormatChoice::kNhwc);
  EXPECT_EQ(reorders(nhwc), 0U);
  EXPECT_EQ(nhwc.size(), maker.network.layers.size());
  for (const auto& line : nhwc) {
    EXPECT_EQ(line.source_format, "nhwc") << line.name;
    EXPECT_EQ(line.destination_format, "nhwc") << line.name;
  }
  const auto nchw = report_of(maker.network, nn::FormatChoice::kNchw);
  EXPECT_GE(reorders(nchw), 6U);
  for (const auto& line : nchw) {
    if (line.kind == "reorder") {
      EXPECT_NE(line.source_format, line.destination_format) << line.name;
    }
    if (line.kind == "deform_conv" || line.kind == "max_pool" || line.kind == "concat") {
      EXPECT_EQ(line.source_format, "nchw") << line.name;
    }
  }
}

TEST(Report, NamesSizesParametersAndFlops) {
  const NetworkMaker maker = small_network();
  const auto report = report_of(maker.network, nn::FormatChoice::kNhwc);
  ASSERT_EQ(report.size(), maker.network.layers.size());
  const auto& stem = report.front();
  EXPECT_EQ(stem.name, "layer0");
  EXPECT_EQ(stem.kind, "conv");
  EXPECT_EQ(stem.input, (std::vector<std::int64_t>{1, 3, 32, 32}));
  EXPECT_EQ(stem.output, (std::vector<std::int64_t>{1, 16, 16, 16}));
  EXPECT_EQ(stem.parameters, 16 * 3 * 49 + 16);
  EXPECT_EQ(stem.flops, 2.0 * 16 * 3 * 49 * 16 * 16);
  EXPECT_FALSE(stem.weight_format.empty());
  EXPECT_FALSE(stem.implementation.empty());
  EXPECT_LT(stem.milliseconds, 0);
  for (const auto& line : report) {
    if (line.kind == "concat") {
      EXPECT_EQ(line.input, (std::vector<std::int64_t>{1, 48, 8, 8}));
    }
    if (line.name == "dcn") {
      EXPECT_EQ(line.flops, 2.0 * 16 * 16 * 9 * 64 + 8.0 * 16 * 9 * 64);
    }
    if (line.name == "layer8") {  // the transposed convolution: each weight meets each input pixel
      EXPECT_EQ(line.flops, 2.0 * 16 * 16 * 64);
    }
  }
}

TEST(Report, OfBf16ShowsTheConversions) {
  const NetworkMaker maker = small_network();
  nn::Executor executor(shared_queue(), maker.network, {.type = DataType::kBf16});
  executor.prepare(1, 32, 32);
  const auto report = executor.report();
  EXPECT_EQ(report.front().kind, "reorder");
  EXPECT_EQ(report.front().name, "input as nhwc bf16");
  EXPECT_EQ(executor.output("hm").type, DataType::kF32);
  EXPECT_EQ(executor.output("features").type, DataType::kF32);
  EXPECT_EQ(executor.input().type, DataType::kF32);
  // `features` is read by a layer, so it is made in bf16 and copied; `hm` is written in f32 at once.
  EXPECT_EQ(reorders(report), 2U);
}

TEST(Profile, GivesEveryLayerATime) {
  const NetworkMaker maker = small_network();
  nn::Executor executor(shared_queue(), maker.network, {});
  executor.prepare(1, 32, 32);
  const auto profile = executor.profile(3);
  ASSERT_EQ(profile.size(), executor.report().size());
  for (const auto& line : profile) EXPECT_GT(line.milliseconds, 0) << line.name;
  EXPECT_NE(message_of(ErrorCode::kInvalidArgument, [&] { (void)executor.profile(0); }), "");
}

TEST(Memory, SteadyStateAllocatesNothing) {
  NetworkMaker maker = small_network();
  nn::Executor executor(shared_queue(), maker.network, {});
  const HostTensor picture = maker.picture(1, 64, 64);
  run(executor, shared_queue(), picture);
  executor.prepare(1, 32, 32);
  executor.run();  // a plan's first run may start things up
  shared_queue().wait();

  const AllocationCounter counter;
  for (int i = 0; i < 5; ++i) {
    executor.prepare(1, 64, 64);
    executor.run();
    executor.prepare(1, 32, 32);
    executor.run();
  }
  shared_queue().wait();
  EXPECT_EQ(counter.device_allocations(), 0U);
  EXPECT_EQ(counter.large_host_allocations(), 0U);
}

TEST(Memory, AllocationCounterSeesAllocations) {
  const AllocationCounter counter;
  const DeviceBuffer buffer(shared_queue(), 1 << 16);
  const std::vector<char> host(1 << 16);
  EXPECT_GE(counter.device_allocations(), 1U);
  EXPECT_GE(counter.large_host_allocations(), 1U);
  EXPECT_EQ(host.back(), 0);
}

TEST(Memory, ArenaIsSharedAndSmallerThanAllValues) {
  const NetworkMaker maker = small_network();
  nn::Executor executor(shared_queue(), maker.network, {});
  executor.prepare(1, 64, 64);
  const std::size_t arena = executor.arena_bytes();
  std::int64_t all = 0;
  for (const auto& sizes : nn::value_sizes(maker.network, {1, 3, 64, 64}))
    all += sizes[0] * sizes[1] * sizes[2] * sizes[3];
  EXPECT_LT(arena, static_cast<std::size_t>(all) * sizeof(float));
  executor.prepare(1, 32, 32);
  EXPECT_EQ(executor.arena_bytes(), arena);
  executor.prepare(2, 64, 64);
  EXPECT_GT(executor.arena_bytes(), arena);
}

TEST(Memory, WeightsArePackedOnceForAllShapes) {
  const NetworkMaker maker = small_network();
  nn::Executor executor(shared_queue(), maker.network, {});
  executor.prepare(1, 64, 64);
  const std::size_t bytes = executor.weight_bytes();
  EXPECT_GT(bytes, 0U);
  executor.prepare(1, 32, 64);
  executor.prepare(2, 64, 64);
  EXPECT_EQ(executor.weight_bytes(), bytes);
}

TEST(Memory, PlansAreBounded) {
  NetworkMaker maker = small_network();
  nn::Executor executor(shared_queue(), maker.network, {});
  const auto sizes = static_cast<std::int64_t>(nn::Executor::kMaxPlans) + 3;
  for (std::int64_t i = 1; i <= sizes; ++i) executor.prepare(1, 4 * i, 8);
  EXPECT_EQ(executor.plan_count(), nn::Executor::kMaxPlans);
  expect_agreement(executor, maker.network, maker.picture(1, 4, 8));  // the one that went first
}

TEST(ReadValue, GivesAnyLayerAndLeavesTheRestAlone) {
  NetworkMaker maker = small_network();
  const HostTensor picture = maker.picture(2, 16, 16);
  const std::vector<HostTensor> expected = run_reference(maker.network, picture);
  for (const nn::FormatChoice format : {nn::FormatChoice::kNhwc, nn::FormatChoice::kNchw}) {
    nn::Executor executor(shared_queue(), maker.network, {.format = format});
    run(executor, shared_queue(), picture);
    for (const Layer& layer : maker.network.layers) {
      const HostTensor& reference = expected.at(static_cast<std::size_t>(layer.output));
      HostTensor value(reference.n, reference.c, reference.h, reference.w);
      std::vector<std::int64_t> sizes;
      const std::vector<float> read = executor.read_value(layer.name, sizes);
      EXPECT_EQ(sizes, (std::vector<std::int64_t>{value.n, value.c, value.h, value.w}));
      value.values.assign(read.begin(), read.end());
      EXPECT_LE(max_difference(value, reference), 1e-5 * max_magnitude(reference)) << layer.name;
    }
    const std::string message = message_of(ErrorCode::kInvalidArgument, [&] {
      std::vector<std::int64_t> sizes;
      (void)executor.read_value("nowhere", sizes);
    });
    EXPECT_NE(message.find("nowhere"), std::string::npos);
  }
}

TEST(Errors, OfTheCaller) {
  const NetworkMaker maker = small_network();
  nn::Executor executor(shared_queue(), maker.network, {});
  EXPECT_EQ(message_of(ErrorCode::kInvalidArgument, [&] { executor.run(); }), "prepare() has not been called");
  EXPECT_EQ(
      message_of(ErrorCode::kInvalidArgument, [&] { executor.prepare(1, 30, 32); }),
      "an input of 1 x 30 x 32 (batch, height, width), expected a batch of 1 or more, and height and width that are "
      "multiples of 4");
  message_of(ErrorCode::kInvalidArgument, [&] { executor.prepare(0, 32, 32); });
  executor.prepare(1, 32, 32);
  EXPECT_EQ(message_of(ErrorCode::kInvalidArgument, [&] { (void)executor.output("wh"); }),
            "the network has no head \"wh\", only features, hm");
  EXPECT_EQ(message_of(ErrorCode::kUnsupported,
                       [&] { nn::Executor(shared_queue(), maker.network, {.type = DataType::kF64}); }),
            "networks do not run in f64: choose f32 or bf16");
}

TEST(Errors, OfTheNetworkNameTheLayer) {
  const auto message_with = [](const std::function<void(nn::Network&)>& damage) {
    NetworkMaker maker = small_network();
    damage(maker.network);
    return message_of(ErrorCode::kInvalidArgument, [&] { nn::Executor(shared_queue(), maker.network, {}); });
  };
  EXPECT_EQ(message_with([](nn::Network& n) { n.layers[2].weight.pop_back(); }),
            "layer layer2: 2303 weights, expected 2304");
  EXPECT_EQ(message_with([](nn::Network& n) { n.layers[2].bias.pop_back(); }),
            "layer layer2: 15 biases, expected 16 or none");
  EXPECT_EQ(message_with([](nn::Network& n) { n.layers[2].inputs = {9}; }),
            "layer layer2: reads value 9, which no earlier layer writes");
  EXPECT_EQ(message_with([](nn::Network& n) { n.layers[3].residual = 77; }),
            "layer layer3: adds value 77, which no earlier layer writes");
  EXPECT_EQ(message_with([](nn::Network& n) { n.layers[2].output = 1; }),
            "layer layer2: writes value 1, expected a new one below 11");
  EXPECT_EQ(message_with([](nn::Network& n) { n.layers[7].deformable_groups = 2; }),
            "layer dcn: offsets and masks of 27 channels, expected 54 (3 * deformable_groups * kernel_h * kernel_w)");
  EXPECT_EQ(message_with([](nn::Network& n) { n.layers[7].residual = 3; }),
            "layer dcn: only convolutions and transposed convolutions take a residual");
  EXPECT_EQ(message_with([](nn::Network& n) { n.layers[0].stride_h = 0; }),
            "layer layer0: stride_h is 0, expected 1 or more");
  EXPECT_EQ(message_with([](nn::Network& n) { n.layers[0].groups = 2; }),
            "layer layer0: 2 groups, expected a divisor of its 3 input and 16 output channels");
  EXPECT_EQ(message_with([](nn::Network& n) { n.layers[5].in_channels = 40; }),
            "layer layer5: 48 input channels, expected 40");
  EXPECT_EQ(message_with([](nn::Network& n) { n.outputs["wh"] = 40; }), "output wh: no layer writes value 40");
}

TEST(Errors, OfSizesNameTheLayer) {
  NetworkMaker maker = small_network();
  maker.network.size_divisor = 1;
  nn::Executor executor(shared_queue(), maker.network, {});
  EXPECT_EQ(message_of(ErrorCode::kInvalidArgument, [&] { executor.prepare(1, 18, 16); }),
            "layer layer8: its output is [1, 16, 8, 8], but the residual is [1, 16, 9, 8]");
  EXPECT_EQ(message_of(ErrorCode::kInvalidArgument, [&] { executor.prepare(1, 1, 1); }),
            "layer layer1: an input of 1 x 1 leaves no output; use a larger picture");
  executor.prepare(1, 16, 16);  // still usable
}

// What oneDNN does on other CPUs: other implementations, of which some want other formats. In processes of their own,
// because the limit is read once.
class OtherProcessors : public testing::Test {
 protected:
  static constexpr const char* kLimit = "ONEDNN_MAX_CPU_ISA";

  /// True in the process that has the limit.
  static bool is_limited() { return std::getenv(kLimit) != nullptr; }
  static void run_limited(const std::string& isa) {
    std::array<char, 4096> program{};
    ASSERT_GT(::readlink("/proc/self/exe", program.data(), program.size() - 1), 0);
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    const std::string command = std::string(kLimit) + "=" + isa + " '" + program.data() +
                                "' --gtest_filter=" + test->test_suite_name() + "." + test->name();
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
  }
};

TEST_F(OtherProcessors, GiveTheSameResults) {
  if (!is_limited()) {
    run_limited("SSE41");
    run_limited("AVX2");
    return;
  }
  NetworkMaker maker = small_network();
  for (const nn::FormatChoice format : {nn::FormatChoice::kAuto, nn::FormatChoice::kNchw, nn::FormatChoice::kNhwc}) {
    nn::Executor executor(shared_queue(), maker.network, {.format = format});
    expect_agreement(executor, maker.network, maker.picture(2, 24, 32));
  }
}

TEST_F(OtherProcessors, ReorderWhereNhwcIsNotFast) {
  if (!is_limited()) {
    run_limited("SSE41");
    return;
  }
  NetworkMaker maker(3);
  Layer up = conv(0, 16, 7, 1);  // of three channels, fast in NCHW only
  up.kind = LayerKind::kDeconv;
  up.activation = Activation::kNone;
  maker.network.outputs["out"] = maker.add(up);
  nn::Executor executor(shared_queue(), maker.network, {});
  expect_agreement(executor, maker.network, maker.picture(1, 32, 32));
  EXPECT_GE(reorders(executor.report()), 1U);
  EXPECT_TRUE(executor.output("out").is_channels_last());
}

TEST_F(OtherProcessors, WithoutBf16SaySo) {
  if (!is_limited()) {
    run_limited("SSE41");
    return;
  }
  const NetworkMaker maker = small_network();
  nn::Executor executor(shared_queue(), maker.network, {.type = DataType::kBf16});
  const std::string message = message_of(ErrorCode::kUnsupported, [&] { executor.prepare(1, 32, 32); });
  EXPECT_NE(message.find("does not run this network in bf16, use f32 (layer layer0"), std::string::npos) << message;
}

}  // namespace
}  // namespace dcn::test
