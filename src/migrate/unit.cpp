#include "migrate/unit.hpp"

#include <algorithm>

#include "dcn/status.hpp"

namespace dcn::migrate {

bool Unit::own(std::size_t token) const {
  return member(token) || facts.own_names.count(source.tokens()[token].begin) > 0;
}

bool Unit::device(std::size_t token) const {
  const unsigned at = source.tokens()[token].begin;
  if (source.tokens()[token].directive) {
    const auto call = facts.calls.find(at);
    return call != facts.calls.end() && call->second.in_device;
  }
  const auto after = facts.device_code.upper_bound(Span{at, ~0u});
  for (auto span = after; span != facts.device_code.begin();) {
    --span;
    if (span->begin <= at && at < span->end) return true;
    if (at - span->begin > 400000) break;
  }
  return false;
}

void Unit::rename(std::size_t token, std::string text, const char* rule) {
  edits.replace({source.tokens()[token].begin, source.tokens()[token].end}, std::move(text), rule);
}

void Unit::remove(std::size_t first, std::size_t last, const char* rule) {
  unsigned begin = source.tokens()[first].begin, end = source.tokens()[last].end;
  const std::string& text = source.text();
  const bool macro = source.tokens()[first].directive && !source.is(first, "#");
  const unsigned line = source.line_begin(begin);
  const bool alone_before = !macro && text.find_first_not_of(" \t", line) == begin;
  unsigned after = end;
  while (after < text.size() && (text[after] == ' ' || text[after] == '\t')) ++after;
  if (alone_before && (after >= text.size() || text[after] == '\n' || text[after] == '\r')) {
    begin = line;
    end = std::min<unsigned>(source.line_end(end) + 1, static_cast<unsigned>(text.size()));
  } else if (after < text.size() && text[after] != '\n' && text[after] != '\r' && text[after] != '\\') {
    end = after;
  }
  edits.replace({begin, end}, "", rule, true);
}

void Unit::find(int number, std::size_t token, std::string detail) {
  const unsigned at = token < source.size() ? source.tokens()[token].begin : 0;
  for (const Finding& known : findings)
    if (known.number == number && known.offset == at) return;
  findings.push_back({number, at, std::move(detail)});
}

const std::vector<Rule>& source_rules() {
  static const std::vector<Rule> rules = {
      {"errors", rule_errors},
      {"torch-device", rule_torch_device},
      {"torch-old", rule_torch_old},
      {"launches", rule_launches},
      {"shared", rule_shared},
      {"globals", rule_globals},
      {"torch-library", rule_torch_library},
      {"arch", rule_arch},
      {"libraries", rule_libraries},
      {"api", rule_api},
      {"attributes", rule_attributes},
      {"tensors", rule_tensors},
      {"barriers", rule_barrier_check},
      {"barriers", rule_races},
      {"leftovers", rule_leftovers},
      {"includes", rule_includes},
      {"regions", rule_regions},
  };
  return rules;
}

const std::vector<DiagnosticText>& diagnostics() {
  static const std::vector<DiagnosticText> list = {
#define DIAGNOSTIC(number, what, remedy) {number, what, remedy},
#include "migrate/diagnostics.def"
#undef DIAGNOSTIC
  };
  return list;
}

const DiagnosticText& diagnostic(int number) {
  for (const DiagnosticText& one : diagnostics())
    if (one.number == number) return one;
  throw Error(ErrorCode::kInvalidArgument,
              "there is no diagnostic C2S" + std::to_string(number) + "; see cuda2sycl --diagnostics");
}

const std::vector<RuleText>& rule_texts() {
  static const std::vector<RuleText> list = {
#define RULE(name, what) {#name, what},
#include "migrate/rules.def"
#undef RULE
  };
  return list;
}

}  // namespace dcn::migrate
