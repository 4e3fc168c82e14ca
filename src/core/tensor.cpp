#include "dcn/tensor.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "dcn/status.hpp"

namespace dcn {

std::size_t size_of(DataType type) noexcept {
  switch (type) {
    case DataType::kF64:
    case DataType::kI64:
      return 8;
    case DataType::kF32:
    case DataType::kI32:
      return 4;
    case DataType::kF16:
    case DataType::kBf16:
    case DataType::kI16:
      return 2;
    case DataType::kI8:
    case DataType::kU8:
    case DataType::kBool:
      return 1;
  }
  return 0;
}

std::string_view to_string(DataType type) noexcept {
  switch (type) {
    case DataType::kF32:
      return "f32";
    case DataType::kF16:
      return "f16";
    case DataType::kBf16:
      return "bf16";
    case DataType::kF64:
      return "f64";
    case DataType::kI64:
      return "i64";
    case DataType::kI32:
      return "i32";
    case DataType::kI16:
      return "i16";
    case DataType::kI8:
      return "i8";
    case DataType::kU8:
      return "u8";
    case DataType::kBool:
      return "bool";
  }
  return "unknown";
}

std::string_view to_string(MemoryFormat format) noexcept { return format == MemoryFormat::kNhwc ? "nhwc" : "nchw"; }

TensorView TensorView::contiguous(void* data, DataType type, std::initializer_list<std::int64_t> sizes) {
  if (sizes.size() > kMaxRank) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("tensor: rank {}, at most {} is possible", sizes.size(), kMaxRank));
  }
  TensorView view{.data = data, .type = type, .rank = static_cast<int>(sizes.size())};
  std::size_t i = 0;
  for (const std::int64_t size : sizes) view.sizes[i++] = size;
  std::int64_t stride = 1;
  while (i-- > 0) {
    view.strides[i] = stride;
    stride *= view.sizes[i];
  }
  return view;
}

TensorView TensorView::activation(void* data, DataType type, MemoryFormat format, std::int64_t n, std::int64_t c,
                                  std::int64_t h, std::int64_t w) {
  TensorView view = contiguous(data, type, {n, c, h, w});
  if (format == MemoryFormat::kNhwc) view.strides = {h * w * c, 1, w * c, c};
  return view;
}

std::int64_t TensorView::elements() const noexcept {
  std::int64_t count = 1;
  for (const std::int64_t size : shape()) count *= size;
  return count;
}

namespace {

/// True when walking `order` from the innermost dimension out, every stride is the product of the extents before it.
bool dense_in_order(const TensorView& view, std::span<const int> order) {
  if (view.elements() == 0) return true;
  std::int64_t expected = 1;
  for (const int dim : order) {
    const auto d = static_cast<std::size_t>(dim);
    if (view.sizes[d] != 1 && view.strides[d] != expected) return false;
    expected *= view.sizes[d];
  }
  return true;
}

}  // namespace

bool TensorView::is_contiguous() const noexcept {
  std::array<int, kMaxRank> order{};
  for (int i = 0; i < rank; ++i) order[static_cast<std::size_t>(i)] = rank - 1 - i;
  return dense_in_order(*this, {order.data(), static_cast<std::size_t>(rank)});
}

bool TensorView::is_channels_last() const noexcept {
  constexpr std::array<int, kMaxRank> kOrder{1, 3, 2, 0};
  return rank == kMaxRank && dense_in_order(*this, kOrder);
}

TensorView TensorView::channels(std::int64_t first, std::int64_t count) const {
  if (rank != kMaxRank || first < 0 || count < 0 || first + count > sizes[1]) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("channels [{}, {}) of tensor {}", first, first + count, describe()));
  }
  TensorView view = *this;
  view.data = static_cast<std::byte*>(data) + first * strides[1] * static_cast<std::int64_t>(size_of(type));
  view.sizes[1] = count;
  return view;
}

std::string TensorView::describe() const {
  return fmt::format("{} [{}] strides [{}]", to_string(type), fmt::join(shape(), ", "),
                     fmt::join(std::span(strides.data(), static_cast<std::size_t>(rank)), ", "));
}

}  // namespace dcn
