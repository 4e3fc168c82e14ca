#include "runtime/cuda_code.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "dcn/status.hpp"
#include "runtime/text.hpp"

namespace dcn::runtime {

namespace {

constexpr std::string_view kBegin = "extern \"C\" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY";
constexpr std::string_view kVoid = "void ";
constexpr std::string_view kAccessor = "sycl::local_accessor<";

/// In front of the file. Stands in for a local accessor of one dimension.
constexpr std::string_view kPrologue = R"(#line 1 "entries"
extern __attribute__((opencl_local, aligned(128))) unsigned char dcn_local_memory[];
template <typename T>
struct DcnLocalMemory {
  struct Pointer {
    T* get() const { return (T*)dcn_local_memory; }
  };
  template <auto Decorated>
  Pointer get_multi_ptr() const {
    return {};
  }
};
)";

/// One entry point, as places in the text.
struct Entry {
  std::string_view properties;  ///< between `extern "C"` and `void`
  std::string_view name;
  std::string_view args_type;
  std::string_view local_type;  ///< of the accessor's elements; empty: none
  std::string_view parameters;
};

[[noreturn]] void refuse(std::string_view text) {
  throw Error(ErrorCode::kInternal, fmt::format("kernel entry of an unknown form: {}", text.substr(0, 200)));
}

/// The entry that `text` starts with; `length` becomes that of its head, up to the closing parenthesis.
Entry parse(std::string_view text, std::size_t& length) {
  const std::size_t space = kBegin.find(' ', kBegin.find(' ') + 1);  // after extern "C"
  const std::size_t returns = text.find(kVoid);
  const std::size_t open = returns == std::string_view::npos ? returns : text.find('(', returns);
  const std::size_t close = open == std::string_view::npos ? open : text.find(')', open);
  if (close == std::string_view::npos) refuse(text);
  length = close + 1;
  Entry entry;
  entry.properties = trim(text.substr(space, returns - space));
  entry.name = trim(text.substr(returns + kVoid.size(), open - returns - kVoid.size()));
  entry.parameters = text.substr(open + 1, close - open - 1);
  const std::size_t comma = entry.parameters.find(',');
  const std::string_view first = trim(entry.parameters.substr(0, comma));
  const std::size_t type_end = first.rfind(' ');
  if (type_end == std::string_view::npos) refuse(text);
  entry.args_type = trim(first.substr(0, type_end));
  if (comma == std::string_view::npos) return entry;
  const std::string_view second = trim(entry.parameters.substr(comma + 1));
  const std::size_t last_comma = second.rfind(',');
  if (!second.starts_with(kAccessor) || last_comma == std::string_view::npos) refuse(text);
  entry.local_type = second.substr(kAccessor.size(), last_comma - kAccessor.size());
  return entry;
}

/// A value of SYCL's property files: its size in bits, then its bytes, six bits to a letter, lowest first.
std::string encode(std::string_view value) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>((value.size() * 8) >> shift & 0xffU);
  bytes += value;
  std::string text;
  unsigned held = 0;
  int bits = 0;
  for (const char byte : bytes) {
    held |= static_cast<unsigned>(static_cast<unsigned char>(byte)) << bits;
    for (bits += 8; bits >= 6; bits -= 6) {
      text += kLetters[held & 63U];
      held >>= 6;
    }
  }
  if (bits != 0) text += kLetters[held & 63U];
  return text;
}

std::string body_head(const Entry& entry) {
  const std::string_view args = trim(entry.parameters.substr(0, entry.parameters.find(',')));
  if (entry.local_type.empty())
    return fmt::format("inline __attribute__((always_inline)) void {}_body({})", entry.name, args);
  const std::string_view local = trim(entry.parameters.substr(entry.parameters.rfind('>') + 1));
  return fmt::format("inline __attribute__((always_inline)) void {}_body({}, DcnLocalMemory<{}> {})", entry.name, args,
                     entry.local_type, local);
}

std::string new_entry(const Entry& entry) {
  std::string parameters;
  std::string words;
  for (std::size_t i = 0; i < kEntryWords; ++i) {
    parameters += fmt::format("{}long w{}", i == 0 ? "" : ", ", i);
    words += fmt::format("{}w{}", i == 0 ? "" : ", ", i);
  }
  return fmt::format(R"(extern "C" __attribute__((always_inline)) {} void {}({}) {{
  const long words[{}] = {{{}}};
  static_assert(sizeof({}) <= sizeof(words), "more argument words are needed: kEntryWords");
  {} args;
  __builtin_memcpy(&args, words, sizeof(args));
  {}_body(args{});
}}
)",
                     entry.properties, entry.name, parameters, kEntryWords, words, entry.args_type, entry.args_type,
                     entry.name, entry.local_type.empty() ? "" : ", {}");
}

}  // namespace

std::string split_entries(std::string_view text) {
  std::string out(kPrologue);
  std::string entries = "#line 1 \"entries\"\n";
  std::size_t at = 0;
  while (true) {
    const std::size_t begin = text.find(kBegin, at);
    out += text.substr(at, begin == std::string_view::npos ? begin : begin - at);
    if (begin == std::string_view::npos) break;
    std::size_t length = 0;
    const Entry entry = parse(text.substr(begin), length);
    out += body_head(entry);
    entries += new_entry(entry);
    at = begin + length;
  }
  return out + entries;
}

void mend_target(std::vector<char>& content) {
  const std::string written = "target=2|" + encode("llvm_nvptx64-unknown-unknown");
  std::string expected = "target=2|" + encode("nvptx64-nvidia-cuda");
  // The content's parts have fixed places: a property that nobody reads fills the gap.
  constexpr std::string_view kFiller = "\ndcn=1|";
  expected += kFiller;
  expected.append(written.size() - expected.size(), '0');
  const auto found = std::search(content.begin(), content.end(), written.begin(), written.end());
  if (found != content.end()) std::copy(expected.begin(), expected.end(), found);
}

void limit_registers(std::vector<char>& content) {
  constexpr std::string_view kMarker = "// dcn-registers ";
  constexpr std::string_view kDirective = "\n.maxnreg ";
  constexpr std::string_view kName = "// .globl\t";  // a comment in front of each entry
  const std::string_view text(content.data(), content.size());
  for (std::size_t at = text.find(kMarker); at != std::string_view::npos; at = text.find(kMarker, at + 1)) {
    const std::size_t number = at + kMarker.size();
    const std::string directive =
        fmt::format("{}{}", kDirective, text.substr(number, text.find_first_not_of("0123456789", number) - number));
    const std::size_t entry = text.rfind("\n.visible .entry ", at);
    const std::size_t comment = text.rfind(kName, entry);
    if (entry == std::string_view::npos || comment == std::string_view::npos) continue;
    const std::size_t comment_end = text.find('\n', comment);
    const std::size_t body = text.find("\n{", entry);
    // The content's parts have fixed places: the comment makes room for the directive.
    if (body > at || comment_end - comment < kName.size() + directive.size()) continue;
    const auto place = [&](std::size_t index) { return content.begin() + static_cast<std::ptrdiff_t>(index); };
    const auto moved = std::copy(place(comment_end), place(body), place(comment_end - directive.size()));
    std::copy(directive.begin(), directive.end(), moved);
  }
}

}  // namespace dcn::runtime
