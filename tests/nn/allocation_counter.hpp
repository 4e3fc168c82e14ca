/// \file allocation_counter.hpp
/// Counts allocations of this process between construction and a question, by standing between the program and the
/// allocators: sycl::aligned_alloc_device and its kin, and malloc and its kin.
#pragma once

#include <cstddef>

namespace dcn::test {

class AllocationCounter {
 public:
  /// Host allocations from this size on count: tensors, not the small change of the SYCL runtime.
  static constexpr std::size_t kLarge = 16384;

  AllocationCounter();
  /// USM allocations of any kind and size since construction.
  [[nodiscard]] std::size_t device_allocations() const;
  [[nodiscard]] std::size_t large_host_allocations() const;

 private:
  std::size_t device_before_, host_before_;
};

}  // namespace dcn::test
