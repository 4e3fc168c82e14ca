#include "ops/index_width.hpp"

#include <limits>

namespace dcn::ops {

const char* to_macro(IndexWidth width) noexcept { return width == IndexWidth::k32 ? "int" : "long long"; }

IndexWidth index_width(std::initializer_list<const TensorView*> views, std::initializer_list<std::int64_t> counts) {
  constexpr std::int64_t kLast = std::numeric_limits<std::int32_t>::max();
  for (const std::int64_t count : counts) {
    if (count > kLast) return IndexWidth::k64;
  }
  for (const TensorView* view : views) {
    if (view == nullptr) continue;
    std::int64_t reach = 0;  // at most kMaxRank * kLast: no overflow
    for (int d = 0; d < view->rank; ++d) {
      const auto i = static_cast<std::size_t>(d);
      if (view->sizes[i] == 0) continue;
      // By division: the product may not fit even 64 bits.
      if (view->sizes[i] > kLast || view->strides[i] > kLast / view->sizes[i]) return IndexWidth::k64;
      reach += (view->sizes[i] - 1) * view->strides[i];
    }
    if (reach > kLast) return IndexWidth::k64;
  }
  return IndexWidth::k32;
}

}  // namespace dcn::ops
