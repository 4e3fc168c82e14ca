/// Loaded by src/cli/media.cpp when the first picture is read or written.
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>

#include "cli/media.hpp"

namespace {

cv::Mat decode(const std::vector<unsigned char>& bytes) {
  try {
    return cv::imdecode(bytes, cv::IMREAD_COLOR);
  } catch (const cv::Exception&) {
    return {};
  }
}

bool encode(const std::string& extension, const cv::Mat& picture, std::vector<unsigned char>& bytes) {
  try {
    return cv::imencode(extension, picture, bytes);
  } catch (const cv::Exception&) {
    return false;
  }
}

constexpr dcn::cli::PictureCodec kCodec{decode, encode};

}  // namespace

extern "C" const dcn::cli::PictureCodec* centernet_picture_codec() {
  // The program says itself what could not be read.
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  return &kCodec;
}
