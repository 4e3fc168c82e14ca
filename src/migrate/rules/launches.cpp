/// kernel<<<grid, block, bytes, stream>>>(arguments), kernels in variables, cudaLaunchKernel.
#include <algorithm>

#include "migrate/unit.hpp"

namespace dcn::migrate {

namespace {

/// "kernel<T>" before the "<<<": the tokens of its name and of its template arguments.
struct Callee {
  std::size_t first, name, last;
  bool arguments;
};
std::optional<Callee> callee_before(const Source& source, std::size_t open) {
  if (open == 0) return std::nullopt;
  std::size_t last = open - 1;
  if (source.is(last, ")")) {  // (kernel<T, 4>)<<<...>>>
    const auto paren = source.open(last);
    if (!paren || *paren + 1 >= last) return std::nullopt;
    auto inner = callee_before(source, last);
    return inner;
  }
  std::size_t name = last;
  bool arguments = false;
  if (source.is(last, ">")) {
    const auto angle = source.open(last);
    if (!angle || *angle == 0) return std::nullopt;
    name = *angle - 1;
    arguments = true;
  }
  if (!source.is_word(name)) return std::nullopt;
  return Callee{source.qualified_begin(name), name, last, arguments};
}

/// "void(float *, int), " before the name of a kernel that has namesakes: the types that tell it from them, with its
/// template's parameters by the arguments that are written between "<" and ">" or were `deduced`. Nothing when one of
/// these is not known.
std::optional<std::string> overload_of(const Source& source, const Callee& callee, const LaunchFact& fact,
                                       const std::string& deduced) {
  std::vector<std::string> given;
  const auto add = [&](const Source& from, std::size_t open) {
    for (const auto& [first, last] : from.arguments(open))
      given.emplace_back(from.slice(from.tokens()[first].begin, from.tokens()[last - 1].end));
  };
  if (callee.arguments) add(source, callee.name + 1);
  if (!deduced.empty()) {
    const Source list("", "f(" + deduced + ")");
    add(list, 1);
  }
  std::map<std::string, std::string> arguments;
  for (std::size_t i = 0; i < fact.template_parameters.size(); ++i) {
    if (i >= given.size()) return std::nullopt;
    arguments[fact.template_parameters[i]] = replaced_words(given[i], {});
  }
  return "void(" + replaced_words(fact.signature, arguments) + "), ";
}

void write_launch(Unit& unit, std::size_t open) {
  const Source& source = unit.source;
  const auto& tokens = source.tokens();
  const auto close = source.launch_close(open);
  const auto callee = callee_before(source, open);
  if (!close || !callee || !source.is(*close + 3, "(")) {
    unit.find(1002, open, "a launch that is not kernel<<<...>>>(...)");
    return;
  }
  const std::size_t paren = *close + 3;
  const auto end = source.close(paren);
  if (!end) {
    unit.find(1002, open, "a launch without its closing parenthesis");
    return;
  }
  const std::string name(source.word(callee->name));
  const auto known = unit.facts.launches.find(tokens[open].begin);
  const bool seen = known != unit.facts.launches.end();
  bool variable = seen && known->second.through_variable;
  if (!seen && unit.project.kernels.count(name) == 0 && !callee->arguments) variable = true;
  if (unit.project.kernels.count(name) > 0) variable = false;
  std::string deduced;
  if (!variable && !callee->arguments && unit.project.template_kernels.count(name) > 0 &&
      (!seen || known->second.kernel.empty())) {
    unit.find(1004, callee->name, name);
    return;
  }
  if (seen && !variable && known->second.is_template && !known->second.explicit_arguments) {
    const LaunchFact& fact = known->second;
    const auto& lists = fact.deduced_in_template.empty() ? fact.deduced : fact.deduced_in_template;
    if (lists.size() != 1) {
      unit.find(lists.empty() ? 1004 : 1003, callee->name, name);
      return;
    }
    deduced = *lists.begin();
  }
  if (seen && known->second.other_unit && !variable) {
    unit.find(1005, callee->name, name);
    return;
  }
  std::string start = "csy::launch<";
  if (!variable && (seen ? known->second.overloaded : unit.project.overloaded_kernels.count(name) > 0)) {
    // A macro that gets the kernel's name cannot write the types.
    const bool named = seen && unit.project.kernels.count(name) > 0;
    const auto types = named ? overload_of(source, *callee, known->second, deduced) : std::nullopt;
    if (!types) {
      unit.find(1023, callee->name, name);
      return;
    }
    start += *types;
  }
  start += "&";
  const bool wrapped = source.is(open - 1, ")") && callee->last < open - 1;
  const std::size_t begin = wrapped ? source.open(open - 1).value_or(callee->first) : callee->first;
  const bool none = *end == paren + 1;
  const unsigned after = tokens[paren].end;
  if (variable) {
    unit.edits.insert(tokens[begin].begin, "csy::launch(", "launches", -5);
    unit.edits.replace({tokens[open].begin, tokens[open].end}, ", {", "launches");
  } else {
    if (wrapped)
      unit.edits.replace({tokens[begin].begin, tokens[callee->first].begin}, start, "launches", true);
    else
      unit.edits.insert(tokens[begin].begin, start, "launches", -5);
    if (!deduced.empty()) {
      if (callee->arguments)
        unit.edits.insert(tokens[callee->last].begin, ", " + deduced, "launches", -3);
      else
        unit.edits.insert(tokens[callee->last].end, "<" + deduced + ">", "launches", -3);
    }
    if (wrapped) {
      unit.edits.replace({tokens[callee->last].end, tokens[open].end}, ">({", "launches", true);
    } else {
      unit.edits.insert(tokens[callee->last].end, ">", "launches", -2);
      unit.edits.replace({tokens[open].begin, tokens[open].end}, "({", "launches");
    }
  }
  const bool broken = after < source.text().size() && (source.text()[after] == '\n' || source.text()[after] == '\r');
  unit.edits.replace({tokens[*close].begin, after}, none ? "}" : broken ? "}," : "}, ", "launches", true);
}

/// The tokens between `first` and `last` are a type "void*", maybe const.
bool is_void_pointer(const Source& source, std::size_t first, std::size_t last) {
  bool is_void = false;
  for (std::size_t i = first; i < last; ++i) {
    is_void = is_void || source.is(i, "void");
    if (!source.is(i, "void") && !source.is(i, "const") && !source.is(i, "*")) return false;
  }
  return is_void && source.is(last - 1, "*");
}

/// A cast to void* ends before `token`: "(void*)", "reinterpret_cast<const void*>(".
bool cast_to_void_pointer(const Source& source, std::size_t token) {
  if (token < 3) return false;
  if (source.is(token - 1, ")")) {
    const auto open = source.open(token - 1);
    return open && *open + 2 < token && is_void_pointer(source, *open + 1, token - 1);
  }
  if (!source.is(token - 1, "(") || !source.is(token - 2, ">")) return false;
  const auto angle = source.open(token - 2);
  return angle && *angle > 0 && source.word(*angle - 1).ends_with("_cast") &&
         is_void_pointer(source, *angle + 1, token - 2);
}

/// auto kernel = k<float>; kernel = k<double>;  ->  csy::kernel_ref<&k<...>>()
/// (void*)k<float>  ->  (void*)csy::kernel_pointer<&k<float>>()
void write_reference(Unit& unit, std::size_t token) {
  const Source& source = unit.source;
  const auto& tokens = source.tokens();
  if (unit.project.kernels.count(std::string(source.word(token))) == 0 || unit.member(token)) return;
  std::size_t last = token;
  if (source.is(token + 1, "<")) {
    const auto angle = source.close(token + 1);
    if (!angle) return;
    last = *angle;
  }
  const auto after = source.word(last + 1);
  if (after != ";" && after != "," && after != ")" && after != ":" && after != "}") return;
  std::size_t first = source.qualified_begin(token);
  const bool address = first > 0 && source.is(first - 1, "&");
  const std::size_t begin = address ? first - 1 : first;
  if (begin == 0) return;
  const bool pointer = cast_to_void_pointer(source, begin);
  const auto before = pointer ? "=" : source.word(begin - 1);
  if (before != "=" && before != "?" && before != ":" && before != "(" && before != "," && before != "return") return;
  if ((before == "(" || before == ",") && !unit.facts.own_names.count(tokens[token].begin)) return;
  if (before == "(" || before == ",") {
    // A macro of the project gets the kernel's name: what it does with it is written in the macro.
    int depth = 0;
    std::size_t paren = begin - 1;
    while (paren > 0 && !(source.is(paren, "(") && depth == 0)) {
      if (source.is(paren, ")")) ++depth;
      if (source.is(paren, "(")) --depth;
      --paren;
    }
    if (paren > 0 && unit.project.own_macros.count(std::string(source.word(paren - 1))) > 0) return;
  }
  // void (*kernel)(float*, int) = k;
  std::string overload;
  if (before == "=" && begin >= 2 && source.is(begin - 2, ")")) {
    const auto parameters = source.open(begin - 2);
    if (parameters && *parameters > 0 && source.is(*parameters - 1, ")")) {
      const auto declarator = source.open(*parameters - 1);
      if (declarator && *declarator > 0 && source.is(*declarator + 1, "*") && source.is(*declarator - 1, "void") &&
          *declarator + 3 == *parameters - 1) {
        const std::string variable(source.word(*declarator + 2));
        const std::string types(source.slice(tokens[*parameters].end, tokens[begin - 2].begin));
        unit.edits.replace({tokens[*declarator - 1].begin, tokens[begin - 2].end},
                           "csy::kernel<" + replaced_words(types, {}) + "> " + variable, "launches", true);
        overload = "void(" + replaced_words(types, {}) + "), ";
      }
    }
  }
  const bool overloaded = unit.project.overloaded_kernels.count(std::string(source.word(token))) > 0;
  if (overloaded && overload.empty()) return unit.find(1023, token, std::string(source.word(token)));
  const std::string start = pointer ? "csy::kernel_pointer<" : "csy::kernel_ref<";
  unit.edits.replace({tokens[begin].begin, tokens[first].begin}, start + (overloaded ? overload : "") + "&", "launches",
                     true);
  unit.edits.insert(tokens[last].end, ">()", "launches", 5);
}

/// Configuration that moves as text: its types by their new names.
std::string moved(const Source& source, std::size_t first, std::size_t last) {
  std::string text;
  unsigned from = source.tokens()[first].begin;
  for (std::size_t i = first; i < last; ++i) {
    if (!source.is(i, "dim3")) continue;
    text += std::string(source.slice(from, source.tokens()[i].begin)) + "csy::dim3";
    from = source.tokens()[i].end;
  }
  return text + std::string(source.slice(from, source.tokens()[last - 1].end));
}

/// The tokens of the kernel's name when the call names it, and what "void* args[] = {&a, &b};" holds.
struct LaunchCall {
  std::size_t first = 0, last = 0;
  std::size_t declared = 0, closed = 0;
  std::vector<std::string> values;
};
std::optional<LaunchCall> written_out(const Unit& unit, std::size_t token,
                                      const std::vector<std::pair<std::size_t, std::size_t>>& arguments) {
  const Source& source = unit.source;
  const auto& tokens = source.tokens();
  LaunchCall call;
  // The kernel: the last name of the first argument.
  call.last = arguments[0].second - 1;
  while (call.last > arguments[0].first && source.is(call.last, ")")) --call.last;
  std::size_t name = call.last;
  if (source.is(call.last, ">")) {
    const auto angle = source.open(call.last);
    if (!angle || *angle == 0) return std::nullopt;
    name = *angle - 1;
  }
  call.first = source.qualified_begin(name);
  if (unit.member(call.first) || unit.project.kernels.count(std::string(source.word(name))) == 0) return std::nullopt;
  // The array of addresses.
  const std::string array(source.word(arguments[3].second - 1));
  for (std::size_t i = token; i-- > 2;) {
    if (!source.is(i, array) || !source.is(i + 1, "[")) continue;
    std::size_t brace = source.close(i + 1).value_or(i) + 1;
    if (source.is(brace, "=")) ++brace;
    if (!source.is(brace, "{")) continue;
    for (const auto& [from, to] : source.arguments(brace)) {
      std::size_t value = from;
      while (value < to && source.is(value, "(")) value = source.close(value).value_or(value) + 1;  // (void*)
      if (!source.is(value, "&")) return std::nullopt;
      call.values.emplace_back(source.slice(tokens[value + 1].begin, tokens[to - 1].end));
    }
    call.declared = i;
    call.closed = source.close(brace).value_or(brace);
    break;
  }
  if (call.values.empty()) return std::nullopt;
  // An array that something else uses too has to stay.
  for (std::size_t i = call.closed; i < source.size(); ++i)
    if (source.is(i, array) && (i < token || i > source.close(token + 1).value_or(token))) return std::nullopt;
  return call;
}

/// cudaLaunchKernel((void*)k<T>, grid, block, args, bytes, stream) with void* args[] = {&a, &b}; any other call of it.
void write_launch_call(Unit& unit, std::size_t token) {
  const Source& source = unit.source;
  const auto& tokens = source.tokens();
  if (!source.is(token + 1, "(")) return;
  const auto arguments = source.arguments(token + 1);
  const auto end = source.close(token + 1);
  if (!end || arguments.size() < 4 || tokens[token].directive) return unit.find(1017, token, "");
  const auto call = written_out(unit, token, arguments);
  std::size_t begin = token, stop = *end;
  if (begin > 1 && source.is(begin - 1, "(") && source.is_word(begin - 2) && source.is(stop + 1, ")"))
    begin -= 2, ++stop;  // CHECK(...)
  const bool statement = source.is(stop + 1, ";") && begin > 0 &&
                         (source.is(begin - 1, ";") || source.is(begin - 1, "{") || source.is(begin - 1, "}"));
  // A stream that has to be migrated itself stays where it is.
  const bool plain = arguments.size() < 6 || arguments[5].second == arguments[5].first + 1;
  if (!call || !statement || !plain) return unit.rename(token, "csy::launch_pointer", "launches");
  std::size_t declared = call->declared;
  while (declared > 0 && !source.is(declared - 1, ";") && !source.is(declared - 1, "{") &&
         !source.is(declared - 1, "}"))
    --declared;
  if (source.is(call->closed + 1, ";")) unit.remove(declared, call->closed + 1, "launches");
  std::string text =
      "csy::launch<&" + std::string(source.slice(tokens[call->first].begin, tokens[call->last].end)) + ">({";
  for (const std::size_t i : {1u, 2u, 4u, 5u})
    if (i < arguments.size()) text += (i > 1 ? ", " : "") + moved(source, arguments[i].first, arguments[i].second);
  text += "}";
  for (const std::string& value : call->values) text += ", " + value;
  text += ")";
  unit.edits.replace({tokens[begin].begin, tokens[stop].end}, text, "launches", true);
}

}  // namespace

void rule_launches(Unit& unit) {
  const Source& source = unit.source;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source.is(i, "<<<")) {
      write_launch(unit, i);
      continue;
    }
    if (!source.is_word(i)) continue;
    const auto w = source.word(i);
    if (w == "cudaLaunchKernel" || w == "cudaLaunchCooperativeKernel") {
      write_launch_call(unit, i);
    } else if ((w == "cudaFuncSetAttribute" || w == "cudaFuncSetCacheConfig" || w == "cudaDeviceSetCacheConfig" ||
                w == "cudaDeviceSetLimit" || w == "cudaDeviceSetSharedMemConfig" ||
                w == "cudaFuncSetSharedMemConfig") &&
               source.is(i + 1, "(")) {
      // The statement goes, with the check around it.
      std::size_t first = i, last = source.close(i + 1).value_or(i + 1);
      while (first > 1 && source.is(first - 1, "(") && source.is_word(first - 2) && source.is(last + 1, ")"))
        first -= 2, ++last;
      if (source.is(last + 1, ";") &&
          (first == 0 || source.is(first - 1, ";") || source.is(first - 1, "{") || source.is(first - 1, "}")))
        unit.remove(first, last + 1, "launches");
      else
        unit.edits.replace({source.tokens()[first].begin, source.tokens()[last].end}, "csy::success", "launches", true);
    } else {
      write_reference(unit, i);
    }
  }
}

}  // namespace dcn::migrate
