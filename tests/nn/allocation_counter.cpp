#include "allocation_counter.hpp"

#include <dlfcn.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <sycl/sycl.hpp>

namespace {

std::atomic<std::size_t> usm_allocations{0};
std::atomic<std::size_t> large_allocations{0};

void count_host(std::size_t bytes) {
  if (bytes >= dcn::test::AllocationCounter::kLarge) ++large_allocations;
}

/// The function of this name in the library that this program's own definition hides.
template <typename Function>
Function* hidden(const char* mangled) {
  void* symbol = dlsym(RTLD_NEXT, mangled);
  if (symbol == nullptr) std::abort();  // the runtime has other signatures: adapt the definitions below
  return reinterpret_cast<Function*>(symbol);
}

}  // namespace

// Definitions in the program come before those of shared libraries, also for calls that libraries make.

extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);

void* malloc(std::size_t bytes) {
  count_host(bytes);
  return __libc_malloc(bytes);
}

int posix_memalign(void** pointer, std::size_t alignment, std::size_t bytes) {
  count_host(bytes);
  *pointer = __libc_memalign(alignment, bytes);
  return *pointer == nullptr ? ENOMEM : 0;
}

void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  count_host(bytes);
  return __libc_memalign(alignment, bytes);
}
}

namespace sycl {
inline namespace _V1 {

// What libdcn calls.
void* aligned_alloc_device(std::size_t alignment, std::size_t bytes, const queue& q,
                           const detail::code_location& location) {
  ++usm_allocations;
  static auto* const next = hidden<void*(std::size_t, std::size_t, const queue&, const detail::code_location&)>(
      "_ZN4sycl3_V120aligned_alloc_deviceEmmRKNS0_5queueERKNS0_6detail13code_locationE");
  return next(alignment, bytes, q, location);
}

// What oneDNN calls.
void* malloc_shared(std::size_t bytes, const device& d, const context& c, const detail::code_location& location) {
  ++usm_allocations;
  static auto* const next = hidden<void*(std::size_t, const device&, const context&, const detail::code_location&)>(
      "_ZN4sycl3_V113malloc_sharedEmRKNS0_6deviceERKNS0_7contextERKNS0_6detail13code_locationE");
  return next(bytes, d, c, location);
}

void* malloc_device(std::size_t bytes, const device& d, const context& c, const detail::code_location& location) {
  ++usm_allocations;
  static auto* const next = hidden<void*(std::size_t, const device&, const context&, const detail::code_location&)>(
      "_ZN4sycl3_V113malloc_deviceEmRKNS0_6deviceERKNS0_7contextERKNS0_6detail13code_locationE");
  return next(bytes, d, c, location);
}

void* malloc_host(std::size_t bytes, const context& c, const detail::code_location& location) {
  ++usm_allocations;
  static auto* const next = hidden<void*(std::size_t, const context&, const detail::code_location&)>(
      "_ZN4sycl3_V111malloc_hostEmRKNS0_7contextERKNS0_6detail13code_locationE");
  return next(bytes, c, location);
}

}  // namespace _V1
}  // namespace sycl

namespace dcn::test {

AllocationCounter::AllocationCounter() : device_before_(usm_allocations), host_before_(large_allocations) {}

std::size_t AllocationCounter::device_allocations() const { return usm_allocations - device_before_; }
std::size_t AllocationCounter::large_host_allocations() const { return large_allocations - host_before_; }

}  // namespace dcn::test
