/// \file terminal.hpp
/// What the streams are connected to, and text that fits it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dcn::cli {

struct Terminal {
  bool interactive = false;  ///< a person looks at it
  bool colors = false;       ///< interactive, and NO_COLOR is not set
  bool utf8 = false;         ///< box-drawing characters can be shown
  int width = 80;            ///< columns; 0: no limit (a file, a pipe)
};

/// \param descriptor STDOUT_FILENO or STDERR_FILENO
[[nodiscard]] Terminal terminal(int descriptor);

/// Columns that a UTF-8 text takes on a terminal.
[[nodiscard]] std::size_t display_width(std::string_view text);

/// The text in at most `width` columns; what is too long loses its middle.
[[nodiscard]] std::string shorten(const std::string& text, std::size_t width, bool utf8);

/// Control characters (a file name may hold any) become question marks.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace dcn::cli
