#include "migrate/migrate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include "dcn/status.hpp"
#include "migrate/embedded.hpp"
#include "migrate/output_names.hpp"

namespace dcn::migrate {

namespace fs = std::filesystem;

namespace {

/// Parses in parallel; what one thread finds is merged under a lock.
Facts parse_all(const Project& project, const std::vector<ParseJob>& jobs, const Options& options) {
  Facts facts;
  std::mutex lock;
  std::atomic<std::size_t> next{0}, done{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < jobs.size(); i = next++) {
      Facts one = parse(jobs[i], project.setup);
      const std::lock_guard<std::mutex> guard(lock);
      facts.merge(one);
      ++done;
      if (options.progress) {
        const std::size_t width = 30, filled = done * width / jobs.size();
        std::fprintf(stderr, "\r[%s%s] %zu/%zu", std::string(filled, '#').c_str(),
                     std::string(width - filled, '.').c_str(), done.load(), jobs.size());
        if (done == jobs.size()) std::fprintf(stderr, "\n");
      }
    }
  };
  const unsigned wanted = options.jobs > 0 ? options.jobs : std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < std::min<std::size_t>(wanted, jobs.size()); ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  return facts;
}

ProjectView look_around(const Project& project, const Facts& facts) {
  ProjectView view;
  for (const auto& [path, source] : project.sources) {
    for (std::size_t i = 0; i + 4 < source.size(); ++i)
      if (source.is(i, "TORCH_LIBRARY_IMPL") && source.is(i + 1, "(") && source.is(i + 4, "CPU"))
        view.cpu_libraries.insert(std::string(source.word(i + 2)));
    for (std::size_t i = 0; i < source.size(); ++i)
      if (const auto found = registration_at(source, i); found && source.is(found->key, "CUDA"))
        for (const auto& [at, name] : registered_operators(source, *found))
          view.cuda_operators[found->space].insert(name);
    for (const Directive& directive : source.directives())
      if (directive.name == "define" && directive.first_token + 2 < source.size())
        view.own_macros.insert(std::string(source.word(directive.first_token + 2)));
    // Kernels that the parser could not see.
    for (std::size_t i = 0; i < source.size(); ++i) {
      if (!source.is(i, "__global__")) continue;
      for (std::size_t k = i + 1; k < source.size() && k < i + 40; ++k)
        if (source.is(k, "(") && source.is_word(k - 1) && !source.is(k - 1, "__launch_bounds__") &&
            !source.word(k - 1).starts_with("C10_LAUNCH")) {
          view.kernels.insert(std::string(source.word(k - 1)));
          break;
        } else if (source.is(k, ";") || source.is(k, "{")) {
          break;
        }
    }
  }
  for (const auto& [path, source] : project.sources) view.paths.push_back(path);
  for (const auto& [path, file] : facts.files) {
    std::map<std::string, unsigned> defined;
    for (const KernelFact& kernel : file.kernels)
      if (kernel.is_definition && !kernel.is_template && ++defined[kernel.qualified] > 1)
        view.overloaded_kernels.insert(kernel.qualified.substr(
            kernel.qualified.rfind(':') == std::string::npos ? 0 : kernel.qualified.rfind(':') + 1));
    for (const TopDecl& top : file.decls) {
      const std::string name = top.name.substr(top.name.rfind(':') == std::string::npos ? 0 : top.name.rfind(':') + 1);
      if (top.function && top.device && cuda_function(name)) view.overloads.insert(name);
    }
    for (const KernelFact& kernel : file.kernels)
      if (kernel.is_template)
        view.template_kernels.insert(kernel.qualified.substr(
            kernel.qualified.rfind(':') == std::string::npos ? 0 : kernel.qualified.rfind(':') + 1));
    for (const KernelFact& kernel : file.kernels)
      view.kernels.insert(kernel.qualified.substr(
          kernel.qualified.rfind(':') == std::string::npos ? 0 : kernel.qualified.rfind(':') + 1));
    // Header globals are used elsewhere under their names.
    for (const GlobalFact& global : file.globals)
      if (is_header(path) && !global.constant) view.device_globals.insert(global.variable);
  }
  return view;
}

/// Comments (and #error) at what stays: on lines of their own, above.
void mark(const Source& source, const std::vector<Finding>& findings, bool keep_going, Edits& edits) {
  for (const Finding& finding : findings) {
    if (finding.number >= 1900) continue;
    const std::size_t token = source.at(finding.offset);
    if (token < source.size() && source.tokens()[token].directive) continue;  // a macro's body takes no lines
    const unsigned line = source.line_begin(finding.offset);
    if (line > 1 && source.text()[line - 2] == '\\') continue;
    const bool inside = std::any_of(edits.all().begin(), edits.all().end(),
                                    [&](const Edit& e) { return e.span.begin < line && line < e.span.end; });
    if (inside) continue;
    const DiagnosticText& text = diagnostic(finding.number);
    const std::string what = finding.detail.empty() ? text.what : fmt::format("{}: {}", finding.detail, text.what);
    std::string lines = fmt::format("// C2S{}: {}; {}.\n", finding.number, what, text.remedy);
    if (!keep_going) lines += fmt::format("#error \"C2S{}: {}\"\n", finding.number, what);
    edits.insert(line, lines, "leftover", -40);
  }
}

struct OneFile {
  Edits edits;
  std::vector<Finding> findings;
};

void count(const Source& source, const FileFacts& facts, FileResult& file) {
  std::set<std::string> kernels;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source.is(i, "<<<")) ++file.launches;
  }
  for (const KernelFact& kernel : facts.kernels)
    if (kernel.is_definition) ++file.kernels;
}

/// Kernels and device functions that the parser could not see (behind an unknown macro, in a branch that is off).
void add_by_words(const Source& source, FileFacts& facts) {
  for (std::size_t i = 0; i < source.size(); ++i) {
    const bool kernel = source.is(i, "__global__");
    if ((!kernel && !source.is(i, "__device__")) || source.tokens()[i].directive) continue;
    if (kernel && is_main_source(source.path())) facts.device_needed = true;
    for (std::size_t k = i + 1; k < source.size() && !source.is(k, ";") && !source.is(k, "}"); ++k) {
      if (source.is(k, "(")) {
        k = source.close(k).value_or(k);
      } else if (source.is(k, "{")) {
        if (const auto end = source.close(k))
          facts.device_code.insert({source.tokens()[k].begin, source.tokens()[*end].end});
        break;
      }
    }
  }
}

FileResult migrate_source(const Source& source, const Facts& facts, const ProjectView& view, const Options& options,
                          const std::string& relative) {
  FileResult file;
  file.input = relative;
  file.output = output_name(relative);
  file.before = source.text();
  static const FileFacts kNothing;
  const auto found = facts.files.find(source.path());
  FileFacts known = found != facts.files.end() ? found->second : kNothing;
  add_by_words(source, known);
  OneFile work;
  Unit unit{source, known, view, work.edits, work.findings};
  for (const Rule& rule : source_rules()) rule.apply(unit);
  mark(source, work.findings, options.keep_going, work.edits);
  file.edits = work.edits.sorted(relative);
  file.after = work.edits.apply(source);
  for (const Edit& edit : file.edits) ++file.rules[edit.rule];
  count(source, known, file);
  file.launches_migrated = file.launches;
  std::sort(work.findings.begin(), work.findings.end(),
            [](const Finding& a, const Finding& b) { return a.offset < b.offset; });
  for (const Finding& finding : work.findings) {
    const Place place{finding.number, source.line_of(finding.offset), finding.detail};
    (finding.number >= 1900 ? file.notes : file.leftovers).push_back(place);
    if (((finding.number >= 1002 && finding.number <= 1005) || finding.number == 1023) && file.launches_migrated > 0)
      --file.launches_migrated;
  }
  return file;
}

bool has_setup(const Project& project) {
  return std::any_of(project.files.begin(), project.files.end(),
                     [](const fs::path& p) { return p.filename() == "setup.py"; });
}

}  // namespace

std::size_t Result::changed() const {
  return static_cast<std::size_t>(
      std::count_if(files.begin(), files.end(), [](const FileResult& f) { return f.changed(); }));
}
std::size_t Result::leftovers() const {
  std::size_t sum = 0;
  for (const FileResult& file : files) sum += file.leftovers.size();
  return sum;
}
bool Result::broken() const {
  for (const FileResult& file : files)
    for (const Place& place : file.leftovers)
      if (place.number == 1002) return true;
  return false;
}

Result migrate(const Options& options) {
  const Project project = open_project(options);
  Result result;
  result.root = project.root.string();
  Facts facts = parse_all(project, project.jobs, options);
  result.parsed = static_cast<unsigned>(project.jobs.size());
  // Headers that no source includes are read by themselves.
  std::vector<ParseJob> lonely;
  for (const std::string& path : project.setup.project_files)
    if (is_header(path) && facts.files.count(path) == 0 && !project.jobs.empty()) {
      ParseJob job = project.jobs.front();
      job.file = path;
      const auto source = project.sources.find(path);
      if (source == project.sources.end()) continue;  // a link's target elsewhere
      const std::string& text = source->second.text();
      if (text.find("__global__") != std::string::npos || text.find("__device__") != std::string::npos)
        lonely.push_back(job);
    }
  facts.merge(parse_all(project, lonely, options));
  facts.spread_device_need();
  for (const auto& [path, target] : project.links)
    if (const auto found = facts.files.find(target); found != facts.files.end())
      facts.files.try_emplace(path, FileFacts(found->second));
  const ProjectView view = look_around(project, facts);

  const auto relative_to_root = [&](const std::string& path) {
    const fs::path relative = fs::path(path).lexically_relative(project.root);
    return relative.empty() || *relative.begin() == ".." ? fs::path(path).filename().string() : relative.string();
  };
  std::set<std::string> helper_folders;
  std::vector<std::string> setup_folders;
  for (const fs::path& path : project.files)
    if (path.filename() == "setup.py")
      setup_folders.push_back(fs::path(relative_to_root(path.string())).parent_path().string());
  // The nearest setup.py above has the folder csy beside it; without one, it is in the root.
  const auto path_to_csy = [&](const std::string& relative) {
    std::string csy = "csy";
    for (fs::path folder = fs::path(relative).parent_path();
         !folder.empty() &&
         std::find(setup_folders.begin(), setup_folders.end(), folder.string()) == setup_folders.end();
         folder = folder.parent_path())
      csy = "../" + csy;
    return csy;
  };
  bool any = false;
  for (const fs::path& path : project.files) {
    const std::string name = path.string(), relative = relative_to_root(name);
    const auto source = project.sources.find(name);
    if (source != project.sources.end() && project.setup.project_files.count(name) > 0) {
      result.files.push_back(migrate_source(source->second, facts, view, options, relative));
      any = any || result.files.back().changed();
      continue;
    }
    FileResult file;
    file.input = file.output = relative;
    if (path.extension() == ".py" && fs::file_size(path) < (8U << 20U)) {
      file.before = read_file(path);
      const std::string csy = path_to_csy(relative);
      const PythonResult python = fs::path(relative).filename().string().starts_with("csy_")
                                      ? PythonResult{file.before, {}, {}, false}
                                      : migrate_python(file.before, relative, csy);
      file.after = python.text;
      file.rules = python.rules;
      file.leftovers = python.leftovers;
      if (python.needs_helper) helper_folders.insert(fs::path(relative).parent_path().string());
      if (file.before != file.after)
        file.edits.push_back({{0, static_cast<unsigned>(file.before.size())}, file.after, "python", true, 0});
      any = any || file.changed();
    } else if (path.filename() == "CMakeLists.txt" || path.extension() == ".cmake") {
      file.before = read_file(path);
      const bool ours = path.filename() == "csy.cmake";
      const PythonResult cmake =
          ours ? PythonResult{file.before, {}, {}, false} : migrate_cmake(file.before, path_to_csy(relative));
      file.after = cmake.text;
      file.rules = cmake.rules;
      file.leftovers = cmake.leftovers;
      if (file.before != file.after)
        file.edits.push_back({{0, static_cast<unsigned>(file.before.size())}, file.after, "cmake", true, 0});
      any = any || file.changed();
    } else {
      file.text = false;
    }
    result.files.push_back(std::move(file));
  }
  if (any) {
    std::vector<std::string> folders = setup_folders;
    if (!has_setup(project)) folders.emplace_back();
    for (const EmbeddedFile& file : embedded_files()) {
      const std::string name = fs::path(file.name).filename().string();
      const bool support = file.name.starts_with("support/");
      if (support && std::none_of(result.files.begin(), result.files.end(), [&](const FileResult& f) {
            return f.after.find("#include \"" + name + "\"") != std::string::npos;
          }))
        continue;
      if (!file.name.starts_with("launch/") && !support) continue;
      for (const std::string& folder : folders) result.added[(fs::path(folder) / "csy" / name).string()] = file.text;
      if (name == "csy_torch.py")
        for (const std::string& folder : helper_folders) result.added[(fs::path(folder) / name).string()] = file.text;
    }
    for (const FileResult& file : result.files) result.added.erase(file.output);  // a second run
    for (const std::string& folder : setup_folders) {
      const std::string name = (fs::path(folder) / "pyproject.toml").string();
      const fs::path own = fs::path(result.root) / name;
      const std::string before = fs::exists(own) ? read_file(own) : "";
      const std::string after = with_build_backend(before);
      if (after != before) result.added[name] = after;
    }
  }
  for (const ParseMessage& message : facts.errors) {
    ParseMessage shown = message;
    shown.file = relative_to_root(message.file);
    result.parse_errors.push_back(shown);
  }
  return result;
}

void write_output(const Result& result, const Options& options) {
  const fs::path out = options.out_root;
  for (const FileResult& file : result.files) {
    const fs::path source = fs::path(result.root) / file.input;
    if (!file.text) {
      std::error_code error;
      fs::create_directories((out / file.output).parent_path(), error);
      fs::copy_file(source, out / file.output, fs::copy_options::overwrite_existing, error);
      if (error) throw Error(ErrorCode::kIo, (out / file.output).string() + ": " + error.message());
      continue;
    }
    write_file(out / file.output, file.after);
    if (options.keep_original && file.before != file.after) write_file(out / (file.input + ".orig"), file.before);
    std::error_code ignored;
    fs::permissions(out / file.output, fs::status(source, ignored).permissions(), ignored);
  }
  for (const auto& [name, text] : result.added) write_file(out / name, text);
  write_file(out / "MainSourceFiles.yaml", main_source_files(result, options));
  write_file(out / "cuda2sycl-report.md", report_markdown(result));
  write_file(out / "cuda2sycl-report.json", report_json(result));
}

}  // namespace dcn::migrate
