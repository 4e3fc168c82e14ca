/// Shared memory that threads use while others write it: in the next round of a loop, or with no barrier between at
/// all.
#include <algorithm>
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

/// One more barrier before the statement at `begin`.
void put_before(Unit& unit, unsigned begin, unsigned end, const std::string& barrier) {
  if (end != 0) {  // a body without braces
    unit.edits.insert(begin, "{ " + barrier + " ", "barriers", -10);
    unit.edits.insert(end, " }", "barriers", 10);
    return;
  }
  const unsigned line = unit.source.line_begin(begin);
  const std::string indent(unit.source.slice(line, begin));
  const bool alone = indent.find_first_not_of(" \t") == std::string::npos;
  unit.edits.insert(begin, barrier + (alone ? "\n" + indent : " "), "barriers", -10);
}

/// "s[i] += e;" reads first, waits for the warp and writes then; under "if (c)", all lanes wait.
void split(Unit& unit, unsigned begin, const RaceFact& race) {
  const std::string store =
      "csy_to " + std::string(unit.source.slice(race.operation.begin, race.operation.end)) + " csy_value; }";
  Span operation = race.operation, close = race.close;
  for (Span* span : {&operation, &close})
    while (span->begin > 0 && unit.source.text()[span->begin - 1] == ' ') --span->begin;
  const std::string wait = " csy::warp_barrier(); ";
  if (race.open.end == 0) {
    unit.edits.insert(begin, "{ auto&& csy_to = ", "barriers", -9);
    unit.edits.replace(operation, "; const auto csy_value =", "barriers");
    unit.edits.insert(race.end + 1, wait + store, "barriers");
    return;
  }
  unit.edits.replace(race.open, "{ const bool csy_here = (", "barriers", true);
  unit.edits.replace(race.then, "); auto&& csy_to = ", "barriers", true);
  unit.edits.replace(operation,
                     "; std::remove_cvref_t<decltype(csy_to)> csy_value{}; if (csy_here) csy_value =", "barriers");
  unit.edits.insert(race.end + 1, wait + "if (csy_here) " + store, "barriers");
  if (race.close.end != 0) unit.edits.replace(close, "", "barriers", true);
}

/// What the parser found: remedies, and places that are left to a person.
void mend(Unit& unit) {
  for (const auto& [begin, races] : unit.facts.races) {
    const std::size_t token = unit.source.at(begin);
    const auto left = std::find_if(races.begin(), races.end(),
                                   [](const RaceFact& race) { return race.remedy == RaceFact::Remedy::kNone; });
    if (left != races.end()) {
      unit.find(1024, token, left->variable);
      continue;
    }
    for (const RaceFact& race : races) {
      if (race.remedy == RaceFact::Remedy::kDoubt) {
        unit.find(1910, token, race.variable);
        continue;
      }
      const bool block = race.remedy == RaceFact::Remedy::kBlockBarrier;
      if (race.remedy == RaceFact::Remedy::kSplit)
        split(unit, begin, race);
      else
        put_before(unit, begin, race.end, block ? "csy::barrier();" : "csy::warp_barrier();");
      unit.find(block ? 1908 : 1909, token, race.variable);
    }
  }
}

}  // namespace

void rule_races(Unit& unit) {
  mend(unit);
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
