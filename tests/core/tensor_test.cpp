#include "dcn/tensor.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "dcn/status.hpp"

namespace dcn {
namespace {

TEST(TensorView, DenseFormatsAreRecognised) {
  const auto nchw = TensorView::activation(nullptr, DataType::kF32, MemoryFormat::kNchw, 2, 3, 4, 5);
  const auto nhwc = TensorView::activation(nullptr, DataType::kF32, MemoryFormat::kNhwc, 2, 3, 4, 5);
  EXPECT_TRUE(nchw.is_contiguous());
  EXPECT_FALSE(nchw.is_channels_last());
  EXPECT_TRUE(nhwc.is_channels_last());
  EXPECT_FALSE(nhwc.is_contiguous());
  EXPECT_EQ(nhwc.elements(), 120);
}

TEST(TensorView, StridesOfSingleExtentsDoNotMatter) {
  auto view = TensorView::activation(nullptr, DataType::kF32, MemoryFormat::kNhwc, 1, 1, 4, 5);
  EXPECT_TRUE(view.is_contiguous());
  view.strides[0] = 999;
  EXPECT_TRUE(view.is_contiguous());
  EXPECT_TRUE(view.is_channels_last());
}

TEST(TensorView, ChannelSliceKeepsStrides) {
  std::vector<float> memory(2 * 27 * 4 * 5);
  const auto all = TensorView::activation(memory.data(), DataType::kF32, MemoryFormat::kNhwc, 2, 27, 4, 5);
  const auto mask = all.channels(18, 9);
  EXPECT_EQ(mask.data, memory.data() + 18);
  EXPECT_EQ(mask.sizes[1], 9);
  EXPECT_EQ(mask.strides[3], 27);
  EXPECT_FALSE(mask.is_channels_last());
  EXPECT_THROW((void)all.channels(20, 9), Error);
}

TEST(TensorView, DescribeNamesTypeSizesAndStrides) {
  EXPECT_EQ(TensorView::contiguous(nullptr, DataType::kBf16, {2, 3}).describe(), "bf16 [2, 3] strides [3, 1]");
}

TEST(Error, ContextComesFirstAndCodeStays) {
  const Error error = Error(ErrorCode::kBadFile, "ends after 3 bytes").in("model.pth");
  EXPECT_STREQ(error.what(), "model.pth: ends after 3 bytes");
  EXPECT_EQ(error.code(), ErrorCode::kBadFile);
}

}  // namespace
}  // namespace dcn
