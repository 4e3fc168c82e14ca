/// \file usage.hpp
/// How a wrong command line is refused.
#pragma once

#include <string>

#include "dcn/status.hpp"

namespace dcn::cli {

/// \throws Error kInvalidArgument, always. The message names the option, its value and the remedy.
[[noreturn]] inline void fail(const std::string& message) { throw Error(ErrorCode::kInvalidArgument, message); }

}  // namespace dcn::cli
