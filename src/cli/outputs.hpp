/// \file outputs.hpp
/// The pictures and videos that `detect` writes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "cli/files.hpp"
#include "cli/inputs.hpp"
#include "cli/media.hpp"

namespace dcn::cli {

/// What is written of an input: the annotated picture, and what lies beside it with a suffix in its name.
enum class View : unsigned char { kAnnotated, kHeatmap, kOffsets };

/// One output file per input and view, named like the input (a picture in a format that is not written becomes .png, a
/// video .mp4); equal names get a number.
class OutputNames {
 public:
  /// \throws Error kInvalidArgument when an output would replace an input.
  OutputNames(const std::filesystem::path& folder, const std::vector<Input>& inputs, const std::vector<View>& views);
  [[nodiscard]] const std::filesystem::path& at(std::size_t input, View view) const;

 private:
  std::map<std::pair<std::size_t, View>, std::filesystem::path> names_;
};

/// \throws Error kIo (a full disk, ...), kUnsupported for a picture that the format cannot hold.
void write_picture(const std::filesystem::path& file, const cv::Mat& picture);

/// A video that gets its name when it is complete.
class VideoOutput {
 public:
  VideoOutput(const std::filesystem::path& file, double frames_per_second, cv::Size size);
  /// Frames of another size are resized: a video has one.
  void write(const cv::Mat& picture);
  /// \throws Error kIo when the finished file lacks frames, as it does after a full disk.
  void commit();

 private:
  std::filesystem::path file_;
  cv::Size size_;
  TemporaryFile temporary_;
  std::unique_ptr<VideoWriter> writer_;
  long long frames_ = 0;
};

}  // namespace dcn::cli
