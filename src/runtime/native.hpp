/// \file native.hpp
/// From portable code to code that runs: linked for one device, or taken from a cache. Includes SYCL.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <sycl/kernel_bundle.hpp>
#include <vector>

#include "dcn/device.hpp"
#include "runtime/compiler.hpp"
#include "runtime/disk_cache.hpp"

namespace dcn::runtime {

using Executable = sycl::kernel_bundle<sycl::bundle_state::executable>;

/// A bundle, and what the runtime goes on reading after it has made the bundle: its bytes, and the object it was linked
/// from. Without these it reads freed memory.
struct LoadedBundle {
  std::shared_ptr<std::vector<char>> bytes;
  std::optional<sycl::kernel_bundle<sycl::bundle_state::object>> object;
  Executable executable;
};

/// One kernel file for the device and context of one queue.
class NativeCode {
 public:
  NativeCode(const Queue& queue, KernelSource source);

  [[nodiscard]] const KernelSource& source() const noexcept { return source_; }
  /// Names the native code in a cache.
  [[nodiscard]] const std::string& key() const noexcept { return key_; }

  /// What the cache holds, when the driver takes it.
  [[nodiscard]] std::optional<LoadedBundle> load(const DiskCache& cache) const;
  /// \param object SYCLBIN in object state. \throws sycl::exception.
  [[nodiscard]] LoadedBundle link(std::vector<char> object) const;
  /// Mends PTX (cuda_code.hpp); a cache may keep the bytes of what comes out.
  /// \param content SYCLBIN in object state. \throws sycl::exception.
  [[nodiscard]] LoadedBundle read_ptx(std::vector<char> content) const;
  /// Keeps the native code of a bundle, if the runtime gives it.
  void store(const DiskCache& cache, const LoadedBundle& bundle) const;

 private:
  [[nodiscard]] LoadedBundle read(std::vector<char> content) const;

  KernelSource source_;
  std::string key_;
  sycl::context context_;
  std::vector<sycl::device> devices_;
};

}  // namespace dcn::runtime
