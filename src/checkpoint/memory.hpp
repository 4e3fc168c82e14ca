/// \file memory.hpp
/// Every large allocation that a file asks for is counted here first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.hpp"

namespace dcn::checkpoint {

/// 64-byte aligned memory, not initialised. \throws Error kOutOfMemory; `what` is what it was for.
std::shared_ptr<std::byte[]> allocate_aligned(std::uint64_t bytes, std::string_view what);

/// What one file may make us allocate: LoadLimits::max_tensor_bytes, and no more than a multiple of the file's own
/// size, which only compressed or deliberately expanding files exceed.
class MemoryBudget {
 public:
  MemoryBudget(const LoadLimits& limits, std::uint64_t file_bytes);

  /// allocate_aligned() within the budget. \throws Error kBadFile beyond it; `what` names the tensor or entry.
  std::shared_ptr<std::byte[]> allocate(std::uint64_t bytes, std::string_view what);

 private:
  std::uint64_t limit_;
  std::uint64_t used_ = 0;
};

/// Elements of a tensor of these sizes. \throws Error kBadFile for a negative size, or when elements * `element_bytes`
/// does not fit 63 bits; `name` is the tensor's.
std::int64_t checked_elements(const std::vector<std::int64_t>& sizes, std::size_t element_bytes, std::string_view name);

}  // namespace dcn::checkpoint
