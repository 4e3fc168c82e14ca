#include "migrate/project.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "dcn/status.hpp"
#include "migrate/embedded.hpp"
#include "migrate/output_names.hpp"

namespace dcn::migrate {

namespace fs = std::filesystem;

namespace {

constexpr std::uintmax_t kLargestSource = 8U << 20U;

bool is_cpp(const std::string& name) { return name.ends_with(".cu") || is_main_source(name) || is_header(name); }

/// Folders that no extension's sources live in.
bool skipped_folder(const std::string& name) {
  static const std::set<std::string> names = {"build", "dist", "__pycache__", "node_modules", ".git",
                                              ".svn",  ".hg",  ".github",     ".eggs"};
  return names.count(name) > 0 || name.ends_with(".egg-info");
}

std::string real(const fs::path& path) {
  std::error_code error;
  const fs::path result = fs::canonical(path, error);
  return error ? fs::absolute(path).lexically_normal().string() : result.string();
}

void collect(const Options& options, Project& project) {
  std::vector<fs::path> inputs;
  for (const std::string& input : options.inputs) {
    if (!fs::exists(input)) throw Error(ErrorCode::kInvalidArgument, input + ": there is no such file or folder");
    inputs.emplace_back(real(input));
  }
  if (inputs.empty()) throw Error(ErrorCode::kInvalidArgument, "no input given: name a folder with setup.py, or files");
  if (!options.in_root.empty())
    project.root = real(options.in_root);
  else if (fs::is_directory(inputs[0]))
    project.root = inputs[0];
  else
    project.root = inputs[0].parent_path();
  if (!fs::is_directory(project.root))
    throw Error(ErrorCode::kInvalidArgument, project.root.string() + ": --in-root is not a folder");
  const std::string out = options.out_root.empty() ? "" : real(options.out_root);
  if (!out.empty() && out == project.root.string())
    throw Error(ErrorCode::kInvalidArgument, "the output folder is the input folder; name another one with --out");
  std::set<std::string> excluded;
  for (const std::string& folder : options.exclude)
    excluded.insert(real(fs::path(folder).is_absolute() ? fs::path(folder) : project.root / folder));
  std::set<fs::path> found;
  for (const fs::path& input : inputs) {
    if (!fs::is_directory(input)) {
      found.insert(input);
      continue;
    }
    std::error_code error;
    for (auto at = fs::recursive_directory_iterator(input, fs::directory_options::skip_permission_denied, error);
         at != fs::recursive_directory_iterator(); at.increment(error)) {
      if (error) break;
      const std::string name = at->path().filename().string();
      if (at->is_directory()) {
        if (skipped_folder(name) || excluded.count(at->path().string()) > 0 ||
            (!out.empty() && at->path().string() == out))
          at.disable_recursion_pending();
        continue;
      }
      if (at->is_regular_file()) found.insert(at->path());
    }
  }
  project.files.assign(found.begin(), found.end());
  bool cuda = false;
  for (const fs::path& file : project.files) {
    const std::string path = file.string();
    if (!is_cpp(path)) continue;
    std::error_code error;
    if (fs::file_size(file, error) > kLargestSource || error) continue;
    std::string text = read_file(file);
    if (text.find('\0') != std::string::npos) continue;  // not a text
    cuda = true;
    project.sources.emplace(path, Source(path, std::move(text)));
  }
  if (!cuda && std::none_of(project.files.begin(), project.files.end(),
                            [](const fs::path& p) { return p.extension() == ".py"; }))
    throw Error(ErrorCode::kInvalidArgument, project.root.string() + ": holds neither C++ nor Python files");
}

/// Already migrated: csy.hpp is included, or the file is part of it.
bool migrated(const Source& source) {
  return source.text().find("#include \"csy.hpp\"") != std::string::npos ||
         fs::path(source.path()).filename().string().starts_with("csy");
}

// ---- how the sources are compiled
struct Flags {
  std::vector<std::string> include_dirs, defines;
  void add(const Flags& other) {
    for (const auto& one : other.include_dirs)
      if (std::find(include_dirs.begin(), include_dirs.end(), one) == include_dirs.end()) include_dirs.push_back(one);
    for (const auto& one : other.defines)
      if (std::find(defines.begin(), defines.end(), one) == defines.end()) defines.push_back(one);
  }
};

Flags flags_of(const std::vector<std::string>& words, const fs::path& folder) {
  Flags flags;
  const auto absolute = [&](const std::string& path) {
    return fs::path(path).is_absolute() ? path : (folder / path).lexically_normal().string();
  };
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "-I" || word == "-isystem") {
      if (i + 1 < words.size()) flags.include_dirs.push_back(absolute(words[++i]));
    } else if (word.starts_with("-I")) {
      flags.include_dirs.push_back(absolute(word.substr(2)));
    } else if (word == "-D") {
      if (i + 1 < words.size()) flags.defines.push_back(words[++i]);
    } else if (word.starts_with("-D")) {
      flags.defines.push_back(word.substr(2));
    }
  }
  return flags;
}

std::vector<std::string> split_words(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  char quote = 0;
  bool any = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == quote)
        quote = 0;
      else if (c == '\\' && quote == '"' && i + 1 < line.size())
        word += line[++i];
      else
        word += c;
    } else if (c == '"' || c == '\'') {
      quote = c;
      any = true;
    } else if (c == '\\' && i + 1 < line.size()) {
      word += line[++i];
    } else if (c == ' ' || c == '\t' || c == '\n') {
      if (any || !word.empty()) words.push_back(word);
      word.clear();
      any = false;
    } else {
      word += c;
    }
  }
  if (any || !word.empty()) words.push_back(word);
  return words;
}

/// Flags by source from a compilation database.
std::map<std::string, Flags> read_database(const std::string& option) {
  fs::path file = option;
  if (fs::is_directory(file)) file /= "compile_commands.json";
  std::map<std::string, Flags> result;
  nlohmann::json list;
  try {
    list = nlohmann::json::parse(read_file(file));
    for (const auto& entry : list) {
      const fs::path folder = entry.at("directory").get<std::string>();
      const fs::path source = entry.at("file").get<std::string>();
      const std::vector<std::string> words = entry.contains("arguments")
                                                 ? entry["arguments"].get<std::vector<std::string>>()
                                                 : split_words(entry.at("command").get<std::string>());
      result[real(source.is_absolute() ? source : folder / source)].add(flags_of(words, folder));
    }
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::kBadFile, fmt::format("{}: not a compilation database ({})", file.string(), error.what()));
  }
  return result;
}

/// Flags by source from what a build printed: every line that names a compiler and a source.
std::map<std::string, Flags> read_log(const std::string& file, const fs::path& root) {
  std::map<std::string, Flags> result;
  std::istringstream lines(read_file(file));
  for (std::string line; std::getline(lines, line);) {
    if (line.find("-c") == std::string::npos) continue;
    const std::vector<std::string> words = split_words(line);
    for (const std::string& word : words) {
      if (word.starts_with("-") || !is_main_source(word)) continue;
      const fs::path path = fs::path(word).is_absolute() ? fs::path(word) : root / word;
      if (fs::exists(path)) result[real(path)].add(flags_of(words, root));
    }
  }
  if (result.empty()) throw Error(ErrorCode::kBadFile, file + ": no line compiles a source of this project");
  return result;
}

/// f"-DN={SIZE}" in a Python file: what the file gives SIZE, or some number, since the parse needs one. The output
/// keeps the macro's name, and the build gives it its value.
std::string formatted_define(const std::string& define, const std::string& text) {
  const std::size_t open = define.find('{'), close = define.find('}');
  if (open == std::string::npos || close == std::string::npos || close < open) return define;
  const std::string name = define.substr(open + 1, close - open - 1);
  std::smatch found;
  const bool plain =
      std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
  const bool known = plain && !name.empty() &&
                     std::regex_search(text, found, std::regex("(^|\n)\\s*" + name + "\\s*=\\s*([0-9]+)\\b"));
  return define.substr(0, open) + (known ? found[2].str() : "64") + define.substr(close + 1);
}

/// What the setup.py files of the project define, read without running them.
Flags read_setup(const Project& project) {
  Flags flags;
  static const std::regex macro(R"re(\(\s*["']([A-Za-z_]\w*)["']\s*,\s*(None|["']([^"']*)["'])\s*\))re");
  static const std::regex define(R"re(["']-D\s*([A-Za-z_]\w*(=[^"']*)?)["'])re");
  for (const fs::path& file : project.files) {
    const std::string name = file.filename().string();
    if (!name.ends_with(".py")) continue;
    const std::string text = read_file(file);
    if (text.find("CUDAExtension") == std::string::npos && text.find("cpp_extension") == std::string::npos) continue;
    if (text.find("define_macros") != std::string::npos || text.find("macro") != std::string::npos)
      for (auto at = std::sregex_iterator(text.begin(), text.end(), macro); at != std::sregex_iterator(); ++at)
        flags.defines.push_back((*at)[3].matched ? (*at)[1].str() + "=" + (*at)[3].str() : (*at)[1].str());
    for (auto at = std::sregex_iterator(text.begin(), text.end(), define); at != std::sregex_iterator(); ++at) {
      const std::string word = (*at)[1].str();
      if (!word.starts_with("__CUDA_NO_") && !word.starts_with("USE_ROCM") && !word.starts_with("__HIP"))
        flags.defines.push_back(formatted_define(word, text));
    }
  }
  std::sort(flags.defines.begin(), flags.defines.end());
  flags.defines.erase(std::unique(flags.defines.begin(), flags.defines.end()), flags.defines.end());
  return flags;
}

/// #include "a/b.h" names a file of the project: the folder that it is meant from is an include folder.
std::vector<std::string> guess_folders(const Project& project, std::set<std::string>& names) {
  std::set<std::string> folders;
  static const std::regex include(R"re(#\s*include\s*[<"]([^>"]+)[>"])re");
  for (const auto& [path, source] : project.sources) {
    for (const Directive& directive : source.directives()) {
      if (directive.name != "include") continue;
      const std::string line(source.slice(directive.span.begin, directive.span.end));
      std::smatch match;
      if (!std::regex_search(line, match, include)) continue;
      const std::string name = match[1];
      names.insert(name);
      if (fs::exists(fs::path(path).parent_path() / name)) continue;
      for (const auto& [other, unused] : project.sources)
        if (other.ends_with("/" + name)) folders.insert(other.substr(0, other.size() - name.size() - 1));
    }
  }
  std::vector<std::string> result(folders.begin(), folders.end());
  // The shortest way first: include/ before third_party/include/.
  std::stable_sort(result.begin(), result.end(),
                   [](const std::string& a, const std::string& b) { return a.size() < b.size(); });
  return result;
}

/// Names that sources call on tensors or in at:: and that the stub does not declare: declared as "some tensor".
std::string extra_declarations(const Project& project, const std::string& stub) {
  std::set<std::string> methods, functions;
  const Source known("", stub);
  std::set<std::string, std::less<>> words;
  for (std::size_t i = 0; i < known.size(); ++i)
    if (known.is_word(i)) words.insert(std::string(known.word(i)));
  for (const auto& [path, source] : project.sources)
    for (std::size_t i = 2; i + 1 < source.size(); ++i) {
      if (!source.is_word(i) || !source.is(i + 1, "(") || words.count(source.word(i)) > 0) continue;
      if (source.is(i - 1, ".") || source.is(i - 1, "->"))
        methods.insert(std::string(source.word(i)));
      else if (source.is(i - 1, "::") && (source.is(i - 2, "at") || source.is(i - 2, "torch")))
        functions.insert(std::string(source.word(i)));
    }
  std::string text = "#define CSY_EXTRA_METHODS(M)";
  for (const std::string& name : methods) text += " M(" + name + ")";
  text += "\n#define CSY_EXTRA_FUNCTIONS(M)";
  for (const std::string& name : functions) text += " M(" + name + ")";
  return text + "\n";
}

bool is_torch_header(const std::string& name) {
  for (const char* head : {"ATen/", "c10/", "torch/", "THC/", "THCUNN/", "TH/", "caffe2/", "pybind11/", "torch_npu/"})
    if (name.starts_with(head)) return true;
  return name == "Python.h";
}

void add_stubs(Project& project, const std::set<std::string>& names, bool torch_is_real) {
  auto& stubs = project.setup.stubs;
  for (const EmbeddedFile& file : embedded_files()) {
    if (file.name == "stubs/cuda.h") stubs["csy_cuda.h"] = file.text;
    if (file.name == "stubs/groups.h") stubs["csy_groups_stub.h"] = file.text;
    if (file.name == "stubs/torch.h") stubs["csy_torch.h"] = extra_declarations(project, file.text) + file.text;
  }
  for (const char* name : {"cuda.h", "cuda_runtime.h", "cuda_runtime_api.h", "cuda_fp16.h", "cuda_bf16.h",
                           "device_launch_parameters.h", "vector_types.h"})
    stubs[name] = "#include \"csy_cuda.h\"\n";
  for (const std::string& name : names) {
    if (stubs.count(name) > 0) continue;
    if (std::any_of(project.sources.begin(), project.sources.end(),
                    [&](const auto& one) { return one.first.ends_with("/" + name); }))
      continue;
    const bool torch = is_torch_header(name);
    if (torch && torch_is_real && !name.starts_with("THC") && name.find("cuda/") == std::string::npos) continue;
    if (torch)
      stubs[name] = "#include \"csy_torch.h\"\n";
    else if (name.starts_with("cub/") || name.starts_with("thrust/") || name.starts_with("cooperative_groups") ||
             name.starts_with("curand"))
      stubs[name] = "#include \"csy_groups_stub.h\"\n";
    else if (is_cuda_header(name))
      stubs[name] = "#include \"csy_cuda.h\"\n";
  }
}

/// "<< <" and ">> >" are one token each to nvcc and errors to clang: joined, with the same length.
std::string joined_chevrons(const Source& source) {
  std::string text = source.text();
  bool changed = false;
  const auto join = [&](unsigned begin, unsigned end, char chevron) {
    if (end - begin == 3 || text.find('\n', begin) < end) return;
    text.replace(begin, end - begin, std::string(3, chevron) + std::string(end - begin - 3, ' '));
    changed = true;
  };
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (!source.is(i, "<<<")) continue;
    join(source.tokens()[i].begin, source.tokens()[i].end, '<');
    if (const auto last = source.launch_close(i))
      join(source.tokens()[*last].begin, source.tokens()[*last + 2].end, '>');
  }
  return changed ? text : std::string();
}

}  // namespace

std::string read_file(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw Error(ErrorCode::kIo, path.string() + ": cannot be opened");
  std::ostringstream text;
  text << stream.rdbuf();
  if (stream.bad()) throw Error(ErrorCode::kIo, path.string() + ": cannot be read");
  return std::move(text).str();
}

void write_file(const fs::path& path, const std::string& text) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  const fs::path part = path.string() + ".part";
  {
    std::ofstream stream(part, std::ios::binary | std::ios::trunc);
    stream.write(text.data(), static_cast<std::streamsize>(text.size()));
    stream.flush();
    if (!stream) {
      fs::remove(part, error);
      throw Error(ErrorCode::kIo, path.string() + ": cannot be written");
    }
  }
  fs::rename(part, path, error);
  if (error) throw Error(ErrorCode::kIo, path.string() + ": " + error.message());
}

Project open_project(const Options& options) {
  Project project;
  collect(options, project);
  std::set<std::string> included;
  Flags common = read_setup(project);
  std::map<std::string, Flags> recorded;
  if (!options.compile_commands.empty()) recorded = read_database(options.compile_commands);
  if (!options.build_log.empty()) {
    for (auto& [path, flags] : read_log(options.build_log, project.root)) recorded[path].add(flags);
  }
  const std::vector<std::string> guessed = guess_folders(project, included);
  add_stubs(project, included, !options.torch_include.empty());
  project.setup.torch_include = options.torch_include;
  for (const auto& [path, source] : project.sources) {
    if (migrated(source)) continue;
    project.setup.project_files.insert(path);
    if (const std::string target = real(path); target != path) {
      project.links.emplace(path, target);
      project.setup.project_files.insert(target);  // the parser's name for it
    }
    if (std::string text = joined_chevrons(source); !text.empty()) project.setup.replaced_files[path] = std::move(text);
    if (!is_main_source(path)) continue;
    ParseJob job;
    job.file = path;
    Flags flags;
    if (const auto found = recorded.find(path); found != recorded.end())
      flags.add(found->second);
    else
      flags.defines = common.defines;
    // The project's own folders after those of the build.
    Flags own;
    own.include_dirs = guessed;
    own.include_dirs.push_back(project.root.string());
    flags.add(own);
    job.include_dirs = flags.include_dirs;
    job.defines = flags.defines;
    job.extra = options.extra;
    project.jobs.push_back(job);
  }
  return project;
}

}  // namespace dcn::migrate
