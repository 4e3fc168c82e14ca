#include "cli/media.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <system_error>

#include "dcn/status.hpp"

namespace dcn::cli {
namespace {

template <class Codec>
const Codec& load(const char* library, const char* entry) {
  void* handle = ::dlopen(library, RTLD_NOW | RTLD_LOCAL);
  void* symbol = handle == nullptr ? nullptr : ::dlsym(handle, entry);
  if (symbol == nullptr) {
    const char* reason = ::dlerror();
    throw Error(ErrorCode::kIo, fmt::format("{} cannot be loaded: {}: install OpenCV 4 (on Debian: apt-get install "
                                            "libopencv-imgcodecs406 libopencv-videoio406) or build the program again",
                                            library, reason == nullptr ? "unknown reason" : reason));
  }
  return *reinterpret_cast<const Codec* (*)()>(symbol)();
}

const PictureCodec& pictures() {
  static const auto& codec = load<PictureCodec>("libcenternet_pictures.so", "centernet_picture_codec");
  return codec;
}

const VideoCodec& videos() {
  static const auto& codec = load<VideoCodec>("libcenternet_videos.so", "centernet_video_codec");
  return codec;
}

void check_readable(const std::filesystem::path& file) {
  std::error_code status;
  if (std::filesystem::is_directory(file, status)) throw Error(ErrorCode::kIo, "is a folder");
  errno = 0;
  const std::ifstream stream(file, std::ios::binary);
  if (!stream) throw Error(ErrorCode::kIo, errno == 0 ? "cannot be opened" : std::strerror(errno));
}

/// True when a JPEG file stops before its end marker. Goes by the lengths of the segments, so that an embedded preview
/// is not taken for the picture.
bool jpeg_is_cut(const std::vector<unsigned char>& bytes) {
  if (bytes.size() < 4 || bytes[0] != 0xFF || bytes[1] != 0xD8) return false;
  std::size_t at = 2;
  while (at + 1 < bytes.size()) {
    if (bytes[at] != 0xFF) {  // coded data: on to the next marker
      ++at;
      continue;
    }
    const unsigned char marker = bytes[at + 1];
    if (marker == 0xD9) return false;
    if (marker == 0xFF) {
      ++at;
    } else if (marker == 0x00 || marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) {
      at += 2;  // no length follows
    } else {
      if (at + 3 >= bytes.size()) return true;
      at += 2 + (std::size_t{bytes[at + 2]} << 8 | bytes[at + 3]);
    }
  }
  return true;
}

}  // namespace

void load_picture_codecs() { pictures(); }

cv::Mat read_picture(const std::filesystem::path& file, std::string* damage) {
  check_readable(file);
  std::ifstream stream(file, std::ios::binary);
  const std::vector<unsigned char> bytes{std::istreambuf_iterator<char>(stream), {}};
  if (bytes.empty()) throw Error(ErrorCode::kBadFile, "the file is empty");
  cv::Mat picture = pictures().decode(bytes);
  if (picture.empty()) throw Error(ErrorCode::kBadFile, "not a picture, or damaged");
  if (damage != nullptr) *damage = jpeg_is_cut(bytes) ? "the file ends early: the lower part may be missing" : "";
  return picture;
}

std::vector<unsigned char> encode_picture(const cv::Mat& picture, const std::string& extension) {
  std::vector<unsigned char> bytes;
  if (!pictures().encode(extension, picture, bytes)) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("a picture of {} x {} cannot be written as \"{}\"", picture.cols, picture.rows, extension));
  }
  return bytes;
}

std::unique_ptr<VideoReader> open_video(const std::filesystem::path& file) {
  check_readable(file);
  auto reader = videos().open_file(file.string());
  if (!reader) throw Error(ErrorCode::kBadFile, "not a video, damaged, or in a format that FFmpeg cannot decode");
  return reader;
}

std::unique_ptr<VideoReader> open_camera(int index) {
  auto reader = videos().open_camera(index);
  if (!reader) {
    throw Error(ErrorCode::kIo,
                fmt::format("cannot be opened: check that /dev/video{} exists and that you may read it", index));
  }
  return reader;
}

std::unique_ptr<VideoWriter> create_video(const std::filesystem::path& file, double frames_per_second, cv::Size size) {
  auto writer = videos().create(file.string(), frames_per_second, size);
  if (!writer) {
    throw Error(ErrorCode::kIo, fmt::format("a video of {} x {} cannot be written to {}: is the folder writable, and "
                                            "does this OpenCV have a video encoder?",
                                            size.width, size.height, file.parent_path().string()));
  }
  return writer;
}

long long count_frames(const std::filesystem::path& file) { return videos().count_frames(file.string()); }

}  // namespace dcn::cli
