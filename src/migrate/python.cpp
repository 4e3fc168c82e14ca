/// Python files: torch.cuda and its friends become csy_torch, setup.py builds through csy_build. Text outside comments
/// and strings is edited by patterns, line by line; everything else stays as it is.
#include <cstring>
#include <regex>
#include <set>

#include "migrate/migrate.hpp"

namespace dcn::migrate {

namespace {

/// What each byte is: code, a comment, a string's content.
enum class Part : char { kCode = 'c', kComment = '#', kString = 's', kDoc = 'd' };

std::string parts_of(const std::string& text) {
  std::string parts(text.size(), static_cast<char>(Part::kCode));
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '#') {
      while (i < text.size() && text[i] != '\n') parts[i++] = static_cast<char>(Part::kComment);
    } else if (c == '"' || c == '\'') {
      const bool triple = text.compare(i, 3, std::string(3, c)) == 0;
      const std::size_t quote = triple ? 3 : 1;
      const std::size_t begin = i;
      i += quote;
      while (i < text.size()) {
        if (text[i] == '\\')
          i += 2;
        else if (triple ? text.compare(i, 3, std::string(3, c)) == 0 : (text[i] == c || text[i] == '\n'))
          break;
        else
          ++i;
      }
      i = std::min(text.size(), i + quote);
      for (std::size_t k = begin; k < i; ++k) parts[k] = static_cast<char>(triple ? Part::kDoc : Part::kString);
      // What stands in the braces of f"..." is code.
      const auto prefix = [&](std::size_t back) { return begin >= back ? text[begin - back] : ' '; };
      const bool formatted = std::strchr("fF", prefix(1)) != nullptr ||
                             (std::strchr("rR", prefix(1)) != nullptr && std::strchr("fF", prefix(2)) != nullptr);
      for (std::size_t k = begin + quote; formatted && k + quote < i; ++k) {
        if (text[k] != '{') continue;
        if (text[k + 1] == '{') {
          ++k;
          continue;
        }
        for (int depth = 0; k + quote < i; ++k) {
          depth += text[k] == '{' ? 1 : text[k] == '}' ? -1 : 0;
          if (depth == 0) break;
          if (text[k] != '{') parts[k] = static_cast<char>(Part::kCode);
        }
      }
    } else {
      ++i;
    }
  }
  return parts;
}

class Editor {
 public:
  Editor(std::string text, PythonResult& result) : text_(std::move(text)), result_(result) { parts_ = parts_of(text_); }

  /// Replaces every match whose first byte is code. `write` gets the match and gives the new text.
  template <class Write>
  void replace(const char* pattern, const char* rule, Write&& write, bool whole_code = false) {
    const std::regex expression(pattern);
    std::string out;
    std::size_t from = 0;
    for (auto at = std::sregex_iterator(text_.begin(), text_.end(), expression); at != std::sregex_iterator(); ++at) {
      const auto begin = static_cast<std::size_t>(at->position());
      const auto length = static_cast<std::size_t>(at->length());
      if (begin < from || parts_[begin] == static_cast<char>(Part::kComment) ||
          parts_[begin] == static_cast<char>(Part::kDoc))
        continue;
      if (whole_code && parts_[begin] != static_cast<char>(Part::kCode)) continue;
      const std::string fresh = write(*at, begin);
      if (fresh == at->str()) continue;
      out.append(text_, from, begin - from);
      out += fresh;
      from = begin + length;
      ++result_.rules[rule];
    }
    if (from == 0) return;
    out.append(text_, from);
    text_ = std::move(out);
    parts_ = parts_of(text_);
  }

  bool code_at(std::size_t at) const { return parts_[at] == static_cast<char>(Part::kCode); }
  const std::string& text() const { return text_; }
  void set(std::string text) {
    text_ = std::move(text);
    parts_ = parts_of(text_);
  }

 private:
  std::string text_, parts_;
  PythonResult& result_;
};

const std::set<std::string> kHelpers = {"is_available",
                                        "synchronize",
                                        "empty_cache",
                                        "device_count",
                                        "current_device",
                                        "manual_seed",
                                        "manual_seed_all",
                                        "Event",
                                        "Stream",
                                        "FloatTensor",
                                        "DoubleTensor",
                                        "HalfTensor",
                                        "IntTensor",
                                        "LongTensor",
                                        "ByteTensor",
                                        "BoolTensor",
                                        "CharTensor",
                                        "set_device",
                                        "get_device_name",
                                        "memory_allocated",
                                        "max_memory_allocated",
                                        "current_stream",
                                        "stream",
                                        "ShortTensor",
                                        "BFloat16Tensor",
                                        "device_of",
                                        "default_stream",
                                        "get_device_capability",
                                        "get_device_properties",
                                        "reset_peak_memory_stats",
                                        "reset_max_memory_allocated",
                                        "memory_reserved",
                                        "max_memory_reserved",
                                        "memory_summary",
                                        "OutOfMemoryError",
                                        "init",
                                        "ipc_collect",
                                        "is_initialized",
                                        "is_bf16_supported",
                                        "get_rng_state",
                                        "set_rng_state",
                                        "nvtx"};

const std::set<std::string> kAmp = {"custom_fwd", "custom_bwd", "autocast", "GradScaler"};

/// One name of an import, and what the file calls it.
struct Imported {
  std::string name, alias;
};

/// Of "a, b as c".
std::vector<Imported> imported(const std::string& names) {
  std::vector<Imported> all;
  const std::regex one(R"((\w+)([ \t]+as[ \t]+(\w+))?)");
  for (auto at = std::sregex_iterator(names.begin(), names.end(), one); at != std::sregex_iterator(); ++at)
    all.push_back({(*at)[1].str(), (*at)[(*at)[3].matched ? 3 : 1].str()});
  return all;
}

bool has_all(const std::string& names, const std::set<std::string>& known) {
  const std::vector<Imported> all = imported(names);
  return std::all_of(all.begin(), all.end(), [&](const Imported& one) { return known.count(one.name) > 0; });
}

/// Behind the last import at the beginning of a line, outside of strings and of blocks.
std::size_t after_imports(const std::string& text) {
  const std::string parts = parts_of(text);
  std::size_t last = 0, at = 0;
  bool docstring_seen = false;
  while (at < text.size()) {
    std::size_t end = text.find('\n', at);
    if (end == std::string::npos) end = text.size();
    const bool code = parts[at] == static_cast<char>(Part::kCode);
    if (code && (text.compare(at, 7, "import ") == 0 || text.compare(at, 5, "from ") == 0)) {
      // An import in parentheses ends with its line of ")".
      int depth = 0;
      std::size_t i = at;
      for (; i < text.size(); ++i) {
        if (parts[i] != static_cast<char>(Part::kCode)) continue;
        if (text[i] == '(') ++depth;
        if (text[i] == ')') --depth;
        if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == '\n')
          ++i;
        else if (text[i] == '\n' && depth == 0)
          break;
      }
      last = std::min(text.size(), i + 1);
      at = last;
      continue;
    }
    if (code && end > at && (text.compare(at, 4, "def ") == 0 || text.compare(at, 6, "class ") == 0) && last > 0) break;
    if (!docstring_seen && parts[at] == static_cast<char>(Part::kDoc)) {
      while (at < text.size() && parts[at] == static_cast<char>(Part::kDoc)) ++at;
      docstring_seen = true;
      end = text.find('\n', at);
      if (end == std::string::npos) end = text.size();
      if (last == 0) last = std::min(text.size(), end + 1);
    }
    at = end + 1;
  }
  if (last == 0 && text.starts_with("#!"))
    last = text.find('\n') == std::string::npos ? text.size() : text.find('\n') + 1;
  return std::min(last, text.size());
}

unsigned line_of(const std::string& text, std::size_t at) {
  return 1 + static_cast<unsigned>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
}

}  // namespace

PythonResult migrate_python(const std::string& text, const std::string& relative, const std::string& path_to_csy) {
  PythonResult result;
  Editor editor(text, result);
  const bool builds = std::regex_search(text, std::regex(R"(\b(CUDAExtension|cpp_extension|CUDA_HOME)\b)")) &&
                      text.find("csy_build") == std::string::npos && text.find("import") != std::string::npos;
  const bool is_setup = relative == "setup.py" || relative.ends_with("/setup.py");
  if (!is_setup) {
    const auto fixed = [](const char* word) {
      return [word](const std::smatch&, std::size_t) { return std::string(word); };
    };
    // Imports of what csy_torch has as well.
    editor.replace(
        R"(from\s+torch\.cuda(\.amp(\.grad_scaler|\.autocast_mode)?)?\s+import\s+(\w[\w, \t]*))", "python",
        [](const std::smatch& m, std::size_t) {
          const bool known =
              has_all(m[3].str(), m[1].matched ? kAmp : kHelpers) || (!m[1].matched && m[3].str() == "amp");
          return known ? "from csy_torch import " + m[3].str() : m.str();
        },
        true);
    editor.replace(
        R"(import\s+torch\.cuda\.(amp|nvtx)(\s+as\s+(\w+))?(?=[ \t]*(\n|#|$)))", "python",
        [](const std::smatch& m, std::size_t) {
          return m[2].matched ? "from csy_torch import " + m[1].str() + m[2].str() : std::string("import torch");
        },
        true);
    editor.replace(
        R"(\btorch\.cuda\.amp\.(grad_scaler\.|autocast_mode\.)?(custom_fwd|custom_bwd|autocast|GradScaler)\b)",
        "python", [](const std::smatch& m, std::size_t) { return "csy_torch." + m[2].str(); }, true);
    editor.replace(
        R"(\btorch\.cuda\.(\w+))", "python",
        [&](const std::smatch& m, std::size_t) {
          if (m[1].str() == "device") return std::string("csy_torch.device_of");
          return kHelpers.count(m[1].str()) > 0 ? "csy_torch." + m[1].str() : m.str();
        },
        true);
    editor.replace(R"(\btorch\.device\(\s*f?["']cuda(:\d+)?["']\s*\))", "python", fixed("csy_torch.device()"), true);
    editor.replace(
        R"(\.cuda\(\s*([\w.\[\]=]*)\s*\))", "python",
        [](const std::smatch& m, std::size_t) {
          const bool async = m[1].str().find('=') != std::string::npos;
          return std::string(".to(csy_torch.device()") + (async ? ", " + m[1].str() : "") + ")";
        },
        true);
    editor.replace(
        R"(([A-Za-z_][\w.]*(\[[^\[\]\n]*\])?)\.device\.type\s*(==|!=)\s*["']cuda["'])", "python",
        [](const std::smatch& m, std::size_t) {
          return std::string(m[3].str() == "!=" ? "not " : "") + "csy_torch.on_device(" + m[1].str() + ")";
        },
        true);
    editor.replace(
        R"(([A-Za-z_][\w.]*(\[[^\[\]\n]*\])?)\.is_cuda\b(?!\())", "python",
        [](const std::smatch& m, std::size_t) { return "csy_torch.on_device(" + m[1].str() + ")"; }, true);
    // Profilers of CUDA: nothing to start.
    editor.replace(R"(torch\.cuda\.profiler\.cudart\(\)\.\w+\(\))", "python", fixed("pass"), true);
    // What is left of strings that name the device.
    editor.replace(R"(["']cuda(:0)?["'])", "python", [&](const std::smatch& m, std::size_t at) {
      std::size_t before = at;
      const std::string& now = editor.text();
      while (before > 0 && (now[before - 1] == ' ' || now[before - 1] == '\t')) --before;
      std::size_t after = at + static_cast<std::size_t>(m.length());
      while (after < now.size() && now[after] == ' ') ++after;
      const char previous = before > 0 ? now[before - 1] : '\n';
      const char next = after < now.size() ? now[after] : '\n';
      // A key, a path's part, an argparse choice, half of a concatenation: not a device.
      if (next == ':' || next == '+' || next == '%' || next == '.' || previous == '+' || previous == '[')
        return m.str();
      if (before >= 2 && (now.compare(before - 2, 2, "==") == 0 || now.compare(before - 2, 2, "!=") == 0))
        return std::string("csy_torch.device().type");
      if (previous != '=' && previous != '(' && previous != ',' && previous != 'n' && previous != 'e') return m.str();
      // os.path.join(dir, "cuda", "*.cu") speaks of folders.
      const std::size_t line = now.rfind('\n', at) == std::string::npos ? 0 : now.rfind('\n', at) + 1;
      const std::string head = now.substr(line, at - line);
      if (head.find("path") != std::string::npos || head.find("join") != std::string::npos ||
          head.find("glob") != std::string::npos)
        return m.str();
      // torch.autocast("cuda") and device_type="cuda" want the device's word.
      if (head.ends_with("autocast(") || head.ends_with("GradScaler(") || head.ends_with("device_type="))
        return std::string("csy_torch.device().type");
      const bool fallback = before >= 8 && now.compare(before - 8, 8, "default=") == 0;
      return std::string(fallback ? "str(csy_torch.device())" : "csy_torch.device()");
    });
    // "csy_torch.device() if csy_torch.is_available() else 'cpu'" stays readable as it is.
    const bool helper = editor.text().find("csy_torch") != std::string::npos;
    if (helper && editor.text().find("import csy_torch") == std::string::npos) {
      // from csy_torch import x: the module has to be found from a package too.
      std::string now = editor.text();
      const std::string lines = "try:\n    from . import csy_torch\nexcept ImportError:\n    import csy_torch\n";
      const std::regex direct(R"((^|\n)([ \t]*)from csy_torch import ([\w, \t]+))");
      std::smatch match;
      while (std::regex_search(now, match, direct)) {
        std::string assignments;
        for (const Imported& one : imported(match[3].str()))
          assignments += (assignments.empty() ? "" : "; ") + one.alias + " = csy_torch." + one.name;
        // In a block the module is there already: it is imported at the top.
        const bool first = match[2].length() == 0 && now.find(lines) == std::string::npos;
        now.replace(static_cast<std::size_t>(match.position()), static_cast<std::size_t>(match.length()),
                    match[1].str() + match[2].str() + (first ? lines : "") + assignments);
      }
      if (now.find(lines) == std::string::npos) now.insert(after_imports(now), lines);
      editor.set(now);
    }
    result.needs_helper = helper;
    // Left over.
    const std::regex left(R"(\btorch\.cuda\.\w+|\bfrom\s+torch\.cuda\s+import\b|\btorch\.backends\.cudnn\b)");
    const std::string& now = editor.text();
    for (auto at = std::sregex_iterator(now.begin(), now.end(), left); at != std::sregex_iterator(); ++at)
      if (editor.code_at(static_cast<std::size_t>(at->position())) && at->str().find("cudnn") == std::string::npos)
        result.leftovers.push_back({1021, line_of(now, static_cast<std::size_t>(at->position())), at->str()});
  }
  if (builds) {
    std::string now = editor.text();
    const std::string lines =
        "import os, sys; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), \"" + path_to_csy +
        "\"))\nimport csy_build; csy_build.install(globals())\n";
    now.insert(after_imports(now), lines);
    editor.set(now);
    ++result.rules["setup"];
  }
  result.text = editor.text();
  return result;
}

}  // namespace dcn::migrate
