/// \file compiler.hpp
/// From a kernel request to portable code. Used by get_kernel() and by the build's own kernel compiler.
#pragma once

#include <string>
#include <string_view>
#include <sycl/kernel_bundle.hpp>
#include <vector>

#include "dcn/device.hpp"
#include "runtime/kernel.hpp"
#include "runtime/kernel_key.hpp"

namespace dcn::runtime {

/// A request with its whole text and its key.
struct KernelSource {
  SourceKey key;
  std::string text;
  std::vector<std::string> options;
};

/// Pastes in the includes and names the target of the device's backend.
/// \throws Error kInternal for a file that is not in src/kernels.
[[nodiscard]] KernelSource prepare_source(const KernelRequest& request, const DeviceInfo& device);

/// Runs the run-time compiler. \returns SYCLBIN in object state.
/// \throws Error kCompile with the file, the device, the options and the compiler's log, once.
[[nodiscard]] std::vector<char> compile_to_object(const Queue& queue, const KernelSource& source);

/// Compiles and links in one go. \throws Error kCompile likewise.
[[nodiscard]] sycl::kernel_bundle<sycl::bundle_state::executable> build_executable(const Queue& queue,
                                                                                   const KernelSource& source);

}  // namespace dcn::runtime
