// Links when fmt_once.cpp holds what this version of {fmt} wants: what the project uses of it.
#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <string_view>

int main(int argc, char** argv) {
  try {
    const auto text = fmt::format("{} {:.3g} {:>5} {:02x} {:L} {} {} {}", argc, 2.5, 'c', 255U, 1234567, 1.5F,
                                  std::string_view(argv[0]), static_cast<const void*>(argv));
    fmt::print("{} {:?<4}\n", text, 1e300);
    fmt::print(stderr, "{} {}", 1.25L, true);
    return static_cast<int>(fmt::vformat("{", fmt::make_format_args(argc)).size());
  } catch (const fmt::format_error& error) {
    return error.what()[0] == '\0' ? 1 : 0;
  }
}
