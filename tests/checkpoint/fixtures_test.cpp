// Files written by PyTorch and safetensors, compared byte by byte with what these libraries say is in them.
#include "checkpoint/fixtures.hpp"

namespace dcn::checkpoint::test {
namespace {

class Fixture : public testing::TestWithParam<std::string> {};

std::vector<std::string> names() {
  std::vector<std::string> result;
  const nlohmann::json expected = read_json(kData / "expected.json");
  for (const auto& [name, entry] : expected.items()) result.push_back(name);
  return result;
}

std::string printable_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

TEST_P(Fixture, HoldsWhatItsWriterSays) {
  const nlohmann::json expected = read_json(kData / "expected.json")[GetParam()];
  const Checkpoint loaded = load(kData / GetParam());
  EXPECT_EQ(loaded.format, expected["format"]);
  EXPECT_EQ(loaded.metadata, (expected["metadata"].get<std::map<std::string, std::string>>()));
  EXPECT_EQ(loaded.tensors.size(), expected["tensors"].size());
  for (const auto& [name, entry] : expected["tensors"].items()) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(loaded.tensors.contains(name));
    const Tensor& tensor = loaded.tensors.at(name);
    EXPECT_EQ(to_string(tensor.type), entry["type"]);
    EXPECT_EQ(tensor.sizes, entry["sizes"].get<std::vector<std::int64_t>>());
    ASSERT_EQ(tensor.bytes(), entry["bytes"].get<std::string>().size() / 2);
    EXPECT_EQ(bytes_of(tensor), from_hex(entry["bytes"]));
  }
}

TEST_P(Fixture, EveryPrefixIsAnError) {
  const Bytes whole = read_file(kData / GetParam());
  const std::size_t step = whole.size() > 2000 ? 7 : 1;
  for (std::size_t size = 0; size < whole.size(); size += step) {
    const std::string message = load_error(std::span(whole).first(size), "cut.pth");
    ASSERT_FALSE(message.empty()) << size << " of " << whole.size() << " bytes";
  }
}

TEST_P(Fixture, ADamagedByteIsAnErrorOrAnotherValue) {
  Bytes bytes = read_file(kData / GetParam());
  for (std::size_t i = 0; i < bytes.size(); i += 5) {
    const std::byte kept = bytes[i];
    bytes[i] ^= static_cast<std::byte>(1U << i % 8);
    try {
      const Checkpoint loaded = load(bytes, "damaged.pth");
      for (const auto& [name, tensor] : loaded.tensors) bytes_of(tensor);
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    }
    bytes[i] = kept;
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, Fixture, testing::ValuesIn(names()), printable_name);

TEST(Views, ShareTheirStorageWhenDense) {
  for (const char* name : {"zip_views.pth", "legacy_views.pth"}) {
    const Checkpoint loaded = load(kData / name);
    const std::byte* base = loaded.tensors.at("base").data.get();
    EXPECT_EQ(loaded.tensors.at("reshaped").data.get(), base);
    EXPECT_EQ(loaded.tensors.at("tail").data.get(), base + 40 * sizeof(float));
    EXPECT_NE(loaded.tensors.at("copy").data.get(), base);
    EXPECT_NE(loaded.tensors.at("transposed").data.get(), base);
  }
}

TEST(Load, OutlivesTheBytesItReadFrom) {
  Bytes bytes = read_file(kData / "zip_types.pth");
  const Checkpoint loaded = load(bytes, "memory");
  const Bytes before = bytes_of(loaded.tensors.at("f32"));
  std::fill(bytes.begin(), bytes.end(), std::byte{0xff});
  EXPECT_EQ(bytes_of(loaded.tensors.at("f32")), before);
}

}  // namespace
}  // namespace dcn::checkpoint::test
