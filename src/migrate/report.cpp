/// The report in its three forms, and the diff.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "migrate/migrate.hpp"

namespace dcn::migrate {

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

unsigned line_at(const std::string& text, unsigned offset) {
  return 1 + static_cast<unsigned>(std::count(
                 text.begin(),
                 text.begin() + std::min<std::ptrdiff_t>(offset, static_cast<std::ptrdiff_t>(text.size())), '\n'));
}

std::string one_line(const std::string& text, std::size_t longest) {
  std::string result;
  for (const char c : text) {
    if (c == '\n')
      result += "\\n";
    else if (c != '\r')
      result += c;
  }
  if (result.size() > longest) result = result.substr(0, longest) + "...";
  return result;
}

std::string place_text(const Place& place) {
  const DiagnosticText& text = diagnostic(place.number);
  return place.detail.empty() ? text.what : fmt::format("{}: {}", place.detail, text.what);
}

std::string yaml_string(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (c == '\n')
      result += "\\n";
    else if (c == '\t')
      result += "\\t";
    else if (c == '\r')
      result += "\\r";
    else
      result += c;
  }
  return result + "\"";
}

/// A stable digest of a text (FNV-1a, 64 bits): tells whether a file has changed since.
std::string digest(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return fmt::format("{:016x}", hash);
}

}  // namespace

std::string report_markdown(const Result& result) {
  unsigned kernels = 0, launches = 0, migrated = 0;
  for (const FileResult& file : result.files)
    kernels += file.kernels, launches += file.launches, migrated += file.launches_migrated;
  std::string text = "# cuda2sycl report\n\n";
  text += fmt::format(
      "{} files, {} changed, {} kernels, {} of {} launches migrated, {} left to a person, {} messages of the "
      "parser.\n\n",
      result.files.size(), result.changed(), kernels, migrated, launches, result.leftovers(),
      result.parse_errors.size());
  text += "| file | becomes | kernels | launches | edits | left |\n| --- | --- | --- | --- | --- | --- |\n";
  for (const FileResult& file : result.files) {
    if (!file.text || (!file.changed() && file.leftovers.empty())) continue;
    text += fmt::format("| {} | {} | {} | {} | {} | {} |\n", file.input, file.output, file.kernels, file.launches,
                        file.edits.size(), file.leftovers.size());
  }
  std::map<std::string, unsigned> rules;
  for (const FileResult& file : result.files)
    for (const auto& [rule, count] : file.rules) rules[rule] += count;
  text += "\n## Edits by rule\n\n| rule | edits |\n| --- | --- |\n";
  for (const auto& [rule, count] : rules) text += fmt::format("| {} | {} |\n", rule, count);
  if (result.leftovers() > 0) {
    text += "\n## Left to a person\n\n";
    for (const FileResult& file : result.files)
      for (const Place& place : file.leftovers)
        text += fmt::format("- {}:{}: C2S{}: {}. Remedy: {}.\n", file.input, place.line, place.number,
                            place_text(place), diagnostic(place.number).remedy);
  }
  bool notes = false;
  for (const FileResult& file : result.files)
    for (const Place& place : file.notes) {
      if (!notes) text += "\n## Changes of memory format\n\n";
      notes = true;
      text += fmt::format("- {}:{}: C2S{}: {}.\n", file.input, place.line, place.number, place_text(place));
    }
  if (!result.parse_errors.empty()) {
    text +=
        "\n## What the parser could not read\n\nThe migration went on; what stands in these lines was migrated by its "
        "words alone.\n\n";
    for (const ParseMessage& message : result.parse_errors)
      text += fmt::format("- {}:{}: {}\n", message.file, message.line, one_line(message.text, 200));
  }
  text += "\n## Every change\n";
  for (const FileResult& file : result.files) {
    if (file.edits.empty() || !file.text) continue;
    text += fmt::format("\n### {}\n\n", file.input);
    for (const Edit& edit : file.edits) {
      if (edit.rule == "python") {
        text += "- python: see the diff\n";
        continue;
      }
      const std::string before = file.before.substr(edit.span.begin, edit.span.end - edit.span.begin);
      text += fmt::format("- line {}, {}: `{}` -> `{}`\n", line_at(file.before, edit.span.begin), edit.rule,
                          one_line(before, 70), one_line(edit.text, 70));
    }
  }
  return text;
}

std::string report_json(const Result& result) {
  nlohmann::ordered_json json;
  json["version"] = CUDA2SYCL_VERSION;
  json["files"] = nlohmann::ordered_json::array();
  unsigned kernels = 0, launches = 0, migrated = 0;
  for (const FileResult& file : result.files) {
    kernels += file.kernels, launches += file.launches, migrated += file.launches_migrated;
    if (!file.text || (!file.changed() && file.leftovers.empty())) continue;
    nlohmann::ordered_json one = {{"file", file.input},
                                  {"output", file.output},
                                  {"kernels", file.kernels},
                                  {"launches", file.launches},
                                  {"launches_migrated", file.launches_migrated}};
    one["rules"] = file.rules;
    one["leftovers"] = nlohmann::ordered_json::array();
    const auto list = [](const std::vector<Place>& places) {
      auto array = nlohmann::ordered_json::array();
      for (const Place& place : places)
        array.push_back({{"id", fmt::format("C2S{}", place.number)},
                         {"line", place.line},
                         {"what", place_text(place)},
                         {"remedy", diagnostic(place.number).remedy}});
      return array;
    };
    one["leftovers"] = list(file.leftovers);
    one["notes"] = list(file.notes);
    one["edits"] = nlohmann::ordered_json::array();
    for (const Edit& edit : file.edits)
      if (edit.rule != "python")
        one["edits"].push_back({{"line", line_at(file.before, edit.span.begin)},
                                {"rule", edit.rule},
                                {"offset", edit.span.begin},
                                {"length", edit.span.end - edit.span.begin},
                                {"text", edit.text}});
    json["files"].push_back(one);
  }
  json["total"] = {{"files", result.files.size()}, {"changed", result.changed()},   {"kernels", kernels},
                   {"launches", launches},         {"launches_migrated", migrated}, {"leftovers", result.leftovers()}};
  json["parser"] = nlohmann::ordered_json::array();
  for (const ParseMessage& message : result.parse_errors)
    json["parser"].push_back({{"file", message.file}, {"line", message.line}, {"text", message.text}});
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string main_source_files(const Result& result, const Options& options) {
  std::string text = "---\nMainSourceFile:  ''\nReplacements:\n";
  for (const FileResult& file : result.files) {
    if (!file.text) continue;
    for (const Edit& edit : file.edits)
      text += fmt::format(
          "  - FilePath:        {}\n    Offset:          {}\n    Length:          {}\n    ReplacementText: {}\n",
          yaml_string(file.input), edit.span.begin, edit.span.end - edit.span.begin,
          yaml_string(edit.rule == "python" ? "" : edit.text));
  }
  text += "MainSourceFilesDigest:\n";
  for (const FileResult& file : result.files)
    if (file.text && file.changed())
      text += fmt::format("  - MainSourceFile:  {}\n    Digest:          {}\n", yaml_string(file.input),
                          digest(file.before));
  text += fmt::format("version:         {}\nOptionMap:\n", CUDA2SYCL_VERSION);
  text += fmt::format("  KeepGoing:\n    Value:           '{}'\n  KeepOriginalCode:\n    Value:           '{}'\n",
                      options.keep_going, options.keep_original);
  return text + "...\n";
}

std::string unified_diff(const Result& result) {
  std::string text;
  for (const FileResult& file : result.files) {
    if (!file.text || file.before == file.after) continue;
    const std::vector<std::string> a = lines_of(file.before), b = lines_of(file.after);
    text += fmt::format("--- a/{}\n+++ b/{}\n", file.input, file.output);
    // Lines that both have, found by looking ahead: edits are local, so this need not be the shortest diff.
    std::size_t i = 0, j = 0;
    while (i < a.size() || j < b.size()) {
      if (i < a.size() && j < b.size() && a[i] == b[j]) {
        ++i, ++j;
        continue;
      }
      std::size_t to_i = a.size(), to_j = b.size();
      constexpr std::size_t kAhead = 400;
      for (std::size_t sum = 1; sum < kAhead; ++sum) {
        bool hit = false;
        for (std::size_t di = 0; di <= sum && !hit; ++di) {
          const std::size_t x = i + di, y = j + (sum - di);
          if (x < a.size() && y < b.size() && a[x] == b[y] &&
              (a[x].size() > 2 || (x + 1 < a.size() && y + 1 < b.size() && a[x + 1] == b[y + 1]))) {
            to_i = x, to_j = y;
            hit = true;
          }
        }
        if (hit) break;
      }
      text += fmt::format("@@ -{},{} +{},{} @@\n", i + 1, to_i - i, j + 1, to_j - j);
      for (; i < to_i; ++i) text += "-" + a[i] + "\n";
      for (; j < to_j; ++j) text += "+" + b[j] + "\n";
    }
  }
  return text;
}

}  // namespace dcn::migrate
