/// \file discovery.hpp
/// Listing SYCL devices, and what is left when a backend fails at that.
#pragma once

#include <string>
#include <string_view>
#include <sycl/device.hpp>
#include <vector>

namespace dcn::runtime {

struct Discovery {
  std::vector<sycl::device> devices;
  std::string problem;  ///< which backend failed, and the remedy, in one line; empty when all answered
};

/// Every device, in the order of the SYCL runtime. The runtime (2026.2) lists nothing at all, in this process for good,
/// when one backend's adapter fails (a driver that is broken, or half removed). OpenCL's devices, the CPU among them,
/// are then taken from OpenCL itself (good for queues, not for oneDNN, which asks the runtime again), unless
/// ONEAPI_DEVICE_SELECTOR is set, which may hide them.
[[nodiscard]] Discovery discover();

/// What `Discovery::problem` says. Pure.
/// \param error     words of the SYCL runtime, such as "cuda backend failed with error: 20 (...)"
/// \param selector  value of ONEAPI_DEVICE_SELECTOR, empty when it is not set
/// \returns empty for an error that is no backend's failure but a selector's that matches nothing
[[nodiscard]] std::string describe_failure(std::string_view error, std::string_view selector);

}  // namespace dcn::runtime
