/// Loaded by src/cli/media.cpp when the first video is read or written.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/videoio.hpp>

#include "cli/media.hpp"

namespace {

using dcn::cli::VideoReader;
using dcn::cli::VideoWriter;

class Reader : public VideoReader {
 public:
  explicit Reader(const cv::VideoCapture& capture) : capture_(capture) {}  // a handle

  bool read(cv::Mat& picture) override { return capture_.read(picture) && !picture.empty(); }
  [[nodiscard]] double frames_per_second() const override { return capture_.get(cv::CAP_PROP_FPS); }
  [[nodiscard]] long long frame_count() const override {
    const double count = capture_.get(cv::CAP_PROP_FRAME_COUNT);
    return count > 0 && count < 1e12 ? static_cast<long long>(count) : 0;
  }

 private:
  cv::VideoCapture capture_;
};

class Writer : public VideoWriter {
 public:
  explicit Writer(const cv::VideoWriter& writer) : writer_(writer) {}  // a handle

  void write(const cv::Mat& picture) override { writer_.write(picture); }
  void close() override { writer_.release(); }

 private:
  cv::VideoWriter writer_;
};

std::unique_ptr<VideoReader> open(const auto&... arguments) {
  try {
    cv::VideoCapture capture(arguments...);
    if (capture.isOpened()) return std::make_unique<Reader>(capture);
  } catch (const cv::Exception&) {  // the same as "not opened"
    return nullptr;
  }
  return nullptr;
}

// FFmpeg for files: other back ends take a text file for a playlist or a numbered picture for a sequence.
std::unique_ptr<VideoReader> open_file(const std::string& name) { return open(name, int{cv::CAP_FFMPEG}); }
std::unique_ptr<VideoReader> open_camera(int index) { return open(index, int{cv::CAP_ANY}); }

std::unique_ptr<VideoWriter> create(const std::string& name, double frames_per_second, cv::Size size) {
  const std::array<int, 3> codes{cv::VideoWriter::fourcc('a', 'v', 'c', '1'),
                                 cv::VideoWriter::fourcc('m', 'p', '4', 'v'),
                                 cv::VideoWriter::fourcc('M', 'J', 'P', 'G')};
  for (const int code : codes) {
    try {
      cv::VideoWriter writer(name, cv::CAP_FFMPEG, code, frames_per_second, size);
      if (writer.isOpened()) return std::make_unique<Writer>(writer);
    } catch (const cv::Exception&) {
      continue;
    }
  }
  return nullptr;
}

long long count_frames(const std::string& name) {
  try {
    cv::VideoCapture capture(name, cv::CAP_FFMPEG);
    cv::Mat first;
    if (!capture.read(first)) return 0;
    return std::llround(std::max(capture.get(cv::CAP_PROP_FRAME_COUNT), 0.0));
  } catch (const cv::Exception&) {
    return 0;
  }
}

constexpr dcn::cli::VideoCodec kCodec{open_file, open_camera, create, count_frames};

}  // namespace

extern "C" const dcn::cli::VideoCodec* centernet_video_codec() {
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  // FFmpeg's own messages: off, unless the user asks for them. OpenCV 4.6 reads the first, later ones the second.
  ::setenv("OPENCV_FFMPEG_LOGLEVEL", "-8", 0);
  return &kCodec;
}
