#include "centernet/detector.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <numeric>
#include <opencv2/imgproc.hpp>
#include <sycl/sycl.hpp>
#include <utility>

#include "centernet/decode.hpp"
#include "dcn/status.hpp"
#include "kernels/normalize_args.hpp"
#include "runtime/kernel.hpp"
#include "runtime/launch.hpp"
#include "runtime/sycl_error.hpp"

namespace dcn::centernet {
namespace {

using Clock = std::chrono::steady_clock;

/// Adds the time since it was last asked to a stage; does nothing without one.
class Stopwatch {
 public:
  explicit Stopwatch(bool running) : running_(running), last_(Clock::now()) {}
  void add_to(double& milliseconds) {
    if (!running_) {
      return;
    }
    const auto now = Clock::now();
    milliseconds += std::chrono::duration<double, std::milli>(now - last_).count();
    last_ = now;
  }

 private:
  bool running_;
  Clock::time_point last_;
};

void check_positive(const char* name, int value) {
  if (value < 1) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: {}, expected at least 1", name, value));
  }
}

/// The options as they act on this task.
DetectorOptions effective(DetectorOptions options, const ModelInfo& info) {
  check_positive("top_k", options.top_k);
  check_positive("max_per_image", options.max_per_image);
  if (options.scales.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "scales: none, expected at least one");
  }
  for (const double scale : options.scales) {
    if (!(scale > 0) || !std::isfinite(scale)) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("scales: {}, expected positive numbers", scale));
    }
  }
  if (info.task == Task::kDdd) {
    if (options.camera[0] == 0 || options.camera[5] == 0) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("camera: focal lengths {} and {}, expected a 3 x 4 projection matrix, row by row",
                              options.camera[0], options.camera[5]));
    }
    options.scales = {1.0};
    options.flip_test = false;
    options.nms = false;
  }
  return options;
}

InputRules input_rules(const DetectorOptions& options, const Model& model) {
  InputRules rules;
  rules.task = model.info.task;
  rules.resolution = options.resolution.value_or(model.info.resolution);
  rules.input_h = options.input_size ? (*options.input_size)[0] : model.info.input_h;
  rules.input_w = options.input_size ? (*options.input_size)[1] : model.info.input_w;
  rules.size_divisor = model.network.size_divisor;
  rules.down_ratio = model.info.down_ratio;
  for (const std::int64_t side : {rules.input_h, rules.input_w}) {
    if (side < 1 || side % rules.size_divisor != 0) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("input_size: {} x {}, expected multiples of {} for {}", rules.input_h, rules.input_w,
                              rules.size_divisor, model.info.arch));
    }
  }
  return rules;
}

/// Pictures of one scale that go through the network together.
struct Batch {
  std::size_t scale = 0;
  std::vector<std::size_t> pictures;  ///< indices into the inputs
  std::int64_t rows = 0, columns = 0;
  std::vector<float> values;  ///< [pictures][rows][columns]
};

/// Groups by scale and input shape, in order of appearance.
std::vector<Batch> batches(const std::vector<PreparedInput>& inputs) {
  std::vector<Batch> result;
  for (std::size_t picture = 0; picture < inputs.size(); ++picture) {
    for (std::size_t scale = 0; scale < inputs[picture].scales.size(); ++scale) {
      const cv::Size size = inputs[picture].scales[scale].pixels.size();
      const auto fits = [&](const Batch& batch) {
        return batch.scale == scale && inputs[batch.pictures.front()].scales[scale].pixels.size() == size;
      };
      auto place = std::find_if(result.begin(), result.end(), fits);
      if (place == result.end()) {
        result.push_back({});
        place = std::prev(result.end());
        place->scale = scale;
      }
      place->pictures.push_back(picture);
    }
  }
  return result;
}

}  // namespace

struct Pending::State {
  Queue queue;
  std::vector<PreparedInput> inputs;  ///< pixels live until they are copied
  std::vector<Batch> batches;
  sycl::event done;  ///< of the last copy: the queue is in order

  explicit State(Queue on) : queue(std::move(on)) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    // Copies may still write to `batches`.
    try {
      done.wait();
    } catch (...) {  // NOLINT(bugprone-empty-catch): nobody is left to be told
    }
  }

  void wait() {
    try {
      done.wait_and_throw();
    } catch (const sycl::exception& error) {
      throw runtime::translate(error, "detection");
    }
  }
};

Pending::Pending(std::unique_ptr<State> state) : state_(std::move(state)) {}
Pending::~Pending() = default;
Pending::Pending(Pending&&) noexcept = default;
Pending& Pending::operator=(Pending&&) noexcept = default;

struct Detector::State {
  Queue queue;
  ModelInfo info;
  DetectorOptions options;
  InputRules rules;
  nn::Executor executor;
  Decoder decoder;
  runtime::Kernel normalize;
  DeviceBuffer table, pixels;

  State(Queue on, Model model, const DetectorOptions& given)
      : queue(std::move(on)),
        info(model.info),
        options(effective(given, info)),
        rules(input_rules(options, model)),
        executor(queue, std::move(model.network), options.plan),
        decoder(queue, {info.task, options.top_k, options.flip_test}),
        normalize(runtime::get_kernel(queue, {.source = "normalize.hpp", .entry = "normalize"})) {
    const NormalizationTable levels = normalization_table(info);
    table = DeviceBuffer(queue, sizeof(levels));
    queue.copy(table.data(), &levels, sizeof(levels));
    queue.wait();
  }

  /// Copies pictures of one size to the device and writes them, normalised, into the network's input.
  void upload(const std::vector<const cv::Mat*>& pictures, bool flip) {
    const std::int64_t height = pictures.front()->rows, width = pictures.front()->cols;
    const auto count = static_cast<std::int64_t>(pictures.size());
    const auto bytes = static_cast<std::size_t>(height * width * 3);
    executor.prepare(count * (flip ? 2 : 1), height, width);
    if (pixels.bytes() < bytes * pictures.size()) {
      pixels = DeviceBuffer();
      pixels = DeviceBuffer(queue, bytes * pictures.size());
    }
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      queue.copy(static_cast<unsigned char*>(pixels.data()) + i * bytes, pictures[i]->data, bytes);
    }
    const TensorView input = executor.input();
    NormalizeArgs args{};
    args.pixels = static_cast<const unsigned char*>(pixels.data());
    args.table = static_cast<const float*>(table.data());
    args.out = static_cast<float*>(input.data);
    args.stride_n = input.strides[0];
    args.stride_c = input.strides[1];
    args.stride_y = input.strides[2];
    args.stride_x = input.strides[3];
    args.images = static_cast<int>(count);
    args.height = static_cast<int>(height);
    args.width = static_cast<int>(width);
    args.flip = flip ? 1 : 0;
    constexpr std::size_t kGroup = 64;
    launch(queue, normalize,
           runtime::range_2d({pictures.size(), runtime::div_up(static_cast<std::size_t>(height * width), kGroup)},
                             {1, kGroup}),
           args);
  }

  [[nodiscard]] DecodeHeads heads() const {
    const auto head = [this](const char* name) -> std::optional<TensorView> {
      return info.heads.contains(name) ? std::optional(executor.output(name)) : std::nullopt;
    };
    return {.heat = executor.output("hm"),
            .size = head("wh"),
            .offset = head("reg"),
            .joints = head("hps"),
            .joint_heat = head("hm_hp"),
            .joint_offset = head("hp_offset"),
            .rotation = head("rot"),
            .depth = head("dep"),
            .dimensions = head("dim")};
  }

  /// Submits everything up to the copy of the rows. With `times`, waits after each stage and adds to them.
  void start(Pending::State& pending, StageTimes* times) {
    Stopwatch stopwatch(times != nullptr);
    StageTimes ignored;
    StageTimes& stages = times != nullptr ? *times : ignored;
    pending.batches = batches(pending.inputs);
    for (Batch& batch : pending.batches) {
      std::vector<const cv::Mat*> pictures;
      for (const std::size_t picture : batch.pictures) {
        pictures.push_back(&pending.inputs[picture].scales[batch.scale].pixels);
      }
      upload(pictures, options.flip_test);
      executor.run();
      if (times != nullptr) {
        queue.wait();
      }
      stopwatch.add_to(stages.network);
      decoder.run(heads());
      const TensorView rows = decoder.rows();
      batch.rows = rows.sizes[1];
      batch.columns = rows.sizes[2];
      batch.values.resize(static_cast<std::size_t>(rows.elements()));
      try {
        pending.done = queue.native().memcpy(batch.values.data(), rows.data, batch.values.size() * sizeof(float));
      } catch (const sycl::exception& error) {
        throw runtime::translate(error, "detection");
      }
      if (times != nullptr) {
        queue.wait();
      }
      stopwatch.add_to(stages.decode);
    }
  }

  /// The host's part after the rows have arrived.
  [[nodiscard]] std::vector<Output> finish(const Pending::State& pending) const {
    std::vector<Output> outputs(pending.inputs.size());
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      outputs[i].decoded.resize(pending.inputs[i].scales.size());
    }
    for (const Batch& batch : pending.batches) {
      const auto count = batch.rows * batch.columns;
      for (std::size_t i = 0; i < batch.pictures.size(); ++i) {
        const auto first = batch.values.begin() + static_cast<std::int64_t>(i) * count;
        outputs[batch.pictures[i]].decoded[batch.scale] = {batch.columns, {first, first + count}};
      }
    }
    const MergeOptions merging{options.nms, options.max_per_image, options.peak_threshold};
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      std::vector<Rows> scales;
      for (std::size_t scale = 0; scale < outputs[i].decoded.size(); ++scale) {
        scales.push_back(
            to_picture(info.task, outputs[i].decoded[scale], pending.inputs[i].scales[scale].geometry, options.camera));
      }
      outputs[i].final_rows = merge(info.task, scales, merging);
      outputs[i].detections = to_detections(info.task, outputs[i].final_rows);
    }
    return outputs;
  }

  [[nodiscard]] std::unique_ptr<Pending::State> pending_for(const std::vector<PreparedInput>& inputs) const {
    auto pending = std::make_unique<Pending::State>(queue);
    pending->inputs = inputs;
    for (PreparedInput& input : pending->inputs) {
      if (input.scales.size() != options.scales.size()) {
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("input: {} scales, expected {}: prepare it with this detector", input.scales.size(),
                                options.scales.size()));
      }
      for (WarpedPicture& scale : input.scales) {
        check_pixels(scale);
        if (!scale.pixels.isContinuous()) {
          scale.pixels = scale.pixels.clone();
        }
      }
    }
    return pending;
  }

  static void check_pixels(const WarpedPicture& input) {
    const InputGeometry& geometry = input.geometry;
    if (input.pixels.type() != CV_8UC3 || input.pixels.rows != geometry.input_h ||
        input.pixels.cols != geometry.input_w) {
      throw Error(
          ErrorCode::kInvalidArgument,
          fmt::format("input: {} x {} of OpenCV type {}, expected {} x {} of type {} (8-bit B G R)", input.pixels.cols,
                      input.pixels.rows, input.pixels.type(), geometry.input_w, geometry.input_h, CV_8UC3));
    }
  }

  /// Class-wise maximum of the heat map of the one picture that the network has just seen, after the sigmoid.
  [[nodiscard]] cv::Mat best_of_classes() const {
    const TensorView view = executor.output("hm");
    std::int64_t span = 1;
    for (std::size_t i = 1; i < 4; ++i) {
      span += (view.sizes[i] - 1) * view.strides[i];
    }
    std::vector<float> logits(static_cast<std::size_t>(span));
    queue.copy(logits.data(), view.data, logits.size() * sizeof(float));
    queue.wait();
    cv::Mat best(static_cast<int>(view.sizes[2]), static_cast<int>(view.sizes[3]), CV_32FC1);
    for (int y = 0; y < best.rows; ++y) {
      for (int x = 0; x < best.cols; ++x) {
        float greatest = -INFINITY;
        for (std::int64_t c = 0; c < view.sizes[1]; ++c) {
          // A NaN is never greater.
          const float logit =
              logits[static_cast<std::size_t>(c * view.strides[1] + y * view.strides[2] + x * view.strides[3])];
          greatest = logit > greatest ? logit : greatest;
        }
        best.at<float>(y, x) = 255.0F / (1.0F + std::exp(-greatest));
      }
    }
    return best;
  }
};

Detector::Detector(Queue queue, Model model, const DetectorOptions& options)
    : state_(std::make_unique<State>(std::move(queue), std::move(model), options)) {}
Detector::~Detector() = default;
Detector::Detector(Detector&&) noexcept = default;
Detector& Detector::operator=(Detector&&) noexcept = default;

std::vector<Detection> Detector::detect(const cv::Mat& picture, StageTimes* times) {
  return std::move(detect(std::vector<cv::Mat>{picture}, times).front());
}

std::vector<std::vector<Detection>> Detector::detect(const std::vector<cv::Mat>& pictures, StageTimes* times) {
  Stopwatch stopwatch(times != nullptr);
  std::vector<PreparedInput> inputs;
  inputs.reserve(pictures.size());
  for (const cv::Mat& picture : pictures) {
    inputs.push_back(prepare(picture));
  }
  if (times != nullptr) {
    stopwatch.add_to(times->preprocess);
  }
  std::vector<std::vector<Detection>> result;
  for (Output& output : run(inputs, times)) {
    result.push_back(std::move(output.detections));
  }
  return result;
}

PreparedInput Detector::prepare(const cv::Mat& picture) const {
  try {
    const cv::Mat colour = to_bgr8(picture);
    PreparedInput input;
    for (const double scale : state_->options.scales) {
      input.scales.push_back(warp(colour, input_geometry(state_->rules, colour.rows, colour.cols, scale)));
    }
    return input;
  } catch (const cv::Exception& error) {
    const bool memory = error.code == cv::Error::StsNoMem;
    throw Error(memory ? ErrorCode::kOutOfMemory : ErrorCode::kInvalidArgument,
                fmt::format("picture: {} x {} pixels: OpenCV: {}", picture.cols, picture.rows, error.err));
  }
}

PreparedInput Detector::prepare_warped(const std::vector<cv::Mat>& warped, cv::Size picture) const {
  const State& state = *state_;
  if (warped.size() != state.options.scales.size()) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("warped: {} pictures, expected {}, one per scale",
                                                         warped.size(), state.options.scales.size()));
  }
  PreparedInput input;
  for (std::size_t i = 0; i < warped.size(); ++i) {
    input.scales.push_back(
        {input_geometry(state.rules, picture.height, picture.width, state.options.scales[i]), warped[i]});
    State::check_pixels(input.scales.back());
  }
  return input;
}

Pending Detector::submit(const std::vector<PreparedInput>& inputs) {
  auto pending = state_->pending_for(inputs);
  state_->start(*pending, nullptr);
  return Pending(std::move(pending));
}

std::vector<Output> Detector::collect(Pending pending) {
  pending.state_->wait();
  return state_->finish(*pending.state_);
}

std::vector<Output> Detector::run(const std::vector<PreparedInput>& inputs, StageTimes* times) {
  auto pending = state_->pending_for(inputs);
  state_->start(*pending, times);
  pending->wait();
  Stopwatch stopwatch(times != nullptr);
  std::vector<Output> outputs = state_->finish(*pending);
  if (times != nullptr) {
    stopwatch.add_to(times->postprocess);
  }
  return outputs;
}

const ModelInfo& Detector::info() const noexcept { return state_->info; }
const DetectorOptions& Detector::options() const noexcept { return state_->options; }
nn::Executor& Detector::executor() noexcept { return state_->executor; }

void Detector::load_input(const WarpedPicture& input) {
  State::check_pixels(input);
  const cv::Mat pixels = input.pixels.isContinuous() ? input.pixels : input.pixels.clone();
  state_->upload({&pixels}, false);
  state_->queue.wait();
}

cv::Mat Detector::heatmap(const cv::Mat& picture) {
  const PreparedInput prepared = prepare(picture);
  const WarpedPicture& input = prepared.scales.front();
  load_input(input);
  state_->executor.run();
  const cv::Mat best = state_->best_of_classes();

  // A cell's value belongs to its middle.
  const InputGeometry& geometry = input.geometry;
  Affine affine = affine_from_grid(geometry, geometry.output_w, geometry.output_h);
  affine[2] += (affine[0] + affine[1]) / 2;
  affine[5] += (affine[3] + affine[4]) / 2;
  // OpenCV's warp reaches 15 bits far; beyond, the overlay is made smaller and stretched.
  constexpr double kMaxSide = 32000;
  const double shrink = std::min(1.0, kMaxSide / std::max(picture.cols, picture.rows));
  for (double& value : affine) {
    value *= shrink / geometry.scale;
  }
  const auto side = [shrink](int extent) { return std::max(1, static_cast<int>(extent * shrink)); };
  cv::Mat overlay;
  cv::warpAffine(best, overlay, cv::Mat(2, 3, CV_64F, affine.data()), cv::Size(side(picture.cols), side(picture.rows)),
                 cv::INTER_LINEAR);
  if (overlay.size() != picture.size()) {
    cv::resize(overlay, overlay, picture.size());
  }
  cv::Mat result;
  overlay.convertTo(result, CV_8U);
  return result;
}

Affine input_to_picture(const InputGeometry& geometry) {
  Affine affine = affine_from_grid(geometry, geometry.input_w, geometry.input_h);
  for (double& value : affine) {
    value /= geometry.scale;
  }
  return affine;
}

}  // namespace dcn::centernet
