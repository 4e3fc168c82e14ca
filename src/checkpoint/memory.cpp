#include "checkpoint/memory.hpp"

#include <fmt/core.h>
#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "checkpoint/text.hpp"
#include "dcn/status.hpp"

namespace dcn::checkpoint {
namespace {

constexpr std::align_val_t kAlignment{64};
constexpr std::align_val_t kHugePage{std::size_t{2} << 20};
constexpr std::uint64_t kFreeBytes = std::uint64_t{64} << 20;
constexpr std::uint64_t kExpansion = 16;

}  // namespace

std::shared_ptr<std::byte[]> allocate_aligned(std::uint64_t bytes, std::string_view what) {
  // Huge pages make the first touch of a large block several times faster.
  const bool large = bytes >= 4 * static_cast<std::uint64_t>(kHugePage);
  const std::align_val_t alignment = large ? kHugePage : kAlignment;
  try {
    auto* data = static_cast<std::byte*>(::operator new[](std::max<std::uint64_t>(bytes, 1), alignment));
    if (large) ::madvise(data, static_cast<std::size_t>(bytes), MADV_HUGEPAGE);
    return {data, [alignment](std::byte* pointer) { ::operator delete[](pointer, alignment); }};
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kOutOfMemory, fmt::format("no memory for the {} bytes of {}", bytes, printable(what)));
  }
}

MemoryBudget::MemoryBudget(const LoadLimits& limits, std::uint64_t file_bytes)
    : limit_(std::min(limits.max_tensor_bytes, kFreeBytes + kExpansion * file_bytes)) {}

std::shared_ptr<std::byte[]> MemoryBudget::allocate(std::uint64_t bytes, std::string_view what) {
  if (bytes > limit_ - used_) {
    throw Error(
        ErrorCode::kBadFile,
        fmt::format("{} takes {} bytes, which would make {} in all, at most {} are accepted from a file of this "
                    "size; if it is sound, re-save it with safetensors or torch.save, not compressed",
                    printable(what), bytes, used_ + bytes, limit_));
  }
  std::shared_ptr<std::byte[]> result = allocate_aligned(bytes, what);
  used_ += bytes;
  return result;
}

std::int64_t checked_elements(const std::vector<std::int64_t>& sizes, std::size_t element_bytes,
                              std::string_view name) {
  std::int64_t count = 1;
  bool overflow = false;
  for (const std::int64_t size : sizes) {
    if (size < 0) throw Error(ErrorCode::kBadFile, fmt::format("tensor {}: negative size {}", printable(name), size));
    overflow = overflow || __builtin_mul_overflow(count, size, &count);
  }
  // An extent of 0 makes the tensor empty whatever the others multiply to.
  if (std::find(sizes.begin(), sizes.end(), 0) != sizes.end()) return 0;
  std::int64_t bytes = 0;
  if (overflow || __builtin_mul_overflow(count, static_cast<std::int64_t>(element_bytes), &bytes)) {
    throw Error(ErrorCode::kBadFile,
                fmt::format("tensor {}: sizes {} do not fit any memory", printable(name), bracketed(sizes)));
  }
  return count;
}

}  // namespace dcn::checkpoint
