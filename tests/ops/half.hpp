/// \file half.hpp
/// f16 and bf16 on the host, from their definitions: what goes into tensors and what comes out.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace dcn::test {

/// Rounds to nearest even onto `mantissa_bits` explicit bits and a smallest exponent of `min_exponent`.
inline double round_to(double value, int mantissa_bits, int min_exponent, double largest) {
  if (!std::isfinite(value) || value == 0) return value;
  int exponent = 0;
  (void)std::frexp(value, &exponent);  // value = f * 2^exponent, 0.5 <= |f| < 1
  const int step = std::max(exponent - 1, min_exponent) - mantissa_bits;
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(value, -step)), step);
  return std::abs(rounded) > largest ? std::copysign(std::numeric_limits<double>::infinity(), value) : rounded;
}

inline std::uint16_t to_bf16(double value) {
  const auto rounded = static_cast<float>(round_to(value, 7, -126, std::numeric_limits<float>::max()));
  std::uint32_t bits = 0;
  std::memcpy(&bits, &rounded, sizeof(bits));
  return static_cast<std::uint16_t>(bits >> 16);
}

inline double from_bf16(std::uint16_t half) {
  const std::uint32_t bits = static_cast<std::uint32_t>(half) << 16;
  float value = 0;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

inline std::uint16_t to_f16(double value) {
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  if (std::isnan(value)) return 0x7e00;
  const double magnitude = std::abs(round_to(value, 10, -14, 65504.0));
  if (std::isinf(magnitude)) return sign | 0x7c00;
  if (magnitude < std::ldexp(1.0, -14)) return sign | static_cast<std::uint16_t>(std::ldexp(magnitude, 24));
  int exponent = 0;
  const double fraction = std::frexp(magnitude, &exponent);  // 0.5 <= fraction < 1
  const auto mantissa = static_cast<std::uint16_t>(std::ldexp(fraction, 11)) & 0x3ff;
  return static_cast<std::uint16_t>(sign | ((exponent + 14) << 10) | mantissa);
}

inline double from_f16(std::uint16_t half) {
  const int exponent = (half >> 10) & 0x1f;
  const int mantissa = half & 0x3ff;
  double magnitude = 0;
  if (exponent == 0) {
    magnitude = std::ldexp(mantissa, -24);
  } else if (exponent == 31) {
    magnitude = mantissa != 0 ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
  } else {
    magnitude = std::ldexp(mantissa + 1024, exponent - 25);
  }
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

}  // namespace dcn::test
