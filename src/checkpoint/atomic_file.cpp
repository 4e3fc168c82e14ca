#include "checkpoint/atomic_file.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "dcn/status.hpp"

namespace dcn::checkpoint {
namespace {

/// Where to write, if `path` leads there through symbolic links: the link stays one.
std::filesystem::path resolve_links(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_symlink(path, error)) return path;
  std::filesystem::path target = std::filesystem::weakly_canonical(path, error);
  return error ? path : target;
}

std::string_view remedy(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return "; free some space or write to another disk";
    case EACCES:
    case EPERM:
    case EROFS:
      return "; choose a folder that you may write to";
    case ENOENT:
    case ENOTDIR:
      return "; create the folder first";
    default:
      return "";
  }
}

}  // namespace

AtomicFile::AtomicFile(const std::filesystem::path& path) : path_(resolve_links(path)) {
  struct stat info{};
  if (::stat(path_.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    throw Error(ErrorCode::kIo, fmt::format("{}: is {}; give the name of a file to write", path_.string(),
                                            S_ISDIR(info.st_mode) ? "a folder" : "not a regular file"));
  }
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    temporary_ = path_;
    temporary_.replace_filename(fmt::format(".{}.{}.{}.tmp", path_.filename().string(), ::getpid(), i));
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ >= 0 || errno != EEXIST) break;
  }
  if (descriptor_ < 0) fail(errno);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    constexpr std::size_t kChunk = std::size_t{64} << 20;
    const ssize_t count = ::write(descriptor_, bytes.data(), std::min(bytes.size(), kChunk));
    if (count < 0) {
      if (errno == EINTR) continue;
      fail(errno);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) fail(errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail(errno);
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) fail(errno);
  // The name itself reaches the disk with its folder; a folder that cannot be opened does not undo the file.
  const std::filesystem::path folder = path_.has_parent_path() ? path_.parent_path() : ".";
  if (const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); descriptor >= 0) {
    ::fsync(descriptor);
    ::close(descriptor);
  }
}

void AtomicFile::fail(int error) const {
  throw Error(ErrorCode::kIo,
              fmt::format("{}: cannot be written: {}{}", path_.string(), std::strerror(error), remedy(error)));
}

}  // namespace dcn::checkpoint
