#include "runtime/cuda_code.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>

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

/// Size and alignment of a type.
struct Layout {
  std::size_t bytes = 0;
  std::size_t alignment = 1;
};

std::optional<Layout> layout_of_struct(std::string_view text, std::string_view name);

/// Of a scalar type, a pointer, or a struct of the text.
std::optional<Layout> layout_of_type(std::string_view text, std::string_view type) {
  if (type.find('*') != std::string_view::npos) return Layout{8, 8};
  if (type.starts_with("const ")) type.remove_prefix(std::string_view("const ").size());
  type = trim(type);
  if (type == "long long" || type == "long" || type == "double") return Layout{8, 8};
  if (type == "int" || type == "unsigned" || type == "float") return Layout{4, 4};
  return layout_of_struct(text, type);
}

/// Adds the members of one declaration, such as "long long stride[4], size", to the layout.
bool add_members(std::string_view text, std::string_view declaration, Layout& layout) {
  const std::size_t first_comma = declaration.find(',');
  const std::string_view first = trim(declaration.substr(0, first_comma));
  const std::size_t name = first.substr(0, first.find('[')).find_last_of(" *");
  if (name == std::string_view::npos || declaration.find('(') != std::string_view::npos) return false;
  const std::optional<Layout> type = layout_of_type(text, trim(first.substr(0, name + 1)));
  if (!type) return false;
  std::string_view rest = declaration;
  while (true) {
    const std::size_t comma = rest.find(',');
    std::string_view declarator = rest.substr(0, comma);
    std::size_t count = 1;
    for (std::size_t open = declarator.find('['); open != std::string_view::npos; open = declarator.find('[')) {
      declarator.remove_prefix(open + 1);
      std::size_t extent = 0;
      const auto [end, error] = std::from_chars(declarator.data(), declarator.data() + declarator.size(), extent);
      if (error != std::errc() || *end != ']') return false;  // a constant by name
      count *= extent;
    }
    layout.alignment = std::max(layout.alignment, type->alignment);
    layout.bytes = (layout.bytes + type->alignment - 1) / type->alignment * type->alignment + count * type->bytes;
    if (comma == std::string_view::npos) return true;
    rest.remove_prefix(comma + 1);
  }
}

/// Read off the text; nothing for a struct with other members than numbers, pointers, arrays and such structs.
std::optional<Layout> layout_of_struct(std::string_view text, std::string_view name) {
  const std::string head = fmt::format("struct {} {{", name);
  const std::size_t begin = text.find(head);
  const std::size_t end = begin == std::string_view::npos ? begin : text.find('}', begin);
  if (end == std::string_view::npos) return std::nullopt;
  std::string members;
  std::string_view body = text.substr(begin + head.size(), end - begin - head.size());
  while (!body.empty()) {
    const std::size_t length = body.find('\n');
    const std::string_view line = body.substr(0, length);
    if (!trim(line).starts_with('#')) members += line.substr(0, line.find("//"));
    members += ' ';
    body.remove_prefix(length == std::string_view::npos ? body.size() : length + 1);
  }
  Layout layout;
  std::string_view rest = members;
  for (std::size_t stop = rest.find(';'); stop != std::string_view::npos; stop = rest.find(';')) {
    if (!add_members(text, trim(rest.substr(0, stop)), layout)) return std::nullopt;
    rest.remove_prefix(stop + 1);
  }
  layout.bytes = (layout.bytes + layout.alignment - 1) / layout.alignment * layout.alignment;
  return layout;
}

std::string new_entry(const Entry& entry, std::size_t entry_words) {
  std::string parameters;
  std::string words;
  for (std::size_t i = 0; i < entry_words; ++i) {
    parameters += fmt::format("{}long w{}", i == 0 ? "" : ", ", i);
    words += fmt::format("{}w{}", i == 0 ? "" : ", ", i);
  }
  return fmt::format(R"(extern "C" __attribute__((always_inline)) {} void {}({}) {{
  const long words[{}] = {{{}}};
  static_assert(sizeof({}) <= sizeof(words), "the argument struct is larger than was read off its text");
  {} args;
  __builtin_memcpy(&args, words, sizeof(args));
  {}_body(args{});
}}
)",
                     entry.properties, entry.name, parameters, entry_words, words, entry.args_type, entry.args_type,
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
    const std::optional<Layout> layout = layout_of_struct(text, entry.args_type);
    entries += new_entry(entry, layout ? std::max<std::size_t>((layout->bytes + 7) / 8, 1) : kMostEntryWords);
    at = begin + length;
  }
  return out + entries;
}

std::map<std::string, std::size_t, std::less<>> entry_words(std::string_view split_text) {
  std::map<std::string, std::size_t, std::less<>> words;
  const std::size_t entries = split_text.rfind("#line 1 \"entries\"\n");
  for (std::size_t at = split_text.find(kBegin.substr(0, kBegin.rfind(' ')), entries); at != std::string_view::npos;
       at = split_text.find(kBegin.substr(0, kBegin.rfind(' ')), at + 1)) {
    const std::size_t name = split_text.find(kVoid, at) + kVoid.size();
    const std::size_t open = split_text.find('(', name);
    const std::string_view parameters = split_text.substr(open, split_text.find(')', open) - open);
    words[std::string(split_text.substr(name, open - name))] =
        static_cast<std::size_t>(std::count(parameters.begin(), parameters.end(), ',')) + 1;
  }
  return words;
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

void mark_executable(std::vector<char>& content) {
  constexpr std::string_view kObject = "[SYCLBIN/global metadata]\nstate=1|1\n";
  const auto found = std::search(content.begin(), content.end(), kObject.begin(), kObject.end());
  if (found != content.end()) *(found + static_cast<std::ptrdiff_t>(kObject.size()) - 2) = '2';
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

void raise_target(std::vector<char>& content) {
  constexpr std::string_view kInstruction = "//dcn-sm_90a ";
  constexpr std::string_view kStop = "/*dcn-sm_90a*/trap;";
  constexpr std::string_view kHead = "// Generated by LLVM NVPTX Back-End\n//\n\n";
  constexpr std::string_view kRaised = "\n\n.version 8.0\n.target sm_90a\n";
  const std::string_view text(content.data(), content.size());
  const auto blank = [&](std::string_view what, std::size_t from, std::size_t to) {
    for (std::size_t at = text.find(what, from); at < to; at = text.find(what, at)) {
      std::fill_n(content.begin() + static_cast<std::ptrdiff_t>(at), what.size(), ' ');
    }
  };
  // A bundle may hold several files; those without such instructions stay.
  for (std::size_t head = text.find(kHead); head != std::string_view::npos; head = text.find(kHead, head + 1)) {
    const std::size_t next = std::min(text.find(kHead, head + 1), text.size());
    const std::size_t target = text.find("\n.target sm_90\n", head);
    if (text.substr(head, next - head).find(kInstruction) == std::string_view::npos || target >= next) continue;
    const std::size_t end = text.find('\n', target + 1) + 1;
    // The content's parts have fixed places: the comment makes room.
    const auto begin = content.begin() + static_cast<std::ptrdiff_t>(head);
    const auto raised = content.begin() + static_cast<std::ptrdiff_t>(end - kRaised.size());
    std::fill(begin, raised, '/');
    std::copy(kRaised.begin(), kRaised.end(), raised);
    blank(kInstruction, end, next);
    blank(kStop, end, next);
  }
}

}  // namespace dcn::runtime
