#include "dcn/device.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <sycl/sycl.hpp>
#include <thread>

#include "child.hpp"
#include "dcn/status.hpp"
#include "runtime/kernel.hpp"
#include "runtime/launch.hpp"

namespace dcn {
namespace {

TEST(Devices, CpuIsFoundWithNothingExportedAndWorks) {
  bool cpu = false;
  int index = 0;
  for (const DeviceInfo& device : list_devices()) {
    EXPECT_EQ(device.index, index++);
    EXPECT_FALSE(device.name.empty());
    EXPECT_EQ(device.usable, device.why_unusable.empty());
    if (device.kind != "cpu") continue;
    cpu = true;
    EXPECT_TRUE(device.usable) << device.why_unusable;
    EXPECT_GT(device.memory, std::uint64_t{1} << 28U);
    EXPECT_GT(device.compute_units, 0U);
    EXPECT_FALSE(device.driver.empty());
  }
  EXPECT_TRUE(cpu);
  const test::ChildResult bare = test::run_child({"create", "cpu"}, {{"OCL_ICD_FILENAMES", ""}});
  EXPECT_EQ(bare.output, "cpu\n") << bare.errors;
}

TEST(Devices, NoDeviceIsOneErrorThatNamesThePackage) {
  for (const test::Variables& hidden :
       {test::Variables{{"OCL_ICD_FILENAMES", "/nonexistent"}}, test::Variables{{"ONEAPI_DEVICE_SELECTOR", "hip:*"}}}) {
    const test::ChildResult result = test::run_child({"create", "cpu"}, hidden);
    EXPECT_EQ(result.status, 0);
    EXPECT_TRUE(result.output.starts_with("no_device: device 'cpu': a CPU device was asked for")) << result.output;
    EXPECT_NE(result.output.find("There is no SYCL device at all."), std::string::npos) << result.output;
    EXPECT_NE(result.output.find("pip install intel-opencl-rt"), std::string::npos) << result.output;
    EXPECT_NE(result.output.find(hidden[0].first), std::string::npos) << result.output;
    EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1);
    EXPECT_EQ(result.errors, "");
  }
}

TEST(Devices, QueuesThatOutliveMainDoNoHarm) {
  const test::ChildResult result = test::run_child({"exit_with_live_queue"});
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_EQ(result.output, "alive\n");
}

TEST(QueueTest, CopiesAndFills) {
  const Queue queue = Queue::create("cpu");
  std::vector<std::uint32_t> in(1000);
  std::iota(in.begin(), in.end(), 5U);
  const std::size_t bytes = in.size() * sizeof(in[0]);
  const DeviceBuffer a(queue, bytes);
  const DeviceBuffer b(queue, bytes);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.data()) % 64, 0U);
  EXPECT_EQ(a.bytes(), bytes);
  queue.copy(a.data(), in.data(), bytes);
  queue.copy(b.data(), a.data(), bytes);
  queue.fill(b.data(), 0xAB, 40);
  queue.copy(nullptr, nullptr, 0);
  std::vector<std::uint32_t> out(in.size());
  queue.copy(out.data(), b.data(), bytes);
  queue.wait();
  for (std::size_t i = 0; i < out.size(); ++i) ASSERT_EQ(out[i], i < 10 ? 0xABABABABU : in[i]) << i;
}

TEST(QueueTest, BuffersMoveAndMayBeEmpty) {
  const Queue queue = Queue::create("cpu");
  DeviceBuffer a(queue, 100);
  void* data = a.data();
  DeviceBuffer b(std::move(a));
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(b.bytes(), 100U);
  b = DeviceBuffer(queue, 0);
  EXPECT_EQ(b.data(), nullptr);
  EXPECT_EQ(b.bytes(), 0U);
  EXPECT_EQ(DeviceBuffer().data(), nullptr);
}

TEST(QueueTest, TooMuchMemoryIsAnErrorWithTheSize) {
  const Queue queue = Queue::create("cpu");
  try {
    queue.free(queue.allocate(std::size_t{1} << 52U));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
    EXPECT_TRUE(std::string(error.what()).starts_with("4503599627370496 bytes of device memory on ")) << error.what();
  }
}

TEST(QueueTest, WrapsAnInOrderQueueOnly) {
  const sycl::queue native = Queue::create("cpu").native();
  const Queue wrapped = Queue::wrap(native);
  EXPECT_EQ(wrapped.native(), native);
  EXPECT_EQ(wrapped.device().kind, "cpu");
  EXPECT_EQ(wrapped.device().name, native.get_device().get_info<sycl::info::device::name>());
  try {
    (void)Queue::wrap(sycl::queue(native.get_device()));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("sycl::property::queue::in_order()"), std::string::npos);
  }
}

TEST(QueueTest, CopiesOfTheHandleShareOneQueue) {
  const Queue a = Queue::create("cpu");
  const Queue b = a;  // NOLINT(performance-unnecessary-copy-initialization): the copy is what is tested
  EXPECT_EQ(&a.native(), &b.native());
  EXPECT_NE(a.native(), Queue::create("cpu").native());
}

TEST(Launch, RangesOfEveryRank) {
  const Queue queue = Queue::create("cpu");
  constexpr std::string_view kText = R"(
#include <sycl/ext/oneapi/free_function_queries.hpp>
#include <sycl/ext/oneapi/kernel_properties/properties.hpp>
struct Args { unsigned* out; };
namespace syclexp = sycl::ext::oneapi::experimental;
#define KERNEL(name, dims)                                                        \
  extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<dims>))  \
  void name(Args args) {                                                          \
    const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<dims>();     \
    args.out[item.get_global_linear_id()] =                                       \
        static_cast<unsigned>(item.get_global_id(dims - 1) * 1000 + item.get_local_id(0)); \
  }
KERNEL(one, 1)
KERNEL(two, 2)
KERNEL(three, 3)
)";
  struct Args {
    std::uint32_t* out;
  };
  const std::vector<std::pair<std::string, runtime::LaunchRange>> launches{
      {"one", runtime::range_1d(3, 4)},
      {"two", runtime::range_2d({2, 3}, {4, 5})},
      {"three", runtime::range_3d({2, 1, 3}, {2, 3, 4})}};
  for (const auto& [entry, range] : launches) {
    std::array<std::size_t, 3> global{};
    std::size_t items = 1;
    for (std::size_t d = 0; d < 3; ++d) {
      global[d] = range.groups[d] * range.group_size[d];
      items *= global[d];
    }
    const DeviceBuffer out(queue, items * sizeof(std::uint32_t));
    const runtime::Kernel kernel = runtime::get_kernel(queue, {.source = "ranges.hpp", .entry = entry, .text = kText});
    runtime::launch(queue, kernel, range, Args{static_cast<std::uint32_t*>(out.data())});
    std::vector<std::uint32_t> got(items);
    queue.copy(got.data(), out.data(), out.bytes());
    queue.wait();
    const auto last = static_cast<std::size_t>(range.dims) - 1;
    const std::size_t slow = items / global[0];  // items per step of dimension 0
    for (std::size_t i = 0; i < items; ++i) {
      ASSERT_EQ(got[i], (i % global[last]) * 1000 + (i / slow) % range.group_size[0]) << entry << " " << i;
    }
    runtime::LaunchRange none = range;
    none.groups[last] = 0;
    runtime::launch(queue, kernel, none, Args{nullptr});
    queue.wait();
  }
}

TEST(Launch, LocalMemoryHalfAndBfloat16) {
  const Queue queue = Queue::create("cpu");
  constexpr std::string_view kText = R"(
#include <sycl/accessor.hpp>
#include <sycl/ext/oneapi/bfloat16.hpp>
#include <sycl/ext/oneapi/free_function_queries.hpp>
#include <sycl/ext/oneapi/kernel_properties/properties.hpp>
#include <sycl/group_barrier.hpp>
#include <sycl/half_type.hpp>
struct ReverseArgs { const float* in; float* out; };
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((sycl::ext::oneapi::experimental::nd_range_kernel<1>))
void reverse(ReverseArgs args, sycl::local_accessor<DCN_T, 1> local) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const auto i = item.get_local_id(0);
  local[i] = static_cast<DCN_T>(args.in[item.get_global_id(0)]);
  sycl::group_barrier(item.get_group());
  args.out[item.get_global_id(0)] = static_cast<float>(local[item.get_local_range(0) - 1 - i]);
}
)";
  struct ReverseArgs {
    const float* in;
    float* out;
  };
  constexpr std::size_t kGroup = 37;  // local memory that is no multiple of its unit
  constexpr std::size_t kCount = 3 * kGroup;
  std::vector<float> in(kCount);
  for (std::size_t i = 0; i < kCount; ++i) in[i] = static_cast<float>(i) - 40.0F;  // exact in all three types
  for (const auto& [type, size] :
       {std::pair{"float", 4U}, std::pair{"sycl::half", 2U}, std::pair{"sycl::ext::oneapi::bfloat16", 2U}}) {
    const runtime::Kernel kernel = runtime::get_kernel(
        queue, {.source = "reverse.hpp", .entry = "reverse", .macros = {{"DCN_T", type}}, .text = kText});
    const DeviceBuffer memory(queue, 2 * kCount * sizeof(float));
    auto* device = static_cast<float*>(memory.data());
    queue.copy(device, in.data(), kCount * sizeof(float));
    runtime::launch(queue, kernel, runtime::range_1d(3, kGroup), ReverseArgs{device, device + kCount}, kGroup * size);
    std::vector<float> out(kCount);
    queue.copy(out.data(), device + kCount, kCount * sizeof(float));
    queue.wait();
    for (std::size_t i = 0; i < kCount; ++i) {
      ASSERT_EQ(out[i], in[i / kGroup * kGroup + kGroup - 1 - i % kGroup]) << type << " " << i;
    }
  }
}

TEST(Launch, ImpossibleRangesAreErrors) {
  const Queue queue = Queue::create("cpu");
  const runtime::Kernel kernel = runtime::get_kernel(queue, {.source = "probe.hpp", .entry = "probe"});
  struct ProbeArgs {
    std::uint32_t* out;
    std::uint32_t value;
  };
  const auto error_of = [&](const runtime::LaunchRange& range) {
    try {
      runtime::launch(queue, kernel, range, ProbeArgs{nullptr, 0});
    } catch (const Error& error) {
      return std::string(to_string(error.code())) + ": " + error.what();
    }
    return std::string("none");
  };
  EXPECT_TRUE(error_of(runtime::range_1d(1, std::size_t{1} << 30U))
                  .starts_with("device: kernel probe, [1] groups of [1073741824]"))
      << error_of(runtime::range_1d(1, std::size_t{1} << 30U));
  EXPECT_TRUE(
      error_of(runtime::LaunchRange{.dims = 4}).starts_with("invalid_argument: kernel probe: a launch range of 4"));
}

}  // namespace
}  // namespace dcn
