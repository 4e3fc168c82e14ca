/// CMake files: the CUDA language and its packages go, sources get their new names, PyTorch is asked where it is. What
/// the output needs is in csy/csy.cmake, which the file that calls project() includes.
#include <algorithm>
#include <cctype>
#include <regex>
#include <set>

#include "migrate/migrate.hpp"

namespace dcn::migrate {

namespace {

struct Argument {
  std::size_t begin, end;
};
struct Command {
  std::string name;              ///< in lower case
  std::size_t begin, open, end;  ///< its word, its parenthesis, one past the closing one
  std::vector<Argument> arguments;
};

/// Where a comment or string that begins at `at` ends, or `at` itself.
std::size_t behind_text(const std::string& text, std::size_t at) {
  if (text[at] == '#') {
    if (text.compare(at, 3, "#[[") == 0) {
      const std::size_t end = text.find("]]", at);
      return end == std::string::npos ? text.size() : end + 2;
    }
    return std::min(text.find('\n', at), text.size());
  }
  if (text[at] != '"') return at;
  for (++at; at < text.size() && text[at] != '"'; ++at)
    if (text[at] == '\\') ++at;
  return std::min(at + 1, text.size());
}

std::vector<Command> commands_of(const std::string& text) {
  std::vector<Command> list;
  for (std::size_t i = 0; i < text.size();) {
    if (const std::size_t end = behind_text(text, i); end != i) {
      i = end;
      continue;
    }
    if (std::isalpha(static_cast<unsigned char>(text[i])) == 0 && text[i] != '_') {
      ++i;
      continue;
    }
    Command command;
    command.begin = i;
    while (i < text.size() && (std::isalnum(static_cast<unsigned char>(text[i])) != 0 || text[i] == '_'))
      command.name += static_cast<char>(std::tolower(static_cast<unsigned char>(text[i++])));
    while (i < text.size() && (text[i] == ' ' || text[i] == '\t')) ++i;
    if (i >= text.size() || text[i] != '(') continue;
    command.open = i++;
    for (int depth = 1; i < text.size() && depth > 0;) {
      const char c = text[i];
      if (c == '#') {
        i = behind_text(text, i);
      } else if (c == '(' || c == ')') {
        depth += c == '(' ? 1 : -1;
        ++i;
      } else if (std::isspace(static_cast<unsigned char>(c)) != 0) {
        ++i;
      } else {
        const std::size_t begin = i;
        while (i < text.size() && std::isspace(static_cast<unsigned char>(text[i])) == 0 && text[i] != '(' &&
               text[i] != ')') {
          const std::size_t end = behind_text(text, i);
          i = end == i ? i + 1 : end;
        }
        command.arguments.push_back({begin, i});
      }
    }
    command.end = i;
    list.push_back(std::move(command));
  }
  return list;
}

/// Libraries of the toolkit that csy.cmake's own take the place of.
bool toolkit_library(const std::string& word) {
  static const std::set<std::string> names = {"CUDA::cudart",
                                              "CUDA::cudart_static",
                                              "CUDA::toolkit",
                                              "CUDA::cuda_driver",
                                              "CUDA::cublas",
                                              "cudart",
                                              "cuda",
                                              "cublas",
                                              "${CUDA_LIBRARIES}",
                                              "${CUDA_CUDART_LIBRARY}",
                                              "${CUDA_CUBLAS_LIBRARIES}",
                                              "${CUDA_CUDA_LIBRARY}",
                                              "${CUDA_cudart_LIBRARY}",
                                              "CUDA::nvToolsExt",
                                              "CUDA::curand"};
  return names.count(word) > 0;
}

class CMakeEditor {
 public:
  CMakeEditor(const std::string& text, PythonResult& result) : text_(text), result_(result) {}
  void replace(std::size_t begin, std::size_t end, std::string with) {
    edits_.emplace_back(begin, end, std::move(with));
    ++result_.rules["cmake"];
  }
  /// The command goes, with its line when nothing else is on it.
  void remove(const Command& command, const std::string& instead = {}) {
    std::size_t begin = text_.rfind('\n', command.begin), end = command.end;
    begin = begin == std::string::npos ? 0 : begin + 1;
    const bool alone =
        text_.find_first_not_of(" \t", begin) == command.begin && (end >= text_.size() || text_[end] == '\n');
    if (!alone || !instead.empty()) return replace(command.begin, end, instead);
    replace(begin, std::min(end + 1, text_.size()), "");
  }
  std::string word(const Argument& argument) const {
    return text_.substr(argument.begin, argument.end - argument.begin);
  }
  void leave(std::size_t at, const std::string& what) {
    const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    result_.leftovers.push_back({1022, static_cast<unsigned>(line), what});
  }
  std::string apply() {
    // Insertions at one place stay in their order: the number of each comes second.
    std::vector<std::pair<std::size_t, std::size_t>> order;
    for (std::size_t i = 0; i < edits_.size(); ++i) order.emplace_back(std::get<0>(edits_[i]), i);
    std::sort(order.begin(), order.end());
    std::string out;
    std::size_t from = 0;
    for (const auto& [at, number] : order) {
      const auto& [begin, end, with] = edits_[number];
      if (begin < from) continue;
      out.append(text_, from, begin - from);
      out += with;
      from = end;
    }
    return out.append(text_, from);
  }

 private:
  const std::string& text_;
  PythonResult& result_;
  std::vector<std::tuple<std::size_t, std::size_t, std::string>> edits_;
};

}  // namespace

PythonResult migrate_cmake(const std::string& text, const std::string& path_to_csy) {
  PythonResult result;
  result.text = text;
  static const std::regex cuda(R"(\b(CUDA|cuda_add_\w+|CUDAToolkit)\b|\.cuh?\b|\bTorch\b)");
  if (text.find("csy.cmake") != std::string::npos || !std::regex_search(text, cuda)) return result;
  CMakeEditor editor(text, result);
  const std::string include = "include(${CMAKE_CURRENT_LIST_DIR}/" + path_to_csy + "/csy.cmake)";
  const std::vector<Command> commands = commands_of(text);
  bool included = false;
  for (const Command& command : commands) {
    if (command.name != "project") continue;
    std::vector<std::string> words;
    for (const Argument& argument : command.arguments) words.push_back(editor.word(argument));
    const bool alone =
        std::count(words.begin(), words.end(), "CUDA") == 1 && std::count(words.begin(), words.end(), "CXX") == 0;
    for (std::size_t i = 1; i < words.size(); ++i) {
      if (words[i] != "CUDA") continue;
      const Argument& at = command.arguments[i];
      if (alone)
        editor.replace(at.begin, at.end, "CXX");
      else
        editor.replace(command.arguments[i - 1].end, at.end, "");
    }
    editor.replace(command.end, command.end, "\n" + include);
    included = true;
    break;
  }
  for (const Command& command : commands) {
    const std::string first = command.arguments.empty() ? "" : editor.word(command.arguments[0]);
    if ((command.name == "enable_language" && first == "CUDA") ||
        (command.name == "find_package" && (first == "CUDA" || first == "CUDAToolkit" || first == "CUDNN"))) {
      editor.remove(command, included ? "" : include);
      included = true;
      continue;
    }
    if (command.name == "include" && (first == "CheckLanguage" || first == "FindCUDA")) continue;
    if (command.name == "find_package" && first == "Torch") {
      editor.replace(command.begin, command.end, "csy_find_torch()");
      continue;
    }
    if (command.name == "cuda_add_library" || command.name == "cuda_add_executable") {
      editor.replace(command.begin, command.begin + command.name.size(), command.name.substr(5));
      for (std::size_t i = 1; i < command.arguments.size(); ++i) {
        const std::string word = editor.word(command.arguments[i]);
        if (word == "OPTIONS") editor.leave(command.arguments[i].begin, "OPTIONS of " + command.name);
        if (i == 1 || (word != "STATIC" && word != "SHARED" && word != "MODULE" && word != "EXCLUDE_FROM_ALL"))
          continue;
        // FindCUDA takes these words anywhere, add_library before the sources.
        editor.replace(command.arguments[0].end, command.arguments[0].end, " " + word);
        editor.replace(command.arguments[i - 1].end, command.arguments[i].end, "");
      }
    } else if (command.name == "cuda_include_directories") {
      editor.replace(command.begin, command.begin + command.name.size(), "include_directories");
    } else if (command.name == "cuda_select_nvcc_arch_flags" || command.name == "set_source_files_properties") {
      if (command.name.starts_with("cuda")) editor.remove(command);
    } else if (command.name.starts_with("cuda_")) {
      editor.leave(command.begin, command.name);
    }
    const bool links = command.name == "target_link_libraries" || command.name == "link_libraries";
    for (std::size_t i = 0; i < command.arguments.size(); ++i) {
      const Argument& argument = command.arguments[i];
      const std::string word = editor.word(argument);
      if (links && i > 0 && toolkit_library(word)) {
        editor.replace(command.arguments[i - 1].end, argument.end, "");
      } else if (links && word.starts_with("CUDA::")) {
        editor.leave(argument.begin, word);
      } else if (word.find(".cu") != std::string::npos) {
        static const std::regex source(R"(\.cu(h?)(?=$|["';)]))");
        std::string renamed;
        auto from = word.cbegin();
        for (auto at = std::sregex_iterator(word.begin(), word.end(), source); at != std::sregex_iterator(); ++at) {
          renamed.append(from, word.cbegin() + at->position());
          renamed += at->length() == 4 ? ".dp.hpp" : ".dp.cpp";
          from = word.cbegin() + at->position() + at->length();
        }
        renamed.append(from, word.cend());
        if (renamed != word) editor.replace(argument.begin, argument.end, renamed);
      }
    }
  }
  result.text = editor.apply();
  return result;
}

}  // namespace dcn::migrate
