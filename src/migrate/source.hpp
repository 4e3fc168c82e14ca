/// \file source.hpp
/// A source text as tokens, and the edits that rules ask for. Bytes that no edit names stay as they are.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "migrate/facts.hpp"

namespace dcn::migrate {

enum class TokenKind : unsigned char { kWord, kNumber, kString, kPunctuation };

struct Token {
  unsigned begin = 0;
  unsigned end = 0;
  TokenKind kind = TokenKind::kPunctuation;
  bool directive = false;    ///< part of a preprocessor line, its first "#" included
  bool starts_line = false;  ///< the first token of its line
};

/// A preprocessor line, continuation lines included.
struct Directive {
  std::string name;  ///< "include", "define", "if", ...
  Span span;         ///< from "#" to before the line's end
  std::size_t first_token = 0, last_token = 0;
};

/// A text cut into tokens: comments and blanks are between them. "<<<" (also where it is written "<< <"), "::" and
/// "->" are one token each, ">" always stands alone. Macro bodies are tokens too.
class Source {
 public:
  Source(std::string path, std::string text);

  const std::string& path() const { return path_; }
  const std::string& text() const { return text_; }
  const std::vector<Token>& tokens() const { return tokens_; }
  const std::vector<Directive>& directives() const { return directives_; }
  std::size_t size() const { return tokens_.size(); }

  std::string_view word(std::size_t token) const;
  bool is(std::size_t token, std::string_view spelling) const {
    return token < tokens_.size() && word(token) == spelling;
  }
  bool is_word(std::size_t token) const { return token < tokens_.size() && tokens_[token].kind == TokenKind::kWord; }
  std::string_view slice(unsigned begin, unsigned end) const {
    return std::string_view(text_).substr(begin, end - begin);
  }
  unsigned line_of(unsigned offset) const;  ///< from 1
  unsigned line_begin(unsigned offset) const;
  unsigned line_end(unsigned offset) const;  ///< place of the newline, or the text's end

  /// The token that begins at or after an offset.
  std::size_t at(unsigned offset) const;
  /// The bracket that closes the one at `open` ("(", "[", "{", or "<" of template arguments), if any.
  std::optional<std::size_t> close(std::size_t open) const;
  /// The bracket that opens what the one at `close` closes.
  std::optional<std::size_t> open(std::size_t close) const;
  /// The first of the three ">" that end what the "<<<" at `open` begins.
  std::optional<std::size_t> launch_close(std::size_t open) const;
  /// Token ranges [first, last) of the arguments between the parentheses at `open`; none for "()".
  std::vector<std::pair<std::size_t, std::size_t>> arguments(std::size_t open) const;
  /// The first token of the postfix expression that ends with token `last` (a name, a call, an element).
  std::size_t postfix_begin(std::size_t last) const;
  /// The first token of the qualified name that ends with the word at `token`.
  std::size_t qualified_begin(std::size_t token) const;

 private:
  void lex();

  std::string path_, text_;
  std::vector<Token> tokens_;
  std::vector<Directive> directives_;
  std::vector<unsigned> lines_;
};

struct Edit {
  Span span;
  std::string text;
  std::string rule;
  bool swallow = false;  ///< edits inside the span are void
  int order = 0;         ///< among insertions at one place: lower stands first
};

/// What shall change in one file.
class Edits {
 public:
  void replace(Span span, std::string text, std::string rule, bool swallow = false);
  void insert(unsigned offset, std::string text, std::string rule, int order = 0);
  bool empty() const { return edits_.empty(); }
  /// Whether a replacement covers the byte.
  bool covers(unsigned offset) const;
  /// Adds the other's edits that are not here yet.
  void merge(const Edits& other);

  /// The edits in the order of the text, without the swallowed. Throws dcn::Error (internal) when two overlap.
  std::vector<Edit> sorted(const std::string& path) const;
  std::string apply(const Source& source) const;
  const std::vector<Edit>& all() const { return edits_; }

 private:
  std::vector<Edit> edits_;
};

}  // namespace dcn::migrate
