#include "runtime/kernel.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <sycl/sycl.hpp>
#include <thread>

#include "child.hpp"
#include "dcn/status.hpp"
#include "kernels.hpp"
#include "runtime/disk_cache.hpp"
#include "runtime/prebuilt.hpp"
#include "runtime/sycl_library.hpp"
#include "runtime/verbose.hpp"
#include "support/files.hpp"

namespace dcn::runtime {
namespace {

namespace fs = std::filesystem;
using test::read_file;
using test::write_file;

/// A queue whose context is new: nothing in this process's memory fits it.
Queue stranger() {
  const sycl::device device = Queue::create("cpu").native().get_device();
  return Queue::wrap(sycl::queue(sycl::context(device), device, sycl::property::queue::in_order()));
}

/// The entries of this process's cache.
std::vector<fs::path> entries() {
  std::vector<fs::path> paths;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(DiskCache::default_folder(), error)) paths.push_back(entry.path());
  return paths;
}

/// The cache entry that `make` adds.
template <typename Make>
fs::path new_entry(Make make) {
  const std::vector<fs::path> before = entries();
  make();
  for (const fs::path& path : entries()) {
    if (std::find(before.begin(), before.end(), path) == before.end()) return path;
  }
  return {};
}

TEST(GetKernel, CompiledThenFromMemoryThenFromDisk) {
  const Queue queue = stranger();
  EXPECT_EQ(test::get_scale_kernel(queue, "3").origin, KernelOrigin::kCompiled);
  const Kernel kernel = test::get_scale_kernel(queue, "3");
  EXPECT_EQ(kernel.origin, KernelOrigin::kMemory);
  EXPECT_EQ(kernel.name, "scale");
  EXPECT_EQ(test::run_scale(queue, kernel, 5.0F), 15.0F);

  const Queue other = stranger();
  const Kernel cached = test::get_scale_kernel(other, "3");
  EXPECT_EQ(cached.origin, KernelOrigin::kDiskCache);
  EXPECT_EQ(test::run_scale(other, cached, 7.0F), 21.0F);
}

TEST(GetKernel, MacrosAndTextAreTwoKernels) {
  const Queue queue = stranger();
  EXPECT_EQ(test::run_scale(queue, test::get_scale_kernel(queue, "4"), 5.0F), 20.0F);
  EXPECT_EQ(test::run_scale(queue, test::get_scale_kernel(queue, "3"), 5.0F), 15.0F);
  std::string text(test::kScaleText);
  text.replace(text.find("DCN_FACTOR *"), 12, "2.0f * DCN_FACTOR *");
  KernelRequest request = test::scale_request("4");
  request.text = text;
  EXPECT_EQ(test::run_scale(queue, get_kernel(queue, request), 5.0F), 40.0F);
}

TEST(GetKernel, BuiltInKernelsNeedNeitherCacheNorCompiler) {
  ASSERT_FALSE(prebuilt_kernels().empty());
  const std::string folder = test::fresh_folder();
  const test::ChildResult native =
      test::run_child({"probe_origin"}, {{"DCN_CACHE_DIR", folder}, {"DCN_VERBOSE", "compile"}});
  EXPECT_EQ(native.output, "built-in\n");
  EXPECT_EQ(native.errors.find("linked in"), std::string::npos) << native.errors;
  EXPECT_TRUE(fs::is_empty(folder));

  // What another machine sees: code for a CPU that is not its own.
  const test::Variables elsewhere{{"DCN_CACHE_DIR", folder}, {"DCN_VERBOSE", "compile"}, {"IGC_ExtraOCLOptions", "-x"}};
  const test::ChildResult portable = test::run_child({"probe_origin"}, elsewhere);
  EXPECT_EQ(portable.output, "built-in\n");
  EXPECT_NE(portable.errors.find("probe.hpp: linked in "), std::string::npos) << portable.errors;
  EXPECT_EQ(test::run_child({"probe_origin"}, elsewhere).output, "disk cache\n");
}

TEST(GetKernel, WithoutTheCompilerBuiltInKernelsWorkAndOthersSayWhatIsMissing) {
  const fs::path folder = test::fresh_folder();
  for (const auto& entry : fs::directory_iterator(sycl_library().parent_path())) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("libsycl-jit")) fs::create_symlink(entry.path(), folder / name);
  }
  const test::Variables variables{{"LD_PRELOAD", folder / "libsycl.so.9"},
                                  {"OCL_ICD_FILENAMES", ""},
                                  {"DCN_CACHE_DIR", test::fresh_folder()},
                                  {"IGC_ExtraOCLOptions", "-x"}};
  const test::ChildResult built_in = test::run_child({"probe_origin"}, variables);
  EXPECT_EQ(built_in.output, "built-in\n") << built_in.errors;
  const test::ChildResult compiled = test::run_child({"scale", "3"}, variables);
  EXPECT_NE(compiled.status, 0);
  EXPECT_NE(compiled.errors.find("libsycl-jit.so was not found in " + folder.string()), std::string::npos)
      << compiled.errors;
}

TEST(GetKernel, DamagedEntriesAreRebuilt) {
  const fs::path path = new_entry([] { (void)test::get_scale_kernel(stranger(), "1.5f"); });
  ASSERT_FALSE(path.empty());
  const std::string good = read_file(path);
  std::string flipped = good;
  flipped[good.size() / 2] = static_cast<char>(flipped[good.size() / 2] ^ 1);
  std::string version = good;
  version[8] = static_cast<char>(version[8] + 1);
  for (const std::string& bad : {good.substr(0, good.size() / 2), flipped, version}) {
    write_file(path, bad);
    const Queue queue = stranger();
    const Kernel kernel = test::get_scale_kernel(queue, "1.5f");
    EXPECT_EQ(kernel.origin, KernelOrigin::kCompiled);
    EXPECT_EQ(test::run_scale(queue, kernel, 2.0F), 3.0F);
    EXPECT_EQ(read_file(path).size(), good.size()) << "written again";
  }
  EXPECT_EQ(test::get_scale_kernel(stranger(), "1.5f").origin, KernelOrigin::kDiskCache);
}

TEST(GetKernel, WholeEntriesWithCodeTheDriverRefusesAreRebuilt) {
  const fs::path path = new_entry([] { (void)test::get_scale_kernel(stranger(), "2.5f"); });
  ASSERT_FALSE(path.empty());
  const std::string good = read_file(path);
  std::uint32_t key_bytes = 0;
  std::memcpy(&key_bytes, good.data() + 12, sizeof(key_bytes));
  const std::string key = good.substr(56, key_bytes);
  ASSERT_TRUE(key.starts_with("name=scale.hpp\n")) << key;
  const DiskCache cache(DiskCache::default_folder());
  for (const std::vector<char>& content : {std::vector<char>(), std::vector<char>(5000, 'x')}) {
    cache.store(key, content);
    const Queue queue = stranger();
    const Kernel kernel = test::get_scale_kernel(queue, "2.5f");
    EXPECT_EQ(kernel.origin, KernelOrigin::kCompiled);
    EXPECT_EQ(test::run_scale(queue, kernel, 2.0F), 5.0F);
  }
}

TEST(GetKernel, ProcessesMayShareTheCache) {
  const std::string folder = test::fresh_folder();
  std::vector<test::Child> children;
  for (int i = 0; i < 3; ++i) {
    children.emplace_back(std::vector<std::string>{"scale", "6"}, test::Variables{{"DCN_CACHE_DIR", folder}});
  }
  for (test::Child& child : children) {
    const test::ChildResult result = child.wait();
    EXPECT_EQ(result.status, 0) << result.output << result.errors;
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 1);
  EXPECT_EQ(test::run_child({"scale", "6"}, {{"DCN_CACHE_DIR", folder}}).output, "disk cache\n");
}

TEST(GetKernel, ThreadsGetOneBuild) {
  const Queue queue = stranger();
  std::vector<KernelOrigin> origins(4);
  std::vector<std::thread> threads;
  for (KernelOrigin& origin : origins)
    threads.emplace_back([&] { origin = test::get_scale_kernel(queue, "12").origin; });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::count(origins.begin(), origins.end(), KernelOrigin::kCompiled), 1);
  EXPECT_EQ(std::count(origins.begin(), origins.end(), KernelOrigin::kMemory), 3);
}

TEST(GetKernel, UnwritableCacheCostsSpeedOnly) {
  const std::string file = test::fresh_folder() + "/file";
  write_file(file, "in the way");
  test::Variables variables{{"DCN_CACHE_DIR", file + "/cache"}, {"IGC_ExtraOCLOptions", "-x"}};
  const test::ChildResult quiet = test::run_child({"probe_origin"}, variables);
  EXPECT_EQ(quiet.status, 0);
  EXPECT_EQ(quiet.output, "built-in\n");
  EXPECT_EQ(quiet.errors, "");
  variables.emplace_back("DCN_VERBOSE", "compile");
  const test::ChildResult verbose = test::run_child({"probe_origin"}, variables);
  EXPECT_EQ(verbose.output, "built-in\n");
  EXPECT_NE(verbose.errors.find("dcn: compile: not cached: "), std::string::npos) << verbose.errors;
  EXPECT_NE(verbose.errors.find("Not a directory"), std::string::npos) << verbose.errors;
}

TEST(GetKernel, CompileErrorNamesKernelOptionsAndLogOnce) {
  KernelRequest request = test::scale_request("nonsense");
  request.options = {"-Wall"};
  try {
    (void)get_kernel(stranger(), request);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCompile);
    const std::string what = error.what();
    EXPECT_TRUE(what.starts_with("kernel scale: kernel file scale.hpp does not compile for ")) << what;
    EXPECT_NE(what.find("\noptions: -DDCN_FACTOR=nonsense -Wall -fsycl-device-code-split=off\n"), std::string::npos)
        << what;
    const std::string said = "error: use of undeclared identifier 'nonsense'";
    const std::size_t first = what.find(said);
    ASSERT_NE(first, std::string::npos) << what;
    EXPECT_EQ(what.find(said, first + 1), std::string::npos) << "once";
    EXPECT_NE(what.find("scale.hpp:8:"), std::string::npos) << what;
  }
}

TEST(GetKernel, EntriesOfDifferentShapesShareOneEntryOfTheCache) {
  // With their own images for each sub-group size, linked code would not come back from the runtime.
  constexpr std::string_view kText = R"(
#include <sycl/ext/oneapi/free_function_queries.hpp>
#include <sycl/ext/oneapi/kernel_properties/properties.hpp>
namespace syclexp = sycl::ext::oneapi::experimental;
struct Args { unsigned* out; };
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>))
SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::sub_group_size<16>))
SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::work_group_size<16>))
void wide(Args args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  args.out[item.get_global_id(0)] = static_cast<unsigned>(item.get_sub_group().get_local_range()[0]);
}
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>))
SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::sub_group_size<8>))
void narrow(Args args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  args.out[item.get_global_id(0)] = static_cast<unsigned>(item.get_sub_group().get_local_range()[0]);
}
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<2>))
void plain(Args args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<2>();
  args.out[item.get_global_linear_id()] = 5;
}
)";
  struct Args {
    std::uint32_t* out;
  };
  for (const KernelOrigin expected : {KernelOrigin::kCompiled, KernelOrigin::kDiskCache}) {
    const Queue queue = stranger();
    const auto first_word = [&](std::string_view entry, const LaunchRange& range, KernelOrigin origin) {
      const Kernel kernel = get_kernel(queue, {.source = "shapes.hpp", .entry = entry, .text = kText});
      EXPECT_EQ(kernel.origin, origin) << entry;
      const DeviceBuffer out(queue, 64 * sizeof(std::uint32_t));
      launch(queue, kernel, range, Args{static_cast<std::uint32_t*>(out.data())});
      std::uint32_t word = 0;
      queue.copy(&word, out.data(), sizeof(word));
      queue.wait();
      return word;
    };
    EXPECT_EQ(first_word("wide", range_1d(2, 16), expected), 16U);
    EXPECT_EQ(first_word("narrow", range_1d(2, 32), KernelOrigin::kMemory), 8U);
    EXPECT_EQ(first_word("plain", range_2d({2, 2}, {4, 4}), KernelOrigin::kMemory), 5U);
  }
}

TEST(GetKernel, UnknownFilesAndEntriesAreNamed) {
  const Queue queue = stranger();
  const auto error_of = [&](const KernelRequest& request) {
    try {
      (void)get_kernel(queue, request);
    } catch (const Error& error) {
      return std::string(to_string(error.code())) + ": " + error.what();
    }
    return std::string("none");
  };
  EXPECT_EQ(error_of({.source = "none.hpp", .entry = "e"}), "internal: kernel file none.hpp is not in this library");
  EXPECT_EQ(error_of({.source = "probe.hpp", .entry = "e"}), "internal: kernel file probe.hpp has no entry 'e'");
  (void)get_kernel(queue, {.source = "probe.hpp", .entry = "probe"});
  EXPECT_EQ(error_of({.source = "probe.hpp", .entry = "e"}), "internal: kernel file probe.hpp has no entry 'e'");
}

TEST(Verbose, ShowsTheTopicsThatAreAskedFor) {
  const auto errors = [](const std::string& topics) {
    return test::run_child({"scale", "3"}, {{"DCN_VERBOSE", topics}}).errors;
  };
  EXPECT_EQ(errors(""), "");
  const std::string some = errors("compile,exec");
  EXPECT_NE(some.find("dcn: compile: scale of scale.hpp [-DDCN_FACTOR=3]: "), std::string::npos) << some;
  EXPECT_NE(some.find("dcn: exec: scale [1] groups of [1]\n"), std::string::npos) << some;
  EXPECT_EQ(some.find("dispatch"), std::string::npos) << some;
  EXPECT_NE(errors("all").find("dcn: dispatch: device 'cpu' is "), std::string::npos);
}

}  // namespace
}  // namespace dcn::runtime
