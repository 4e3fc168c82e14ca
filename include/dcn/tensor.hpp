/// \file tensor.hpp
/// The one tensor view of the project: a pointer, an element type, sizes and strides. It owns nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace dcn {

/// Element types. Operators compute on the four floating-point ones; the others occur in checkpoints.
enum class DataType : std::uint8_t { kF32, kF16, kBf16, kF64, kI64, kI32, kI16, kI8, kU8, kBool };

/// Bytes of one element.
[[nodiscard]] std::size_t size_of(DataType type) noexcept;
/// "f32", "f16", "bf16", ...
[[nodiscard]] std::string_view to_string(DataType type) noexcept;

/// Memory order of a 4-D activation. Sizes are always given in the order N, C, H, W; the format says which strides.
enum class MemoryFormat : std::uint8_t { kNchw, kNhwc };
[[nodiscard]] std::string_view to_string(MemoryFormat format) noexcept;

/// Non-owning view of memory that the device can reach. Sizes are logical (activations: N, C, H, W; weights:
/// out_channels, in_channels / groups, kernel_h, kernel_w), strides are in elements, so that a channel slice of
/// an NHWC tensor is a view as well and nothing is ever silently reinterpreted.
struct TensorView {
  static constexpr int kMaxRank = 4;

  void* data = nullptr;
  DataType type = DataType::kF32;
  int rank = 0;
  std::array<std::int64_t, kMaxRank> sizes{};
  std::array<std::int64_t, kMaxRank> strides{};

  /// Row-major dense view of the given sizes.
  static TensorView contiguous(void* data, DataType type, std::initializer_list<std::int64_t> sizes);
  /// Dense 4-D activation of logical sizes N, C, H, W in the given memory format.
  static TensorView activation(void* data, DataType type, MemoryFormat format, std::int64_t n, std::int64_t c,
                               std::int64_t h, std::int64_t w);

  [[nodiscard]] std::span<const std::int64_t> shape() const { return {sizes.data(), static_cast<std::size_t>(rank)}; }
  [[nodiscard]] std::int64_t elements() const noexcept;
  /// True for dense row-major memory (NCHW for activations). Strides of extents 0 and 1 do not matter.
  [[nodiscard]] bool is_contiguous() const noexcept;
  /// True for dense channels-last memory (rank 4 only). Strides of extents 0 and 1 do not matter.
  [[nodiscard]] bool is_channels_last() const noexcept;
  /// The view of channels [first, first + count) of a 4-D activation, same strides.
  [[nodiscard]] TensorView channels(std::int64_t first, std::int64_t count) const;
  /// "f32 [1, 64, 128, 128] strides [..]" for error messages.
  [[nodiscard]] std::string describe() const;
};

}  // namespace dcn
