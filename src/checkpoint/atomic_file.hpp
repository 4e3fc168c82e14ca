/// \file atomic_file.hpp
/// Output files that are either complete under their final name or not there.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace dcn::checkpoint {

/// Writes to a temporary file beside `path`, which commit() renames. Without commit() nothing is left behind.
/// Every error is an Error kIo that names `path` and says what to do.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(std::span<const std::byte> bytes);
  /// Flushes to the disk, then renames over whatever had the name.
  void commit();

 private:
  [[noreturn]] void fail(int error) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
};

}  // namespace dcn::checkpoint
