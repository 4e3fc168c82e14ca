/// \file media.hpp
/// Pictures and videos in and out, through OpenCV's codecs. Those bring in more than two hundred shared libraries, a
/// third of a second of start-up: they live in two libraries of their own that are loaded when first needed.
#pragma once

#include <filesystem>
#include <memory>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

namespace dcn::cli {

/// Loads what read_picture() needs, which it does by itself otherwise: to be called while other work goes on.
/// \throws Error kIo.
void load_picture_codecs();

/// A picture as 8-bit B G R, turned upright as its EXIF data says.
/// \param damage when not null, receives "" or one sentence on what is missing of a picture that could be read in part.
/// \throws Error kIo or kBadFile: missing, empty, no picture.
[[nodiscard]] cv::Mat read_picture(const std::filesystem::path& file, std::string* damage = nullptr);

/// The file's bytes for an extension such as ".jpg" or ".png".
/// \throws Error kUnsupported for an extension that pictures cannot be written in.
[[nodiscard]] std::vector<unsigned char> encode_picture(const cv::Mat& picture, const std::string& extension);

class VideoReader {
 public:
  virtual ~VideoReader() = default;
  /// False at the end.
  virtual bool read(cv::Mat& picture) = 0;
  [[nodiscard]] virtual double frames_per_second() const = 0;
  [[nodiscard]] virtual long long frame_count() const = 0;  ///< 0: not known
};

class VideoWriter {
 public:
  virtual ~VideoWriter() = default;
  virtual void write(const cv::Mat& picture) = 0;
  /// Completes the file.
  virtual void close() = 0;
};

/// \throws Error kIo or kBadFile when it is missing or holds no video that can be decoded.
[[nodiscard]] std::unique_ptr<VideoReader> open_video(const std::filesystem::path& file);
/// \throws Error kIo when there is no such camera.
[[nodiscard]] std::unique_ptr<VideoReader> open_camera(int index);
/// H.264 where the build of OpenCV has an encoder for it, else MPEG-4; in the container of the file's extension.
/// \throws Error kIo or kUnsupported.
[[nodiscard]] std::unique_ptr<VideoWriter> create_video(const std::filesystem::path& file, double frames_per_second,
                                                        cv::Size size);
/// Frames that a finished video says it holds; 0 when it cannot be opened, as after a full disk.
[[nodiscard]] long long count_frames(const std::filesystem::path& file);

/// What the libraries offer: one table of functions each.
struct PictureCodec {
  cv::Mat (*decode)(const std::vector<unsigned char>& bytes);
  bool (*encode)(const std::string& extension, const cv::Mat& picture, std::vector<unsigned char>& bytes);
};
struct VideoCodec {
  std::unique_ptr<VideoReader> (*open_file)(const std::string& name);
  std::unique_ptr<VideoReader> (*open_camera)(int index);
  std::unique_ptr<VideoWriter> (*create)(const std::string& name, double frames_per_second, cv::Size size);
  long long (*count_frames)(const std::string& name);
};

}  // namespace dcn::cli
