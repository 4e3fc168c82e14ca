/// \file byte_reader.hpp
/// The only class that touches the bytes of a file we did not write.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "dcn/status.hpp"

namespace dcn::checkpoint {

static_assert(std::endian::native == std::endian::little, "the formats are little-endian, and so is every target");

/// Walks over a span. Each length is compared with the bytes left before anything is read, so that whatever it hands
/// out lies inside the span and a caller that allocates `count` bytes after take(count) never exceeds the file.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes, std::size_t offset = 0)
      : bytes_(bytes), offset_(std::min(offset, bytes.size())) {}

  [[nodiscard]] std::size_t offset() const noexcept { return offset_; }
  [[nodiscard]] std::size_t left() const noexcept { return bytes_.size() - offset_; }

  /// The next `count` bytes. \throws Error kBadFile when fewer are left; `what` names them in the message.
  std::span<const std::byte> take(std::uint64_t count, std::string_view what) {
    if (count > left()) {
      throw Error(ErrorCode::kBadFile,
                  fmt::format("truncated or damaged: {} at byte {} takes {} bytes, {} are left; copy or download the "
                              "file again",
                              what, offset_, count, left()));
    }
    const auto part = bytes_.subspan(offset_, static_cast<std::size_t>(count));
    offset_ += part.size();
    return part;
  }

  std::string_view text(std::uint64_t count, std::string_view what) {
    const auto part = take(count, what);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }

  /// A little-endian number.
  template <typename T>
  T number(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }

  /// A big-endian double, as pickle's BINFLOAT holds it.
  double big_endian_double(std::string_view what) {
    return std::bit_cast<double>(__builtin_bswap64(number<std::uint64_t>(what)));
  }

  /// The text up to the next newline, which is consumed. \throws Error kBadFile if it's longer than `limit`.
  std::string_view line(std::size_t limit, std::string_view what) {
    const auto rest = bytes_.subspan(offset_, std::min(left(), limit + 1));
    const auto end = std::find(rest.begin(), rest.end(), std::byte{'\n'});
    if (end == rest.end()) {
      throw Error(ErrorCode::kBadFile, fmt::format("truncated or damaged: {} at byte {} does not end within {} bytes",
                                                   what, offset_, rest.size()));
    }
    const std::string_view result = text(static_cast<std::uint64_t>(end - rest.begin()), what);
    ++offset_;
    return result;
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t offset_;
};

}  // namespace dcn::checkpoint
