/// \file limits.hpp
/// What no file of weights exceeds, and how a file that does is refused.
#pragma once

#include <cstddef>
#include <string>

#include "dcn/status.hpp"

namespace dcn::checkpoint {

constexpr std::size_t kMaxRank = 64;  // PyTorch's own
constexpr std::size_t kMaxTensors = 100'000;

/// \throws Error kBadFile, always; load() puts the file's name in front.
[[noreturn]] inline void fail(const std::string& message) { throw Error(ErrorCode::kBadFile, message); }

}  // namespace dcn::checkpoint
