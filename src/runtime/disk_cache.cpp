#include "runtime/disk_cache.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <set>
#include <system_error>

#include "runtime/sha256.hpp"
#include "runtime/verbose.hpp"

namespace dcn::runtime {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "SYCLDCN\n";
constexpr std::string_view kSuffix = ".kernel";
constexpr std::string_view kTemporary = ".tmp";
constexpr std::size_t kMaxEntryBytes = std::size_t{64} << 20U;
/// A temporary file this old belongs to a process that died.
constexpr auto kAbandoned = std::chrono::hours(1);

/// Start of an entry; then the key, then the content. Written and read on the same kind of machine, since the key
/// names it.
struct Header {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t key_bytes;
  std::uint64_t content_bytes;
  Sha256 checksum;  ///< of key and content
};
static_assert(sizeof(Header) == 56);

class File {
 public:
  File(const fs::path& path, int flags) : descriptor_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }
  [[nodiscard]] int descriptor() const { return descriptor_; }

  /// All of `size` bytes, or false.
  bool read(char* to, std::size_t size) const {
    while (size > 0) {
      const ssize_t n = ::read(descriptor_, to, size);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      to += n;
      size -= static_cast<std::size_t>(n);
    }
    return true;
  }
  bool write(const char* from, std::size_t size) const {
    while (size > 0) {
      const ssize_t n = ::write(descriptor_, from, size);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      from += n;
      size -= static_cast<std::size_t>(n);
    }
    return true;
  }

 private:
  int descriptor_;
};

Sha256 checksum(std::string_view key, const std::vector<char>& content) {
  std::string bytes;
  bytes.reserve(key.size() + content.size());
  bytes.append(key).append(content.data(), content.size());
  return sha256(bytes);
}

/// Why an entry is not to be trusted; empty when it is.
std::string read_entry(const File& file, std::string_view key, std::vector<char>& content) {
  struct stat info{};
  if (::fstat(file.descriptor(), &info) != 0 || !S_ISREG(info.st_mode)) return "not a file";
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size < sizeof(Header)) return "too short";
  if (size > kMaxEntryBytes) return "too long";
  Header header{};
  std::array<char, sizeof(Header)> raw{};
  if (!file.read(raw.data(), raw.size())) return "unreadable";
  std::memcpy(&header, raw.data(), raw.size());
  if (std::string_view(header.magic.data(), header.magic.size()) != kMagic) return "not a kernel cache entry";
  if (header.version != DiskCache::kFormatVersion) return fmt::format("format version {}", header.version);
  if (header.key_bytes != key.size() || size - sizeof(Header) < key.size() ||
      header.content_bytes != size - sizeof(Header) - key.size()) {
    return "lengths do not add up";
  }
  std::string stored(header.key_bytes, '\0');
  content.resize(header.content_bytes);
  if (!file.read(stored.data(), stored.size()) || !file.read(content.data(), content.size())) return "unreadable";
  if (stored != key) return "made for another key";
  if (checksum(key, content) != header.checksum) return "wrong checksum";
  return {};
}

}  // namespace

DiskCache::DiskCache(fs::path folder, std::uint64_t limit) : folder_(std::move(folder)), limit_(limit) {}

fs::path DiskCache::default_folder() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return fs::path(value == nullptr ? "" : value);
  };
  if (const fs::path own = variable("DCN_CACHE_DIR"); !own.empty()) return own;
  if (const fs::path base = variable("XDG_CACHE_HOME"); base.is_absolute()) return base / "sycl-dcn";
  if (const fs::path home = variable("HOME"); home.is_absolute()) return home / ".cache" / "sycl-dcn";
  return {};
}

const DiskCache& DiskCache::instance() {
  static const DiskCache cache(default_folder());
  return cache;
}

const DiskCache& DiskCache::of_build() {
  static const DiskCache cache([] {
    Dl_info where{};
    if (dladdr(reinterpret_cast<void*>(&DiskCache::instance), &where) == 0 || where.dli_fname == nullptr)
      return fs::path();
    return fs::path(where.dli_fname).parent_path() / "sycl-dcn" / "kernels";
  }());
  return cache;
}

fs::path DiskCache::path_of(std::string_view key) const { return folder_ / (to_hex(sha256(key)).append(kSuffix)); }

std::optional<std::vector<char>> DiskCache::load(std::string_view key) const {
  if (folder_.empty()) return std::nullopt;
  const fs::path path = path_of(key);
  const File file(path, O_RDONLY);
  if (!file.is_open()) return std::nullopt;
  std::vector<char> content;
  const std::string why = read_entry(file, key, content);
  if (!why.empty()) {
    verbose(Topic::kCompile, "cache entry {} is not used: {}", path.string(), why);
    return std::nullopt;
  }
  ::futimens(file.descriptor(), nullptr);  // last use, for trim(); no harm where it is not allowed
  return content;
}

void DiskCache::store(std::string_view key, const std::vector<char>& content) const {
  if (folder_.empty()) return;
  const fs::path path = path_of(key);
  const auto report = [&](std::string_view step, int error) {
    verbose(Topic::kCompile, "not cached: {} {}: {}", step, path.string(), std::generic_category().message(error));
  };
  std::error_code error;
  fs::create_directories(folder_.parent_path(), error);
  // Native code is loaded from here into the process: nobody else may write it.
  if (::mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST) return report("mkdir for", errno);

  Header header{.magic = {},
                .version = kFormatVersion,
                .key_bytes = static_cast<std::uint32_t>(key.size()),
                .content_bytes = content.size(),
                .checksum = checksum(key, content)};
  kMagic.copy(header.magic.data(), header.magic.size());
  std::array<char, sizeof(Header)> raw{};
  std::memcpy(raw.data(), &header, raw.size());

  static std::atomic<unsigned> counter{0};
  const fs::path temporary = path.string() + fmt::format(".{}.{}{}", ::getpid(), counter++, kTemporary);
  bool written = false;
  {
    const File file(temporary, O_WRONLY | O_CREAT | O_EXCL);
    if (!file.is_open()) return report("open", errno);
    written = file.write(raw.data(), raw.size()) && file.write(key.data(), key.size()) &&
              file.write(content.data(), content.size());
    if (!written) report("write", errno);
  }
  if (written && ::rename(temporary.c_str(), path.c_str()) == 0) return trim();
  if (written) report("rename to", errno);
  ::unlink(temporary.c_str());
}

void DiskCache::keep_only(const std::vector<std::string>& keys) const {
  std::set<fs::path> kept;
  for (const std::string& key : keys) kept.insert(path_of(key));
  std::error_code error;
  for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
    std::error_code gone;
    if (it->path().extension() == kSuffix && !kept.contains(it->path())) fs::remove(it->path(), gone);
  }
}

void DiskCache::trim() const {
  struct Entry {
    fs::path path;
    fs::file_time_type used;
    std::uint64_t bytes;
  };
  std::vector<Entry> entries;
  std::uint64_t total = 0;
  std::error_code error;
  const auto now = fs::file_time_type::clock::now();
  // Other processes add and remove files meanwhile: every step may fail, and then that file is not ours to count.
  for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
    std::error_code gone;
    const fs::path& path = it->path();
    const Entry entry{path, fs::last_write_time(path, gone), fs::file_size(path, gone)};
    if (gone) continue;
    if (path.extension() == kTemporary && now - entry.used > kAbandoned) fs::remove(path, gone);
    if (path.extension() != kSuffix) continue;
    total += entry.bytes;
    entries.push_back(entry);
  }
  if (total <= limit_) return;
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.used < b.used; });
  for (const Entry& entry : entries) {
    if (total <= limit_) break;
    fs::remove(entry.path, error);
    total -= entry.bytes;
    verbose(Topic::kCompile, "cache is over {} bytes: removed {}", limit_, entry.path.string());
  }
}

}  // namespace dcn::runtime
