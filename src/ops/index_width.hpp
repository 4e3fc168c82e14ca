/// \file index_width.hpp
/// Which integer type addresses elements on the device. 64-bit arithmetic costs; too narrow an index reads the wrong
/// memory without a word. So there is one place that decides.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "dcn/tensor.hpp"

namespace dcn::ops {

enum class IndexWidth : std::uint8_t { k32, k64 };

/// The value of DCN_INDEX.
[[nodiscard]] const char* to_macro(IndexWidth width) noexcept;

/// k64 when a size times its stride, or the index of an element, or one of `counts` passes 2^31 - 1.
[[nodiscard]] IndexWidth index_width(std::initializer_list<const TensorView*> views,
                                     std::initializer_list<std::int64_t> counts = {});

}  // namespace dcn::ops
