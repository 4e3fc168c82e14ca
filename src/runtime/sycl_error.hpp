/// \file sycl_error.hpp
/// From sycl::exception to dcn::Error.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <sycl/exception.hpp>

#include "dcn/status.hpp"

namespace dcn::runtime {

/// kOutOfMemory when that is what the runtime said, else kDevice; "what: the runtime's own words".
[[nodiscard]] inline Error translate(const sycl::exception& error, std::string_view what) {
  const bool memory = error.code() == sycl::errc::memory_allocation;
  return Error(memory ? ErrorCode::kOutOfMemory : ErrorCode::kDevice, fmt::format("{}: {}", what, error.what()));
}

}  // namespace dcn::runtime
