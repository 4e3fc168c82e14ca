/// PyTorch's glue: devices, old names, registrations, contiguous inputs.
#include <algorithm>
#include <cctype>
#include <set>

#include "migrate/unit.hpp"

namespace dcn::migrate {

namespace {

const std::set<std::string_view> kTorchScopes = {"at", "c10", "torch"};

/// The tokens "." name "(" ")" at `dot`; the last token, or 0.
std::size_t plain_call(const Source& source, std::size_t dot, std::string_view name) {
  return (source.is(dot, ".") || source.is(dot, "->")) && source.is(dot + 1, name) && source.is(dot + 2, "(") &&
                 source.is(dot + 3, ")")
             ? dot + 3
             : 0;
}

/// at::kCUDA, torch::kCUDA, at::DeviceType::CUDA, c10::kCUDA: the last token, or 0.
std::size_t device_constant(const Source& source, std::size_t first, const std::string& kind) {
  std::size_t i = first;
  while (source.is_word(i) && source.is(i + 1, "::")) {
    if (kTorchScopes.count(source.word(i)) == 0 && !source.is(i, "DeviceType") && !source.is(i, "Device")) return 0;
    i += 2;
  }
  if (source.is(i, "k" + kind)) return i;
  if (source.is(i, kind) && i > first && source.is(i - 2, "DeviceType")) return i;
  return 0;
}
std::size_t cuda_device(const Source& source, std::size_t first) { return device_constant(source, first, "CUDA"); }

void wrap(Unit& unit, std::size_t dot, std::size_t last) {
  const Source& source = unit.source;
  const auto& tokens = source.tokens();
  if (dot == 0) return;
  const std::size_t first = source.postfix_begin(dot - 1);
  const bool pointer = source.is(dot, "->");
  unit.edits.insert(tokens[first].begin, std::string("csy::on_device(") + (pointer ? "*" : ""), "torch-device", -2);
  unit.edits.replace({tokens[dot].begin, tokens[last].end}, ")", "torch-device", true);
}

/// if (x.device().type() == at::kCPU) return f_cpu(x); else return f_cuda(x);  The other branch has the tensors that
/// kernels are given, and these may be on the CPU.
void write_cpu_branch(Unit& unit, std::size_t token) {
  const Source& source = unit.source;
  const auto paren = source.close(token + 1);
  if (!paren) return;
  std::size_t dot = 0, last = 0;
  for (std::size_t i = token + 2; i < *paren && dot == 0; ++i) {
    if (const std::size_t plain = plain_call(source, i, "is_cpu")) {
      dot = i, last = plain;
    } else if (const std::size_t device = plain_call(source, i, "device")) {
      const std::size_t type = plain_call(source, device + 1, "type");
      const std::size_t member = plain_call(source, device + 1, "is_cpu");
      const std::size_t compare = (type != 0 ? type : device) + 1;
      if (member != 0)
        dot = i, last = member;
      else if (source.is(compare, "=="))
        dot = i, last = device_constant(source, compare + 1, "CPU");
    }
  }
  if (last == 0 || last + 1 != *paren || source.postfix_begin(dot - 1) != token + 2) return;
  // The branch: to its closing brace or semicolon, then else; or a return, and what comes behind.
  std::size_t end = *paren + 1;
  if (source.is(end, "{")) {
    end = source.close(end).value_or(end);
  } else {
    while (end < source.size() && !source.is(end, ";")) ++end;
  }
  bool leaves = source.is(end + 1, "else");
  for (std::size_t i = *paren; i < end; ++i) leaves = leaves || source.is(i, "return");
  if (!leaves) return;
  bool kernels = false;
  for (std::size_t i = end + 1; i < std::min(source.size(), end + 40) && !source.is(i, "}"); ++i) {
    std::string word(source.word(i));
    std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return char(std::tolower(c)); });
    kernels = kernels || word.find("cuda") != word.npos || word.find("gpu") != word.npos || word == "<<<";
  }
  if (!kernels) return;
  wrap(unit, dot, last);
  unit.edits.insert(source.tokens()[token + 2].begin, "!", "torch-device", -4);
}

}  // namespace

void rule_torch_device(Unit& unit) {
  const Source& source = unit.source;
  const auto& tokens = source.tokens();
  for (std::size_t i = 1; i < source.size(); ++i) {
    if (source.is(i, ".") || source.is(i, "->")) {
      if (const std::size_t end = plain_call(source, i, "is_cuda")) {
        std::size_t dot = i;
        // x.type().is_cuda(), x.device().is_cuda(), x.options().device().is_cuda()
        while (dot >= 4 && source.is(dot - 1, ")") && source.is(dot - 2, "(") &&
               (source.is(dot - 3, "type") || source.is(dot - 3, "device")) &&
               (source.is(dot - 4, ".") || source.is(dot - 4, "->")))
          dot -= 4;
        wrap(unit, dot, end);
        continue;
      }
      if (const std::size_t device = plain_call(source, i, "device")) {
        const std::size_t type = plain_call(source, device + 1, "type");
        const std::size_t compare = (type != 0 ? type : device) + 1;
        if (source.is(compare, "==") || source.is(compare, "!=")) {
          if (const std::size_t last = cuda_device(source, compare + 1)) {
            if (source.is(compare, "!=")) {
              const std::size_t first = source.postfix_begin(i - 1);
              unit.edits.insert(tokens[first].begin, "!", "torch-device", -3);
            }
            wrap(unit, i, last);
            continue;
          }
        }
      }
      // x.cuda() in C++
      if (source.is(i, ".") && plain_call(source, i, "cuda") != 0 && !source.is(i - 1, "torch"))
        unit.edits.replace({tokens[i + 1].begin, tokens[i + 3].end}, "to(csy::device_type())", "torch-device", true);
      continue;
    }
    if (!source.is_word(i) || source.is(i - 1, "::") || source.is(i - 1, ".") || unit.edits.covers(tokens[i].begin))
      continue;
    if (source.is(i, "if") && source.is(i + 1, "(") && !tokens[i].directive) write_cpu_branch(unit, i);
    // at::k##device in a macro: the table behind it has entries by kind of device.
    if (kTorchScopes.count(source.word(i)) > 0 && source.is(i + 1, "::") && source.is(i + 2, "k") &&
        source.is(i + 3, "#") && source.is(i + 4, "#") && tokens[i].directive) {
      unit.rename(i, "csy::devices", "torch-device");
      unit.find(1906, i, "");
      continue;
    }
    if (const std::size_t last = cuda_device(source, i); last != 0 && !unit.facts.own_names.count(tokens[i].begin)) {
      unit.edits.replace({tokens[i].begin, tokens[last].end}, "csy::device_type()", "torch-device", true);
    } else if ((source.is(i, "torch") || source.is(i, "at")) && source.is(i + 1, "::") && source.is(i + 2, "CUDA") &&
               source.is(i + 3, "(")) {
      unit.edits.replace({tokens[i].begin, tokens[i + 3].end}, "at::TensorOptions(csy::device_type()).dtype(",
                         "torch-device", true);
    } else if (source.is(i, "MaybeSetDevice") ||
               (source.is(i, "c10") && source.is(i + 2, "cuda") && source.is(i + 4, "MaybeSetDevice"))) {
      const std::size_t name = source.is(i, "c10") ? i + 4 : i;
      if (!source.is(name + 1, "(")) continue;
      const auto end = source.close(name + 1);
      if (end && source.is(*end + 1, ";")) unit.remove(i, *end + 1, "torch-streams");
    }
  }
}

void rule_torch_old(Unit& unit) {
  const Source& source = unit.source;
  const auto& tokens = source.tokens();
  for (std::size_t i = 1; i + 3 < source.size(); ++i) {
    if (!source.is(i - 1, ".") && !source.is(i - 1, "->")) {
      // THCState *state = at::globalContext().lazyInitCUDA();
      if (source.is(i, "THCState") && source.is(i + 1, "*")) {
        std::size_t end = i;
        while (end < source.size() && !source.is(end, ";") && !source.is(end, ")") && !source.is(end, ",")) {
          if (source.is(end, "(")) end = source.close(end).value_or(end);
          ++end;
        }
        std::size_t first = i;
        while (first > 0 && (source.is(first - 1, "extern") || source.is(first - 1, "static"))) --first;
        if (source.is(end, ";")) unit.remove(first, end, "thc");
      }
      if (source.is(i, "torch") && source.is(i + 1, "/")) continue;
      continue;
    }
    if (unit.edits.covers(tokens[i].begin)) continue;
    // x.operator __half(): PyTorch's types go wherever CUDA's do.
    if (source.is(i, "operator") && (source.is(i + 1, "__half") || source.is(i + 1, "__nv_bfloat16")) &&
        source.is(i + 2, "(") && source.is(i + 3, ")")) {
      unit.edits.replace({tokens[i - 1].begin, tokens[i + 3].end}, "", "types", true);
      continue;
    }
    // x.block<3, 3>(0, 0) in a kernel: nvcc hides kernels from the host's compiler, which asks for the word "template"
    // where the type of x depends on a parameter. With numbers between the brackets it can be nothing else.
    if (source.is_word(i) && source.is(i + 1, "<") && !source.is(i - 1, "template") && unit.device(i)) {
      const auto angle = source.close(i + 1);
      bool numbers = angle && source.is(*angle + 1, "(");
      for (std::size_t k = i + 2; numbers && k < *angle; ++k)
        numbers = source.is(k, ",") || tokens[k].kind == TokenKind::kNumber;
      if (numbers) unit.edits.insert(tokens[i].begin, "template ", "attributes");
    }
    // x.data<T>()
    if (source.is(i, "data") && source.is(i + 1, "<")) {
      const auto angle = source.close(i + 1);
      if (angle && source.is(*angle + 1, "(") && source.is(*angle + 2, ")")) unit.rename(i, "data_ptr", "torch-old");
      continue;
    }
    if (!source.is(i, "type") || !source.is(i + 1, "(") || !source.is(i + 2, ")")) continue;
    if (i >= 4 && source.is(i - 2, ")") && source.is(i - 3, "(") && source.is(i - 4, "device")) continue;
    // Something else than a tensor has a type() too; in a template that nobody uses, its name has to tell.
    if (unit.facts.own_names.count(tokens[i].begin) > 0 || source.word(i - 2).ends_with("device")) continue;
    // x.type().scalarType()
    if (plain_call(source, i + 3, "scalarType") != 0) {
      unit.edits.replace({tokens[i].begin, tokens[i + 6].end}, "scalar_type()", "torch-old", true);
      continue;
    }
    const auto after = source.word(i + 3);
    const std::size_t object = source.postfix_begin(i - 2);
    const auto before = object > 0 ? source.word(object - 1) : std::string_view();
    const bool compared = after == "==" || after == "!=" || before == "==" || before == "!=";
    bool dispatched = false;
    if (before == "(" && object >= 2)
      dispatched =
          source.word(object - 2).starts_with("AT_DISPATCH") || source.word(object - 2).starts_with("DISPATCH");
    // A later argument of AT_DISPATCH_..._AND(kHalf, x.type(), ...)
    for (std::size_t back = 1; !dispatched && back <= std::min<std::size_t>(object, 11); ++back) {
      const std::size_t k = object - back;
      if (source.is(k, ";") || source.is(k, "{")) break;
      if (source.word(k).starts_with("AT_DISPATCH")) dispatched = true;
    }
    if (compared || dispatched || before == "switch")
      unit.rename(i, "scalar_type", "torch-old");
    else if (after == ")" || after == "," || after == ".")
      unit.rename(i, "options", "torch-old");
  }
}

std::optional<Registration> registration_at(const Source& source, std::size_t token) {
  if (!source.is(token, "TORCH_LIBRARY_IMPL") || !source.is(token + 1, "(")) return std::nullopt;
  const auto arguments = source.arguments(token + 1);
  const auto paren = source.close(token + 1);
  if (arguments.size() != 3 || !paren) return std::nullopt;
  const auto brace = source.is(*paren + 1, "{") ? source.close(*paren + 1) : std::nullopt;
  if (!brace) return std::nullopt;
  const auto& tokens = source.tokens();
  return Registration{std::string(source.slice(tokens[arguments[0].first].begin, tokens[arguments[0].second - 1].end)),
                      arguments[1].first, *paren + 1, *brace};
}

std::vector<std::pair<std::size_t, std::string>> registered_operators(const Source& source, const Registration& one) {
  std::vector<std::pair<std::size_t, std::string>> list;
  for (std::size_t i = one.open + 1; i + 3 < one.close; ++i) {
    if (!source.is_word(i) || !source.is(i + 1, ".") || !source.is(i + 2, "impl") || !source.is(i + 3, "(")) continue;
    for (std::size_t k = i + 4; k < source.close(i + 3).value_or(i + 3); ++k) {
      if (source.tokens()[k].kind != TokenKind::kString) continue;
      std::string name(source.word(k));
      name = name.substr(name.find('"') + 1);
      name.resize(std::min(name.find('"'), name.size()));
      if (const std::size_t colons = name.rfind(':'); colons != std::string::npos) name.erase(0, colons + 1);
      list.emplace_back(i, name);
      break;
    }
  }
  return list;
}

void rule_torch_library(Unit& unit) {
  const Source& source = unit.source;
  const auto& tokens = source.tokens();
  for (std::size_t i = 0; i + 6 < source.size(); ++i) {
    const auto found = registration_at(source, i);
    if (!found) continue;
    if (source.is(found->key, "AutogradCUDA")) {
      unit.rename(found->key, "Autograd", "torch-library");
    } else if (source.is(found->key, "CUDA")) {
      unit.rename(found->key, "CSY_DISPATCH_KEY", "torch-library");
      // The project's own code for CPU tensors is registered too: CSY_DEVICE says which of the two serves them.
      if (unit.project.cpu_libraries.count(found->space) > 0)
        unit.edits.insert(tokens[found->open].end, "\n  if (!csy::kernels_registered()) return;", "torch-library");
    } else if (source.is(found->key, "CPU")) {
      const auto others = unit.project.cuda_operators.find(found->space);
      if (others == unit.project.cuda_operators.end()) continue;
      for (const auto& [at, name] : registered_operators(source, *found))
        if (others->second.count(name) > 0)
          unit.edits.insert(tokens[at].begin, "if (csy::own_cpu_code()) ", "torch-library");
    }
  }
}

void rule_tensors(Unit& unit) {
  const Source& source = unit.source;
  const auto& tokens = source.tokens();
  // A file that has nothing of CUDA keeps its own ways.
  bool cuda = source.path().ends_with(".cu") || source.path().ends_with(".cuh");
  for (const Edit& edit : unit.edits.all()) cuda = cuda || edit.rule != "torch-old";
  if (!cuda) return;
  for (const DataPointerFact& read : unit.facts.reads) {
    const std::size_t dot = source.at(read.object_end);
    if (dot >= source.size() || !(source.is(dot, ".") || source.is(dot, "->")) ||
        !(source.is(dot + 1, "data_ptr") || source.is(dot + 1, "data")))
      continue;
    if (!read.pointer.empty()) {
      // The copy has to live as long as the pointer.
      const std::size_t statement = source.at(read.statement), object = source.at(read.object_end) - 1;
      if (statement >= source.size() || !source.is(object, read.object) || tokens[statement].directive) continue;
      const unsigned line = source.line_begin(tokens[statement].begin);
      const std::string indent(source.slice(line, tokens[statement].begin));
      const bool alone = indent.find_first_not_of(" \t") == std::string::npos;
      const std::string copy = read.pointer + "_source";
      unit.edits.insert(tokens[statement].begin,
                        "const auto " + copy + " = " + read.object + (source.is(dot, "->") ? "->" : ".") +
                            "contiguous();" + (alone ? "\n" + indent : " "),
                        "contiguous", -15);
      unit.edits.replace({tokens[object].begin, tokens[dot].end}, copy + ".", "contiguous");
      unit.find(1902, dot, read.object);
      continue;
    }
    unit.edits.insert(tokens[dot].begin, std::string(source.word(dot)) + "contiguous()", "contiguous");
    if (source.is(dot, "->")) unit.edits.replace({tokens[dot].begin, tokens[dot].end}, ".", "contiguous");
    unit.find(1902, dot, read.object);
  }
  for (const unsigned at : unit.facts.views) {
    const std::size_t token = source.at(at);
    if (!source.is(token, "view") || tokens[token].begin != at) continue;
    unit.rename(token, "reshape", "views");
    unit.find(1903, token, "");
  }
}

}  // namespace dcn::migrate
