/// \file text.hpp
/// Strings from files we did not write, made safe for messages.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace dcn::checkpoint {

/// Control characters and whatever is not UTF-8 escaped, cut after about 100 characters.
std::string printable(std::string_view text);
/// True for well-formed UTF-8 (no overlong forms, no surrogates).
bool is_utf8(std::string_view text) noexcept;
/// Each byte as the character of that number.
std::string latin1_to_utf8(std::string_view text);
/// "[2, 3]", cut after 16 numbers.
std::string bracketed(std::span<const std::int64_t> numbers);

}  // namespace dcn::checkpoint
