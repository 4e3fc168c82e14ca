/// Kernels whose surplus threads return before a barrier. CUDA lets the others go on without them; in SYCL every thread
/// of the group must arrive. Such threads go along to the last barrier and do nothing on the way.
#include <algorithm>
#include <set>

#include "migrate/unit.hpp"

namespace dcn::migrate {

namespace {

constexpr const char* kRule = "barriers";

class Rewriter {
 public:
  Rewriter(Unit& unit, std::size_t first, std::size_t last, const std::set<std::string>& varying)
      : unit_(unit), source_(unit.source), first_(first), last_(last), varying_(varying) {}

  /// Edits the body, or leaves it and says no.
  bool run() {
    for (std::size_t i = last_; i-- > first_;)
      if (barrier(i)) {
        last_barrier_ = i;
        break;
      }
    if (!block(first_, last_, true) || !active_) return false;
    for (auto& [offset, text, order] : insertions_) unit_.edits.insert(offset, text, kRule, order);
    for (auto& [span, text] : replacements_) unit_.edits.replace(span, text, kRule, true);
    return true;
  }

 private:
  struct Insertion {
    unsigned offset;
    std::string text;
    int order;
  };

  bool barrier(std::size_t i) const { return source_.word(i).starts_with("__syncthreads") && source_.is(i + 1, "("); }
  bool any(std::size_t first, std::size_t last, const std::set<std::string>& words) const {
    for (std::size_t i = first; i <= last; ++i)
      if (words.count(std::string(source_.word(i))) > 0) return true;
    return false;
  }
  bool has_barrier(std::size_t first, std::size_t last) const {
    for (std::size_t i = first; i <= last; ++i)
      if (barrier(i)) return true;
    return false;
  }
  bool loop_word(std::size_t i) const { return source_.is(i, "for") || source_.is(i, "while"); }

  /// The last token of the statement that begins at `i`.
  std::optional<std::size_t> statement(std::size_t i) const {
    if (source_.is(i, "{")) return source_.close(i);
    if (source_.is(i, "do")) {
      const auto body = statement(i + 1);
      if (!body || !source_.is(*body + 1, "while")) return std::nullopt;
      const auto paren = source_.close(*body + 2);
      return paren ? std::optional(*paren + 1) : std::nullopt;
    }
    if (source_.is(i, "if") || loop_word(i) || source_.is(i, "switch")) {
      const std::size_t open = source_.is(i + 1, "constexpr") ? i + 2 : i + 1;
      const auto paren = source_.is(open, "(") ? source_.close(open) : std::nullopt;
      auto body = paren ? statement(skip(*paren + 1)) : std::nullopt;
      if (body && source_.is(i, "if") && source_.is(*body + 1, "else")) body = statement(*body + 2);
      return body;
    }
    for (std::size_t k = i; k < last_; ++k) {
      if (source_.is(k, ";")) return k;
      if (source_.is(k, "(") || source_.is(k, "[") || source_.is(k, "{")) {
        const auto end = source_.close(k);
        if (!end) return std::nullopt;
        k = *end;
      }
    }
    return std::nullopt;
  }
  std::size_t skip(std::size_t i) const {
    while (i < last_ && source_.tokens()[i].directive) ++i;
    return i;
  }

  /// "T name = ...;", "const T* name;": the token of the "=" or of what stands in its place; 0 for other statements.
  std::size_t declarator_end(std::size_t first, std::size_t last) const {
    static const std::set<std::string> kWords = {"unsigned", "signed", "long", "short",  "auto",
                                                 "int",      "char",   "bool", "double", "float"};
    std::size_t i = first;
    bool typed = false;
    for (; i < last; ++i) {
      const bool known = kWords.count(std::string(source_.word(i))) > 0;
      if (!known && !source_.is(i, "const") && !source_.is(i, "volatile")) break;
      typed = typed || known;
    }
    const std::size_t words = i;
    while (i < last && source_.is_word(i)) {
      ++i;
      if (source_.is(i, "<")) {
        const auto angle = source_.close(i);
        if (!angle) return 0;
        i = *angle + 1;
      }
      if (source_.is(i, "::"))
        ++i;
      else if (!source_.is_word(i) || typed)
        break;
      else
        typed = true;
    }
    const bool pointer = source_.is(i, "*") || source_.is(i, "&");
    while (source_.is(i, "*") || source_.is(i, "&") || source_.is(i, "const") || source_.is(i, "__restrict__")) ++i;
    if (pointer && source_.is_word(i)) ++i, typed = true;
    if (!typed || i == words) return 0;
    return source_.is(i, "=") || source_.is(i, ";") || source_.is(i, "[") || source_.is(i, ",") ? i : 0;
  }

  /// Arithmetic: it may run in any thread. Reads of memory and calls of what is not known may not.
  bool pure(std::size_t first, std::size_t last) const {
    static const std::set<std::string> kCalls = {
        "min",  "max",   "fminf", "fmaxf", "fmin",  "fmax", "floor", "floorf", "ceil", "ceilf",  "round",  "roundf",
        "sqrt", "sqrtf", "abs",   "fabs",  "fabsf", "int",  "float", "double", "long", "size_t", "int64_t"};
    for (std::size_t i = first; i < last; ++i) {
      if (source_.is(i, "[") || source_.is(i, "->") || source_.is(i, "{")) return false;
      if (source_.is(i, "*") && !source_.is(i + 1, ")") && !source_.is_word(i - 1) && !source_.is(i - 1, ")") &&
          source_.tokens()[i - 1].kind != TokenKind::kNumber)
        return false;
      if (source_.is_word(i) && source_.is(i + 1, "(") && kCalls.count(std::string(source_.word(i))) == 0) return false;
    }
    return true;
  }

  /// Where something goes that stands before the statement: a pragma belongs to the loop behind it.
  std::optional<unsigned> before_pragma(std::size_t first) const {
    for (const Directive& one : source_.directives())
      if (one.last_token == first && one.name == "pragma") return source_.line_begin(one.span.begin);
    return std::nullopt;
  }
  void guard(std::size_t first) {
    const auto line = before_pragma(first);
    if (line)
      insertions_.push_back({*line, indent(first) + "if (csy_here)\n", -8});
    else
      insertions_.push_back({source_.tokens()[first].begin, "if (csy_here) ", -8});
  }

  bool early_return(std::size_t first, std::size_t last) {
    const auto paren = source_.is(first, "if") && source_.is(first + 1, "(") ? source_.close(first + 1) : std::nullopt;
    if (!paren) return false;
    const std::size_t body = *paren + 1;
    const bool plain = source_.is(body, "return") && last == body + 1;
    const bool braced = source_.is(body, "{") && source_.is(body + 1, "return") && last == body + 3;
    if (!plain && !braced) return false;
    const auto& tokens = source_.tokens();
    replacements_.push_back(
        {{tokens[first].begin, tokens[first + 1].end}, active_ ? "csy_here = csy_here && !(" : "bool csy_here = !("});
    replacements_.push_back({{tokens[*paren].begin, tokens[last].end}, ");"});
    active_ = true;
    return true;
  }

  bool declaration(std::size_t first, std::size_t equals, std::size_t last) {
    if (!source_.is(equals, "=")) return source_.is(last, ";") && pure(equals + 1, last);
    if (pure(equals + 1, last)) return true;
    int depth = 0;
    for (std::size_t i = equals + 1; i < last; ++i) {
      if (source_.is(i, "(") || source_.is(i, "[") || source_.is(i, "{")) ++depth;
      if (source_.is(i, ")") || source_.is(i, "]") || source_.is(i, "}")) --depth;
      if (depth == 0 && (source_.is(i, ",") || source_.is(i, "{"))) return false;
    }
    if (any(first, equals, {"auto", "&", "static", "["}) || source_.is(equals + 1, "{")) return false;
    const auto& tokens = source_.tokens();
    const std::string type = replaced_words(source_.slice(tokens[first].begin, tokens[equals - 2].end), {});
    insertions_.push_back({tokens[equals + 1].begin, "csy_here ? static_cast<" + type + ">(", -8});
    insertions_.push_back({tokens[last].begin, ") : std::type_identity_t<" + type + ">{}", 8});
    return true;
  }

  bool nested(std::size_t first, std::size_t last) {
    if (source_.is(first, "{")) return block(first + 1, last, false);
    if (!loop_word(first) && !source_.is(first, "if")) return false;
    const auto paren = source_.is(first + 1, "(") ? source_.close(first + 1) : std::nullopt;
    if (!paren || any(first + 1, *paren, varying_) || any(first, last, {"return"})) return false;
    if (loop_word(first) && any(first, last, {"break", "continue"})) return false;
    std::size_t body = skip(*paren + 1);
    while (true) {
      if (!source_.is(body, "{")) return false;
      const auto end = source_.close(body);
      if (!end || !block(body + 1, *end, false)) return false;
      if (!source_.is(*end + 1, "else")) return *end == last;
      body = *end + 2;
    }
  }

  /// The statements between two braces.
  bool block(std::size_t first, std::size_t last, bool top) {
    static const std::set<std::string> kNeutral = {"__shared__",    "extern",    "using",  "typedef",
                                                   "static_assert", "constexpr", "static", "CSY_SHARED"};
    for (std::size_t i = skip(first); i < last; i = skip(i)) {
      const auto end = statement(i);
      if (!end || *end > last) return false;
      const bool inside = has_barrier(i, *end);
      if (top && active_ && i > last_barrier_) {
        const auto line = before_pragma(i);
        const std::string leave = "if (!csy_here) return;\n";
        if (line)
          insertions_.push_back({*line, indent(i) + leave, -9});
        else
          insertions_.push_back({source_.tokens()[i].begin, leave + indent(i), -9});
        return true;
      }
      if (source_.is(i, ";") || (inside && barrier(i)) || kNeutral.count(std::string(source_.word(i))) > 0) {
        // stays
      } else if (top && !inside && early(i, *end)) {
        if (any(i, *end, varying_) && !early_return(i, *end)) return false;
      } else if (!active_) {
        if (any(i, *end, {"return"})) return false;
      } else if (inside) {
        if (!nested(i, *end)) return false;
      } else if (const std::size_t equals = declarator_end(i, *end); equals != 0) {
        if (!declaration(i, equals, *end)) return false;
      } else if (any(i, *end, {"return"}) || source_.is(i, "break") || source_.is(i, "continue")) {
        return false;
      } else {
        guard(i);
      }
      i = *end + 1;
    }
    return true;
  }
  bool early(std::size_t first, std::size_t last) const {
    return source_.is(first, "if") && any(first, last, {"return"}) && !any(first, last, {"else"});
  }
  std::string indent(std::size_t token) const {
    const unsigned begin = source_.tokens()[token].begin;
    std::string text(source_.slice(source_.line_begin(begin), begin));
    return text.find_first_not_of(" \t") == std::string::npos ? text : " ";
  }

  Unit& unit_;
  const Source& source_;
  std::size_t first_, last_, last_barrier_ = 0;
  const std::set<std::string>& varying_;
  bool active_ = false;
  std::vector<Insertion> insertions_;
  std::vector<std::pair<Span, std::string>> replacements_;
};

}  // namespace

bool keep_threads_to_barriers(Unit& unit, std::size_t first, std::size_t last, const std::set<std::string>& varying) {
  return Rewriter(unit, first, last, varying).run();
}

}  // namespace dcn::migrate
