/// \file text.hpp
/// Messages without {fmt}: PyTorch's headers hold a copy of it that refuses to be used with the stable ABI.
#pragma once

#include <cstdint>
#include <span>
#include <sstream>
#include <string>

namespace dcn::torch_binding {

/// The parts, one after the other.
template <typename... Parts>
[[nodiscard]] std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// "[2, 3]"
[[nodiscard]] inline std::string shape_text(std::span<const std::int64_t> sizes) {
  std::string out = "[";
  for (const std::int64_t size : sizes) out += (out.size() == 1 ? "" : ", ") + std::to_string(size);
  return out + "]";
}

}  // namespace dcn::torch_binding
