#include "cli/outputs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <opencv2/imgproc.hpp>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "dcn/status.hpp"

namespace dcn::cli {
namespace {

std::string output_extension(const Input& input) {
  if (input.kind != Input::Kind::kPicture) return ".mp4";
  constexpr std::array<std::string_view, 8> kWritten{".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"};
  std::string extension = input.path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(), [](unsigned char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : static_cast<char>(c);
  });
  return std::find(kWritten.begin(), kWritten.end(), extension) == kWritten.end() ? ".png" : extension;
}

bool disk_is_full(const std::filesystem::path& file) {
  constexpr std::uintmax_t kRoom = std::uintmax_t{1} << 20;
  std::error_code status;
  const auto space = std::filesystem::space(file.parent_path(), status);
  return !status && space.available < kRoom;
}

std::string_view suffix(View view) {
  return view == View::kHeatmap ? "_heatmap" : view == View::kOffsets ? "_offsets" : "";
}

}  // namespace

OutputNames::OutputNames(const std::filesystem::path& folder, const std::vector<Input>& inputs,
                         const std::vector<View>& views) {
  std::error_code ignored;
  std::set<std::filesystem::path> sources;
  for (const Input& input : inputs) {
    if (!input.path.empty()) sources.insert(std::filesystem::weakly_canonical(input.path, ignored));
  }
  std::set<std::filesystem::path> taken;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Input& input = inputs[i];
    const std::string stem =
        input.kind == Input::Kind::kCamera ? fmt::format("camera_{}", input.camera) : input.path.stem().string();
    const std::string extension = output_extension(input);
    for (int number = 1;; ++number) {
      std::vector<std::filesystem::path> names;
      names.reserve(views.size());
      for (const View view : views) {
        names.push_back(folder / fmt::format("{}{}{}{}", stem, number == 1 ? "" : fmt::format("_{}", number),
                                             suffix(view), extension));
      }
      if (std::any_of(names.begin(), names.end(), [&](const auto& name) { return taken.contains(name); })) continue;
      for (std::size_t v = 0; v < views.size(); ++v) {
        if (sources.contains(std::filesystem::weakly_canonical(names[v], ignored))) {
          throw Error(ErrorCode::kInvalidArgument,
                      fmt::format("--output: {} is one of the inputs and would be replaced: choose another folder",
                                  names[v].string()));
        }
        taken.insert(names[v]);
        names_[{i, views[v]}] = names[v];
      }
      break;
    }
  }
}

const std::filesystem::path& OutputNames::at(std::size_t input, View view) const { return names_.at({input, view}); }

void write_picture(const std::filesystem::path& file, const cv::Mat& picture) {
  const auto bytes = encode_picture(picture, file.extension().string());
  write_file(file.string(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

VideoOutput::VideoOutput(const std::filesystem::path& file, double frames_per_second, cv::Size size)
    : file_(file),
      // Encoders halve the colours' resolution: even sizes only.
      size_(std::max(2, size.width / 2 * 2), std::max(2, size.height / 2 * 2)),
      temporary_(file),
      writer_(create_video(temporary_.path(), frames_per_second, size_)) {}

void VideoOutput::write(const cv::Mat& picture) {
  cv::Mat fitted = picture;
  if (picture.size() != size_) cv::resize(picture, fitted, size_, 0, 0, cv::INTER_AREA);
  writer_->write(fitted);
  // The encoder does not tell of a full disk: look now and then, so that hours are not lost.
  if (++frames_ % 64 == 0 && disk_is_full(file_)) throw Error(ErrorCode::kIo, write_error(file_, ENOSPC));
}

void VideoOutput::commit() {
  writer_->close();
  const long long held = count_frames(temporary_.path());
  if (held < frames_) {
    if (disk_is_full(file_)) throw Error(ErrorCode::kIo, write_error(file_, ENOSPC));
    throw Error(ErrorCode::kIo, fmt::format("{}: cannot be written: the video holds {} of {} frames: is there enough "
                                            "space, and no limit on file sizes (ulimit -f)?",
                                            file_.string(), held, frames_));
  }
  temporary_.commit();
}

}  // namespace dcn::cli
