/// \file status.hpp
/// The one error type of the project.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace dcn {

/// What kind of thing went wrong; the message of dcn::Error says what and what to do.
enum class ErrorCode : std::uint8_t {
  kInvalidArgument,  ///< the caller's arguments do not fit together
  kUnsupported,      ///< a valid request that this build or device cannot serve
  kNoDevice,         ///< no usable SYCL device, or none of the kind that was asked for
  kOutOfMemory,      ///< an allocation failed or would exceed a stated limit
  kIo,               ///< a file or stream could not be read or written
  kBadFile,          ///< a file was read, and its content is malformed
  kCompile,          ///< device code did not compile; the message holds the log once
  kDevice,           ///< the device or its driver reported an error
  kInternal,         ///< a broken promise inside this library
};

/// Short stable name of a code, such as "invalid_argument".
[[nodiscard]] std::string_view to_string(ErrorCode code) noexcept;

/// Thrown by every part of the project. `what()` is one message for a person: it names the tensor, file or
/// option, what it has, what was expected and the remedy.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}

  [[nodiscard]] ErrorCode code() const noexcept { return code_; }

  /// The same error with "context: " in front, for callers that know the file or the layer.
  [[nodiscard]] Error in(std::string_view context) const { return Error(code_, std::string(context) + ": " + what()); }

 private:
  ErrorCode code_;
};

}  // namespace dcn
