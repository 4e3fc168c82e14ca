/// \file verbose.hpp
/// What DCN_VERBOSE shows on stderr: a comma-separated list of topics, or "all". Without the variable nothing is
/// printed and nothing is formatted.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string_view>
#include <utility>

namespace dcn::runtime {

enum class Topic : std::uint8_t {
  kCheck,     ///< arguments that were refused, or accepted with a remark
  kDispatch,  ///< which device or variant was chosen, and why others were not
  kCompile,   ///< where each kernel came from, what the cache did
  kExec,      ///< every kernel submission
};

/// True when DCN_VERBOSE names the topic. Read once, at the first call.
[[nodiscard]] bool is_verbose(Topic topic) noexcept;

/// Writes "dcn: <topic>: <message>\n" to stderr in one piece.
void write_verbose(Topic topic, std::string_view message) noexcept;

/// Formats and writes the message only when the topic is on.
template <typename... Args>
void verbose(Topic topic, fmt::format_string<Args...> format, Args&&... args) {
  if (is_verbose(topic)) write_verbose(topic, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace dcn::runtime
