/// Shared memory that one round of a loop reads while others already write it in the next round.
#include <set>

#include "migrate/unit.hpp"

namespace dcn::migrate {

namespace {

bool barrier_at(const Source& source, std::size_t token) {
  return source.is(token, "__syncthreads") && source.is(token + 1, "(") && source.is(token + 2, ")") &&
         source.is(token + 3, ";");
}

bool use_of(const Unit& unit, std::size_t token, const std::string& variable) {
  return unit.source.is(token, variable) && !unit.member(token) && !unit.source.is(token - 1, "::");
}

/// The variable at `token` is assigned to, counted up, or given to a function.
bool written_at(const Source& source, std::size_t token, std::size_t first) {
  std::size_t next = token + 1;
  while (source.is(next, "[") || source.is(next, "."))
    next = source.is(next, "[") ? source.close(next).value_or(next) + 1 : next + 2;
  if (source.is(next, "=") || source.is(next, "++") || source.is(next, "--") || source.is(token - 1, "++") ||
      source.is(token - 1, "--") || source.is(next + 1, "="))
    return true;
  for (std::size_t i = token; i-- > first;) {
    if (source.is(i, ")")) {
      i = source.open(i).value_or(first);
    } else if (source.is(i, "(")) {
      static const std::set<std::string_view> kStatements = {"if", "for", "while", "switch", "sizeof", "return"};
      if (i > first && source.is_word(i - 1) && kStatements.count(source.word(i - 1)) == 0) return true;
    } else if (source.is(i, ";") || source.is(i, "{") || source.is(i, "}")) {
      break;
    }
  }
  return false;
}

/// The loop's body is between `open` and `close`: between its last barrier and its end, threads use what faster ones
/// write between its beginning and its first barrier.
void check_loop(Unit& unit, std::size_t open, std::size_t close, const std::set<std::string>& shared) {
  const Source& source = unit.source;
  // Barriers that every round reaches, so that one more at its end is reached by the same threads.
  std::size_t first = 0, last = 0;
  for (std::size_t i = open + 1; i < close; ++i) {
    if (source.is(i, "(") || source.is(i, "{") || source.is(i, "[")) {
      i = source.close(i).value_or(close);
    } else if (barrier_at(source, i) && (source.is(i - 1, ";") || source.is(i - 1, "{") || source.is(i - 1, "}"))) {
      if (first == 0) first = i;
      last = i;
    }
  }
  if (first == 0) return;
  for (std::size_t i = last; i < close; ++i)
    if (source.is(i, "break") || source.is(i, "continue") || source.is(i, "return") || source.is(i, "goto")) return;
  for (const std::string& variable : shared) {
    bool before = false, after = false, written = false;
    const auto look = [&](std::size_t from, std::size_t to, bool& used) {
      for (std::size_t i = from; i < to; ++i)
        if (use_of(unit, i, variable)) used = true, written = written || written_at(source, i, from);
    };
    look(open + 1, first, before);
    look(last + 4, close, after);
    if (!before || !after || !written) continue;
    const unsigned brace = source.tokens()[close].begin, line = source.line_begin(brace);
    const std::string indent(source.slice(line, brace));
    if (indent.find_first_not_of(" \t") == std::string::npos)
      unit.edits.insert(line, indent + (indent.find('\t') == std::string::npos ? "  " : "\t") + "csy::barrier();\n",
                        "barriers");
    else
      unit.edits.insert(brace, "csy::barrier(); ", "barriers");
    unit.find(1905, close, variable);
    return;
  }
}

}  // namespace

void rule_races(Unit& unit) {
  const Source& source = unit.source;
  for (std::size_t i = 0; i + 1 < source.size(); ++i) {
    const bool head = (source.is(i, "for") || source.is(i, "while")) && source.is(i + 1, "(");
    if ((!head && !source.is(i, "do")) || source.tokens()[i].directive || !unit.device(i)) continue;
    const std::size_t open = head ? source.close(i + 1).value_or(i) + 1 : i + 1;
    const auto close = source.is(open, "{") ? source.close(open) : std::nullopt;
    if (!close) continue;
    // Shared variables of the functions around the loop, and those of the file.
    std::set<std::string> shared;
    const auto inside = [&](const Span& body, unsigned at) { return body.begin <= at && at < body.end; };
    for (const SharedFact& one : unit.facts.shared) {
      bool local = false, here = false;
      for (const Span& body : unit.facts.device_code)
        if (inside(body, one.name)) local = true, here = here || inside(body, source.tokens()[i].begin);
      if (here || !local) shared.insert(one.variable);
    }
    if (!shared.empty()) check_loop(unit, open, *close, shared);
  }
}

}  // namespace dcn::migrate
