// The input as the pickle of a zip checkpoint with two small storages. In a whole zip a changed pickle would mostly
// fail the archive's checksum and never be interpreted.
#include "checkpoint/formats.hpp"
#include "checkpoint/memory.hpp"
#include "checkpoint/state_dict.hpp"
#include "fuzz.hpp"

namespace {

using namespace dcn::checkpoint;

/// Storages of any key whose sizes the pickle may choose up to a limit.
class AnyStorage : public StorageSource {
 public:
  std::shared_ptr<const std::byte[]> read(std::string_view key, std::uint64_t bytes, MemoryBudget& budget) override {
    constexpr std::uint64_t kLongest = 4096;
    if (bytes > kLongest) throw dcn::Error(dcn::ErrorCode::kBadFile, "storage too long");
    const std::shared_ptr<std::byte[]> data = budget.allocate(bytes, key);
    for (std::uint64_t i = 0; i < bytes; ++i) data[static_cast<std::ptrdiff_t>(i)] = static_cast<std::byte>(i);
    return data;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const LoadLimits limits{.max_tensor_bytes = std::uint64_t{16} << 20, .max_objects = 100'000};
    ByteReader reader(std::as_bytes(std::span(data, size)));
    Heap heap(limits);
    const Ref root = read_pickle(reader, heap);
    MemoryBudget budget(limits, size);
    AnyStorage storages;
    const Checkpoint checkpoint = read_state_dict(heap, root, storages, budget);
    for (const auto& [name, tensor] : checkpoint.tensors) fuzz::touch(tensor);
  } catch (const dcn::Error& error) {
    fuzz::require(error.code() == dcn::ErrorCode::kBadFile);
  }
  return 0;
}
