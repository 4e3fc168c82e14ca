/// \file rounding.hpp
/// How many steps, and how far in whole steps.
#pragma once

#include <cstdint>

namespace dcn::ops {

/// ceil(value / step) of numbers that are not negative.
[[nodiscard]] constexpr std::int64_t div_up(std::int64_t value, std::int64_t step) { return (value + step - 1) / step; }
/// The smallest multiple of step that is not below value.
[[nodiscard]] constexpr std::int64_t round_up(std::int64_t value, std::int64_t step) {
  return div_up(value, step) * step;
}

}  // namespace dcn::ops
