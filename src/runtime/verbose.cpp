#include "runtime/verbose.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>

namespace dcn::runtime {

namespace {

constexpr std::array<std::string_view, 4> kNames{"check", "dispatch", "compile", "exec"};

unsigned read_topics() noexcept {
  const char* value = std::getenv("DCN_VERBOSE");
  std::string_view rest = value == nullptr ? "" : value;
  unsigned topics = 0;
  while (!rest.empty()) {
    const std::string_view word = rest.substr(0, rest.find(','));
    for (std::size_t i = 0; i < kNames.size(); ++i) {
      if (word == kNames[i] || word == "all") topics |= 1U << i;
    }
    rest.remove_prefix(word.size() == rest.size() ? rest.size() : word.size() + 1);
  }
  return topics;
}

}  // namespace

bool is_verbose(Topic topic) noexcept {
  static const unsigned topics = read_topics();
  return ((topics >> static_cast<unsigned>(topic)) & 1U) != 0;
}

void write_verbose(Topic topic, std::string_view message) noexcept {
  const std::string_view name = kNames[static_cast<std::size_t>(topic)];
  // One call, so that lines of several threads do not mix.
  std::fprintf(stderr, "dcn: %.*s: %.*s\n", static_cast<int>(name.size()), name.data(),
               static_cast<int>(message.size()), message.data());
}

}  // namespace dcn::runtime
