/// \file kernel.hpp
/// The one way to get a device kernel: from the kernels compiled at build time, else from the cache on disk, else by
/// compiling the embedded source for the queue's device.
#pragma once

#include <string>
#include <string_view>
#include <sycl/sycl.hpp>
#include <utility>
#include <vector>

#include "dcn/device.hpp"

namespace dcn::runtime {

/// Everything that decides what code a kernel is. Macro names carry the prefix DCN_, since they reach the SYCL headers
/// too.
struct KernelRequest {
  std::string_view source;  ///< file name in src/kernels, e.g. "deform_conv2d.hpp"
  std::string_view entry;   ///< name of the extern "C" free-function kernel in that file
  std::vector<std::pair<std::string, std::string>> macros;  ///< {"DCN_T", "float"}, ...
};

/// Where a kernel came from: what DCN_VERBOSE=compile and the tests look at.
enum class KernelOrigin : unsigned char { kMemory, kBuiltIn, kDiskCache, kCompiled };

struct Kernel {
  sycl::kernel kernel;
  KernelOrigin origin;
};

/// Thread-safe. The same request on the same device and context is served from memory.
/// \throws Error kCompile with the kernel's name, the options and the compiler's log, once.
[[nodiscard]] Kernel get_kernel(const Queue& queue, const KernelRequest& request);

}  // namespace dcn::runtime
