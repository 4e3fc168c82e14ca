// Writing: what is written reads back the same, and a failure leaves nothing behind.
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <random>

#include "checkpoint/fixtures.hpp"

namespace dcn::checkpoint::test {
namespace {

namespace fs = std::filesystem;

/// A folder of its own, empty at first and removed at the end.
class Folder : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("safetensors_test." + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directory(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& file : fs::directory_iterator(folder_)) names.push_back(file.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }

  fs::path folder_;
};

constexpr DataType kTypes[] = {DataType::kF32, DataType::kF16, DataType::kBf16, DataType::kF64, DataType::kI64,
                               DataType::kI32, DataType::kI16, DataType::kI8,   DataType::kU8,  DataType::kBool};

Checkpoint random_checkpoint(std::mt19937& random) {
  const auto below = [&](int limit) { return static_cast<int>(random() % static_cast<unsigned>(limit)); };
  const std::vector<std::string> parts{"conv",      "bn.1", "\"quoted\"", "a\\b", "\xc3\xa9\xe4\xb8\xad",
                                       "new\nline", "",     " "};
  Checkpoint checkpoint;
  for (int i = below(12); i > 0; --i) {
    std::string name;
    for (int k = below(4); k >= 0; --k) name += parts[static_cast<std::size_t>(below(8))];
    const DataType type = kTypes[below(10)];
    std::vector<std::int64_t> sizes;
    for (int k = below(5); k > 0; --k) sizes.push_back(below(5));
    Tensor tensor{.type = type, .sizes = sizes, .data = nullptr};
    std::vector<std::uint8_t> bytes(tensor.bytes());
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    std::shared_ptr<std::byte[]> data(new std::byte[bytes.size() + 1]);
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::uint8_t*>(data.get()));
    tensor.data = data;
    checkpoint.tensors[name + std::to_string(i)] = tensor;
  }
  for (int i = below(4); i > 0; --i) checkpoint.metadata[parts[static_cast<std::size_t>(below(8))]] = parts[5];
  return checkpoint;
}

TEST_F(Folder, RandomTensorsComeBack) {
  std::mt19937 random(7);
  for (int i = 0; i < 200; ++i) {
    SCOPED_TRACE(i);
    const Checkpoint saved = random_checkpoint(random);
    save_safetensors(folder_ / "a.safetensors", saved);
    const Checkpoint loaded = load(folder_ / "a.safetensors");
    EXPECT_EQ(loaded.format, "safetensors");
    EXPECT_EQ(loaded.metadata, saved.metadata);
    ASSERT_EQ(loaded.tensors.size(), saved.tensors.size());
    for (const auto& [name, tensor] : saved.tensors) {
      ASSERT_TRUE(loaded.tensors.contains(name)) << name;
      const Tensor& other = loaded.tensors.at(name);
      EXPECT_EQ(other.type, tensor.type);
      EXPECT_EQ(other.sizes, tensor.sizes);
      EXPECT_EQ(bytes_of(other), bytes_of(tensor));
    }
    EXPECT_EQ(files(), std::vector<std::string>{"a.safetensors"});
  }
}

TEST_F(Folder, ElementsAreAlignedInTheFile) {
  Checkpoint checkpoint;
  checkpoint.tensors["a"] = make_tensor<std::uint8_t>(DataType::kU8, {3}, {1, 2, 3});
  checkpoint.tensors["b"] = make_tensor<double>(DataType::kF64, {2}, {1, 2});
  checkpoint.tensors["c"] = make_tensor<float>(DataType::kF32, {1}, {1});
  save_safetensors(folder_ / "a", checkpoint);
  const Bytes bytes = read_file(folder_ / "a");
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof(header));
  EXPECT_EQ(header % 8, 0U);
  const auto json = nlohmann::json::parse(std::string(reinterpret_cast<const char*>(bytes.data()) + 8, header));
  EXPECT_EQ(json["b"]["data_offsets"], nlohmann::json({0, 16}));
  EXPECT_EQ(json["c"]["data_offsets"], nlohmann::json({16, 20}));
  EXPECT_EQ(json["a"]["data_offsets"], nlohmann::json({20, 23}));
}

TEST_F(Folder, AHeaderLengthThatLooksLikeAPickleDoesNotMislead) {
  constexpr std::size_t kLength = 0x0280;  // the bytes 80 02 begin a pickle of protocol 2
  std::string header = R"({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})";
  header.resize(kLength, ' ');
  const Bytes file = to_bytes(std::string("\x80\x02\0\0\0\0\0\0", 8) + header + std::string("\0\0\x80\x3f", 4));
  EXPECT_EQ(load(file, "a").tensors.at("w").to_f32(), std::vector<float>{1});
}

TEST_F(Folder, ConvertedPthComesBack) {
  const Checkpoint original = load(kData / "zip_checkpoint.pth");
  save_safetensors(folder_ / "a.safetensors", original);
  const Checkpoint loaded = load(folder_ / "a.safetensors");
  ASSERT_EQ(loaded.tensors.size(), original.tensors.size());
  for (const auto& [name, tensor] : original.tensors) EXPECT_EQ(bytes_of(loaded.tensors.at(name)), bytes_of(tensor));
}

Checkpoint one_tensor(float value) {
  Checkpoint checkpoint;
  checkpoint.tensors["w"] = make_tensor<float>(DataType::kF32, {2}, {value, value});
  return checkpoint;
}

/// The message of the Error that saving must end in.
std::string save_error(const fs::path& path, const Checkpoint& checkpoint, ErrorCode code) {
  try {
    save_safetensors(path, checkpoint);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << path << " was written";
  return "";
}

TEST_F(Folder, ReplacesAFileAndFollowsALink) {
  save_safetensors(folder_ / "real", one_tensor(1));
  fs::create_symlink("real", folder_ / "link");
  save_safetensors(folder_ / "link", one_tensor(2));
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  EXPECT_EQ(load(folder_ / "real").tensors.at("w").to_f32(), (std::vector<float>{2, 2}));
  EXPECT_EQ(files(), (std::vector<std::string>{"link", "real"}));
}

TEST_F(Folder, UnwritablePlacesAreNamed) {
  const std::string missing = save_error(folder_ / "no/a", one_tensor(1), ErrorCode::kIo);
  EXPECT_NE(missing.find("create the folder first"), std::string::npos) << missing;
  EXPECT_NE(missing.find((folder_ / "no/a").string()), std::string::npos) << missing;
  EXPECT_NE(save_error(folder_, one_tensor(1), ErrorCode::kIo).find("is a folder"), std::string::npos);
  // A device keeps its name: renaming over it would replace it.
  EXPECT_NE(save_error("/dev/full", one_tensor(1), ErrorCode::kIo).find("not a regular file"), std::string::npos);
  EXPECT_NE(save_error("/proc/a", one_tensor(1), ErrorCode::kIo).find("cannot be written"), std::string::npos);
  EXPECT_TRUE(files().empty());
}

TEST_F(Folder, NamesThatTheFormatCannotHoldAreRefused) {
  for (const std::string name : {"__metadata__", "\xff"}) {
    Checkpoint checkpoint;
    checkpoint.tensors[name] = make_tensor<float>(DataType::kF32, {1}, {1});
    EXPECT_NE(save_error(folder_ / "a", checkpoint, ErrorCode::kInvalidArgument).find("cannot be stored"),
              std::string::npos);
  }
  Checkpoint checkpoint = one_tensor(1);
  checkpoint.metadata["labels"] = "\xff";
  EXPECT_NE(save_error(folder_ / "a", checkpoint, ErrorCode::kInvalidArgument).find("labels"), std::string::npos);
  checkpoint = one_tensor(1);
  checkpoint.tensors["w"].data = nullptr;
  EXPECT_NE(save_error(folder_ / "a", checkpoint, ErrorCode::kInvalidArgument).find("no data"), std::string::npos);
  EXPECT_TRUE(files().empty());
}

TEST_F(Folder, ADiskThatFillsUpLeavesTheOldFile) {
  save_safetensors(folder_ / "a", one_tensor(1));
  const Bytes before = read_file(folder_ / "a");
  Checkpoint large;
  large.tensors["w"] = make_tensor<std::uint8_t>(DataType::kU8, {100'000}, std::vector<std::uint8_t>(100'000, 1));
  // A file-size limit stands for the full disk: write() stores a part, then fails. The limit is the child's own.
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit{.rlim_cur = 5000, .rlim_max = 5000};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(2);
    try {
      save_safetensors(folder_ / "a", large);
    } catch (const Error& error) {
      const bool says = std::string_view(error.what()).find("free some space") != std::string_view::npos;
      _exit(error.code() == ErrorCode::kIo && says ? 0 : 3);
    }
    _exit(4);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(files(), std::vector<std::string>{"a"});
  EXPECT_EQ(read_file(folder_ / "a"), before);
}

}  // namespace
}  // namespace dcn::checkpoint::test
