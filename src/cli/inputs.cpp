#include "cli/inputs.hpp"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <string_view>
#include <system_error>

#include "cli/usage.hpp"
#include "dcn/status.hpp"

namespace dcn::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 14> kPictures{".bmp", ".dib", ".jpeg", ".jpg", ".jpe", ".jp2",  ".pbm",
                                                     ".pgm", ".png", ".pnm",  ".ppm", ".tif", ".tiff", ".webp"};
constexpr std::array<std::string_view, 12> kVideos{".avi",  ".flv", ".m4v", ".mkv", ".mov",  ".mp4",
                                                   ".mpeg", ".mpg", ".ogv", ".ts",  ".webm", ".wmv"};

template <std::size_t N>
bool has_extension(const fs::path& path, const std::array<std::string_view, N>& extensions) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(), [](unsigned char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : static_cast<char>(c);
  });
  return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

Input file_input(const fs::path& path) {
  Input input;
  input.kind = has_video_extension(path) ? Input::Kind::kVideo : Input::Kind::kPicture;
  input.path = path;
  return input;
}

void add_folder(const fs::path& folder, std::vector<Input>& inputs) {
  std::vector<fs::path> pictures;
  std::error_code status;
  for (fs::directory_iterator entry(folder, status), end; !status && entry != end; entry.increment(status)) {
    if (has_picture_extension(entry->path()) && !entry->is_directory(status)) pictures.push_back(entry->path());
  }
  if (status) fail(fmt::format("{}: the folder cannot be read: {}", folder.string(), status.message()));
  if (pictures.empty()) {
    fail(fmt::format("{}: no pictures in this folder: expected files that end in {}", folder.string(),
                     fmt::join(kPictures, " ")));
  }
  std::sort(pictures.begin(), pictures.end());
  for (const fs::path& picture : pictures) inputs.push_back(file_input(picture));
}

bool is_pattern(const std::string& text) { return text.find_first_of("*?[") != std::string::npos; }

/// False when nothing matches.
bool add_pattern(const std::string& pattern, std::vector<Input>& inputs) {
  glob_t found{};
  const int status = ::glob(pattern.c_str(), GLOB_BRACE | GLOB_TILDE, nullptr, &found);
  std::vector<fs::path> files;
  if (status == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) files.emplace_back(found.gl_pathv[i]);
  }
  ::globfree(&found);
  std::error_code ignored;
  std::erase_if(files, [&](const fs::path& file) { return fs::is_directory(file, ignored); });
  for (const fs::path& file : files) inputs.push_back(file_input(file));
  return !files.empty();
}

bool add_camera(const std::string& argument, std::vector<Input>& inputs) {
  constexpr std::string_view kPrefix = "camera:";
  if (!argument.starts_with(kPrefix)) return false;
  Input input;
  input.kind = Input::Kind::kCamera;
  input.name = argument;
  const char* end = argument.data() + argument.size();
  const auto parsed = std::from_chars(argument.data() + kPrefix.size(), end, input.camera);
  if (parsed.ec != std::errc{} || parsed.ptr != end || input.camera < 0) {
    fail(fmt::format("{}: expected a number after \"camera:\", such as camera:0", argument));
  }
  inputs.push_back(input);
  return true;
}

void add(const std::string& argument, bool from_list, std::vector<Input>& inputs) {
  if (argument.empty()) fail("an input is empty: name a picture, a folder, a video or camera:0");
  std::error_code ignored;
  const fs::path path(argument);
  if (fs::is_directory(path, ignored)) return add_folder(path, inputs);
  if (fs::exists(path, ignored)) {
    inputs.push_back(file_input(path));
    return;
  }
  if (add_camera(argument, inputs)) return;
  if (is_pattern(argument)) {
    if (add_pattern(argument, inputs)) return;
    fail(fmt::format("{}: no file matches this pattern", argument));
  }
  if (from_list) {
    inputs.push_back(file_input(path));
    return;
  }
  fail(fmt::format("{}: no such file or folder", argument));
}

/// Bare file names, and the whole path where a bare name would mean two files.
void name_inputs(std::vector<Input>& inputs) {
  std::map<std::string, int> count;
  for (const Input& input : inputs) {
    if (input.kind != Input::Kind::kCamera) ++count[input.path.filename().string()];
  }
  for (Input& input : inputs) {
    if (input.kind == Input::Kind::kCamera) continue;
    const std::string bare = input.path.filename().string();
    input.name = count[bare] > 1 ? input.path.string() : bare;
  }
}

}  // namespace

bool has_picture_extension(const fs::path& path) { return has_extension(path, kPictures); }
bool has_video_extension(const fs::path& path) { return has_extension(path, kVideos); }

std::vector<Input> expand_inputs(const std::vector<std::string>& arguments, std::istream& list) {
  std::vector<Input> inputs;
  for (const std::string& argument : arguments) {
    if (argument != "-") {
      add(argument, false, inputs);
      continue;
    }
    const std::size_t before = inputs.size();
    for (std::string line; std::getline(list, line);) {
      if (!line.empty() && line.back() == '\r') line.pop_back();
      if (!line.empty()) add(line, true, inputs);
    }
    if (inputs.size() == before) {
      fail(
          "standard input: the list is empty: expected one picture, folder or video per line, as from "
          "find photos -name '*.jpg' | centernet detect - ...");
    }
  }
  name_inputs(inputs);
  return inputs;
}

}  // namespace dcn::cli
