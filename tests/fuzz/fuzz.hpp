// What every fuzz target does with its input: load it, and if that works, use all that was loaded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "checkpoint/checkpoint.hpp"
#include "dcn/status.hpp"

namespace dcn::checkpoint::fuzz {

inline void require(bool condition) {
  if (!condition) std::abort();
}

/// Reads each byte, so that the sanitizer sees one that is not the tensor's.
inline void touch(const Tensor& tensor) {
  require(tensor.data != nullptr && tensor.elements() >= 0);
  std::uint8_t sum = 0;
  for (const std::byte byte : std::span(tensor.data.get(), tensor.bytes())) sum ^= std::to_integer<std::uint8_t>(byte);
  static_cast<void>(*static_cast<volatile std::uint8_t*>(&sum));
}

}  // namespace dcn::checkpoint::fuzz
