/// \file check.hpp
/// What every operator checks of its tensors, with one wording. Touches no device.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string_view>

#include "dcn/status.hpp"
#include "dcn/tensor.hpp"

namespace dcn::ops {

template <typename... Args>
[[nodiscard]] Error invalid(fmt::format_string<Args...> format, Args&&... args) {
  return Error(ErrorCode::kInvalidArgument, fmt::format(format, std::forward<Args>(args)...));
}

/// True for the types that operators compute on.
[[nodiscard]] bool is_floating(DataType type) noexcept;

/// "name: 3 what, expected 4 (why)".
void expect_equal(std::string_view name, std::int64_t got, std::string_view what, std::int64_t expected,
                  std::string_view why);
/// "name: value 0, expected low to high".
void expect_range(std::string_view name, std::int64_t value, std::int64_t low, std::int64_t high);
/// Rank, and strides that are not negative.
void expect_view(std::string_view name, const TensorView& view, int rank, std::string_view shape);
void expect_type(std::string_view name, const TensorView& view, DataType type, std::string_view as);
/// Every element has a place of its own.
void expect_no_overlap(std::string_view name, const TensorView& view);
/// `view` has data unless it is empty.
void expect_data(std::string_view name, const TensorView& view);
/// Same type, sizes and strides as when the plan was made.
void expect_same(std::string_view name, const TensorView& view, const TensorView& planned);

}  // namespace dcn::ops
