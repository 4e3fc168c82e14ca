// Damaged, hostile and mistaken files: each ends in one clear error, soon and in little memory.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checkpoint/fixtures.hpp"

namespace dcn::checkpoint::test {
namespace {

using namespace std::string_literals;

constexpr double kMostSeconds = 1.0;
constexpr long kMostKilobytes = 200 * 1024;

long resident_kilobytes() {
  std::ifstream in("/proc/self/statm");
  long total = 0;
  long resident = 0;
  in >> total >> resident;
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/// Loads in a process of its own, and says what that cost. \returns the error's message.
std::string load_error_in_child(const Bytes& bytes) {
  int channel[2];
  if (pipe(channel) != 0) throw std::runtime_error("pipe");
  const long before = resident_kilobytes();  // the child starts with these pages
  const pid_t child = fork();
  if (child == 0) {
    std::string message = "(loaded)";
    try {
      static_cast<void>(load(bytes, "bomb.pth"));
    } catch (const Error& error) {
      message = error.what();
    }
    const ssize_t written = write(channel[1], message.data(), message.size());
    _exit(written == static_cast<ssize_t>(message.size()) ? 0 : 1);
  }
  close(channel[1]);
  std::string message(2000, '\0');
  const ssize_t count = read(channel[0], message.data(), message.size());
  close(channel[0]);
  message.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  int status = 0;
  struct rusage usage{};
  wait4(child, &status, 0, &usage);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  EXPECT_LT(seconds(usage.ru_utime) + seconds(usage.ru_stime), kMostSeconds);
  EXPECT_LT(usage.ru_maxrss - before, kMostKilobytes);
  return message;
}

TEST(BadFiles, EndInOneClearError) {
  const nlohmann::json expected = read_json(kData / "bad/expected.json");
  EXPECT_GT(expected.size(), 100U);
  for (const auto& [name, entry] : expected.items()) {
    SCOPED_TRACE(name);
    try {
      static_cast<void>(load(kData / "bad" / name));
      ADD_FAILURE() << "loaded";
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_EQ(to_string(error.code()), entry["code"]);
      EXPECT_NE(message.find(entry["says"].get<std::string>()), std::string::npos) << message;
      EXPECT_TRUE(message.starts_with((kData / "bad" / name).string() + ": ")) << message;
      EXPECT_LT(message.size(), 600U) << message;
      for (const char c : message) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << message;
    }
  }
  EXPECT_FALSE(std::filesystem::exists("executed.txt"));
}

TEST(BadFiles, EachFileIsExpected) {
  const nlohmann::json expected = read_json(kData / "bad/expected.json");
  for (const auto& file : std::filesystem::directory_iterator(kData / "bad")) {
    const std::string name = file.path().filename();
    EXPECT_TRUE(name == "expected.json" || expected.contains(name)) << name;
  }
}

struct Path {
  std::filesystem::path path;
  std::string says;
};

TEST(Paths, ThatAreNoFilesAreNamed) {
  const std::filesystem::path pipe_path = testing::TempDir() + "/a.pth.pipe";
  std::filesystem::remove(pipe_path);
  ASSERT_EQ(mkfifo(pipe_path.c_str(), 0600), 0);
  for (const auto& [path, says] : {Path{"data/checkpoints", "is a folder"}, Path{"nowhere/a.pth", "No such file"},
                                   Path{"/dev/null", "not a regular file"}, Path{pipe_path, "not a regular file"}}) {
    try {
      static_cast<void>(load(path));
      ADD_FAILURE() << path << " loaded";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kIo);
      EXPECT_TRUE(std::string(error.what()).starts_with(path.string() + ": ")) << error.what();
      EXPECT_NE(std::string(error.what()).find(says), std::string::npos) << error.what();
    }
  }
  std::filesystem::remove(pipe_path);
}

std::string repeat(std::string_view part, std::size_t times) {
  std::string result;
  result.reserve(part.size() * times);
  for (std::size_t i = 0; i < times; ++i) result += part;
  return result;
}

Bytes pth(const std::string& pickle, bool deflate = true) { return make_zip({{"a/data.pkl", pickle}}, deflate); }

std::string little_endian(std::uint64_t value, int bytes) {
  std::string result;
  for (int i = 0; i < bytes; ++i) result += static_cast<char>(value >> 8 * i);
  return result;
}

/// _rebuild_tensor_v2's arguments for a tensor of `count` floats over a storage of as many, key "0".
std::string tensor_arguments(std::uint64_t count) {
  const std::string number = "\x8a\x08"s + little_endian(count, 8);
  return "((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0"s + "0X\x03\0\0\0cpu"s + number + "tQK\0"s + number +
         "\x85K\x01\x85\x89Nt";
}

TEST(Bombs, DeflatedPickle) {
  EXPECT_NE(load_error_in_child(pth(std::string(80 << 20, 'N'))).find("at most"), std::string::npos);
}

TEST(Bombs, DeflatedInstructions) {
  const Bytes bomb = pth("\x80\x02" + repeat("N0", 2 << 20));
  EXPECT_NE(load_error_in_child(bomb).find("more than 1000000 objects"), std::string::npos);
  const Bytes marks = pth("\x80\x02" + repeat("(0", 9 << 20));
  EXPECT_NE(load_error_in_child(marks).find("more instructions"), std::string::npos);
}

TEST(Bombs, DeflatedStorage) {
  constexpr std::size_t kFloats = 18 << 20;
  const std::string pickle =
      "\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n"s + tensor_arguments(kFloats) + "Rs.";
  const Bytes bomb = make_zip({{"a/data.pkl", pickle}, {"a/data/0", std::string(kFloats * 4, '\0')}}, true);
  const std::string message = load_error_in_child(bomb);
  EXPECT_NE(message.find("tensor w: zip entry a/data/0 takes 75497472 bytes"), std::string::npos) << message;
}

TEST(Bombs, DeepNesting) {
  EXPECT_NE(load_error_in_child(pth("\x80\x02)" + repeat("\x85", 900'000) + ".")).find("holds a tuple"),
            std::string::npos);
  EXPECT_NE(load_error_in_child(pth("\x80\x02" + repeat("(", 1'200'000))).find("more marks"), std::string::npos);
  EXPECT_NE(load_error_in_child(pth("\x80\x02]" + repeat("]a", 1'200'000))).find("objects"), std::string::npos);
}

TEST(Bombs, StackAndMemo) {
  EXPECT_NE(load_error_in_child(pth("\x80\x02N" + repeat("2", 1'200'000))).find("nesting"), std::string::npos);
  std::string memo = "\x80\x02N";
  for (std::uint64_t i = 0; i < 1'200'000; ++i) memo += "r" + little_endian(i * 977, 4);
  EXPECT_NE(load_error_in_child(pth(memo)).find("memo"), std::string::npos);
}

TEST(Bombs, CopiedLists) {
  // OrderedDict(pairs) again and again over one long list, which the memo keeps.
  std::string body =
      "\x80\x02](NN\x86q\x02" + repeat("h\x02", 99'999) + "eq\x03\x85q\x04" + "ccollections\nOrderedDict\nq\x01";
  for (int i = 0; i < 100'000; ++i) body += "h\x01h\x04R";
  EXPECT_NE(load_error_in_child(pth(body + ".")).find("more than 1000000 objects"), std::string::npos);
}

TEST(Bombs, ManyTensorsOfOne) {
  std::string pickle =
      "\x80\x02}q\x03"
      "ctorch._utils\n_rebuild_tensor_v2\nq\x01" +
      tensor_arguments(1) + "Rq\x04" + "00h\x03(";
  for (std::uint64_t i = 0; i < 200'000; ++i) pickle += "U\x06" + std::to_string(100'000 + i) + "h\x04";
  const Bytes bomb = make_zip({{"a/data.pkl", pickle + "u."}, {"a/data/0", "abcd"}}, false);
  const std::string message = load_error_in_child(bomb);
  EXPECT_NE(message.find("more than 100000 tensors"), std::string::npos) << message;
}

TEST(Bombs, SafetensorsHeaders) {
  const auto file = [](const std::string& header) { return to_bytes(little_endian(header.size(), 8) + header); };
  EXPECT_NE(load_error_in_child(file("{\"a\":{\"shape\":" + repeat("{\"a\":", 4'000'000))).find("an object under"),
            std::string::npos);
  EXPECT_NE(load_error_in_child(file("{\"a\":{\"shape\":" + repeat("[", 20'000'000))).find("a list under"),
            std::string::npos);
  EXPECT_NE(load_error_in_child(file("{\"" + std::string(20'000'000, 'a') + "\":1}")).find("a name of"),
            std::string::npos);
  std::string many = "{";
  for (int i = 0; i < 200'000; ++i) many += "\"" + std::to_string(i) + "\":{},";
  EXPECT_NE(load_error_in_child(file(many)).find("more than 100000 tensors"), std::string::npos);
}

TEST(Bombs, LimitsAreTheCallers) {
  const Bytes bytes = read_file(kData / "zip_checkpoint.pth");
  EXPECT_NO_THROW(static_cast<void>(load(bytes, "a.pth")));
  EXPECT_THROW(static_cast<void>(load(bytes, "a.pth", {.max_tensor_bytes = 1000})), Error);
  EXPECT_THROW(static_cast<void>(load(bytes, "a.pth", {.max_objects = 50})), Error);
}

}  // namespace
}  // namespace dcn::checkpoint::test
