#include "runtime/discovery.hpp"

#include <CL/cl.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <sycl/sycl.hpp>

#include "runtime/verbose.hpp"

namespace dcn::runtime {

namespace {

/// A function of the OpenCL loader that the SYCL runtime has loaded; null when it has not.
template <typename Function>
Function* opencl_function(const char* name) {
  static void* const loader = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_NOLOAD);
  return loader == nullptr ? nullptr : reinterpret_cast<Function*>(dlsym(loader, name));
}

std::vector<sycl::device> opencl_devices() {
  auto* const get_platforms = opencl_function<decltype(clGetPlatformIDs)>("clGetPlatformIDs");
  auto* const get_devices = opencl_function<decltype(clGetDeviceIDs)>("clGetDeviceIDs");
  std::vector<sycl::device> found;
  cl_uint count = 0;
  if (get_platforms == nullptr || get_devices == nullptr || get_platforms(0, nullptr, &count) != CL_SUCCESS)
    return found;
  std::vector<cl_platform_id> platforms(count);
  if (count == 0 || get_platforms(count, platforms.data(), nullptr) != CL_SUCCESS) return found;
  for (cl_platform_id platform : platforms) {
    if (get_devices(platform, CL_DEVICE_TYPE_ALL, 0, nullptr, &count) != CL_SUCCESS || count == 0) continue;
    std::vector<cl_device_id> ids(count);
    if (get_devices(platform, CL_DEVICE_TYPE_ALL, count, ids.data(), nullptr) != CL_SUCCESS) continue;
    for (cl_device_id id : ids) {
      try {
        found.push_back(sycl::make_device<sycl::backend::opencl>(id));
      } catch (const sycl::exception& error) {
        verbose(Topic::kDispatch, "a device of OpenCL is passed over: {}", error.what());
      }
    }
  }
  return found;
}

}  // namespace

std::string describe_failure(std::string_view error, std::string_view selector) {
  constexpr std::string_view kFailed = " backend failed";
  const std::size_t failed = error.find(kFailed);
  if (failed == std::string_view::npos && !selector.empty()) return {};
  std::string words(error);
  std::replace(words.begin(), words.end(), '\n', ' ');
  words.erase(words.find_last_not_of(' ') + 1);
  std::string remedy = "set ONEAPI_DEVICE_SELECTOR='*:cpu'";
  if (failed != std::string_view::npos) {
    const std::string_view name = error.substr(0, failed);
    remedy = fmt::format("repair or remove its driver, or leave it out with ONEAPI_DEVICE_SELECTOR='!{}:*'",
                         name.substr(name.find_last_of(' ') + 1));
    if (!selector.empty()) remedy += fmt::format(", which is '{}' now", selector);
  }
  return fmt::format("the SYCL runtime cannot list its devices ({}): {}", words, remedy);
}

Discovery discover() {
  Discovery found;
  try {
    found.devices = sycl::device::get_devices();
  } catch (const sycl::exception& error) {
    const char* selector = std::getenv("ONEAPI_DEVICE_SELECTOR");
    found.problem = describe_failure(error.what(), selector == nullptr ? "" : selector);
    verbose(Topic::kDispatch, "no devices: {}", error.what());
    if (selector == nullptr) found.devices = opencl_devices();
  }
  return found;
}

}  // namespace dcn::runtime
