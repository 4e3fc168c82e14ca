/// \file disk_cache.hpp
/// Compiled kernels on disk, shared by any number of processes. Free of SYCL headers.
///
/// One file per entry, named by the SHA-256 of its key. An entry holds its whole key and a checksum; one that is cut
/// short, damaged, of another format or for another key is treated as absent and written again. Files appear under
/// their final name complete (written aside, then renamed), so readers need no lock. A folder that cannot be written
/// costs speed, never an error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dcn::runtime {

class DiskCache {
 public:
  /// Part of every file; raised when the layout of an entry or the meaning of a key changes.
  static constexpr std::uint32_t kFormatVersion = 1;
  static constexpr std::uint64_t kDefaultLimit = std::uint64_t{256} << 20U;

  /// \param folder made when the first entry is stored; empty: the cache is off.
  /// \param limit bytes on disk; the entries used longest ago go first.
  explicit DiskCache(std::filesystem::path folder, std::uint64_t limit = kDefaultLimit);

  /// DCN_CACHE_DIR, else $XDG_CACHE_HOME/sycl-dcn, else ~/.cache/sycl-dcn; empty when there is no home either.
  [[nodiscard]] static std::filesystem::path default_folder();

  /// Native code that was made when the library was built, in sycl-dcn/kernels beside the library: of use on the
  /// machine that built it. Only read.
  [[nodiscard]] static const DiskCache& of_build();

  /// The cache of this process in default_folder().
  [[nodiscard]] static const DiskCache& instance();

  /// What was stored under exactly this key, or nothing.
  [[nodiscard]] std::optional<std::vector<char>> load(std::string_view key) const;
  /// Stores, replacing what is there. Failures are shown by DCN_VERBOSE=compile only.
  void store(std::string_view key, const std::vector<char>& content) const;
  /// Removes all entries but those under these keys.
  void keep_only(const std::vector<std::string>& keys) const;

  /// The file that holds `key`'s entry.
  [[nodiscard]] std::filesystem::path path_of(std::string_view key) const;

 private:
  void trim() const;

  std::filesystem::path folder_;
  std::uint64_t limit_;
};

}  // namespace dcn::runtime
