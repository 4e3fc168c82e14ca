#include "runtime/sycl_library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <sycl/sycl.hpp>

namespace dcn::runtime {

std::filesystem::path sycl_library() {
  Dl_info where{};
  if (dladdr(reinterpret_cast<void*>(&sycl::device::get_devices), &where) == 0 || where.dli_fname == nullptr) return {};
  return where.dli_fname;
}

std::string sycl_version() {
  // The file carries no version of its own beyond major.minor: its size and that of the compiler tell builds apart.
  std::error_code error;
  const std::filesystem::path library = sycl_library();
  const auto size = [&](const std::filesystem::path& path) {
    const std::uintmax_t bytes = std::filesystem::file_size(path, error);
    return error ? 0 : bytes;
  };
  return fmt::format("libsycl {}.{}.{} headers {} library {} compiler {}", __LIBSYCL_MAJOR_VERSION,
                     __LIBSYCL_MINOR_VERSION, __LIBSYCL_PATCH_VERSION, __SYCL_COMPILER_VERSION, size(library),
                     size(library.parent_path() / "libsycl-jit.so"));
}

}  // namespace dcn::runtime
