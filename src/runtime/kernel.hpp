/// \file kernel.hpp
/// The one way to get a device kernel. Looked up in this order, cheapest first: this process's memory, the cache on
/// disk (native code), the kernels compiled at build time (portable code, linked for the device at first use), and last
/// the run-time compiler with the embedded source. Free of SYCL headers.
///
/// ### Kernel files (src/kernels/*.hpp)
/// - Every file of the folder is embedded into the library. `#include "other.hpp"` of the same folder works: the text
/// is
///   pasted in once per kernel (as with #pragma once), and errors keep the name and line of the file they are in.
///   Includes in angle brackets reach the SYCL headers; name the few sub-headers that are needed instead of
///   <sycl/sycl.hpp> (a build takes 1 s instead of 3 s).
/// - An entry point is a plain function, never a template, with one trivially copyable argument struct, and optionally
///   local memory as a second parameter:
///
///       #include <sycl/accessor.hpp>
///       #include <sycl/ext/oneapi/free_function_queries.hpp>
///       #include <sycl/ext/oneapi/kernel_properties/properties.hpp>
///
///       struct ScaleArgs { const DCN_T* x; DCN_T* y; long count; };
///       extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((sycl::ext::oneapi::experimental::nd_range_kernel<1>))
///       void scale(ScaleArgs args) {
///         const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
///         ...
///       }
///
///   With local memory: `void scale(ScaleArgs args, sycl::local_accessor<float, 1> local)`, of any element type;
///   16-byte aligned, its size in bytes is given to launch().
/// - All entries of a file are compiled together, once per set of macros. Put into one file what is used together.
/// - Macros carry the prefix DCN_, since they reach the SYCL headers too.
/// - Rows of prebuilt_kernels.def are compiled when the library is built; anything else costs a run of the compiler
///   (seconds) the first time a machine needs it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dcn/device.hpp"

namespace sycl {
inline namespace _V1 {  // NOLINT(readability-identifier-naming)
class kernel;           // NOLINT(readability-identifier-naming): SYCL's name
}  // namespace _V1
}  // namespace sycl

namespace dcn::runtime {

/// Everything in a caller's hands that decides what code a kernel is.
struct KernelRequest {
  std::string_view source;  ///< file name in src/kernels, e.g. "deform_conv2d.hpp"
  std::string_view entry;   ///< name of the extern "C" free-function kernel in that file
  // The initialisers let callers leave members out without a warning of g++.
  // NOLINTBEGIN(readability-redundant-member-init)
  std::vector<std::pair<std::string, std::string>> macros = {};  ///< {"DCN_T", "float"}, ...
  std::vector<std::string> options = {};                         ///< further compiler options, e.g. "-ffast-math"
  /// Source text of a kernel that is not in src/kernels; `source` is then only its name in messages. It may include
  /// files of src/kernels.
  std::string_view text = {
      // NOLINTEND(readability-redundant-member-init)
  };
};

/// Where a kernel came from: what DCN_VERBOSE=compile and the tests look at.
enum class KernelOrigin : unsigned char { kMemory, kDiskCache, kBuiltIn, kCompiled };

/// "memory", "disk cache", "built-in" or "compiled".
[[nodiscard]] std::string_view to_string(KernelOrigin origin) noexcept;

/// A kernel ready to launch on the queue's device (see launch.hpp). Copies are cheap.
struct Kernel {
  std::shared_ptr<sycl::kernel> native;
  std::string name;  ///< the entry, for messages
  KernelOrigin origin = KernelOrigin::kMemory;
  std::size_t words = 0;  ///< that take the place of its argument struct (cuda_code.hpp); 0: it takes the struct
};

/// Thread-safe. The same request on the same device and context is served from memory.
/// \throws Error kCompile with the kernel's name, the options and the compiler's log, once.
/// \throws Error kInternal when the file or the entry does not exist.
[[nodiscard]] Kernel get_kernel(const Queue& queue, const KernelRequest& request);

}  // namespace dcn::runtime
