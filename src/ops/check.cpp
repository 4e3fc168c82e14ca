#include "ops/check.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace dcn::ops {

bool is_floating(DataType type) noexcept {
  return type == DataType::kF32 || type == DataType::kF16 || type == DataType::kBf16 || type == DataType::kF64;
}

void expect_equal(std::string_view name, std::int64_t got, std::string_view what, std::int64_t expected,
                  std::string_view why) {
  if (got != expected) throw invalid("{}: {} {}, expected {} ({})", name, got, what, expected, why);
}

void expect_range(std::string_view name, std::int64_t value, std::int64_t low, std::int64_t high) {
  if (value < low || value > high) throw invalid("{}: value {}, expected {} to {}", name, value, low, high);
}

void expect_view(std::string_view name, const TensorView& view, int rank, std::string_view shape) {
  if (view.rank != rank) {
    throw invalid("{}: rank {} [{}], expected rank {} {}", name, view.rank, fmt::join(view.shape(), ", "), rank, shape);
  }
  for (int d = 0; d < rank; ++d) {
    const auto i = static_cast<std::size_t>(d);
    if (view.sizes[i] < 0) throw invalid("{}: size {} in dimension {}, expected 0 or more", name, view.sizes[i], d);
    if (view.strides[i] < 0) {
      throw invalid("{}: stride {} in dimension {}, expected 0 or more: copy the tensor", name, view.strides[i], d);
    }
  }
}

void expect_type(std::string_view name, const TensorView& view, DataType type, std::string_view as) {
  if (view.type != type) {
    throw invalid("{}: type {}, expected {} (the type of {})", name, to_string(view.type), to_string(type), as);
  }
}

void expect_no_overlap(std::string_view name, const TensorView& view) {
  if (view.elements() == 0) return;
  std::vector<int> order(static_cast<std::size_t>(view.rank));
  std::iota(order.begin(), order.end(), 0);
  const auto stride = [&](int d) { return view.strides[static_cast<std::size_t>(d)]; };
  const auto size = [&](int d) { return view.sizes[static_cast<std::size_t>(d)]; };
  std::sort(order.begin(), order.end(), [&](int a, int b) { return stride(a) < stride(b); });
  std::int64_t reach = 0;  // largest index that the dimensions so far can reach
  for (const int d : order) {
    if (size(d) == 1) continue;
    if (stride(d) <= reach) {
      throw invalid("{}: {} has elements that share a place, expected one for each", name, view.describe());
    }
    reach += (size(d) - 1) * stride(d);
  }
}

void expect_data(std::string_view name, const TensorView& view) {
  if (view.data == nullptr && view.elements() != 0) {
    throw invalid("{}: null pointer, expected memory for {}", name, view.describe());
  }
}

void expect_same(std::string_view name, const TensorView& view, const TensorView& planned) {
  bool same = view.type == planned.type && view.rank == planned.rank;
  for (int d = 0; same && d < view.rank; ++d) {
    const auto i = static_cast<std::size_t>(d);
    same = view.sizes[i] == planned.sizes[i] && view.strides[i] == planned.strides[i];
  }
  if (!same) {
    throw invalid("{}: {}, but the plan was made for {}: make another plan", name, view.describe(), planned.describe());
  }
}

}  // namespace dcn::ops
