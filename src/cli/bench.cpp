/// centernet bench: how long a picture takes, stage by stage.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <opencv2/imgproc.hpp>
#include <utility>

#include "cli/commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/json.hpp"
#include "cli/log.hpp"
#include "cli/media.hpp"
#include "cli/model_args.hpp"
#include "cli/table.hpp"
#include "dcn/status.hpp"

namespace dcn::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct BenchArgs {
  ModelArgs model;
  std::string picture;
  int repeats = 50, warmup = 5;
  bool json = false, quiet = false;
};

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// Soft blobs: a picture like any other to the detector, and the same on every machine.
cv::Mat synthetic_picture() {
  cv::Mat noise(30, 40, CV_8UC3);
  cv::RNG random(20190416);
  random.fill(noise, cv::RNG::UNIFORM, 0, 256);
  cv::Mat picture;
  cv::resize(noise, picture, {640, 480}, 0, 0, cv::INTER_CUBIC);
  return picture;
}

/// The value below which `part` of the sorted times lie, between neighbours linearly (as numpy.percentile).
double percentile(const std::vector<double>& sorted, double part) {
  const double at = part * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(std::floor(at));
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - std::floor(at)) * (sorted[above] - sorted[below]);
}

struct Stage {
  const char* name;
  std::vector<double> times = {};
};

int bench(const BenchArgs& args) {
  const auto options = detector_options(args.model);
  cv::Mat picture;
  if (args.picture.empty()) {
    picture = synthetic_picture();
  } else {
    try {
      picture = read_picture(args.picture);
    } catch (const Error& error) {
      throw error.in(args.picture);
    }
  }
  auto start = Clock::now();
  centernet::Model model = load_model(args.model);
  const double load = milliseconds_since(start);
  const centernet::ModelInfo info = model.info;
  start = Clock::now();
  Queue queue = create_queue(args.model);
  centernet::Detector detector(queue, std::move(model), options);
  const std::vector<cv::Mat> pictures(static_cast<std::size_t>(args.model.batch), picture);
  (void)detector.detect(pictures);
  const double first = milliseconds_since(start);

  std::array<Stage, 5> stages{{{"preprocess"}, {"network"}, {"decode"}, {"postprocess"}, {"total"}}};
  Progress progress("Measuring", "runs", args.warmup + args.repeats, args.quiet);
  for (int i = 0; i < args.warmup + args.repeats && !interrupted(); ++i) {
    centernet::StageTimes times;
    const auto begin = Clock::now();
    (void)detector.detect(pictures, &times);
    const double total = milliseconds_since(begin);
    progress.advance();
    if (i < args.warmup) continue;
    const std::array<double, 5> values{times.preprocess, times.network, times.decode, times.postprocess, total};
    for (std::size_t s = 0; s < stages.size(); ++s) stages[s].times.push_back(values[s]);
  }
  progress.finish();
  if (stages.back().times.empty()) return interrupt_exit_code();
  for (Stage& stage : stages) std::sort(stage.times.begin(), stage.times.end());
  const double median = percentile(stages.back().times, 0.5);
  const double rate = 1000.0 * args.model.batch / median;
  const auto runs = stages.back().times.size();
  const auto input = detector.prepare(picture).scales.front().geometry;

  if (args.json) {
    Json document{{"model", args.model.model},
                  {"arch", info.arch},
                  {"task", centernet::to_string(info.task)},
                  {"device", queue.device().name},
                  {"backend", queue.device().backend},
                  {"dtype", args.model.dtype},
                  {"memory_format", args.model.memory_format},
                  {"picture", {picture.rows, picture.cols}},
                  {"input", {input.input_h, input.input_w}},
                  {"batch", args.model.batch},
                  {"warmup", args.warmup},
                  {"repeats", runs},
                  {"load_ms", load},
                  {"first_ms", first},
                  {"images_per_second", rate}};
    for (const Stage& stage : stages) {
      const double mean = std::accumulate(stage.times.begin(), stage.times.end(), 0.0) / static_cast<double>(runs);
      document["stages"][stage.name] = {{"p50", percentile(stage.times, 0.5)},  {"p90", percentile(stage.times, 0.9)},
                                        {"p99", percentile(stage.times, 0.99)}, {"mean", mean},
                                        {"min", stage.times.front()},           {"max", stage.times.back()}};
    }
    write_json("-", document);
    return kSuccess;
  }
  Table table({{"ms", Align::kLeft, false},
               {"p50", Align::kRight, false},
               {"p90", Align::kRight, false},
               {"p99", Align::kRight, false},
               {"mean", Align::kRight, false},
               {"share", Align::kRight, false}});
  for (const Stage& stage : stages) {
    const double mean = std::accumulate(stage.times.begin(), stage.times.end(), 0.0) / static_cast<double>(runs);
    if (&stage == &stages.back()) table.rule();
    table.add({stage.name, fmt::format("{:.2f}", percentile(stage.times, 0.5)),
               fmt::format("{:.2f}", percentile(stage.times, 0.9)),
               fmt::format("{:.2f}", percentile(stage.times, 0.99)), fmt::format("{:.2f}", mean),
               fmt::format("{:.0f}%", 100 * percentile(stage.times, 0.5) / median)});
  }
  fmt::print(
      "{}, {} on {} ({})\nbatch {} of {} x {} (picture {} x {}), {}, memory format {}, {} runs after {} to warm up\n\n",
      args.model.model, describe(info), queue.device().name, queue.device().backend, args.model.batch, input.input_h,
      input.input_w, picture.rows, picture.cols, args.model.dtype, args.model.memory_format, runs, args.warmup);
  fmt::print("{}\n{:.1f} images/s; loading {:.0f} ms, first detection {:.0f} ms\n", table.text(terminal(STDOUT_FILENO)),
             rate, load, first);
  return kSuccess;
}

}  // namespace

void add_bench(CLI::App& app, Run& run) {
  auto args = std::make_shared<BenchArgs>();
  CLI::App* sub = app.add_subcommand("bench", "latency of each stage, and images per second");
  sub->add_option("PICTURE", args->picture, "picture to detect in [one that is made up, 480 x 640]")->type_name("");
  add_model_options(*sub, args->model);
  add_detection_options(*sub, args->model);
  sub->add_option("--repeats", args->repeats, "runs that are measured")
      ->type_name("N")
      ->check(between(1, 1000000))
      ->capture_default_str()
      ->group("Measurement");
  sub->add_option("--warmup", args->warmup, "runs before them that are not")
      ->type_name("N")
      ->check(between(0, 100000))
      ->capture_default_str()
      ->group("Measurement");
  sub->add_flag("--json", args->json, "as JSON on standard output")->group("Output");
  sub->add_flag("-q,--quiet", args->quiet, "no progress")->group("Output");
  sub->footer(
      "Times are of one batch, one stage after the other (`detect` overlaps them).\n\n"
      "Examples:\n"
      "  centernet bench --model model.safetensors\n"
      "  centernet bench street.jpg --model model.pth --batch 4 --repeats 100 --json");
  sub->callback([args, &run] { run = [args] { return bench(*args); }; });
}

}  // namespace dcn::cli
