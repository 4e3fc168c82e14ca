#include "runtime/kernel.hpp"

#include <fmt/format.h>

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <sycl/sycl.hpp>

#include "dcn/status.hpp"
#include "runtime/compiler.hpp"
#include "runtime/cuda_code.hpp"
#include "runtime/disk_cache.hpp"
#include "runtime/kernel_key.hpp"
#include "runtime/native.hpp"
#include "runtime/prebuilt.hpp"
#include "runtime/sycl_error.hpp"
#include "runtime/verbose.hpp"

namespace dcn::runtime {

namespace {

/// One compiled kernel file on one device and context.
struct Slot {
  std::mutex mutex;  ///< held while building: others who want the same file wait instead of building it again
  std::optional<sycl::context> context;  ///< keeps the context's identity, which is part of the slot's name, taken
  std::optional<LoadedBundle> bundle;
  std::map<std::string, std::shared_ptr<sycl::kernel>, std::less<>> kernels;
  std::map<std::string, std::size_t, std::less<>> words;  ///< Kernel::words of every entry; empty: 0

  [[nodiscard]] Kernel take(std::string_view entry, KernelOrigin origin) const {
    const auto count = words.find(entry);
    return {kernels.find(entry)->second, std::string(entry), origin, count == words.end() ? 0 : count->second};
  }
};

/// The slots of this process. Leaked: destroying kernels while the process exits aborts in some drivers.
class Memory {
 public:
  static Memory& get() {
    static auto* memory = new Memory;
    return *memory;
  }

  Slot& slot(const Queue& queue, const KernelRequest& request) {
    const sycl::context context = queue.native().get_context();
    std::string name = fmt::format("{:x} {:x} {} {}\n{}", std::hash<sycl::context>{}(context),
                                   std::hash<sycl::device>{}(queue.native().get_device()), request.source,
                                   join_options(compile_options(request.macros, request.options)), request.text);
    const std::scoped_lock lock(mutex_);
    std::unique_ptr<Slot>& slot = slots_[std::move(name)];
    if (!slot) {
      slot = std::make_unique<Slot>();
      slot->context = context;
    }
    return *slot;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Slot>> slots_;
};

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

std::shared_ptr<sycl::kernel> take_kernel(Executable& bundle, std::string_view file, std::string_view entry) {
  const std::string name(entry);
  if (!bundle.ext_oneapi_has_kernel(name)) {
    throw Error(ErrorCode::kInternal, fmt::format("kernel file {} has no entry '{}'", file, entry));
  }
  return std::make_shared<sycl::kernel>(bundle.ext_oneapi_get_kernel(name));
}

/// Builds one kernel file for one queue, from the cheapest origin that works.
class Builder {
 public:
  Builder(const Queue& queue, const KernelRequest& request)
      : queue_(queue), entry_(request.entry), code_(queue, prepare_source(request, queue.device())) {}

  /// Fills the slot with the bundle and the entry's kernel.
  KernelOrigin fill(Slot& slot) {
    if (from_cache(slot, DiskCache::instance())) return KernelOrigin::kDiskCache;
    if (from_cache(slot, DiskCache::of_build()) || from_prebuilt(slot)) return KernelOrigin::kBuiltIn;
    if (queue_.device().backend == "cuda") {
      take_ptx(slot);
      return KernelOrigin::kCompiled;
    }
    std::vector<char> object = compile_to_object(queue_, code_.source());
    try {
      link(slot, std::move(object));
    } catch (const sycl::exception& error) {
      // Code that calls the runtime's support library (conversions of sycl::ext::oneapi::bfloat16) links only as part
      // of a build in one go.
      verbose(Topic::kCompile, "{}: built in one go, since it does not link: {}", name(), error.what());
      build(slot);
    }
    return KernelOrigin::kCompiled;
  }

 private:
  bool from_cache(Slot& slot, const DiskCache& cache) {
    std::optional<LoadedBundle> bundle = code_.load(cache);
    if (!bundle) return false;
    try {
      keep(slot, *std::move(bundle));  // the driver looks at the code only here
      return true;
    } catch (const sycl::exception& error) {
      verbose(Topic::kCompile, "{}: the cached code is refused and will be rebuilt: {}", name(), error.what());
      return false;
    }
  }

  bool from_prebuilt(Slot& slot) {
    const std::string key = code_.source().key.to_text();
    for (const PrebuiltKernel& prebuilt : prebuilt_kernels()) {
      if (prebuilt.key != key) continue;
      try {
        link(slot, {prebuilt.content.begin(), prebuilt.content.end()});
        return true;
      } catch (const sycl::exception& error) {
        verbose(Topic::kCompile, "{}: the built-in code is refused: {}", name(), error.what());
        return false;
      }
    }
    return false;
  }

  /// PTX needs no link, but the driver must not see it before it is mended.
  void take_ptx(Slot& slot) {
    std::vector<char> content = compile_to_object(queue_, code_.source());
    try {
      LoadedBundle bundle = code_.read_ptx(std::move(content));
      const std::shared_ptr<std::vector<char>> bytes = bundle.bytes;
      keep(slot, std::move(bundle));
      DiskCache::instance().store(code_.key(), *bytes);
    } catch (const sycl::exception& error) {
      throw Error(ErrorCode::kCompile,
                  fmt::format("the driver of {} refuses the code of kernel file {}\noptions: {}\n{}",
                              queue_.device().name, name(), code_.source().key.options, error.what()));
    }
  }

  void build(Slot& slot) {
    LoadedBundle bundle{nullptr, std::nullopt, build_executable(queue_, code_.source())};
    code_.store(DiskCache::instance(), bundle);
    keep(slot, std::move(bundle));
  }

  void link(Slot& slot, std::vector<char> object) {
    LoadedBundle bundle = code_.link(std::move(object));
    code_.store(DiskCache::instance(), bundle);
    keep(slot, std::move(bundle));
  }

  void keep(Slot& slot, LoadedBundle bundle) const {
    slot.kernels[entry_] = take_kernel(bundle.executable, name(), entry_);
    if (queue_.device().backend == "cuda") slot.words = entry_words(code_.source().text);
    slot.bundle = std::move(bundle);
  }

  [[nodiscard]] const std::string& name() const { return code_.source().key.name; }

  const Queue& queue_;
  std::string entry_;
  NativeCode code_;
};

}  // namespace

std::string_view to_string(KernelOrigin origin) noexcept {
  switch (origin) {
    case KernelOrigin::kMemory:
      return "memory";
    case KernelOrigin::kDiskCache:
      return "disk cache";
    case KernelOrigin::kBuiltIn:
      return "built-in";
    case KernelOrigin::kCompiled:
      return "compiled";
  }
  return "unknown";
}

Kernel get_kernel(const Queue& queue, const KernelRequest& request) {
  Slot& slot = Memory::get().slot(queue, request);
  const std::scoped_lock lock(slot.mutex);
  const auto known = slot.kernels.find(request.entry);
  if (known != slot.kernels.end()) return slot.take(request.entry, KernelOrigin::kMemory);

  const auto start = std::chrono::steady_clock::now();
  KernelOrigin origin = KernelOrigin::kMemory;
  try {
    if (slot.bundle) {
      slot.kernels[std::string(request.entry)] = take_kernel(slot.bundle->executable, request.source, request.entry);
    } else {
      origin = Builder(queue, request).fill(slot);
    }
  } catch (const Error& error) {
    throw error.code() == ErrorCode::kCompile ? error.in(fmt::format("kernel {}", request.entry)) : error;
  } catch (const sycl::exception& error) {
    throw translate(error, fmt::format("kernel {} of {} on {}", request.entry, request.source, queue.device().name));
  }
  verbose(Topic::kCompile, "{} of {} [{}]: {}, {:.1f} ms", request.entry, request.source,
          join_options(compile_options(request.macros, request.options)), to_string(origin), milliseconds_since(start));
  return slot.take(request.entry, origin);
}

}  // namespace dcn::runtime
