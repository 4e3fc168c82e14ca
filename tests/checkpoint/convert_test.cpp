// Rounding, compared with NumPy's and PyTorch's, and which tensors are converted to what.
#include <bit>
#include <cmath>

#include "checkpoint/fixtures.hpp"

namespace dcn::checkpoint::test {
namespace {

template <typename T>
std::vector<T> values_of(const Bytes& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

/// The values as a matrix of one row, which convert() rounds (it leaves vectors in f32).
template <typename T>
Tensor converted(DataType from, const std::vector<T>& values, DataType to) {
  Checkpoint checkpoint;
  checkpoint.tensors["w"] = make_tensor<T>(from, {1, static_cast<std::int64_t>(values.size())}, values);
  return convert(checkpoint, to).tensors.at("w");
}

TEST(Convert, RoundsAsNumPyAndPyTorchDo) {
  const nlohmann::json expected = read_json(kData / "rounding.json");
  const auto f32 = values_of<float>(from_hex(expected["f32"]["bits"]));
  const auto f64 = values_of<double>(from_hex(expected["f64"]["bits"]));
  ASSERT_GT(f32.size(), 900U);
  ASSERT_GT(f64.size(), 200U);
  EXPECT_EQ(bytes_of(converted(DataType::kF32, f32, DataType::kF16)), from_hex(expected["f32"]["f16"]));
  EXPECT_EQ(bytes_of(converted(DataType::kF32, f32, DataType::kBf16)), from_hex(expected["f32"]["bf16"]));
  EXPECT_EQ(bytes_of(converted(DataType::kF64, f64, DataType::kF16)), from_hex(expected["f64"]["f16"]));
}

TEST(Convert, EveryF16SurvivesF32AndBack) {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  const Tensor half = make_tensor<std::uint16_t>(DataType::kF16, {256, 256}, all);
  const std::vector<float> wide = half.to_f32();
  EXPECT_EQ(wide[0x3c00], 1.0F);
  EXPECT_EQ(wide[0xc000], -2.0F);
  EXPECT_EQ(wide[0x0001], 0x1p-24F);
  EXPECT_EQ(wide[0x7bff], 65504.0F);
  EXPECT_TRUE(std::isinf(wide[0x7c00]));
  EXPECT_TRUE(std::isnan(wide[0x7c01]));
  EXPECT_TRUE(std::signbit(wide[0x8000]));
  const auto back = values_of<std::uint16_t>(bytes_of(converted(DataType::kF32, wide, DataType::kF16)));
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool is_nan = (i & 0x7fff) > 0x7c00;
    if (is_nan) {
      EXPECT_GT(back[i] & 0x7fff, 0x7c00) << i;
    } else {
      EXPECT_EQ(back[i], i);
    }
  }
}

TEST(Convert, EveryBf16SurvivesF32AndBack) {
  std::vector<float> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = std::bit_cast<float>(static_cast<std::uint32_t>(i) << 16);
  const auto back = values_of<std::uint16_t>(bytes_of(converted(DataType::kF32, all, DataType::kBf16)));
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (std::isnan(all[i])) {
      EXPECT_GT(back[i] & 0x7fff, 0x7f80) << i;
    } else {
      EXPECT_EQ(back[i], i);
    }
  }
}

TEST(Convert, OnlyFloatingPointMatricesAreNarrowed) {
  const Checkpoint original = load(kData / "zip_checkpoint.pth");
  ASSERT_TRUE(original.tensors.contains("bn.num_batches_tracked"));
  for (const DataType type : {DataType::kF32, DataType::kF16, DataType::kBf16}) {
    Checkpoint checkpoint = original;
    checkpoint.metadata["arch"] = "small";
    checkpoint.tensors["scale"] = make_tensor<std::uint16_t>(DataType::kF16, {}, {0x3c00});
    checkpoint.tensors["table"] = make_tensor<std::int32_t>(DataType::kI32, {1, 2}, {1, 2});
    const Checkpoint result = convert(checkpoint, type);
    EXPECT_EQ(result.metadata.at("arch"), "small");
    EXPECT_EQ(result.tensors.at("conv.weight").type, type);
    EXPECT_EQ(result.tensors.at("fc.weight").type, type);
    EXPECT_EQ(result.tensors.at("conv.bias").type, DataType::kF32);
    EXPECT_EQ(result.tensors.at("bn.running_mean").type, DataType::kF32);
    EXPECT_EQ(result.tensors.at("scale").type, DataType::kF32);
    EXPECT_EQ(result.tensors.at("scale").to_f32(), std::vector<float>{1});
    EXPECT_EQ(result.tensors.at("table").type, DataType::kI32);
    EXPECT_FALSE(result.tensors.contains("bn.num_batches_tracked"));
    EXPECT_EQ(result.tensors.size(), original.tensors.size() + 1);
  }
}

TEST(Convert, RefusesWhatDoesNotFit) {
  for (const double value : {65520.0, -1e30}) {
    try {
      static_cast<void>(converted<double>(DataType::kF64, {1, value}, DataType::kF16));
      ADD_FAILURE() << value << " was converted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_TRUE(std::string_view(error.what()).starts_with("tensor w: the value ")) << error.what();
      EXPECT_NE(std::string_view(error.what()).find("bf16 or f32"), std::string_view::npos) << error.what();
    }
  }
  EXPECT_EQ(values_of<std::uint16_t>(
                bytes_of(converted<float>(DataType::kF32, {65519.996F, INFINITY, -INFINITY}, DataType::kF16))),
            (std::vector<std::uint16_t>{0x7bff, 0x7c00, 0xfc00}));
  EXPECT_THROW(static_cast<void>(converted<double>(DataType::kF64, {1e300}, DataType::kF32)), Error);
  EXPECT_THROW(static_cast<void>(converted<float>(DataType::kF32, {1}, DataType::kF64)), Error);
  EXPECT_THROW(static_cast<void>(make_tensor<std::int32_t>(DataType::kI32, {1}, {1}).to_f32()), Error);
}

TEST(Convert, UnchangedTensorsShareTheirMemory) {
  const Checkpoint original = load(kData / "zip_bare.pth");
  const Checkpoint result = convert(original, DataType::kF32);
  EXPECT_EQ(result.tensors.at("conv.weight").data, original.tensors.at("conv.weight").data);
}

}  // namespace
}  // namespace dcn::checkpoint::test
