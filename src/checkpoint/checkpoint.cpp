#include "checkpoint/checkpoint.hpp"

namespace dcn::checkpoint {

std::int64_t Tensor::elements() const noexcept {
  std::int64_t count = 1;
  for (const std::int64_t size : sizes) count *= size;
  return count;
}

}  // namespace dcn::checkpoint
