/// __shared__ variables of kernels and device functions; __constant__ and __device__ variables of a file.
#include <algorithm>
#include <cctype>
#include <map>

#include "migrate/unit.hpp"

namespace dcn::migrate {

namespace {

/// The first token of the declaration that holds `token`: after the last ";", "{", "}", label or preprocessor line.
std::size_t declaration_begin(const Source& source, std::size_t token) {
  std::size_t i = token;
  while (i > 0) {
    const auto w = source.word(i - 1);
    if (w == ";" || w == "{" || w == "}" || source.tokens()[i - 1].directive != source.tokens()[token].directive) break;
    if (w == ")") break;  // if (...) __shared__ ...
    --i;
  }
  return i;
}

std::size_t declaration_end(const Source& source, std::size_t token) {
  for (std::size_t i = token; i < source.size(); ++i) {
    const auto w = source.word(i);
    if (w == "(" || w == "[" || w == "{")
      i = source.close(i).value_or(i);
    else if (w == ";")
      return i;
  }
  return source.size();
}

struct Declarator {
  std::string name;
  std::string extents;
  std::string initial;
  bool unsized = false;
};

/// "T a[2][3], *b = x": the type's words and the declarators, from tokens [first, last).
bool split_declaration(const Source& source, std::size_t first, std::size_t last, std::string& type,
                       std::vector<Declarator>& list) {
  const auto& tokens = source.tokens();
  // The declarator's name is the last word before "[", "=", "{", "," or the end.
  std::size_t name = last;
  for (std::size_t i = first; i < last; ++i) {
    const auto w = source.word(i);
    if (w == "<") {
      const auto angle = source.close(i);
      if (!angle) return false;
      i = *angle;
      continue;
    }
    if (w == "(") {  // __align__(16), alignas(16), decltype(x)
      const auto end = source.close(i);
      if (!end) return false;
      i = *end;
      continue;
    }
    if (w == "[" || w == "=" || w == "," || w == "{") break;
    if (source.is_word(i)) name = i;
  }
  if (name == last || name == first) return false;
  type.clear();
  for (std::size_t i = first; i < name; ++i) {
    const auto w = source.word(i);
    if (w == "__shared__" || w == "extern" || w == "static" || w == "volatile" || w == "__constant__" ||
        w == "__device__" || w == "const" || w == "constexpr" || w == "inline" || w == "__managed__")
      continue;
    if ((w == "__align__" || w == "alignas") && source.is(i + 1, "(")) {
      i = source.close(i + 1).value_or(i);
      continue;
    }
    const bool glued = !type.empty() && i > first && tokens[i].begin == tokens[i - 1].end;
    if (!type.empty() && !glued) type += ' ';
    type += w;
  }
  if (type.empty()) return false;
  std::size_t i = name;
  while (i < last) {
    Declarator one;
    std::string pointer;
    while (i < last && source.is(i, "*")) pointer += '*', ++i;
    if (!source.is_word(i)) return false;
    one.name = source.word(i++);
    while (source.is(i, "[") && i < last) {
      const auto end = source.close(i);
      if (!end) return false;
      one.unsized = one.unsized || *end == i + 1;
      one.extents += source.slice(tokens[i].begin, tokens[*end].end);
      i = *end + 1;
    }
    if (i < last && (source.is(i, "=") || source.is(i, "{"))) {
      const std::size_t from = source.is(i, "=") ? i + 1 : i;
      std::size_t to = from;
      while (to < last && !source.is(to, ",")) {
        const auto w = source.word(to);
        if (w == "(" || w == "[" || w == "{") to = source.close(to).value_or(to);
        ++to;
      }
      if (to > from) one.initial = source.slice(tokens[from].begin, tokens[to - 1].end);
      i = to;
    }
    if (!pointer.empty()) return false;
    list.push_back(one);
    if (i < last && source.is(i, ","))
      ++i;
    else
      break;
  }
  return i >= last;
}

/// Names of CUDA's types inside a type that moves as text.
std::string migrated_type(const std::string& type) {
  static const std::map<std::string_view, std::string_view> names = {{"__half2", "csy::half2"},
                                                                     {"__half", "csy::half"},
                                                                     {"half2", "csy::half2"},
                                                                     {"half", "csy::half"},
                                                                     {"float2", "csy::float2"},
                                                                     {"float3", "csy::float3"},
                                                                     {"float4", "csy::float4"},
                                                                     {"int2", "csy::int2"},
                                                                     {"int3", "csy::int3"},
                                                                     {"int4", "csy::int4"},
                                                                     {"double2", "csy::double2"},
                                                                     {"uint2", "csy::uint2"},
                                                                     {"uint4", "csy::uint4"},
                                                                     {"uint", "unsigned"},
                                                                     {"cub", "csy::cub"},
                                                                     {"dim3", "csy::dim3"},
                                                                     {"cooperative_groups", "csy::cg"}};
  std::string out;
  for (std::size_t i = 0; i < type.size();) {
    std::size_t end = i;
    while (end < type.size() && (std::isalnum(static_cast<unsigned char>(type[end])) != 0 || type[end] == '_')) ++end;
    if (end == i) {
      out += type[i++];
      continue;
    }
    const std::string_view word = std::string_view(type).substr(i, end - i);
    const auto found = names.find(word);
    out += found != names.end() && !out.ends_with("::") ? found->second : word;
    i = end;
  }
  return out;
}

/// The token is in the body of a macro that only device code uses.
bool in_device_macro(const Unit& unit, std::size_t token) {
  const Source& source = unit.source;
  for (const Directive& directive : source.directives()) {
    if (token < directive.first_token || token >= directive.last_token) continue;
    const std::size_t name = directive.first_token + 2;  // # define NAME
    if (directive.name != "define" || token <= name) return false;
    for (std::size_t i = 0; i < source.size(); ++i)
      if (!source.tokens()[i].directive && source.is(i, source.word(name)) && !unit.device(i)) return false;
    return true;
  }
  return false;
}

/// The array is used as what it is, not as a pointer to its first element: its address, its type, a reference to it.
/// A pointer in its place would compile there and mean something else.
bool used_as_array(const Source& source, std::string_view name) {
  for (std::size_t i = 1; i < source.size(); ++i) {
    if (!source.is(i, name) || source.is(i - 1, ".") || source.is(i - 1, "->")) continue;
    if (source.is(i - 1, "&") && (i < 2 || !source.is_word(i - 2) || source.is(i - 2, "return"))) return true;
    if (!source.is(i - 1, "(")) {
      // (T&)name
      if (i > 2 && source.is(i - 1, ")") && source.is(i - 2, "&")) return true;
      continue;
    }
    if (i > 1 && (source.is(i - 2, "sizeof") || source.is(i - 2, "decltype"))) return true;
    // reinterpret_cast<T&>(name)
    if (i > 3 && source.is(i - 2, ">") && source.is(i - 3, "&")) return true;
  }
  return false;
}

}  // namespace

void rule_shared(Unit& unit) {
  const Source& source = unit.source;
  const auto& tokens = source.tokens();
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (!source.is(i, "__shared__") || unit.edits.covers(tokens[i].begin)) continue;
    if (tokens[i].directive && i > 0 && source.is(i - 1, "define")) continue;
    const std::size_t first = declaration_begin(source, i);
    const std::size_t end = declaration_end(source, i);
    if (end >= source.size() || tokens[end].directive != tokens[i].directive) {
      unit.find(1020, i, "__shared__");
      continue;
    }
    bool dynamic = false;
    for (std::size_t k = first; k < end; ++k) dynamic = dynamic || source.is(k, "extern");
    std::string type;
    std::vector<Declarator> list;
    if (!split_declaration(source, first, end, type, list)) {
      unit.find(1020, i, "__shared__");
      continue;
    }
    type = migrated_type(type);
    std::string text;
    for (const Declarator& one : list) {
      if (!text.empty()) text += ' ';
      if ((dynamic || one.unsized) && used_as_array(source, one.name))
        text += type + " (&" + one.name + ")[] = csy::dynamic_shared<" + type + "[]>();";
      else if (dynamic || one.unsized)
        text += type + "* " + one.name + " = csy::dynamic_shared<" + type + ">();";
      else
        text += "CSY_SHARED(" + one.name + ", " + type + one.extents + ");";
    }
    unit.edits.replace({tokens[first].begin, tokens[end].end}, text, "shared", true);
  }
}

void rule_globals(Unit& unit) {
  const Source& source = unit.source;
  const auto& tokens = source.tokens();
  std::set<std::string> written;
  for (std::size_t i = 0; i + 2 < source.size(); ++i)
    if ((source.is(i, "cudaMemcpyToSymbol") || source.is(i, "cudaMemcpyToSymbolAsync") ||
         source.is(i, "cudaGetSymbolAddress")) &&
        source.is(i + 1, "("))
      for (const auto& [from, to] : source.arguments(i + 1))
        for (std::size_t k = from; k < to; ++k) written.insert(std::string(source.word(k)));
  std::set<std::string> globals;
  for (const GlobalFact& global : unit.facts.globals) {
    const std::size_t name = source.at(global.name);
    if (name >= source.size() || tokens[name].directive) {
      unit.find(1020, name, global.variable);
      continue;
    }
    const std::size_t first = declaration_begin(source, name);
    const std::size_t end = declaration_end(source, name);
    std::string type;
    std::vector<Declarator> list;
    if (end >= source.size() || !split_declaration(source, first, end, type, list)) {
      unit.find(1020, name, global.variable);
      continue;
    }
    bool constant = global.constant, external = false;
    for (std::size_t k = first; k < name; ++k) {
      constant = constant || source.is(k, "const") || source.is(k, "constexpr");
      external = external || source.is(k, "extern");
    }
    if (external) {
      unit.find(1010, name, global.variable);
      continue;
    }
    std::string text;
    for (const Declarator& one : list) {
      if (!text.empty()) text += ' ';
      if (constant && !one.initial.empty() && written.count(one.name) == 0) {
        text += "constexpr " + type + " " + one.name + one.extents + " = " + one.initial + ";";
      } else {
        text += "CSY_GLOBAL(" + one.name + ", " + migrated_type(type) + one.extents +
                (one.initial.empty() ? "" : ", " + one.initial) + ");";
        globals.insert(one.name);
      }
    }
    unit.edits.replace({tokens[first].begin, tokens[end].end}, text, "globals", true);
  }
  // Uses in kernels; a name that a function declares anew is another one, and the parser has told so by its type.
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (!source.is_word(i) || unit.member(i) || unit.edits.covers(tokens[i].begin)) continue;
    const std::string name(source.word(i));
    if (globals.count(name) == 0 && unit.project.device_globals.count(name) == 0) continue;
    if (tokens[i].directive ? !in_device_macro(unit, i) : !unit.device(i)) {
      const bool macro = tokens[i].directive && i > 0 && !source.is(i - 1, "define") && unit.own(i);
      if (macro) unit.find(1020, i, name);
      continue;
    }
    unit.edits.insert(tokens[i].end, ".get()", "globals");
  }
}

}  // namespace dcn::migrate
