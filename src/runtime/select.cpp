#include "runtime/select.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include "dcn/status.hpp"
#include "runtime/verbose.hpp"

namespace dcn::runtime {

namespace {

bool is_gpu(const DeviceInfo& device) { return device.kind == "gpu"; }
bool is_cuda(const DeviceInfo& device) { return is_gpu(device) && device.backend == "cuda"; }
bool is_intel_gpu(const DeviceInfo& device) { return is_gpu(device) && device.vendor.starts_with("Intel"); }
bool is_cpu(const DeviceInfo& device) { return device.kind == "cpu"; }

struct Kind {
  std::string_view word;
  std::string_view what;
  bool (*matches)(const DeviceInfo&);
  std::string_view remedy;
};

constexpr std::string_view kCpuRemedy =
    "The CPU device comes with `pip install intel-opencl-rt`, into the same environment as the SYCL runtime";
constexpr std::string_view kIntelRemedy =
    "Intel GPUs need Intel's compute runtime (Debian, Ubuntu: intel-opencl-icd, libze-intel-gpu1, libze1; "
    "elsewhere: intel-compute-runtime, level-zero-loader)";
constexpr std::string_view kCudaRemedy =
    "NVIDIA GPUs need NVIDIA's driver and the oneAPI plugin for NVIDIA GPUs (libur_adapter_cuda.so beside libsycl.so)";

constexpr Kind kKinds[] = {
    {"cpu", "a CPU device was asked for", is_cpu, kCpuRemedy},
    {"gpu", "a GPU was asked for", is_gpu, ""},
    {"xpu", "an Intel GPU was asked for", is_intel_gpu, kIntelRemedy},
    {"cuda", "an NVIDIA GPU was asked for", is_cuda, kCudaRemedy},
};

/// Variables that hide devices: worth naming when one is missing.
std::string hiding_variables() {
  std::string text;
  const char* selector = std::getenv("ONEAPI_DEVICE_SELECTOR");
  if (selector != nullptr) text += fmt::format(" ONEAPI_DEVICE_SELECTOR={} is set and hides devices.", selector);
  // A list of drivers is no hindrance as such; we set one ourselves.
  const char* drivers = std::getenv("OCL_ICD_FILENAMES");
  std::string_view rest = drivers == nullptr ? "" : drivers;
  while (!rest.empty()) {
    const std::string_view path = rest.substr(0, rest.find(':'));
    rest.remove_prefix(path.size() == rest.size() ? rest.size() : path.size() + 1);
    std::error_code error;
    if (!path.empty() && !std::filesystem::exists(path, error)) {
      text += fmt::format(" OCL_ICD_FILENAMES names {}, which does not exist: unset it.", path);
    }
  }
  return text;
}

std::string listing(std::span<const DeviceInfo> devices) {
  if (devices.empty()) return "There is no SYCL device at all.";
  std::string text;
  for (const DeviceInfo& device : devices) {
    text += fmt::format("{} {}: {} ({}, {})", text.empty() ? "Devices here:" : ",", device.index, device.name,
                        device.kind, device.backend);
  }
  return text + ".";
}

[[noreturn]] void fail(std::string_view wanted, std::string_view what, std::string_view remedy,
                       std::span<const DeviceInfo> devices, const std::string& tried, std::string_view problem) {
  // A backend that failed is the cause; what else could be installed is not the remedy then.
  const std::string advice =
      problem.empty() ? fmt::format("{}.{}", remedy, hiding_variables()) : fmt::format("But {}.", problem);
  throw Error(ErrorCode::kNoDevice, fmt::format("device '{}': {}, and none can be used. {}{} {}", wanted, what,
                                                listing(devices), tried, advice));
}

/// Native drivers before OpenCL, which shows the same Intel GPU a second time.
std::vector<std::size_t> in_order_of_preference(std::span<const DeviceInfo> devices,
                                                bool (*matches)(const DeviceInfo&)) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (matches(devices[i])) order.push_back(i);
  }
  std::stable_partition(order.begin(), order.end(), [&](std::size_t i) { return devices[i].backend != "opencl"; });
  return order;
}

/// The first that passes the probe; what the others said goes to `tried`.
const std::size_t* first_working(std::span<const DeviceInfo> devices, std::span<const std::size_t> order,
                                 const Probe& probe, std::string& tried) {
  for (const std::size_t& i : order) {
    const std::string why = probe(devices[i]);
    if (why.empty()) return &i;
    verbose(Topic::kDispatch, "device {} ({}) is passed over: {}", devices[i].index, devices[i].name, why);
    tried += fmt::format(" Device {} does not work: {}.", devices[i].index, why);
  }
  return nullptr;
}

std::size_t select_auto(std::span<const DeviceInfo> devices, const Probe& probe, std::string_view problem) {
  std::string tried;
  const std::vector<std::size_t> gpus = in_order_of_preference(devices, is_gpu);
  if (const std::size_t* found = first_working(devices, gpus, probe, tried)) return *found;
  const auto cpu = std::find_if(devices.begin(), devices.end(), is_cpu);
  if (cpu == devices.end()) {
    fail("auto", "any GPU or CPU would do", fmt::format("{}. {}. {}", kCpuRemedy, kIntelRemedy, kCudaRemedy), devices,
         tried, problem);
  }
  return static_cast<std::size_t>(cpu - devices.begin());
}

}  // namespace

std::size_t select_device(std::string_view wanted, std::span<const DeviceInfo> devices, const Probe& probe,
                          std::string_view problem) {
  if (wanted == "auto") return select_auto(devices, probe, problem);
  for (const Kind& kind : kKinds) {
    if (wanted != kind.word) continue;
    const std::vector<std::size_t> order = in_order_of_preference(devices, kind.matches);
    std::string tried;
    if (kind.matches == is_cpu && !order.empty()) return order.front();
    if (const std::size_t* found = first_working(devices, order, probe, tried)) return *found;
    fail(wanted, kind.what, kind.remedy.empty() ? fmt::format("{}. {}", kIntelRemedy, kCudaRemedy) : kind.remedy,
         devices, tried, problem);
  }
  int index = 0;
  const char* end = wanted.data() + wanted.size();
  const auto [stop, failure] = std::from_chars(wanted.data(), end, index);
  if (wanted.empty() || failure != std::errc() || stop != end || index < 0) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("device '{}' means nothing here: expected auto, cpu, gpu, xpu, cuda or an index. {}",
                            wanted, listing(devices)));
  }
  const auto found =
      std::find_if(devices.begin(), devices.end(), [&](const DeviceInfo& d) { return d.index == index; });
  if (found == devices.end()) {
    fail(wanted, fmt::format("index {} was asked for", index), devices.empty() ? kCpuRemedy : "Choose one of these",
         devices, "", problem);
  }
  return static_cast<std::size_t>(found - devices.begin());
}

}  // namespace dcn::runtime
