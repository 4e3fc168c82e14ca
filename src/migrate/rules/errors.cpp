/// Error checks after launches go: a failed launch throws. Checks around other calls lose their macro.
#include <set>

#include "migrate/unit.hpp"

namespace dcn::migrate {

namespace {

const std::set<std::string_view> kChecks = {"C10_CUDA_CHECK",      "AT_CUDA_CHECK",         "THCudaCheck",
                                            "C10_CUDA_CHECK_WARN", "C10_CUDA_IGNORE_ERROR", "TORCH_CUDA_CHECK"};
const std::set<std::string_view> kLaunchChecks = {"C10_CUDA_KERNEL_LAUNCH_CHECK", "TORCH_CUDA_KERNEL_LAUNCH_CHECK"};

bool is_last_error(const Source& source, std::size_t token) {
  return (source.is(token, "cudaGetLastError") || source.is(token, "cudaPeekAtLastError")) &&
         source.is(token + 1, "(") && source.is(token + 2, ")");
}

/// A statement may go when it stands in a block; under an if without braces its ";" has to stay.
void remove_statement(Unit& unit, std::size_t first, std::size_t last) {
  const Source& source = unit.source;
  const bool block = first == 0 || source.is(first - 1, ";") || source.is(first - 1, "{") ||
                     source.is(first - 1, "}") ||
                     source.tokens()[first - 1].directive != source.tokens()[first].directive;
  const bool semicolon = source.is(last + 1, ";");
  if (block && semicolon)
    unit.remove(first, last + 1, "errors");
  else if (block && source.is(last, "}"))
    unit.remove(first, last, "errors");
  else
    unit.edits.replace({source.tokens()[first].begin, source.tokens()[last].end}, semicolon ? "" : "(void)0", "errors",
                       true);
}

/// cudaError_t err = cudaGetLastError(); if (err != cudaSuccess) {...}
bool remove_check_pair(Unit& unit, std::size_t token) {
  const Source& source = unit.source;
  if (!(source.is(token, "cudaError_t") || source.is(token, "cudaError")) || !source.is_word(token + 1) ||
      !source.is(token + 2, "="))
    return false;
  if (!is_last_error(source, token + 3) || !source.is(token + 6, ";")) return false;
  const std::string name(source.word(token + 1));
  const std::size_t condition = token + 7;
  if (!source.is(condition, "if") || !source.is(condition + 1, "(")) return false;
  const auto paren = source.close(condition + 1);
  if (!paren) return false;
  bool plain = *paren == condition + 5 && source.is(condition + 3, "!=") &&
               ((source.is(condition + 2, name) && source.is(condition + 4, "cudaSuccess")) ||
                (source.is(condition + 2, "cudaSuccess") && source.is(condition + 4, name)));
  plain = plain || (*paren == condition + 3 && source.is(condition + 2, name));
  if (!plain) return false;
  std::size_t last = *paren + 1;
  if (source.is(last, "{")) {
    const auto brace = source.close(last);
    if (!brace) return false;
    last = *brace;
  } else {
    while (last < source.size() && !source.is(last, ";")) {
      const auto w = source.word(last);
      if (w == "(" || w == "{") last = source.close(last).value_or(last);
      ++last;
    }
  }
  if (source.is(last + 1, "else")) return false;
  // Is it used later, in the same block?
  int depth = 0;
  for (std::size_t i = last + 1; i < source.size() && source.tokens()[i].directive == source.tokens()[token].directive;
       ++i) {
    if (source.is(i, "{")) ++depth;
    if (source.is(i, "}") && --depth < 0) break;
    if (source.is(i, name)) return false;
  }
  unit.remove(token, last, "errors");
  return true;
}

/// Declarations of namespace scope with no other branch: helpers that only kernels call. nvcc leaves the bodies of
/// kernels out on the host; here they compile there too, and need the helpers.
bool hides_helpers(const Unit& unit, std::size_t directive) {
  const auto& list = unit.source.directives();
  const unsigned at = list[directive].span.begin;
  for (const TopDecl& top : unit.facts.decls)
    if (top.span.begin < at && at < top.span.end) return false;
  int depth = 0;
  for (std::size_t i = directive + 1; i < list.size(); ++i) {
    if (depth == 0 && (list[i].name == "else" || list[i].name == "elif")) return false;
    if (list[i].name == "endif" && depth-- == 0) {
      for (const TopDecl& top : unit.facts.decls)
        if (top.span.begin < list[i].span.begin && list[i].span.begin < top.span.end) return false;
      for (std::size_t k = list[directive].last_token; k < list[i].first_token; ++k)
        if (unit.source.is(k, "__device__") && !unit.source.tokens()[k].directive) return true;
      return false;
    }
    if (list[i].name.starts_with("if")) ++depth;
  }
  return false;
}

}  // namespace

void rule_errors(Unit& unit) {
  const Source& source = unit.source;
  const auto& tokens = source.tokens();
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (!source.is_word(i)) continue;
    if (tokens[i].directive && i > 0 &&
        (source.is(i - 1, "define") || source.is(i - 1, "ifdef") || source.is(i - 1, "ifndef") ||
         source.is(i - 1, "undef")))
      continue;
    const auto w = source.word(i);
    if (remove_check_pair(unit, i)) continue;
    if (unit.edits.covers(tokens[i].begin)) continue;
    if (kLaunchChecks.count(w) > 0 && source.is(i + 1, "(")) {
      remove_statement(unit, i, source.close(i + 1).value_or(i + 1));
      continue;
    }
    const bool check = kChecks.count(w) > 0 && source.is(i + 1, "(");
    if (check) {
      const auto end = source.close(i + 1);
      if (!end) continue;
      if (is_last_error(source, i + 2) && *end == i + 5) {
        remove_statement(unit, i, *end);
      } else {
        // The check is the call itself: it throws.
        unit.edits.replace({tokens[i].begin, tokens[i + 1].end}, "", "errors", true);
        unit.edits.replace({tokens[*end].begin, tokens[*end].end}, "", "errors", true);
      }
      continue;
    }
    if (is_last_error(source, i) && source.is(i + 3, ";") &&
        (i == 0 || source.is(i - 1, ";") || source.is(i - 1, "{") || source.is(i - 1, "}"))) {
      remove_statement(unit, i, i + 2);
      continue;
    }
    // A check macro of the project around cudaGetLastError(): the macro stays, the value is success.
  }
}

void rule_arch(Unit& unit) {
  const Source& source = unit.source;
  const auto& tokens = source.tokens();
  for (std::size_t d = 0; d < source.directives().size(); ++d) {
    const Directive& directive = source.directives()[d];
    if (directive.name != "if" && directive.name != "elif" && directive.name != "ifdef" && directive.name != "ifndef")
      continue;
    const std::size_t word = directive.first_token + 1;
    for (std::size_t i = word + 1; i < directive.last_token; ++i) {
      if (source.is(i, "CUDA_VERSION") || source.is(i, "CUDART_VERSION")) {
        unit.rename(i, "CSY_CUDA_VERSION", "arch");
        continue;
      }
      const bool arch = source.is(i, "__CUDA_ARCH__");
      const bool compiler = source.is(i, "__CUDACC__") || source.is(i, "__NVCC__") || source.is(i, "CUDA_HAS_FP16");
      if (!arch && !compiler) continue;
      if (source.is(i, "CUDA_HAS_FP16")) continue;
      const bool alone = directive.name == "ifdef" ||
                         (directive.name == "if" && source.is(word, "defined") && directive.last_token <= word + 4);
      const char* value = arch && !(alone && hides_helpers(unit, d)) ? "CSY_ON_DEVICE" : "1";
      if (directive.name == "ifdef" || directive.name == "ifndef") {
        unit.edits.replace({tokens[word].begin, tokens[i].end},
                           std::string("if ") + (directive.name == "ifndef" ? "!" : "") + value, "arch", true);
      } else if (source.is(i - 1, "defined") || (source.is(i - 1, "(") && source.is(i - 2, "defined"))) {
        const bool paren = source.is(i - 1, "(");
        unit.edits.replace({tokens[i - (paren ? 2 : 1)].begin, tokens[i + (paren ? 1 : 0)].end}, value, "arch", true);
      } else {
        unit.edits.replace({tokens[i].begin, tokens[i].end}, arch ? "(CSY_ON_DEVICE ? 800 : 0)" : value, "arch");
      }
    }
  }
}

}  // namespace dcn::migrate
