#include "migrate/source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "dcn/status.hpp"

namespace dcn::migrate {

namespace {

bool word_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$'; }
bool word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$'; }

}  // namespace

Source::Source(std::string path, std::string text) : path_(std::move(path)), text_(std::move(text)) {
  lines_.push_back(0);
  for (unsigned i = 0; i < text_.size(); ++i)
    if (text_[i] == '\n') lines_.push_back(i + 1);
  lex();
}

/// "<< <" is one token to nvcc, and nothing else in C++: the place behind it, or 0.
static unsigned spaced_chevrons(const std::string& text, unsigned at) {
  if (text.compare(at, 2, "<<") != 0) return 0;
  unsigned third = at + 2;
  while (third < text.size() && (text[third] == ' ' || text[third] == '\t')) ++third;
  if (third >= text.size() || text[third] != '<' || third == at + 2) return 0;
  return third + 1;
}

void Source::lex() {
  const unsigned size = static_cast<unsigned>(text_.size());
  unsigned i = 0;
  bool line_start = true, directive = false;
  const auto next = [&](unsigned at) { return at < size ? text_[at] : '\0'; };
  while (i < size) {
    const char c = text_[i];
    if (c == '\\' && (next(i + 1) == '\n' || (next(i + 1) == '\r' && next(i + 2) == '\n'))) {
      i += next(i + 1) == '\n' ? 2 : 3;
      continue;
    }
    if (c == '\n') {
      if (directive) {
        directives_.back().span.end = i > 0 && text_[i - 1] == '\r' ? i - 1 : i;
        directives_.back().last_token = tokens_.size();
      }
      line_start = true;
      directive = false;
      ++i;
      continue;
    }
    if (std::isspace(static_cast<unsigned char>(c)) != 0) {
      ++i;
      continue;
    }
    if (c == '/' && next(i + 1) == '/') {
      while (i < size && text_[i] != '\n') i += text_[i] == '\\' && next(i + 1) == '\n' ? 2 : 1;
      continue;
    }
    if (c == '/' && next(i + 1) == '*') {
      const auto end = text_.find("*/", i + 2);
      i = end == std::string::npos ? size : static_cast<unsigned>(end) + 2;
      continue;
    }
    Token token;
    token.begin = i;
    token.starts_line = line_start;
    if (c == '#' && line_start) {
      directive = true;
      directives_.push_back({"", {i, size}, tokens_.size(), 0});
    }
    token.directive = directive;
    line_start = false;
    if (word_start(c)) {
      while (i < size && word_char(text_[i])) ++i;
      token.kind = TokenKind::kWord;
      // R"(...)", u8"...": a string with a prefix
      if (next(i) == '"' && i - token.begin <= 3 && text_[i - 1] == 'R') {
        const auto paren = text_.find('(', i);
        if (paren != std::string::npos) {
          const std::string close = ")" + text_.substr(i + 1, paren - i - 1) + "\"";
          const auto end = text_.find(close, paren);
          i = end == std::string::npos ? size : static_cast<unsigned>(end + close.size());
          token.kind = TokenKind::kString;
        }
      }
    } else if (std::isdigit(static_cast<unsigned char>(c)) != 0 ||
               (c == '.' && std::isdigit(static_cast<unsigned char>(next(i + 1))) != 0)) {
      ++i;
      while (i < size && (word_char(text_[i]) || text_[i] == '.' || (text_[i] == '\'' && word_char(next(i + 1))) ||
                          ((text_[i] == '+' || text_[i] == '-') &&
                           (text_[i - 1] == 'e' || text_[i - 1] == 'E' || text_[i - 1] == 'p') &&
                           !(next(token.begin + 1) == 'x' && text_[i - 1] != 'p'))))
        ++i;
      token.kind = TokenKind::kNumber;
    } else if (c == '"' || c == '\'') {
      ++i;
      while (i < size && text_[i] != c && text_[i] != '\n') i += text_[i] == '\\' ? 2 : 1;
      i = std::min(size, i + 1);
      token.kind = TokenKind::kString;
    } else if (text_.compare(i, 3, "<<<") == 0) {
      i += 3;
    } else if (const unsigned third = spaced_chevrons(text_, i); third != 0) {
      i = third;
    } else if (text_.compare(i, 2, "::") == 0 || text_.compare(i, 2, "->") == 0 || text_.compare(i, 2, "==") == 0 ||
               text_.compare(i, 2, "!=") == 0 || text_.compare(i, 2, "<=") == 0 || text_.compare(i, 2, ">=") == 0 ||
               text_.compare(i, 2, "<<") == 0 || text_.compare(i, 2, "&&") == 0 || text_.compare(i, 2, "||") == 0 ||
               text_.compare(i, 2, "++") == 0 || text_.compare(i, 2, "--") == 0) {
      i += 2;
    } else {
      ++i;
    }
    token.end = i;
    if (directive && directives_.back().name.empty() && token.kind == TokenKind::kWord)
      directives_.back().name = text_.substr(token.begin, i - token.begin);
    tokens_.push_back(token);
  }
  if (directive) directives_.back().last_token = tokens_.size();
}

std::string_view Source::word(std::size_t token) const {
  if (token >= tokens_.size()) return {};
  if (tokens_[token].kind == TokenKind::kPunctuation && tokens_[token].end - tokens_[token].begin > 3) return "<<<";
  return slice(tokens_[token].begin, tokens_[token].end);
}

unsigned Source::line_of(unsigned offset) const {
  return static_cast<unsigned>(std::upper_bound(lines_.begin(), lines_.end(), offset) - lines_.begin());
}
unsigned Source::line_begin(unsigned offset) const { return lines_[line_of(offset) - 1]; }
unsigned Source::line_end(unsigned offset) const {
  const auto end = text_.find('\n', offset);
  return end == std::string::npos ? static_cast<unsigned>(text_.size()) : static_cast<unsigned>(end);
}

std::size_t Source::at(unsigned offset) const {
  const auto found =
      std::lower_bound(tokens_.begin(), tokens_.end(), offset, [](const Token& t, unsigned o) { return t.begin < o; });
  return static_cast<std::size_t>(found - tokens_.begin());
}

std::optional<std::size_t> Source::close(std::size_t open) const {
  if (open >= tokens_.size()) return std::nullopt;
  const bool inside = tokens_[open].directive;
  if (word(open) == "<") {
    int depth = 0;
    for (std::size_t i = open; i < tokens_.size() && tokens_[i].directive == inside; ++i) {
      const auto w = word(i);
      if (w == "<")
        ++depth;
      else if (w == ">" && --depth == 0)
        return i;
      else if (w == "(" || w == "[" || w == "{") {
        const auto end = close(i);
        if (!end) return std::nullopt;
        i = *end;
      } else if (w == ";" || w == ")" || w == "]" || w == "}" || w == "<<<")
        return std::nullopt;
    }
    return std::nullopt;
  }
  int depth = 0;
  for (std::size_t i = open; i < tokens_.size(); ++i) {
    if (tokens_[i].directive != inside) {
      if (inside) return std::nullopt;  // a macro's body ends with its line
      continue;
    }
    const auto w = word(i);
    if (tokens_[i].kind != TokenKind::kPunctuation) continue;
    if (w == "(" || w == "[" || w == "{") ++depth;
    if (w == ")" || w == "]" || w == "}")
      if (--depth == 0) return i;
  }
  return std::nullopt;
}

std::optional<std::size_t> Source::open(std::size_t close) const {
  const bool inside = tokens_[close].directive;
  const bool angle = word(close) == ">";
  int depth = 0;
  for (std::size_t i = close + 1; i-- > 0;) {
    if (tokens_[i].directive != inside) {
      if (inside) return std::nullopt;
      continue;
    }
    if (tokens_[i].kind != TokenKind::kPunctuation) continue;
    const auto w = word(i);
    if (w == ")" || w == "]" || w == "}" || (angle && w == ">")) ++depth;
    if (w == "(" || w == "[" || w == "{" || (angle && w == "<"))
      if (--depth == 0) return i;
    if (angle && (w == ";" || w == "{" || w == "<<<" || w == "&&" || w == "||")) return std::nullopt;
  }
  return std::nullopt;
}

std::optional<std::size_t> Source::launch_close(std::size_t open) const {
  for (std::size_t i = open + 1; i + 2 < tokens_.size(); ++i) {
    if (tokens_[i].directive != tokens_[open].directive) {
      if (tokens_[open].directive) return std::nullopt;
      continue;
    }
    const auto w = word(i);
    if (w == "(" || w == "[" || w == "{") {
      const auto end = close(i);
      if (!end) return std::nullopt;
      i = *end;
    } else if (w == ">" && is(i + 1, ">") && is(i + 2, ">")) {
      return i;
    } else if (w == ";") {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

std::vector<std::pair<std::size_t, std::size_t>> Source::arguments(std::size_t open_token) const {
  std::vector<std::pair<std::size_t, std::size_t>> result;
  const auto end = close(open_token);
  if (!end || *end == open_token + 1) return result;
  std::size_t first = open_token + 1;
  for (std::size_t i = first; i < *end; ++i) {
    const auto w = word(i);
    if (w == "(" || w == "[" || w == "{") {
      i = close(i).value_or(i);
    } else if (w == "<" && i > first && is_word(i - 1)) {
      // Template arguments, not a comparison: what follows the ">" can only follow a type or a template.
      const auto angle = close(i);
      if (angle && *angle < *end) {
        const auto after = word(*angle + 1);
        if (after == "(" || after == "::" || after == "," || after == ")" || after == ">" || after == "<<<" ||
            after == "{" || after == "*" || after == "&")
          i = *angle;
      }
    } else if (w == ",") {
      result.emplace_back(first, i);
      first = i + 1;
    }
  }
  result.emplace_back(first, *end);
  return result;
}

std::size_t Source::qualified_begin(std::size_t token) const {
  while (token > 0 && is(token - 1, "::")) {
    if (token > 1 && is_word(token - 2) && word(token - 2) != "return" && word(token - 2) != "else")
      token -= 2;
    else
      return token - 1;
  }
  return token;
}

std::size_t Source::postfix_begin(std::size_t last) const {
  std::size_t i = last;
  while (true) {
    if (is(i, ")") || is(i, "]")) {
      const auto start = open(i);
      if (!start) return i;
      i = *start;
      const bool call = i > 0 && (is_word(i - 1) || is(i - 1, ")") || is(i - 1, "]") || is(i - 1, ">"));
      if (!call) return i;
      if (is_word(i - 1) && (is(i - 1, "return") || is(i - 1, "if") || is(i - 1, "while") || is(i - 1, "switch")))
        return i;
      --i;
      continue;
    }
    if (is(i, ">")) {
      const auto start = open(i);
      if (!start || *start == 0) return i;
      i = *start - 1;
      continue;
    }
    if (!is_word(i)) return i;
    i = qualified_begin(i);
    if (i > 0 && (is(i - 1, ".") || is(i - 1, "->"))) {
      if (i < 2) return i;
      i -= 2;
      continue;
    }
    return i;
  }
}

void Edits::replace(Span span, std::string text, std::string rule, bool swallow) {
  for (const Edit& known : edits_)
    if (known.span == span && known.text == text) return;
  edits_.push_back({span, std::move(text), std::move(rule), swallow, 0});
}

void Edits::insert(unsigned offset, std::string text, std::string rule, int order) {
  for (const Edit& known : edits_)
    if (known.span == Span{offset, offset} && known.text == text && known.order == order) return;
  edits_.push_back({{offset, offset}, std::move(text), std::move(rule), false, order});
}

bool Edits::covers(unsigned offset) const {
  return std::any_of(edits_.begin(), edits_.end(),
                     [&](const Edit& e) { return e.span.begin <= offset && offset < e.span.end; });
}

void Edits::merge(const Edits& other) {
  for (const Edit& edit : other.edits_) {
    const bool known = std::any_of(edits_.begin(), edits_.end(), [&](const Edit& e) {
      return e.span == edit.span && e.text == edit.text && e.order == edit.order;
    });
    if (!known) edits_.push_back(edit);
  }
}

std::vector<Edit> Edits::sorted(const std::string& path) const {
  std::vector<Edit> result;
  std::vector<const Edit*> big;
  for (const Edit& edit : edits_)
    if (edit.swallow) big.push_back(&edit);
  for (const Edit& edit : edits_) {
    const bool void_edit = std::any_of(big.begin(), big.end(), [&](const Edit* b) {
      if (b == &edit) return false;
      const bool within = b->span.begin <= edit.span.begin && edit.span.end <= b->span.end;
      const bool at_border =
          edit.span.begin == edit.span.end && (edit.span.begin == b->span.begin || edit.span.begin == b->span.end);
      const bool same = b->span == edit.span;
      return within && !at_border && !(same && (!edit.swallow ? false : b > &edit));
    });
    if (!void_edit) result.push_back(edit);
  }
  std::stable_sort(result.begin(), result.end(), [](const Edit& a, const Edit& b) {
    if (a.span.begin != b.span.begin) return a.span.begin < b.span.begin;
    const bool first = a.span.begin == a.span.end, second = b.span.begin == b.span.end;
    if (first != second) return first;
    return a.order < b.order;
  });
  std::vector<Edit> kept;
  for (Edit& edit : result) {
    if (!kept.empty() && kept.back().span.end > edit.span.begin)
      throw Error(ErrorCode::kInternal, fmt::format("{}: the rules {} and {} want to edit the same place, byte {}",
                                                    path, kept.back().rule, edit.rule, edit.span.begin));
    kept.push_back(std::move(edit));
  }
  return kept;
}

std::string Edits::apply(const Source& source) const {
  std::string result;
  unsigned from = 0;
  for (const Edit& edit : sorted(source.path())) {
    result.append(source.text(), from, edit.span.begin - from);
    result += edit.text;
    from = edit.span.end;
  }
  result.append(source.text(), from);
  return result;
}

}  // namespace dcn::migrate
