#include "runtime/sources.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "dcn/status.hpp"

namespace dcn::runtime {

namespace {

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

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

class Expander {
 public:
  using Lookup = std::function<std::optional<std::string_view>(std::string_view)>;
  explicit Expander(const Lookup& lookup) : lookup_(lookup) {}

  void add(std::string_view name, std::string_view text) {
    seen_.push_back(name);
    out_ += fmt::format("#line 1 \"{}\"\n", name);
    for (int number = 1; !text.empty(); ++number) {
      const std::size_t length = text.find('\n');
      const std::string_view line = text.substr(0, length);
      text.remove_prefix(length == std::string_view::npos ? text.size() : length + 1);
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

}  // namespace dcn::runtime
