#include <fmt/core.h>

#include <string_view>
#include <unordered_map>

#include "checkpoint/formats.hpp"
#include "checkpoint/limits.hpp"
#include "checkpoint/state_dict.hpp"
#include "dcn/status.hpp"

namespace dcn::checkpoint {
namespace {

using Kind = Object::Kind;

constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";  // 0x1950a86a20f9469cfc6c
constexpr std::int64_t kProtocolVersion = 1001;

class LegacyStorages : public StorageSource {
 public:
  /// Finds the storages, which lie behind the pickles one after another in the order of `keys`.
  LegacyStorages(const Heap& heap, const Object& keys, ByteReader& reader) {
    std::unordered_map<std::string_view, const StorageRef*> known;
    for (const StorageRef& storage : heap.storages) known.emplace(storage.key, &storage);
    for (const Ref item : keys.items) {
      const Object& key = heap[item];
      const auto storage = key.kind == Kind::kString ? known.find(key.text) : known.end();
      if (storage == known.end()) fail("the list of storages names one that no tensor has");
      const StorageRef& ref = *storage->second;
      const auto count = reader.number<std::int64_t>("a storage's size");
      if (count != ref.total) {
        fail(fmt::format("storage {} at byte {} has {} elements, the pickle says {}", printable(ref.key),
                         reader.offset(), count, ref.total));
      }
      const std::size_t width = element_bytes(*ref.type);
      std::uint64_t bytes = 0;
      if (__builtin_mul_overflow(static_cast<std::uint64_t>(count), width, &bytes)) {
        fail(fmt::format("storage {} of {} elements", printable(ref.key), count));
      }
      places_.emplace(ref.key, reader.take(bytes, fmt::format("storage {}", printable(ref.key))));
    }
  }

  std::shared_ptr<const std::byte[]> read(std::string_view key, std::uint64_t bytes, MemoryBudget& budget) override {
    const auto place = places_.find(key);
    if (place == places_.end()) fail(fmt::format("storage {} is missing", printable(key)));
    if (place->second.size() != bytes) {
      fail(fmt::format("storage {} has {} bytes, the pickle says {}", printable(key), place->second.size(), bytes));
    }
    const std::shared_ptr<std::byte[]> data = budget.allocate(bytes, fmt::format("storage {}", printable(key)));
    if (bytes != 0) std::memcpy(data.get(), place->second.data(), bytes);
    return data;
  }

 private:
  std::unordered_map<std::string_view, std::span<const std::byte>> places_;
};

/// True when sys_info says that the writer was big-endian.
bool is_big_endian(const Heap& heap, const Object& sys_info) {
  for (std::size_t i = 0; i + 1 < sys_info.items.size(); i += 2) {
    const Object& key = heap[sys_info.items[i]];
    const Object& value = heap[sys_info.items[i + 1]];
    if (key.text == "little_endian" && value.kind == Kind::kBool) return value.integer == 0;
  }
  return false;
}

}  // namespace

Checkpoint load_pth_legacy(std::span<const std::byte> file, const LoadLimits& limits) {
  ByteReader reader(file);
  Heap heap(limits);

  const Ref magic = read_pickle(reader, heap);
  if (heap[magic].kind != Kind::kBigInt || heap[magic].text != kMagic) {
    fail(
        "a pickle, but not one of torch.save; save the weights in PyTorch: "
        "torch.save(model.state_dict(), \"weights.pth\")");
  }
  const Ref version = read_pickle(reader, heap);
  if (heap[version].kind != Kind::kInt || heap[version].integer != kProtocolVersion) {
    fail(fmt::format("a version of torch.save's format other than {}", kProtocolVersion));
  }
  const Ref sys_info = read_pickle(reader, heap);
  if (heap[sys_info].kind != Kind::kDict) fail("the description of the writing system is not a dict");
  if (is_big_endian(heap, heap[sys_info])) {
    fail("the tensors are not little-endian; re-save the file in PyTorch on a little-endian machine");
  }
  const Ref root = read_pickle(reader, heap);
  const Ref keys = read_pickle(reader, heap);
  if (heap[keys].kind != Kind::kList) fail("the list of storages is not a list");

  LegacyStorages storages(heap, heap[keys], reader);
  MemoryBudget budget(limits, file.size());
  Checkpoint checkpoint = read_state_dict(heap, root, storages, budget);
  checkpoint.format = "pth-legacy";
  return checkpoint;
}

}  // namespace dcn::checkpoint
