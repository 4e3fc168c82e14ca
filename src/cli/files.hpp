/// \file files.hpp
/// Output files that are complete or absent: written under a temporary name beside the final one, then renamed.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace dcn::cli {

/// A name beside `final_name` that no other process uses, hidden, with the same extension (video containers are chosen
/// by it).
[[nodiscard]] std::filesystem::path temporary_name(const std::filesystem::path& final_name);

/// "PATH: cannot be written: REASON: REMEDY" for an errno value.
[[nodiscard]] std::string write_error(const std::filesystem::path& path, int error_number);

/// Removes a file unless told to keep it under its final name.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::filesystem::path& final_name);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  /// Where to write.
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  /// Renames. \throws Error kIo.
  void commit();

 private:
  std::filesystem::path final_name_, path_;
  bool committed_ = false;
};

/// A file written piece by piece. "-" is standard output; a device or a pipe is written directly.
class OutputFile {
 public:
  /// \throws Error kIo with the remedy when the file cannot be created.
  explicit OutputFile(const std::string& name);
  /// What was not committed disappears.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// Buffered. \throws Error kIo with the remedy (a full disk, ...).
  void write(std::string_view text);
  /// Writes what is left and gives the file its final name. \throws Error kIo.
  void commit();

 private:
  void flush();

  std::filesystem::path name_, temporary_;
  int descriptor_ = -1;
  std::string buffer_;
};

/// All at once. \throws Error kIo.
void write_file(const std::string& name, std::string_view content);

/// Makes the folder (and its parents) where it is missing, and tries to write into it.
/// \throws Error kIo with the remedy.
void prepare_folder(const std::filesystem::path& folder);

/// Everything printed so far reaches its destination. \throws Error kIo when it does not (a full disk behind `>`).
void flush_standard_output();

}  // namespace dcn::cli
