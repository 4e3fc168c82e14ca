#include "checkpoint/text.hpp"

#include <fmt/core.h>

namespace dcn::checkpoint {
namespace {

/// Bytes of the well-formed sequence at the front of `text`, 0 if there is none.
std::size_t sequence_length(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const std::size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms, surrogates and numbers past U+10FFFF show in the second byte.
  const std::uint8_t second = byte(1);
  if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) || (lead == 0xf0 && second < 0x90) ||
      (lead == 0xf4 && second > 0x8f)) {
    return 0;
  }
  return length;
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr std::size_t kLongest = 100;
  std::string result;
  while (!text.empty()) {
    if (result.size() >= kLongest) return result + "...";
    const std::size_t length = sequence_length(text);
    const auto lead = static_cast<std::uint8_t>(text[0]);
    if (length == 0 || lead < 0x20 || lead == 0x7f) {
      result += fmt::format("\\x{:02x}", lead);
      text.remove_prefix(1);
    } else {
      result += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return result;
}

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string latin1_to_utf8(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (byte < 0x80) {
      result += c;
    } else {
      result += static_cast<char>(0xc0 | byte >> 6);
      result += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return result;
}

std::string bracketed(std::span<const std::int64_t> numbers) {
  constexpr std::size_t kShown = 16;
  std::string result = "[";
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0) result += ", ";
    if (i == kShown) return result + "...]";
    result += std::to_string(numbers[i]);
  }
  return result + "]";
}

}  // namespace dcn::checkpoint
