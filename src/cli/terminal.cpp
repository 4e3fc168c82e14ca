#include "cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <cwchar>
#include <vector>

namespace dcn::cli {
namespace {

/// "" when the variable is not set.
std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool locale_is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string value = variable(name);
    if (value.empty()) continue;
    return value.find("UTF-8") != std::string::npos || value.find("utf8") != std::string::npos ||
           value.find("utf-8") != std::string::npos;
  }
  return false;
}

/// The text's characters, each as its bytes; a byte that is no UTF-8 stands for itself.
std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> result;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    std::size_t length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    length = std::min(length, text.size() - i);
    result.push_back(text.substr(i, length));
    i += length;
  }
  return result;
}

/// East Asian wide characters take two columns, combining marks none.
std::size_t columns(std::string_view character) {
  if (character.size() == 1) return 1;
  static const bool known = std::setlocale(LC_CTYPE, "C.UTF-8") != nullptr;
  std::mbstate_t state{};
  wchar_t wide = 0;
  if (!known || std::mbrtowc(&wide, character.data(), character.size(), &state) > character.size()) return 1;
  const int width = ::wcwidth(wide);
  return width < 0 ? 1 : static_cast<std::size_t>(width);
}

}  // namespace

Terminal terminal(int descriptor) {
  Terminal result;
  result.interactive = ::isatty(descriptor) == 1;
  result.colors = result.interactive && variable("TERM") != "dumb" && variable("NO_COLOR").empty();
  result.utf8 = locale_is_utf8();
  result.width = 0;
  if (result.interactive) {
    winsize size{};
    result.width = ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  }
  return result;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (const std::string_view character : characters(text)) width += columns(character);
  return width;
}

std::string shorten(const std::string& text, std::size_t width, bool utf8) {
  if (display_width(text) <= width) return text;
  const std::string gap = utf8 ? "…" : "~";
  if (width <= 1) return width == 0 ? "" : gap;
  const auto all = characters(text);
  const std::size_t room = width - 1;
  std::string head;
  std::string tail;
  std::size_t used = 0;
  std::size_t last = all.size();
  while (last > 0 && used + columns(all[last - 1]) <= room / 2) used += columns(all[--last]);
  for (std::size_t i = last; i < all.size(); ++i) tail += all[i];
  for (std::size_t i = 0; i < last && used + columns(all[i]) <= room; ++i) {
    used += columns(all[i]);
    head += all[i];
  }
  return head + gap + tail;
}

std::string printable(std::string_view text) {
  std::string result;
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    result += byte < 0x20 || byte == 0x7F ? '?' : character;
  }
  return result;
}

}  // namespace dcn::cli
