#include "cli/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

#include "dcn/status.hpp"

namespace dcn::cli {
namespace {

constexpr std::size_t kBufferSize = std::size_t{1} << 18;

[[noreturn]] void fail_io(const std::filesystem::path& path, int error_number) {
  throw Error(ErrorCode::kIo, write_error(path, error_number));
}

/// write(2) until all is written.
void write_all(int descriptor, std::string_view text, const std::filesystem::path& name) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      fail_io(name, errno);
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// Where the name leads, so that a rename replaces the file and not a link to it.
std::filesystem::path resolved(const std::filesystem::path& name) {
  std::error_code status;
  std::filesystem::path target = std::filesystem::weakly_canonical(name, status);
  return status || target.empty() ? name : target;
}

}  // namespace

std::filesystem::path temporary_name(const std::filesystem::path& final_name) {
  const std::filesystem::path target = resolved(final_name);
  return target.parent_path() /
         fmt::format(".{}.part-{}{}", target.stem().string(), ::getpid(), target.extension().string());
}

std::string write_error(const std::filesystem::path& path, int error_number) {
  const char* remedy = "choose another place";
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      remedy = "free some space there, or choose another place";
      break;
    case EFBIG:
      remedy = "raise the limit on file sizes (ulimit -f), or choose another file system";
      break;
    case ENOENT:
      remedy = "make the folder first, or choose another one";
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      remedy = "choose a folder that you may write to";
      break;
    case EISDIR:
      remedy = "give the name of a file";
      break;
    case ENOTDIR:
    case EEXIST:
      remedy = "a file has the name of a folder: choose another name";
      break;
    default:
      break;
  }
  return fmt::format("{}: cannot be written: {}: {}", path == "-" ? "standard output" : path.string(),
                     std::strerror(error_number), remedy);
}

TemporaryFile::TemporaryFile(const std::filesystem::path& final_name)
    : final_name_(resolved(final_name)), path_(temporary_name(final_name)) {}

TemporaryFile::~TemporaryFile() {
  std::error_code ignored;
  if (!committed_) std::filesystem::remove(path_, ignored);
}

void TemporaryFile::commit() {
  std::error_code status;
  std::filesystem::rename(path_, final_name_, status);
  if (status) fail_io(final_name_, status.value());
  committed_ = true;
}

OutputFile::OutputFile(const std::string& name) : name_(name) {
  if (name == "-") {
    std::fflush(stdout);
    descriptor_ = ::dup(STDOUT_FILENO);
    if (descriptor_ < 0) fail_io(name_, errno);
    return;
  }
  std::error_code ignored;
  const auto status = std::filesystem::status(name_, ignored);
  if (std::filesystem::is_directory(status)) fail_io(name_, EISDIR);
  const bool special = std::filesystem::exists(status) && !std::filesystem::is_regular_file(status);
  if (!special) temporary_ = temporary_name(name_);
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (special ? 0 : O_TRUNC);
  descriptor_ = ::open((special ? name_ : temporary_).c_str(), flags, 0666);
  if (descriptor_ < 0) {
    temporary_.clear();
    fail_io(name_, errno);
  }
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  std::error_code ignored;
  if (!temporary_.empty()) std::filesystem::remove(temporary_, ignored);
}

void OutputFile::write(std::string_view text) {
  buffer_ += text;
  if (buffer_.size() >= kBufferSize) flush();
}

void OutputFile::flush() {
  write_all(descriptor_, buffer_, name_);
  buffer_.clear();
}

void OutputFile::commit() {
  flush();
  // Some file systems report a full disk only here.
  if (::close(std::exchange(descriptor_, -1)) != 0) fail_io(name_, errno);
  if (temporary_.empty()) return;
  std::error_code status;
  std::filesystem::rename(temporary_, resolved(name_), status);
  if (status) fail_io(name_, status.value());
  temporary_.clear();
}

void write_file(const std::string& name, std::string_view content) {
  OutputFile file(name);
  file.write(content);
  file.commit();
}

void prepare_folder(const std::filesystem::path& folder) {
  std::error_code status;
  std::filesystem::create_directories(folder, status);
  if (status) fail_io(folder, status.value());
  if (!std::filesystem::is_directory(folder, status)) fail_io(folder, ENOTDIR);
  const std::filesystem::path probe = temporary_name(folder / "probe");
  const int descriptor = ::open(probe.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0) fail_io(folder, errno);
  ::close(descriptor);
  std::filesystem::remove(probe, status);
}

void flush_standard_output() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) fail_io("-", errno == 0 ? EIO : errno);
}

}  // namespace dcn::cli
