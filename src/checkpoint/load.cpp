#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>

#include "checkpoint/byte_reader.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/formats.hpp"
#include "checkpoint/limits.hpp"
#include "checkpoint/memory.hpp"
#include "checkpoint/text.hpp"
#include "dcn/status.hpp"

namespace dcn::checkpoint {
namespace {

constexpr std::size_t kHead = 512;  // enough to recognise any format

[[noreturn]] void fail_io(std::string_view what, int error) {
  const std::string_view remedy = error == ENOENT   ? "; check the path"
                                  : error == EACCES ? "; check its permissions"
                                                    : "";
  throw Error(ErrorCode::kIo, fmt::format("{}: {}{}", what, std::strerror(error), remedy));
}

/// A regular file, open for reading. Read and not mapped: a file that another program rewrites meanwhile, such as a
/// training's latest checkpoint, then ends in an error instead of a bus error.
class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path)
      : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (descriptor_ < 0) fail_io("cannot be opened", errno);
    struct stat info{};
    const bool known = ::fstat(descriptor_, &info) == 0;
    if (!known || !S_ISREG(info.st_mode)) {
      ::close(descriptor_);
      throw Error(ErrorCode::kIo, known && S_ISDIR(info.st_mode) ? "is a folder; give a checkpoint file in it"
                                                                 : "is not a regular file; give a checkpoint file");
    }
    size_ = static_cast<std::uint64_t>(info.st_size);
  }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile() { ::close(descriptor_); }

  [[nodiscard]] std::uint64_t size() const { return size_; }

  /// The first `count` bytes. \throws Error kIo if the file is not that long any more.
  void read(std::span<std::byte> target) const {
    std::size_t done = 0;
    while (done < target.size()) {
      constexpr std::size_t kChunk = std::size_t{64} << 20;
      const ssize_t count =
          ::pread(descriptor_, target.data() + done, std::min(target.size() - done, kChunk), static_cast<off_t>(done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail_io("cannot be read", errno);
      if (count == 0) throw Error(ErrorCode::kIo, "became shorter while it was read; try again when it is complete");
      done += static_cast<std::size_t>(count);
    }
  }

 private:
  int descriptor_;
  std::uint64_t size_ = 0;
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
[[noreturn]] void refuse(std::string_view head, std::uint64_t size) {
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

using Reader = Checkpoint (*)(std::span<const std::byte>, const LoadLimits&);

/// The reader for a file of `size` bytes that begins with `head`. \throws Error kBadFile if there is none.
Reader recognise(std::span<const std::byte> head_bytes, std::uint64_t size) {
  const std::string_view head(reinterpret_cast<const char*>(head_bytes.data()), head_bytes.size());
  // First, because a header of 640 bytes looks like the beginning of a pickle; the others never look like this.
  if (is_safetensors(head_bytes)) return load_safetensors;
  if (head.starts_with("PK\x03\x04") || head.starts_with("PK\x05\x06")) return load_pth_zip;
  if (head.size() > 1 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5) return load_pth_legacy;
  refuse(head, size);
}

Checkpoint load_file(const std::filesystem::path& path, const LoadLimits& limits) {
  const InputFile file(path);
  std::array<std::byte, kHead> head_buffer{};
  const auto head = std::span(head_buffer).first(std::min<std::uint64_t>(file.size(), kHead));
  file.read(head);
  const Reader reader = recognise(head, file.size());

  // A training checkpoint holds the optimizer's state as well, a few times the weights.
  constexpr std::uint64_t kFilePerTensors = 4;
  if (file.size() / kFilePerTensors > limits.max_tensor_bytes) {
    fail(fmt::format("the file has {} bytes, at most {} times the {} bytes of tensors are accepted", file.size(),
                     kFilePerTensors, limits.max_tensor_bytes));
  }
  const std::shared_ptr<std::byte[]> bytes = allocate_aligned(file.size(), "the file");
  const std::span<std::byte> content(bytes.get(), static_cast<std::size_t>(file.size()));
  file.read(content);
  return reader(content, limits);
}

/// What `load_it` gives, with the file's name in front of each error.
template <typename Load>
Checkpoint named(const std::string& name, Load load_it) {
  try {
    return load_it();
  } catch (const Error& error) {
    throw error.in(name);
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kOutOfMemory, fmt::format("{}: not enough memory to read it", name));
  }
}

}  // namespace

std::int64_t Tensor::elements() const noexcept {
  std::int64_t count = 1;
  for (const std::int64_t size : sizes) count *= size;
  return count;
}

Checkpoint load(std::span<const std::byte> bytes, const std::string& name, const LoadLimits& limits) {
  return named(name,
               [&] { return recognise(bytes.first(std::min(bytes.size(), kHead)), bytes.size())(bytes, limits); });
}

Checkpoint load(const std::filesystem::path& file, const LoadLimits& limits) {
  return named(file.string(), [&] { return load_file(file, limits); });
}

}  // namespace dcn::checkpoint
