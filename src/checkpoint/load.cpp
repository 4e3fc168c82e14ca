#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <optional>

#include "checkpoint/byte_reader.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/formats.hpp"
#include "checkpoint/text.hpp"
#include "dcn/status.hpp"

namespace dcn::checkpoint {
namespace {

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorCode::kBadFile, message); }

/// A whole regular file, mapped: parts that nobody reads, such as an optimizer's state, are never fetched.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) throw_errno("cannot be opened");
    struct stat info{};
    if (::fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
      ::close(descriptor);
      throw Error(ErrorCode::kIo, S_ISDIR(info.st_mode) ? "is a folder; give a checkpoint file in it"
                                                        : "is not a regular file; give a checkpoint file");
    }
    size_ = static_cast<std::size_t>(info.st_size);
    if (size_ > 0) {
      data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
      const int error = errno;
      ::close(descriptor);
      if (data_ == MAP_FAILED) {
        errno = error;
        throw_errno("cannot be read");
      }
    } else {
      ::close(descriptor);
    }
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
    if (size_ > 0) ::munmap(data_, size_);
  }

  [[nodiscard]] std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), size_}; }

 private:
  [[noreturn]] static void throw_errno(std::string_view what) {
    const int error = errno;
    const std::string_view remedy = error == ENOENT   ? "; check the path"
                                    : error == EACCES ? "; check its permissions"
                                                      : "";
    throw Error(ErrorCode::kIo, fmt::format("{}: {}{}", what, std::strerror(error), remedy));
  }

  void* data_ = nullptr;
  std::size_t size_ = 0;
};

bool is_text(std::string_view head) {
  for (const char c : head) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 && c != '\n' && c != '\r' && c != '\t') return false;
  }
  // The head may end inside a character.
  for (std::size_t cut = 0; cut < 4 && cut < head.size(); ++cut) {
    if (is_utf8(head.substr(0, head.size() - cut))) return true;
  }
  return false;
}

bool is_markup(std::string_view head) {
  const std::size_t first = head.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || head[first] != '<') return false;
  std::string lower(head.substr(first));
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower.starts_with("<!doctype") || lower.starts_with("<html") || lower.starts_with("<?xml") ||
         lower.starts_with("<head") || lower.starts_with("<error");
}

bool is_safetensors(std::span<const std::byte> file) {
  if (file.size() <= sizeof(std::uint64_t)) return false;
  return static_cast<char>(file[sizeof(std::uint64_t)]) == '{' &&
         ByteReader(file).number<std::uint64_t>("the header's length") < std::uint64_t{1} << 40;
}

/// Files that people really do give instead of a checkpoint.
[[noreturn]] void refuse(std::string_view head, std::size_t size) {
  if (size == 0) fail("the file is empty; copy or download it again");
  if (head.starts_with("version https://git-lfs.github.com/")) {
    fail("this is a Git LFS pointer, not the checkpoint itself; fetch it: git lfs pull");
  }
  if (is_markup(head)) {
    fail(
        "this is a web page, not a checkpoint (a download that led to a log-in, quota or error page?); download the "
        "file itself");
  }
  constexpr std::size_t kTarMagic = 257;
  if (head.size() > kTarMagic && head.substr(kTarMagic).starts_with("ustar")) {
    fail(
        "a tar archive; if it is a checkpoint from before PyTorch 0.1.10, which is not supported, re-save it in "
        "PyTorch: torch.save(torch.load(\"FILE\", weights_only=False), \"weights.pth\")");
  }
  if (head.starts_with("\x1f\x8b")) fail("the file is gzip-compressed; decompress it first: gunzip");
  if (head.starts_with("\x89HDF")) fail("an HDF5 (Keras) file, expected a PyTorch .pth or a safetensors file");
  if (head.starts_with("\x93NUMPY")) fail("a NumPy array, expected a PyTorch .pth or a safetensors file");
  if (is_text(head)) {
    fail(fmt::format("this is a text file (it begins with \"{}\"), expected a PyTorch .pth or a safetensors file",
                     printable(head.substr(0, std::min<std::size_t>(head.find('\n'), 40)))));
  }
  std::string bytes;
  for (const char c : head.substr(0, 8)) bytes += fmt::format(" {:02x}", static_cast<unsigned char>(c));
  fail(fmt::format("not a checkpoint: it begins with the bytes{}; expected a PyTorch .pth or a safetensors file",
                   bytes));
}

Checkpoint load_any(std::span<const std::byte> file, const LoadLimits& limits) {
  constexpr std::size_t kHead = 512;
  const std::string_view head(reinterpret_cast<const char*>(file.data()), std::min(file.size(), kHead));
  // First, because a header of 640 bytes looks like the beginning of a pickle; the others never look like this.
  if (is_safetensors(file)) return load_safetensors(file, limits);
  if (head.starts_with("PK\x03\x04") || head.starts_with("PK\x05\x06")) return load_pth_zip(file, limits);
  if (head.size() > 1 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5) return load_pth_legacy(file, limits);
  refuse(head, file.size());
}

}  // namespace

std::int64_t Tensor::elements() const noexcept {
  std::int64_t count = 1;
  for (const std::int64_t size : sizes) count *= size;
  return count;
}

Checkpoint load(std::span<const std::byte> bytes, const std::string& name, const LoadLimits& limits) {
  try {
    return load_any(bytes, limits);
  } catch (const Error& error) {
    throw error.in(name);
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kOutOfMemory, fmt::format("{}: not enough memory to read it", name));
  }
}

Checkpoint load(const std::filesystem::path& file, const LoadLimits& limits) {
  std::optional<MappedFile> mapped;
  try {
    mapped.emplace(file);
  } catch (const Error& error) {
    throw error.in(file.string());
  }
  return load(mapped->bytes(), file.string(), limits);
}

}  // namespace dcn::checkpoint
