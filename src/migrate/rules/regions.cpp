/// Host code between #if CSY_HOST and #endif, in files that the device compiler reads. A file is cut into declarations
/// at namespace scope; those that no kernel needs are hidden, neighbours together, so that preprocessor conditionals
/// stay whole.
#include <algorithm>

#include "migrate/output_names.hpp"
#include "migrate/unit.hpp"

namespace dcn::migrate {

namespace {

enum class Kind : unsigned char { kHost, kBoth, kDirective };

struct Piece {
  Kind kind;
  std::size_t first, last;  ///< tokens, last included
  const Directive* directive = nullptr;
};

bool device_words(const Source& source, std::size_t first, std::size_t last) {
  for (std::size_t i = first; i <= last; ++i) {
    const auto w = source.word(i);
    if (w == "__global__" || w == "__device__" || w == "threadIdx" || w == "blockIdx" || w == "C10_DEVICE" ||
        w == "C10_HOST_DEVICE")
      return true;
  }
  return false;
}

/// The last token of the declaration that begins at `first`.
std::size_t declaration_last(const Unit& unit, std::size_t first, std::size_t limit) {
  const Source& source = unit.source;
  const auto& tokens = source.tokens();
  bool parameters = false, assigned = false;
  for (std::size_t i = first; i < limit; ++i) {
    if (tokens[i].directive) continue;
    const auto w = source.word(i);
    if (w == ";") return i;
    if (w == "=") assigned = true;
    if (w == "<" && i > first && (source.is(i - 1, "template"))) {
      i = source.close(i).value_or(i);
      continue;
    }
    if (w == "(" || w == "[") {
      const auto end = source.close(i);
      if (!end) return limit - 1;
      i = *end;
      if (w == "(") parameters = true;
      // A macro call that is a declaration of its own: the next line begins another one.
      if (w == "(" && i + 1 < limit && tokens[i + 1].starts_line && !source.is(i + 1, "{") && !source.is(i + 1, ":") &&
          !source.is(i + 1, ";") && !source.is(i + 1, "->") && !source.is(i + 1, "const") &&
          !source.is(i + 1, "noexcept") && !source.is(i + 1, "override") && !source.is(i + 1, "__attribute__") &&
          !source.is(i + 1, ",") && !source.is(i + 1, "=")) {
        const std::size_t open = source.open(i).value_or(first);
        if (open == first + 1 && !source.is(first, "extern") && !source.is(first, "alignas") &&
            !source.is(first, "__launch_bounds__"))
          return i;
      }
      continue;
    }
    if (w == "{") {
      const auto end = source.close(i);
      if (!end) return limit - 1;
      i = *end;
      if (source.is(i + 1, ";")) return i + 1;
      if (assigned) continue;
      if (parameters && !source.is(i + 1, ",")) return i;
      // struct X {...} x;  enum {...};  Without a ";" in sight it ends here.
      continue;
    }
    if (w == "}") return i > first ? i - 1 : i;
  }
  return limit - 1;
}

std::vector<Piece> cut(const Unit& unit) {
  const Source& source = unit.source;
  const auto& tokens = source.tokens();
  std::vector<Piece> pieces;
  std::size_t next_directive = 0;
  const auto& directives = source.directives();
  for (std::size_t i = 0; i < source.size();) {
    if (tokens[i].directive) {
      while (next_directive < directives.size() && directives[next_directive].first_token < i) ++next_directive;
      if (next_directive >= directives.size()) break;
      const Directive& one = directives[next_directive];
      pieces.push_back({Kind::kDirective, i, one.last_token - 1, &one});
      i = one.last_token;
      continue;
    }
    if (source.is(i, "}") || source.is(i, ";")) {
      pieces.push_back({Kind::kBoth, i, i});
      ++i;
      continue;
    }
    // namespace a::b { , inline namespace {, extern "C" {
    std::size_t brace = i;
    if (source.is(brace, "inline") && source.is(brace + 1, "namespace")) ++brace;
    if (source.is(brace, "namespace")) {
      ++brace;
      while (brace < source.size() && (source.is_word(brace) || source.is(brace, "::"))) ++brace;
      if (source.is(brace, "{")) {
        pieces.push_back({Kind::kBoth, i, brace});
        i = brace + 1;
        continue;
      }
    } else if (source.is(i, "extern") && i + 2 < source.size() && tokens[i + 1].kind == TokenKind::kString &&
               source.is(i + 2, "{")) {
      pieces.push_back({Kind::kBoth, i, i + 2});
      i += 3;
      continue;
    }
    // A namespace that a macro opens (TORCH_NAMESPACE_BEGIN) reads as a declaration; it ends where its line ends.
    const std::size_t last = declaration_last(unit, i, source.size());
    const unsigned begin = tokens[i].begin, end = tokens[last].end;
    bool device = false, anything = true, known = false;
    for (const TopDecl& top : unit.facts.decls) {
      if (top.span.end <= begin || top.span.begin >= end) continue;
      known = true;
      device = device || top.device;
      anything = anything && top.anything;
    }
    // A kernel that the parser read as something else still says what it is, before its body.
    std::size_t head = i;
    while (head < last && !source.is(head, "{")) ++head;
    const bool keep = device || (known && anything) || device_words(source, i, known ? head : last);
    pieces.push_back({keep ? Kind::kBoth : Kind::kHost, i, last});
    i = last + 1;
  }
  return pieces;
}

bool conditional(const Piece& piece) {
  return piece.directive != nullptr && (piece.directive->name.starts_with("if") ||
                                        piece.directive->name.starts_with("el") || piece.directive->name == "endif");
}

}  // namespace

void rule_regions(Unit& unit) {
  if (!unit.facts.device_needed) return;
  const Source& source = unit.source;
  const auto& tokens = source.tokens();
  const std::vector<Piece> pieces = cut(unit);
  const auto close_region = [&](std::size_t from, std::size_t to) {
    const Piece &first = pieces[from], &last = pieces[to];
    const unsigned begin = tokens[first.first].begin, end = tokens[last.last].end;
    const unsigned line = source.line_begin(begin);
    const bool alone = source.text().find_first_not_of(" \t", line) == begin;
    unit.edits.insert(alone ? line : begin, alone ? "#if CSY_HOST\n" : "\n#if CSY_HOST\n", "regions", -10);
    const unsigned stop = source.line_end(end);
    // Something of the next declaration on the same line: break it.
    const bool shared_line = last.last + 1 < source.size() && tokens[last.last + 1].begin < stop;
    if (shared_line)
      unit.edits.insert(end, "\n#endif\n", "regions", -30);
    else if (stop < source.text().size())
      unit.edits.insert(stop + 1, "#endif\n", "regions", -30);
    else
      unit.edits.insert(stop, "\n#endif\n", "regions", 30);
  };
  for (std::size_t i = 0; i < pieces.size();) {
    if (pieces[i].kind != Kind::kHost) {
      ++i;
      continue;
    }
    std::size_t last = i;  // the last piece that belongs to the region
    for (std::size_t k = i + 1; k < pieces.size();) {
      if (pieces[k].kind == Kind::kHost) {
        last = k++;
        continue;
      }
      if (pieces[k].kind == Kind::kDirective && pieces[k].directive->name.starts_with("if")) {
        // The whole conditional, when it holds nothing for the device.
        std::size_t end = k;
        int depth = 0;
        bool host_only = true, any = false;
        for (; end < pieces.size(); ++end) {
          const Piece& piece = pieces[end];
          if (piece.kind == Kind::kBoth || (piece.kind == Kind::kDirective && !conditional(piece))) host_only = false;
          any = any || piece.kind == Kind::kHost;
          if (piece.kind == Kind::kDirective && piece.directive->name.starts_with("if")) ++depth;
          if (piece.kind == Kind::kDirective && piece.directive->name == "endif" && --depth == 0) break;
        }
        if (!host_only || !any || end >= pieces.size()) break;
        last = end;
        k = end + 1;
        continue;
      }
      break;
    }
    close_region(i, last);
    i = last + 1;
  }
}

}  // namespace dcn::migrate
