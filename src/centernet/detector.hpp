/// \file detector.hpp
/// Pictures in, objects out, with the original CenterNet's semantics (Zhou et al. 2019, arXiv:1904.07850;
/// github.com/xingyizhou/CenterNet src/lib/detectors).
///
///     dcn::centernet::Detector detector(dcn::Queue::create(), dcn::centernet::load_model("model.safetensors"), {});
///     for (const auto& object : detector.detect(cv::imread("street.jpg"))) { ... }
///
/// or, with the host's work on other threads and the device never idle:
///
///     auto input = detector.prepare(picture);          // any thread
///     auto pending = detector.submit({input});         // device thread; returns at once
///     auto outputs = detector.collect(std::move(pending));
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <opencv2/core.hpp>
#include <optional>
#include <string>
#include <vector>

#include "centernet/detection.hpp"
#include "centernet/model.hpp"
#include "centernet/postprocess.hpp"
#include "centernet/preprocess.hpp"
#include "dcn/device.hpp"
#include "nn/plan.hpp"

namespace dcn::centernet {

struct DetectorOptions {
  std::optional<Resolution> resolution;  ///< default: the model's
  std::optional<std::array<std::int64_t, 2>>
      input_size;           ///< height, width for kFix (ddd: always); default: the model's
  int top_k = 100;          ///< peaks per picture and scale
  int max_per_image = 100;  ///< ctdet: objects kept per picture after merging; ties with the last stay
  /// More than one: merged by soft-NMS. ddd looks at the picture itself, once, whatever is given here, in flip_test
  /// and in nms: the original has none of them for ddd.
  std::vector<double> scales{1.0};
  bool flip_test = false;  ///< averages with the mirrored picture
  bool nms = false;        ///< soft-NMS also with one scale
  nn::PlanOptions plan;
  Camera camera{707.0493F, 0,           604.0814F, 45.75831F, 0,    707.0493F,
                180.5066F, -0.3454157F, 0,         0,         1.0F, 0.004981016F};  ///< ddd
  float peak_threshold = 0.2F;                                                      ///< ddd: lower scores are dropped
};

/// Milliseconds of one detect() call, per stage.
struct StageTimes {
  double preprocess = 0, network = 0, decode = 0, postprocess = 0;
};

/// A picture made ready for the network: one warped input per scale.
struct PreparedInput {
  std::vector<WarpedPicture> scales;
};

/// What is known of one picture.
struct Output {
  std::vector<Detection> detections;  ///< best first, no score threshold
  Rows final_rows;                    ///< the same before sorting, as the original returns them
  std::vector<Rows> decoded;          ///< per scale, on the output grid
};

/// Work that was submitted and not yet collected. Move-only; dropping it abandons the result.
class Pending {
 public:
  struct State;
  explicit Pending(std::unique_ptr<State> state);
  ~Pending();
  Pending(Pending&&) noexcept;
  Pending& operator=(Pending&&) noexcept;

 private:
  friend class Detector;
  std::unique_ptr<State> state_;
};

/// All device work goes to one in-order queue, from one thread; prepare() and prepare_warped() may be called from any.
class Detector {
 public:
  /// \throws Error kInvalidArgument for options that do not fit together or the model; what nn::Executor throws.
  Detector(Queue queue, Model model, const DetectorOptions& options);
  ~Detector();
  Detector(Detector&&) noexcept;
  Detector& operator=(Detector&&) noexcept;

  /// Objects of one picture (see to_bgr8 for the types), best first, no score threshold.
  [[nodiscard]] std::vector<Detection> detect(const cv::Mat& picture, StageTimes* times = nullptr);
  /// The same for several pictures at once; those that give the same input shape share a batch.
  [[nodiscard]] std::vector<std::vector<Detection>> detect(const std::vector<cv::Mat>& pictures,
                                                           StageTimes* times = nullptr);

  /// The host's part before the network. Thread-safe.
  [[nodiscard]] PreparedInput prepare(const cv::Mat& picture) const;
  /// The same from inputs that are warped already, one per scale in the order of the options.
  /// \throws Error kInvalidArgument when their sizes are not those that prepare() gives for such a picture.
  [[nodiscard]] PreparedInput prepare_warped(const std::vector<cv::Mat>& warped, cv::Size picture) const;

  /// Starts network and decoding; returns before they are done. Several may be pending; collect them in order.
  [[nodiscard]] Pending submit(const std::vector<PreparedInput>& inputs);
  /// Waits for the rows of one submit() and finishes them on the host; in the order of its inputs.
  [[nodiscard]] std::vector<Output> collect(Pending pending);
  /// submit and collect in one, timed per stage.
  [[nodiscard]] std::vector<Output> run(const std::vector<PreparedInput>& inputs, StageTimes* times = nullptr);

  [[nodiscard]] const ModelInfo& info() const noexcept;
  /// As they act: ddd sees one scale, no flip test and no nms.
  [[nodiscard]] const DetectorOptions& options() const noexcept;
  [[nodiscard]] nn::Executor& executor() noexcept;

  /// Class-wise maximum of the picture's heat map after the sigmoid, at picture size, CV_8UC1, 0 to 255 (--heatmap).
  /// Runs the network on the picture at its first scale, not mirrored.
  [[nodiscard]] cv::Mat heatmap(const cv::Mat& picture);
  /// Writes one input into executor().input() and waits, so that executor().read_value() looks at this picture
  /// (--show-offsets). Pixels of the input map to the picture by input_to_picture().
  void load_input(const WarpedPicture& input);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Maps pixels of the network's input to pixels of the picture.
[[nodiscard]] Affine input_to_picture(const InputGeometry& geometry);

}  // namespace dcn::centernet
