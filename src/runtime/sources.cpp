#include "runtime/sources.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "dcn/status.hpp"
#include "runtime/text.hpp"

namespace dcn::runtime {

namespace {

/// The words after '#' of a preprocessor line: "include \"x.hpp\"", or nothing for any other line.
std::string_view directive(std::string_view line) {
  line = trim(line);
  return line.starts_with('#') ? trim(line.substr(1)) : std::string_view{};
}

/// X of `#include "X"`, else empty.
std::string_view quoted_include(std::string_view line) {
  constexpr std::string_view kInclude = "include";
  std::string_view words = directive(line);
  if (!words.starts_with(kInclude)) return {};
  words = trim(words.substr(kInclude.size()));
  if (!words.starts_with('"')) return {};
  words.remove_prefix(1);
  return words.substr(0, words.find('"'));
}

/// The next line of `text`, which loses it.
std::string_view take_line(std::string_view& text) {
  const std::size_t length = text.find('\n');
  const std::string_view line = text.substr(0, length);
  text.remove_prefix(length == std::string_view::npos ? text.size() : length + 1);
  return line;
}

struct Location {
  std::string_view file;
  int line = 0;
};

/// File and line of every line of an expanded text; the first is at index 1.
std::vector<Location> locations(std::string_view expanded) {
  std::vector<Location> result(1);
  Location next;
  while (!expanded.empty()) {
    const std::string_view line = take_line(expanded);
    result.push_back(next);
    ++next.line;
    constexpr std::string_view kLine = "#line ";
    if (!line.starts_with(kLine)) continue;
    const std::size_t quote = line.find('"');
    if (quote == std::string_view::npos) continue;
    std::from_chars(line.data() + kLine.size(), line.data() + line.size(), next.line);
    next.file = line.substr(quote + 1, line.rfind('"') - quote - 1);
  }
  return result;
}

class Expander {
 public:
  using Lookup = std::function<std::optional<std::string_view>(std::string_view)>;
  explicit Expander(const Lookup& lookup) : lookup_(lookup) {}

  void add(std::string_view name, std::string_view text) {
    seen_.push_back(name);
    out_ += fmt::format("#line 1 \"{}\"\n", name);
    for (int number = 1; !text.empty(); ++number) {
      const std::string_view line = take_line(text);
      const std::string_view included = quoted_include(line);
      if (!included.empty()) {
        include(name, number, included);
      } else if (directive(line) == "pragma once") {
        out_ += '\n';  // true by construction, and a warning in a main file
      } else {
        out_.append(line) += '\n';
      }
    }
  }

  std::string take() { return std::move(out_); }

 private:
  void include(std::string_view name, int number, std::string_view included) {
    if (std::find(seen_.begin(), seen_.end(), included) != seen_.end()) {
      out_ += '\n';
      return;
    }
    const std::optional<std::string_view> text = lookup_(included);
    if (!text) {
      throw Error(ErrorCode::kInternal, fmt::format("kernel file {}, line {}: includes \"{}\", which is not in "
                                                    "src/kernels; SYCL headers take angle brackets",
                                                    name, number, included));
    }
    add(included, *text);
    out_ += fmt::format("#line {} \"{}\"\n", number + 1, name);
  }

  const Lookup& lookup_;
  std::vector<std::string_view> seen_;
  std::string out_;
};

}  // namespace

std::optional<std::string_view> find_source(std::string_view name) noexcept {
  for (const SourceFile& file : embedded_sources()) {
    if (file.name == name) return file.text;
  }
  return std::nullopt;
}

std::string expand_source(std::string_view name, std::string_view text,
                          const std::function<std::optional<std::string_view>(std::string_view)>& lookup) {
  Expander expander(lookup);
  expander.add(name, text);
  return expander.take();
}

std::string restore_locations(std::string_view log, std::string_view expanded) {
  constexpr std::string_view kPrefix = "rtc_";
  constexpr std::string_view kSuffix = ".cpp:";
  const std::vector<Location> where = locations(expanded);
  std::string out;
  while (!log.empty()) {
    const std::size_t start = log.find(kPrefix);
    out.append(log.substr(0, start));
    if (start == std::string_view::npos) break;
    log.remove_prefix(start);
    const std::size_t digits = log.find_first_not_of("0123456789", kPrefix.size());
    std::size_t line = 0;
    if (digits != std::string_view::npos && log.substr(digits).starts_with(kSuffix)) {
      std::from_chars(log.data() + digits + kSuffix.size(), log.data() + log.size(), line);
    }
    if (line > 0 && line < where.size() && !where[line].file.empty()) {
      out += fmt::format("{}:{}", where[line].file, where[line].line);
      const std::size_t end = log.find_first_not_of("0123456789", digits + kSuffix.size());
      log.remove_prefix(std::min(end, log.size()));
    } else {
      out.append(kPrefix);
      log.remove_prefix(kPrefix.size());
    }
  }
  return out;
}

}  // namespace dcn::runtime
