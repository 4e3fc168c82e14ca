/// \file sha256.hpp
/// SHA-256 (FIPS 180-4): names cache entries by what they were made from and detects damage to them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace dcn::runtime {

using Sha256 = std::array<std::uint8_t, 32>;

[[nodiscard]] Sha256 sha256(std::string_view bytes) noexcept;

/// Lower-case hexadecimal, 64 characters.
[[nodiscard]] std::string to_hex(const Sha256& digest);

}  // namespace dcn::runtime
