/// \file state_dict.hpp
/// From the objects of a pickle to named, dense tensors.
#pragma once

#include <memory>
#include <string_view>

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/memory.hpp"
#include "checkpoint/pickle.hpp"

namespace dcn::checkpoint {

/// Where the bytes of storages come from: an entry of a zip, or a place behind the pickles.
class StorageSource {
 public:
  StorageSource() = default;
  StorageSource(const StorageSource&) = delete;
  StorageSource& operator=(const StorageSource&) = delete;
  virtual ~StorageSource() = default;
  /// A copy of the storage `key`, which must hold exactly `bytes` bytes; memory comes from `budget`.
  virtual std::shared_ptr<const std::byte[]> read(std::string_view key, std::uint64_t bytes, MemoryBudget& budget) = 0;
};

/// Finds the state dict in `root` (itself, or under "state_dict" and its synonyms), and reads its tensors. Tensors
/// that share a storage and are dense in it share its memory; others are copied dense.
/// \throws Error kBadFile naming the tensor.
Checkpoint read_state_dict(const Heap& heap, Ref root, StorageSource& source, MemoryBudget& budget);

}  // namespace dcn::checkpoint
