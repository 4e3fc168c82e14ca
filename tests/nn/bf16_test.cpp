/// Whole networks in bf16.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <opencv2/imgcodecs.hpp>

#include "centernet/model.hpp"
#include "make_network.hpp"
#include "support/paths.hpp"

namespace dcn::test {
namespace {

/// Nearest-neighbour resize of a picture file, normalised as the model wants it.
HostTensor load_picture(const std::filesystem::path& file, const centernet::ModelInfo& info, int size) {
  const cv::Mat pixels = cv::imread(file.string(), cv::IMREAD_COLOR);
  if (pixels.empty()) throw std::runtime_error("cannot read " + file.string());
  HostTensor picture(1, 3, size, size);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const auto& pixel = pixels.at<cv::Vec3b>(y * pixels.rows / size, x * pixels.cols / size);
      for (int c = 0; c < 3; ++c) {
        const auto channel = static_cast<std::size_t>(c);
        const float level = static_cast<float>(pixel[c]) / 255.0F;
        picture.at(0, c, y, x) = static_cast<double>((level - info.mean.at(channel)) / info.std.at(channel));
      }
    }
  }
  return picture;
}

struct Deviation {
  double rms = 0, largest = 0;  ///< in standard deviations of the exact tensor
};

Deviation error_of(const HostTensor& tensor, const HostTensor& exact) {
  double mean = 0;
  double squares = 0;
  double variance = 0;
  const auto count = static_cast<double>(exact.values.size());
  for (const double value : exact.values) mean += value / count;
  for (std::size_t i = 0; i < exact.values.size(); ++i) {
    variance += (exact.values[i] - mean) * (exact.values[i] - mean) / count;
    squares += (tensor.values.at(i) - exact.values[i]) * (tensor.values.at(i) - exact.values[i]) / count;
  }
  return {std::sqrt(squares / variance), max_difference(tensor, exact) / std::sqrt(variance)};
}

class Bf16OfParityModels : public testing::TestWithParam<const char*> {};

TEST_P(Bf16OfParityModels, ErrIsAtMostTwiceThatOfAPlainImplementation) {
  const auto model = centernet::load_model(generated_dir() / "parity" / (std::string(GetParam()) + ".safetensors"));
  // Small, because the plain implementation is slow.
  const HostTensor picture = load_picture(parity_dir() / "inputs" / "A_fix_s1.png", model.info, 64);
  const std::vector<HostTensor> exact = run_reference(model.network, picture);
  const std::vector<HostTensor> plain = run_reference(model.network, picture, to_bf16);
  nn::Executor executor(shared_queue(), model.network, {.type = DataType::kBf16});
  run(executor, shared_queue(), picture);
  for (const auto& [head, value] : model.network.outputs) {
    const HostTensor& expected = exact.at(static_cast<std::size_t>(value));
    const Deviation ours = error_of(read_output(executor, shared_queue(), head), expected);
    const Deviation theirs = error_of(plain.at(static_cast<std::size_t>(value)), expected);
    EXPECT_LE(ours.rms, 2 * theirs.rms) << head;
    EXPECT_LE(ours.largest, 2 * theirs.largest) << head;
    EXPECT_GT(ours.rms, 1e-4) << head << " is too good for bf16: was it f32?";
  }
}

INSTANTIATE_TEST_SUITE_P(, Bf16OfParityModels, testing::Values("ctdet_resdcn_18", "ctdet_dla_34"),
                         [](const auto& parameter) { return std::string(parameter.param); });

TEST(Bf16, HeadsOfTheShippedModelStayCloseToF32) {
  const auto model = centernet::load_model(source_dir() / "models" / "aquarium_resdcn18.safetensors");
  const HostTensor picture = load_picture(source_dir() / "examples" / "images" / "IMG_2387.jpg", model.info, 512);
  nn::Executor f32(shared_queue(), model.network, {});
  nn::Executor bf16(shared_queue(), model.network, {.type = DataType::kBf16});
  run(f32, shared_queue(), picture);
  run(bf16, shared_queue(), picture);
  for (const auto& [head, value] : model.network.outputs) {
    const Deviation error = error_of(read_output(bf16, shared_queue(), head), read_output(f32, shared_queue(), head));
    std::printf("[   bf16   ] %-4s rms %.3f, largest %.3f of the standard deviation\n", head.c_str(), error.rms,
                error.largest);
    EXPECT_LE(error.rms, 0.05) << head;
    EXPECT_LE(error.largest, 0.3) << head;
  }
}

}  // namespace
}  // namespace dcn::test
