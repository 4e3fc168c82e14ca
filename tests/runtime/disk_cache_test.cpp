#include "runtime/disk_cache.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <functional>

#include "child.hpp"
#include "support/files.hpp"

namespace dcn::runtime {
namespace {

namespace fs = std::filesystem;
using test::read_file;
using test::write_file;

std::vector<char> bytes(std::size_t count, char seed) {
  std::vector<char> result(count);
  for (std::size_t i = 0; i < count; ++i) result[i] = static_cast<char>(seed + static_cast<char>(i * 7));
  return result;
}

std::size_t files_in(const fs::path& folder, std::string_view extension) {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(folder)) count += entry.path().extension() == extension ? 1 : 0;
  return count;
}

TEST(DiskCache, GivesBackWhatWasStored) {
  const DiskCache cache(fs::path(test::fresh_folder()) / "a" / "b");
  EXPECT_FALSE(cache.load("key"));
  cache.store("key", bytes(5000, 1));
  cache.store("other key", {});
  EXPECT_EQ(cache.load("key"), bytes(5000, 1));
  EXPECT_EQ(cache.load("other key"), std::vector<char>{});
  EXPECT_FALSE(cache.load("ke"));
  cache.store("key", bytes(100, 2));
  EXPECT_EQ(cache.load("key"), bytes(100, 2));
  cache.store("third key", bytes(1, 1));
  cache.keep_only({"other key", "never stored"});
  EXPECT_FALSE(cache.load("key"));
  EXPECT_FALSE(cache.load("third key"));
  EXPECT_EQ(cache.load("other key"), std::vector<char>{});
}

TEST(DiskCache, NothingDamagedIsLoaded) {
  const fs::path folder = test::fresh_folder();
  const DiskCache cache(folder);
  const std::string key = "a key";
  const std::vector<char> content = bytes(300, 3);
  cache.store(key, content);
  const fs::path path = cache.path_of(key);
  const std::string good = read_file(path);

  for (std::size_t length = 0; length < good.size(); ++length) {
    write_file(path, good.substr(0, length));
    ASSERT_FALSE(cache.load(key)) << "cut to " << length << " bytes";
  }
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
    write_file(path, bad);
    ASSERT_FALSE(cache.load(key)) << "bit flipped in byte " << i;
  }
  write_file(path, good + "x");
  EXPECT_FALSE(cache.load(key)) << "a byte more";
  write_file(path, std::string(good.size(), '\0'));
  EXPECT_FALSE(cache.load(key)) << "zeros, as after a power cut";
  write_file(path, good);
  EXPECT_EQ(cache.load(key), content);
  cache.store(key, bytes(10, 9));
  EXPECT_EQ(cache.load(key), bytes(10, 9)) << "a damaged entry can be written again";
}

TEST(DiskCache, ForeignEntriesAreNotLoaded) {
  const DiskCache cache(test::fresh_folder());
  cache.store("key 1", bytes(300, 3));
  cache.store("key 2", bytes(300, 4));
  fs::copy_file(cache.path_of("key 2"), cache.path_of("key 1"), fs::copy_options::overwrite_existing);
  EXPECT_FALSE(cache.load("key 1")) << "an entry of another key under this key's name";

  // An older format: the version is the four bytes after the eight of the mark.
  std::string old = read_file(cache.path_of("key 2"));
  old[8] = static_cast<char>(DiskCache::kFormatVersion + 1);
  write_file(cache.path_of("key 2"), old);
  EXPECT_FALSE(cache.load("key 2"));

  fs::remove(cache.path_of("key 2"));
  fs::create_directory(cache.path_of("key 2"));
  EXPECT_FALSE(cache.load("key 2")) << "a folder under the entry's name";
  cache.store("key 2", bytes(1, 1));
  EXPECT_FALSE(cache.load("key 2"));
}

TEST(DiskCache, LengthsInTheHeaderAreNotBelieved) {
  const DiskCache cache(test::fresh_folder());
  cache.store("key", bytes(300, 3));
  const std::string good = read_file(cache.path_of("key"));
  for (const std::size_t at : {12U, 15U, 16U, 20U, 23U}) {  // of the key's and the content's length
    std::string bad = good;
    bad[at] = '\xff';
    write_file(cache.path_of("key"), bad);
    EXPECT_FALSE(cache.load("key")) << "byte " << at;
  }
}

TEST(DiskCache, StaysUnderItsLimitAndKeepsWhatIsUsed) {
  const fs::path folder = test::fresh_folder();
  const DiskCache cache(folder, 50000);
  const auto age = [&](const std::string& key, int minutes) {
    fs::last_write_time(cache.path_of(key), fs::file_time_type::clock::now() - std::chrono::minutes(minutes));
  };
  for (int i = 0; i < 4; ++i) {
    cache.store("key " + std::to_string(i), bytes(10000, 1));
    age("key " + std::to_string(i), 10 - i);
  }
  EXPECT_TRUE(cache.load("key 0"));  // used again: now the youngest
  cache.store("key 4", bytes(10000, 1));
  EXPECT_TRUE(cache.load("key 0"));
  EXPECT_FALSE(cache.load("key 1"));
  EXPECT_TRUE(cache.load("key 4"));
  std::uintmax_t total = 0;
  for (const auto& entry : fs::directory_iterator(folder)) total += entry.file_size();
  EXPECT_LE(total, 50000U);
}

TEST(DiskCache, SweepsTheTemporaryFilesOfTheDead) {
  const fs::path folder = test::fresh_folder();
  const DiskCache cache(folder);
  write_file(folder / "dead.tmp", "half");
  write_file(folder / "young.tmp", "half");
  write_file(folder / "not ours", "hello");
  fs::last_write_time(folder / "dead.tmp", fs::file_time_type::clock::now() - std::chrono::hours(2));
  fs::last_write_time(folder / "not ours", fs::file_time_type::clock::now() - std::chrono::hours(2));
  cache.store("key", bytes(10, 1));
  EXPECT_FALSE(fs::exists(folder / "dead.tmp"));
  EXPECT_TRUE(fs::exists(folder / "young.tmp"));
  EXPECT_TRUE(fs::exists(folder / "not ours"));
}

TEST(DiskCache, WithoutAFolderItIsOff) {
  const DiskCache off{fs::path()};
  off.store("key", bytes(10, 1));
  EXPECT_FALSE(off.load("key"));

  const fs::path file = fs::path(test::fresh_folder()) / "file";
  write_file(file, "in the way");
  const DiskCache blocked(file / "cache");
  blocked.store("key", bytes(10, 1));
  EXPECT_FALSE(blocked.load("key"));
  const DiskCache is_a_file(file);
  is_a_file.store("key", bytes(10, 1));
  EXPECT_FALSE(is_a_file.load("key"));
  EXPECT_EQ(read_file(file), "in the way");
}

TEST(DiskCache, FolderIsForTheUserOnly) {
  const fs::path folder = fs::path(test::fresh_folder()) / "cache";
  const DiskCache cache(folder);
  cache.store("key", bytes(10, 1));
  EXPECT_EQ(fs::status(folder).permissions(), fs::perms::owner_all);
  EXPECT_EQ(fs::status(cache.path_of("key")).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST(DiskCache, FolderComesFromTheEnvironment) {
  // The test program sets DCN_CACHE_DIR for itself: see main.cpp.
  const std::string own = std::getenv("DCN_CACHE_DIR");
  EXPECT_EQ(DiskCache::default_folder(), own);
  const std::string xdg = std::getenv("XDG_CACHE_HOME") == nullptr ? "" : std::getenv("XDG_CACHE_HOME");
  const std::string home = std::getenv("HOME") == nullptr ? "" : std::getenv("HOME");
  ::unsetenv("DCN_CACHE_DIR");
  ::setenv("XDG_CACHE_HOME", "/x", 1);
  ::setenv("HOME", "/h", 1);
  EXPECT_EQ(DiskCache::default_folder(), "/x/sycl-dcn");
  ::setenv("XDG_CACHE_HOME", "relative", 1);
  EXPECT_EQ(DiskCache::default_folder(), "/h/.cache/sycl-dcn");
  ::unsetenv("XDG_CACHE_HOME");
  ::unsetenv("HOME");
  EXPECT_EQ(DiskCache::default_folder(), "");
  if (!xdg.empty()) ::setenv("XDG_CACHE_HOME", xdg.c_str(), 1);
  if (!home.empty()) ::setenv("HOME", home.c_str(), 1);
  ::setenv("DCN_CACHE_DIR", own.c_str(), 1);
}

TEST(DiskCache, ProcessesMayShareIt) {
  const std::string folder = test::fresh_folder();
  std::vector<test::Child> children;
  for (int i = 0; i < 5; ++i) {
    children.emplace_back(std::vector<std::string>{"hammer", folder, std::to_string(i + 1)}, test::Variables{});
  }
  for (test::Child& child : children) {
    const test::ChildResult result = child.wait();
    EXPECT_EQ(result.status, 0) << result.output << result.errors;
  }
  EXPECT_EQ(files_in(folder, ".kernel"), 4U);
  EXPECT_EQ(files_in(folder, ".tmp"), 0U);
}

}  // namespace
}  // namespace dcn::runtime
