/// Names of CUDA and of PyTorch's CUDA side, by the tables api.def and words.def.
#include <cctype>
#include <map>
#include <set>
#include <string>

#include "migrate/unit.hpp"

namespace dcn::migrate {

namespace {

enum class Where : unsigned char {
  kBoth,
  kDevice,     ///< only in kernels: on the host the name is the C++ library's
  kMinMax,     ///< in kernels any, on the host only the unqualified form, which CUDA declares there
  kCudaScope,  ///< only behind cuda::
};

struct Call {
  int arguments;  ///< -1: any
  const char* form;
  const char* rule;
  Where where;
};

const std::multimap<std::string_view, Call>& calls() {
  // NOLINTBEGIN(readability-identifier-naming): the words of api.def
  constexpr int ANY = -1;
  constexpr Where BOTH = Where::kBoth, DEVICE = Where::kDevice, MINMAX = Where::kMinMax, CUDA_SCOPE = Where::kCudaScope;
  // NOLINTEND(readability-identifier-naming)
  static const std::multimap<std::string_view, Call> table = {
#define CALL(name, arguments, form, rule, where) {#name, {arguments, form, rule, where}},
#include "migrate/rules/api.def"
#undef CALL
  };
  return table;
}

struct Word {
  const char* text;
  const char* rule;
};

const std::map<std::string_view, Word>& words() {
  static const std::map<std::string_view, Word> table = {
#define WORD(name, replacement, rule) {#name, {replacement, rule}},
#include "migrate/rules/words.def"
#undef WORD
  };
  return table;
}

/// Namespaces that may stand before a CUDA or PyTorch name of the tables.
const std::set<std::string_view> kScopes = {"at",     "c10",    "torch",  "cuda",        "std",
                                            "native", "compat", "detail", "THCNumerics", "hip"};

/// The first token of the name with its namespaces, or nothing when they are somebody else's.
bool scope_of(const Unit& unit, std::size_t token, std::size_t& first, bool& cuda_scope, bool& qualified) {
  first = unit.source.qualified_begin(token);
  qualified = first != token;
  cuda_scope = false;
  // numeric_limits<T>::max
  if (first != token && unit.source.is(first, "::") && first > 0 && unit.source.is(first - 1, ">")) return false;
  for (std::size_t i = first; i < token; ++i) {
    if (unit.source.is(i, "::")) continue;
    if (kScopes.count(unit.source.word(i)) == 0) return false;
    cuda_scope = cuda_scope || unit.source.is(i, "cuda");
  }
  return true;
}

/// Writes `form` around the arguments: the text between them changes, they themselves may be edited by other rules.
bool write_form(Unit& unit, std::size_t first, std::size_t open, const std::string& form, const char* rule) {
  const Source& source = unit.source;
  const auto& tokens = source.tokens();
  const auto end = source.close(open);
  if (!end) return false;
  const auto arguments = source.arguments(open);
  unsigned from = tokens[first].begin;
  std::string text;
  for (std::size_t i = 0; i < form.size(); ++i) {
    if (form[i] != '%') {
      text += form[i];
      continue;
    }
    ++i;
    std::size_t wanted = 0, last = 0;
    if (form[i] == '*' || form[i] == '>') {
      wanted = form[i] == '>' ? 1 : 0;
      if (arguments.empty()) {
        // "f(x, %*)" without arguments: no comma either
        while (!text.empty() && (text.back() == ' ' || text.back() == ',')) text.pop_back();
        continue;
      }
      last = arguments.size() - 1;
    } else {
      wanted = last = static_cast<std::size_t>(form[i] - '1');
    }
    if (last >= arguments.size() || arguments[wanted].first >= arguments[last].second) return false;
    const unsigned begin = tokens[arguments[wanted].first].begin;
    if (begin < from) return false;
    unit.edits.replace({from, begin}, text, rule, true);
    from = tokens[arguments[last].second - 1].end;
    text.clear();
  }
  unit.edits.replace({from, tokens[*end].end}, text, rule, true);
  return true;
}

void call(Unit& unit, std::size_t token) {
  const Source& source = unit.source;
  const auto range = calls().equal_range(source.word(token));
  const bool overloaded = !unit.member(token) && unit.project.overloads.count(std::string(source.word(token))) > 0;
  if (range.first == range.second || (unit.own(token) && !overloaded) ||
      unit.project.own_macros.count(std::string(source.word(token))) > 0)
    return;
  std::size_t open = token + 1;
  bool generic = false;
  if (source.is(open, "<")) {  // atomicAdd<float>(...)
    const auto angle = source.close(open);
    if (!angle || !source.is(*angle + 1, "(")) return;
    open = *angle + 1;
    generic = true;
  }
  std::size_t first = token;
  bool cuda_scope = false, qualified = false;
  if (!scope_of(unit, token, first, cuda_scope, qualified)) return;
  const bool called = source.is(open, "(");
  const int count = called ? static_cast<int>(source.arguments(open).size()) : -1;
  const Where where = range.first->second.where;
  if (where == Where::kDevice && !unit.device(token)) return;
  if (where == Where::kMinMax && !unit.device(token) && (qualified || !called || source.tokens()[token].directive))
    return;
  if (where == Where::kCudaScope && !cuda_scope) return;
  if (!called) {
    // A macro that stands for a function (#define SHFL __shfl_sync), or a name that is only mentioned.
    if (source.tokens()[token].directive && where == Where::kBoth)
      for (auto row = range.first; row != range.second; ++row)
        if (std::string_view(row->second.form).find('%') == std::string_view::npos &&
            std::string_view(row->second.form).back() != ')') {
          unit.rename(token, row->second.form, row->second.rule);
          return;
        }
    if (where == Where::kDevice || where == Where::kMinMax) return;
    if (source.tokens()[token].directive) return;
    unit.find(1006, token, std::string(source.word(token)));
    return;
  }
  if (source.is(token, "curand_init")) unit.find(1904, token, "");
  for (auto row = range.first; row != range.second; ++row) {
    if (row->second.arguments != -1 && row->second.arguments != count) continue;
    const std::string form = row->second.form;
    const auto& tokens = source.tokens();
    if (form.find('%') != std::string::npos) {
      if (!write_form(unit, first, open, form, row->second.rule))
        unit.find(1006, token, std::string(source.word(token)));
    } else if (form.back() == ')') {
      // The whole call goes: its arguments too, and .stream() behind it.
      std::size_t last = source.close(open).value_or(open);
      if ((source.is(last + 1, ".") || source.is(last + 1, "->")) && source.is(last + 2, "stream") &&
          source.is(last + 3, "("))
        last = source.close(last + 3).value_or(last);
      unit.edits.replace({tokens[first].begin, tokens[last].end}, form, row->second.rule, true);
    } else {
      const unsigned end = generic ? tokens[open - 1].end : tokens[token].end;
      unit.edits.replace({tokens[first].begin, end}, form, row->second.rule, true);
    }
    return;
  }
  unit.find(1006, token, std::string(source.word(token)));
}

void word(Unit& unit, std::size_t token) {
  const Source& source = unit.source;
  const auto found = words().find(source.word(token));
  if (found == words().end() || unit.own(token)) return;
  std::size_t first = token;
  bool cuda_scope = false, qualified = false;
  if (!scope_of(unit, token, first, cuda_scope, qualified)) return;
  // Extensions have types of these names for the CPU.
  if (!cuda_scope && std::string_view(found->second.rule) == "tensor-info") return;
  const auto& tokens = source.tokens();
  // "half" and "uint" are common words: a type stands where a type can stand.
  const auto name = source.word(token);
  if (name == "half" || name == "uint") {
    if (qualified && !cuda_scope && name == "half") return;
    const auto after = source.word(token + 1);
    const bool type = source.is_word(token + 1) || after == "*" || after == ">" || after == "&" || after == "," ||
                      after == "(" || after == ")";
    if (!type || (token > 0 && source.is(token - 1, "#"))) return;
  }
  unit.edits.replace({tokens[first].begin, tokens[token].end}, found->second.text, found->second.rule, true);
  // at::cuda::CUDAStream s = ...; s.stream() is the stream itself.
}

}  // namespace

bool cuda_function(std::string_view name) {
  const auto range = calls().equal_range(name);
  return range.first != range.second && range.first->second.where == Where::kBoth &&
         name.find("CUDA") == std::string_view::npos && (name.starts_with("__") || name.starts_with("atomic"));
}

std::string replaced_words(std::string_view types, const std::map<std::string, std::string>& own) {
  std::string result;
  const auto inside = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  for (std::size_t i = 0, end = 0; i < types.size(); i = end) {
    for (end = i; end < types.size() && inside(types[end]); ++end) continue;
    const std::string name(types.substr(i, end - i));
    if (name.empty()) {
      result += types[end++];
    } else if (const auto given = own.find(name); given != own.end()) {
      result += given->second;
    } else {
      const auto word = words().find(name);
      const bool scoped = result.ends_with("::") && !result.ends_with(" ::");
      result += word == words().end() || scoped ? name : word->second.text;
    }
  }
  return result;
}

void rule_api(Unit& unit) {
  const Source& source = unit.source;
  // The project's own overloads (__shfl_down_sync for at::Half, atomicAdd for double) are what csy:: has for all types.
  for (const TopDecl& top : unit.facts.decls) {
    const std::string name = top.name.substr(top.name.rfind(':') == std::string::npos ? 0 : top.name.rfind(':') + 1);
    if (!top.function || unit.project.overloads.count(name) == 0) continue;
    std::size_t first = source.at(top.span.begin), last = source.at(top.span.end);
    if (first >= source.size() || source.tokens()[first].directive || last == 0) continue;
    --last;
    while (first > 0 && !source.tokens()[first - 1].directive && !source.is(first - 1, ";") &&
           !source.is(first - 1, "}") && !source.is(first - 1, "{"))
      --first;
    if (source.is(last + 1, ";")) ++last;
    unit.remove(first, last, name.starts_with("atomic") ? "atomics" : "warps");
  }
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (!source.is_word(i)) continue;
    // The name that a #define or #undef is about, and the words of an #ifdef, are not uses.
    const Token& token = source.tokens()[i];
    if (token.directive) {
      const auto& directives = source.directives();
      const auto at = std::find_if(directives.begin(), directives.end(),
                                   [&](const Directive& d) { return d.first_token <= i && i < d.last_token; });
      if (at == directives.end() || at->name != "define" || i <= at->first_token + 2) continue;
    }
    word(unit, i);
    call(unit, i);
    // stream.stream() where "stream" now is the stream itself
    if (source.is(i, "stream") && unit.member(i) && source.is(i + 1, "(") && source.is(i + 2, ")") &&
        source.is(i - 1, ".")) {
      const std::size_t object = source.postfix_begin(i - 2);
      const bool is_stream = source.is_word(i - 2) && object == i - 2;
      if (is_stream && source.text().find("CUDA") != std::string::npos)
        unit.edits.replace({source.tokens()[i - 1].begin, source.tokens()[i + 2].end}, "", "torch-streams", true);
    }
  }
}

}  // namespace dcn::migrate
