#include <fmt/core.h>
#include <zip.h>

#include <memory>
#include <string>

#include "checkpoint/formats.hpp"
#include "checkpoint/limits.hpp"
#include "checkpoint/state_dict.hpp"
#include "dcn/status.hpp"

namespace dcn::checkpoint {
namespace {

constexpr std::string_view kPickleName = "data.pkl";

std::string message_of(zip_error_t* error) { return zip_error_strerror(error); }

/// A zip in memory. Entries come with their checksum verified.
class Archive {
 public:
  explicit Archive(std::span<const std::byte> file) {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t* source = zip_source_buffer_create(file.data(), file.size(), 0, &error);
    if (source != nullptr) {
      zip_.reset(zip_open_from_source(source, ZIP_RDONLY, &error));
      if (zip_ == nullptr) zip_source_free(source);
    }
    const std::string message = zip_ == nullptr ? message_of(&error) : "";
    zip_error_fini(&error);
    if (zip_ == nullptr) {
      fail(fmt::format("the zip archive is truncated or damaged ({}); copy or download the file again", message));
    }
  }

  [[nodiscard]] zip_int64_t entries() const { return zip_get_num_entries(zip_.get(), 0); }
  [[nodiscard]] std::string name(zip_int64_t index) const {
    const char* name = zip_get_name(zip_.get(), static_cast<zip_uint64_t>(index), ZIP_FL_ENC_RAW);
    return name == nullptr ? "" : name;
  }
  [[nodiscard]] zip_int64_t find(const std::string& name) const {
    return zip_name_locate(zip_.get(), name.c_str(), ZIP_FL_ENC_RAW);
  }

  /// Bytes of the entry, uncompressed, as the archive claims.
  [[nodiscard]] std::uint64_t size(zip_int64_t index) const { return stat(index).size; }

  /// All of an entry of `bytes` bytes. \throws Error kBadFile if it has more, less or a wrong checksum.
  [[nodiscard]] std::shared_ptr<std::byte[]> read(zip_int64_t index, std::uint64_t bytes, MemoryBudget& budget) const {
    const zip_stat_t info = stat(index);
    const std::string entry = printable(name(index));
    if (info.encryption_method != ZIP_EM_NONE) fail(fmt::format("zip entry {} is encrypted", entry));
    // Deflate shrinks by 1032 at most; this refuses impossible claims before memory is asked for.
    constexpr std::uint64_t kMaxRatio = 1032;
    const bool stored = info.comp_method == ZIP_CM_STORE;
    if (stored ? info.comp_size != info.size : info.size / kMaxRatio > info.comp_size) {
      fail(fmt::format("zip entry {} claims {} bytes out of {} stored", entry, info.size, info.comp_size));
    }
    const std::shared_ptr<std::byte[]> data = budget.allocate(bytes, fmt::format("zip entry {}", entry));
    const std::unique_ptr<zip_file_t, Closer> file(zip_fopen_index(zip_.get(), static_cast<zip_uint64_t>(index), 0));
    if (file == nullptr) fail(fmt::format("zip entry {}: {}", entry, zip_strerror(zip_.get())));
    std::uint64_t done = 0;
    while (done < bytes) {
      const zip_int64_t count = zip_fread(file.get(), data.get() + done, bytes - done);
      if (count < 0) damaged(entry, file.get());
      if (count == 0) break;
      done += static_cast<std::uint64_t>(count);
    }
    // libzip compares the checksum when it meets the end. PyTorch can be told not to compute any, and then writes 0:
    // such an entry is not read to its end.
    const bool unchecked = stored && info.crc == 0;
    std::byte beyond{};
    const zip_int64_t more = done == bytes && !unchecked ? zip_fread(file.get(), &beyond, 1) : 0;
    if (more < 0) damaged(entry, file.get());
    if (done != bytes || more != 0) {
      fail(fmt::format("zip entry {} has {} than the {} bytes expected", entry, more > 0 ? "more" : "less", bytes));
    }
    return data;
  }

 private:
  struct Closer {
    void operator()(zip_t* zip) const { zip_discard(zip); }
    void operator()(zip_file_t* file) const { zip_fclose(file); }
  };

  [[nodiscard]] zip_stat_t stat(zip_int64_t index) const {
    zip_stat_t info;
    zip_stat_init(&info);
    constexpr zip_uint64_t kNeeded =
        ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_CRC | ZIP_STAT_ENCRYPTION_METHOD;
    if (zip_stat_index(zip_.get(), static_cast<zip_uint64_t>(index), 0, &info) != 0 ||
        (info.valid & kNeeded) != kNeeded) {
      fail(fmt::format("zip entry {}: {}", index, zip_strerror(zip_.get())));
    }
    return info;
  }

  [[noreturn]] static void damaged(const std::string& entry, zip_file_t* file) {
    fail(fmt::format("zip entry {} is damaged ({}); copy or download the file again", entry, zip_file_strerror(file)));
  }

  std::unique_ptr<zip_t, Closer> zip_;
};

/// NAME/ in front of the archive's entries, from NAME/data.pkl.
std::string find_prefix(const Archive& archive) {
  bool script = false;
  std::string others;
  std::string prefix;
  bool found = false;
  for (zip_int64_t i = 0; i < archive.entries(); ++i) {
    const std::string name = archive.name(i);
    const std::size_t slash = name.find('/');
    const std::string rest = slash == std::string::npos ? name : name.substr(slash + 1);
    if (rest == kPickleName && !found) {
      found = true;
      prefix = name.substr(0, name.size() - rest.size());
    }
    script = script || rest.starts_with("code/") || rest == "constants.pkl";
    if (i < 4) others += (i == 0 ? "" : ", ") + printable(name);
  }
  if (script) {
    fail(
        "this is a TorchScript archive (a program with weights); save the weights alone in PyTorch: "
        "torch.save(torch.jit.load(\"FILE\").state_dict(), \"weights.pth\")");
  }
  if (!found) {
    fail(fmt::format("a zip archive, but not of torch.save: it has no data.pkl (it holds {})",
                     others.empty() ? "nothing" : others));
  }
  return prefix;
}

class ZipStorages : public StorageSource {
 public:
  ZipStorages(const Archive& archive, std::string prefix) : archive_(archive), prefix_(std::move(prefix)) {}

  std::shared_ptr<const std::byte[]> read(std::string_view key, std::uint64_t bytes, MemoryBudget& budget) override {
    const std::string entry = fmt::format("{}data/{}", prefix_, key);
    const zip_int64_t index = archive_.find(entry);
    if (index < 0) fail(fmt::format("zip entry {} is missing", printable(entry)));
    if (const std::uint64_t size = archive_.size(index); size != bytes) {
      fail(fmt::format("zip entry {} has {} bytes, the pickle says {}", printable(entry), size, bytes));
    }
    return archive_.read(index, bytes, budget);
  }

 private:
  const Archive& archive_;
  std::string prefix_;
};

}  // namespace

Checkpoint load_pth_zip(std::span<const std::byte> file, const LoadLimits& limits) {
  MemoryBudget budget(limits, file.size());
  const Archive archive(file);
  const std::string prefix = find_prefix(archive);

  if (const zip_int64_t order = archive.find(prefix + "byteorder"); order >= 0) {
    constexpr std::uint64_t kLongest = 16;
    const std::uint64_t size = archive.size(order);
    const auto text = size <= kLongest ? archive.read(order, size, budget) : nullptr;
    if (text == nullptr || std::string_view(reinterpret_cast<const char*>(text.get()), size) != "little") {
      fail("the tensors are not little-endian; re-save the file in PyTorch on a little-endian machine");
    }
  }

  const zip_int64_t pickle_entry = archive.find(prefix + std::string(kPickleName));
  const std::uint64_t pickle_bytes = archive.size(pickle_entry);
  const std::shared_ptr<std::byte[]> pickle = archive.read(pickle_entry, pickle_bytes, budget);
  ByteReader reader({pickle.get(), static_cast<std::size_t>(pickle_bytes)});
  Heap heap(limits);
  const Ref root = read_pickle(reader, heap);

  ZipStorages storages(archive, prefix);
  Checkpoint checkpoint = read_state_dict(heap, root, storages, budget);
  checkpoint.format = "pth-zip";
  return checkpoint;
}

}  // namespace dcn::checkpoint
