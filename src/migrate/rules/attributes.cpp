/// Attributes of kernels and device functions.
#include <set>

#include "migrate/unit.hpp"

namespace dcn::migrate {

namespace {

const std::set<std::string_view> kGone = {"__global__", "__host__",          "__noinline__",    "C10_HOST_DEVICE",
                                          "C10_HOST",   "GPU_LAMBDA",        "HIP_HOST_DEVICE", "C10_DEVICE",
                                          "__device__", "TORCH_HOST_DEVICE", "__managed__",     "__grid_constant__"};
const std::set<std::string_view> kGoneWithArguments = {
    "__launch_bounds__", "C10_LAUNCH_BOUNDS_1", "C10_LAUNCH_BOUNDS_2", "C10_LAUNCH_BOUNDS_0", "__cluster_dims__"};

/// The words between the last ";", "{", "}" or line of the preprocessor and the parameters: static, template, inline
/// ...
std::set<std::string_view> words_around(const Source& source, std::size_t token) {
  std::set<std::string_view> result;
  for (std::size_t i = token; i-- > 0;) {
    const auto w = source.word(i);
    if (source.tokens()[i].directive != source.tokens()[token].directive || w == ";" || w == "{" || w == "}") break;
    if (w == ">") {
      const auto angle = source.open(i);
      if (angle && *angle > 0 && source.is(*angle - 1, "template")) {
        i = *angle;
        continue;
      }
    }
    result.insert(w);
  }
  for (std::size_t i = token + 1; i < source.size(); ++i) {
    const auto w = source.word(i);
    if (w == "(" || w == ";" || w == "{" || w == "=") break;
    result.insert(w);
  }
  return result;
}

/// The attribute belongs to a function of a namespace, not to a member or a lambda: the name before the parameters is
/// its.
bool at_namespace_scope(const Unit& unit, std::size_t token) {
  const Source& source = unit.source;
  for (std::size_t i = token + 1; i < source.size(); ++i) {
    const auto w = source.word(i);
    if (w == ";" || w == "{" || w == "}") return false;
    if (w != "(" || i == 0 || !source.is_word(i - 1) || source.is(i - 1, "__launch_bounds__") ||
        source.is(i - 1, "__align__"))
      continue;
    const unsigned name = source.tokens()[i - 1].begin;
    for (const TopDecl& top : unit.facts.decls)
      if (top.function && top.span.begin <= name && name < top.span.end)
        return source.text().find('{', top.span.begin) > name;
    return false;
  }
  return false;
}

}  // namespace

void rule_attributes(Unit& unit) {
  const Source& source = unit.source;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (!source.is_word(i)) continue;
    const auto w = source.word(i);
    const Token& token = source.tokens()[i];
    if (unit.edits.covers(token.begin)) continue;
    if (kGoneWithArguments.count(w) > 0 && source.is(i + 1, "(")) {
      if (const auto end = source.close(i + 1)) unit.remove(i, *end, "attributes");
      continue;
    }
    if (w == "__forceinline__" || w == "__inline__" || w == "__inline") {
      const auto around = words_around(source, i);
      if (around.count("inline") > 0)
        unit.remove(i, i, "attributes");
      else
        unit.rename(i, "inline", "attributes");
      continue;
    }
    if (kGone.count(w) == 0) continue;
    // #define HOST_DEVICE __host__ __device__: the words go, the macro stays empty. Not the macro's own name.
    if (token.directive && i > 0 &&
        (source.is(i - 1, "define") || source.is(i - 1, "ifdef") || source.is(i - 1, "ifndef") ||
         source.is(i - 1, "defined") || source.is(i - 1, "undef")))
      continue;
    const auto around = words_around(source, i);
    const bool inlined = around.count("inline") + around.count("static") + around.count("template") +
                             around.count("constexpr") + around.count("__forceinline__") + around.count("__inline__") +
                             around.count("__inline") + around.count("friend") >
                         0;
    const bool first_of_pair = w == "__device__" || w == "C10_HOST_DEVICE" || w == "C10_DEVICE";
    if (first_of_pair && !inlined && !token.directive && around.count("__global__") == 0 &&
        at_namespace_scope(unit, i) && around.count("operator") == 0)
      unit.rename(i, "inline", "attributes");
    else if (!unit.edits.covers(token.begin))
      unit.remove(i, i, "attributes");
  }
}

}  // namespace dcn::migrate
