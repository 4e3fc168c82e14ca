/// centernet eval: COCO metrics of a model, or of detections that exist.
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdio>
#include <system_error>
#include <utility>

#include "centernet/coco_eval.hpp"
#include "cli/commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/json.hpp"
#include "cli/log.hpp"
#include "cli/model_args.hpp"
#include "cli/pipeline.hpp"
#include "cli/results.hpp"
#include "cli/table.hpp"
#include "dcn/status.hpp"

namespace dcn::cli {
namespace {

namespace coco = centernet::coco;

struct EvalArgs {
  ModelArgs model;
  std::string images, annotations, detections, json, save_detections;
  bool quiet = false;
};

struct Named {
  const char* key;
  const char* meaning;
  double coco::Metrics::* value;
};

// Names and order of pycocotools' summary.
constexpr std::array<Named, 12> kMetrics{{{"AP", "IoU 0.50:0.95", &coco::Metrics::ap},
                                          {"AP50", "IoU 0.50", &coco::Metrics::ap50},
                                          {"AP75", "IoU 0.75", &coco::Metrics::ap75},
                                          {"AP_small", "area below 32x32", &coco::Metrics::ap_small},
                                          {"AP_medium", "area up to 96x96", &coco::Metrics::ap_medium},
                                          {"AP_large", "area above", &coco::Metrics::ap_large},
                                          {"AR1", "1 detection an image", &coco::Metrics::ar1},
                                          {"AR10", "10 detections", &coco::Metrics::ar10},
                                          {"AR100", "100 detections", &coco::Metrics::ar100},
                                          {"AR_small", "100, small", &coco::Metrics::ar_small},
                                          {"AR_medium", "100, medium", &coco::Metrics::ar_medium},
                                          {"AR_large", "100, large", &coco::Metrics::ar_large}}};

Json metrics_json(const coco::Metrics& metrics) {
  Json document;
  for (const Named& metric : kMetrics) document[metric.key] = metrics.*metric.value;
  return document;
}

Json report_json(const coco::Evaluation& evaluation) {
  Json document = metrics_json(evaluation.all);
  document["images"] = evaluation.images;
  document["objects"] = evaluation.objects;
  document["detections"] = evaluation.detections;
  document["classes"] = Json::array();
  for (const auto& row : evaluation.classes) {
    Json entry;
    entry["category_id"] = row.category.id;
    entry["name"] = row.category.name;
    entry["objects"] = row.objects;
    entry["detections"] = row.detections;
    entry.update(metrics_json(row.metrics));
    document["classes"].push_back(std::move(entry));
  }
  return document;
}

std::string number(double value) { return value < 0 ? "-" : fmt::format("{:.3f}", value); }

std::string report_text(const coco::Evaluation& evaluation, const Terminal& terminal) {
  Table classes({{"class", Align::kLeft, true},
                 {"objects", Align::kRight, false},
                 {"AP", Align::kRight, false},
                 {"AP50", Align::kRight, false},
                 {"AP75", Align::kRight, false},
                 {"AP S", Align::kRight, false},
                 {"AP M", Align::kRight, false},
                 {"AP L", Align::kRight, false},
                 {"AR100", Align::kRight, false}});
  const auto add = [&](const std::string& name, std::int64_t objects, const coco::Metrics& m) {
    classes.add({name, grouped(objects), number(m.ap), number(m.ap50), number(m.ap75), number(m.ap_small),
                 number(m.ap_medium), number(m.ap_large), number(m.ar100)});
  };
  for (const auto& row : evaluation.classes) add(row.category.name, row.objects, row.metrics);
  classes.rule();
  add("all", evaluation.objects, evaluation.all);

  Table metrics({{"metric", Align::kLeft, false}, {"", Align::kLeft, false}, {"value", Align::kRight, false}});
  for (const Named& metric : kMetrics) metrics.add({metric.key, metric.meaning, number(evaluation.all.*metric.value)});
  return classes.text(terminal) + '\n' + metrics.text(terminal) +
         fmt::format("\n{} images, {} objects, {} detections\n", grouped(evaluation.images),
                     grouped(evaluation.objects), grouped(evaluation.detections));
}

struct Detected {
  std::vector<coco::Result> results;
  long long unreadable = 0;
  double rate = 0;
  bool complete = true;
};

/// Runs the model over the annotated pictures, keeping every detection.
Detected detect_all(const EvalArgs& args, const coco::Dataset& truth) {
  const centernet::DetectorOptions options = detector_options(args.model);
  std::vector<Input> inputs;
  std::size_t present = 0;
  for (const coco::Image& image : truth.images) {
    Input input;
    input.path = std::filesystem::path(args.images) / image.file_name;
    input.name = image.file_name;
    std::error_code ignored;
    present += std::filesystem::exists(input.path, ignored) ? 1 : 0;
    inputs.push_back(std::move(input));
  }
  if (present == 0) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("--images: {} holds none of the {} images of {} (the first is {})", args.images,
                            truth.images.size(), args.annotations,
                            truth.images.empty() ? "missing" : truth.images.front().file_name));
  }
  centernet::Model model = load_model(args.model);
  const centernet::ModelInfo info = model.info;
  const CocoIds ids(info.labels, truth, args.annotations);
  centernet::Detector detector(create_queue(args.model), std::move(model), options);

  Detected detected;
  Progress progress("Evaluating", "images", static_cast<long long>(inputs.size()), args.quiet);
  PipelineOptions pipeline;
  pipeline.batch = args.model.batch;
  run_pipeline(inputs, detector, pipeline, [&](Work&& work) {
    progress.advance();
    const Input& input = inputs[work.input];
    if (!work.error.empty()) {
      ++detected.unreadable;
      spdlog::warn("{}: {}: counts as an image without detections", printable(input.path.string()), work.error);
      return;
    }
    const PictureOfResults picture{truth.images[work.input].id, input.name, 0};
    for (const auto& detection : work.detections) {
      const auto category = ids.category(detection.category);
      if (!category) continue;
      detected.results.push_back(to_result(detection, picture, *category,
                                           info.labels[static_cast<std::size_t>(detection.category)], info.task));
    }
  });
  progress.finish();
  detected.rate = progress.rate();
  detected.complete = !interrupted();
  return detected;
}

int eval(const EvalArgs& args) {
  if (args.detections.empty() && args.images.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "nothing to evaluate: name the pictures with --images DIR and a --model, or existing results with "
                "--detections FILE");
  }
  if (!args.detections.empty() && (!args.images.empty() || !args.save_detections.empty())) {
    throw Error(ErrorCode::kInvalidArgument,
                "--detections evaluates a file without a model: leave out --images and --save-detections");
  }
  const coco::Dataset truth = coco::read_dataset(args.annotations);
  Detected detected;
  if (!args.detections.empty()) {
    detected.results = coco::read_results(args.detections);
  } else {
    detected = detect_all(args, truth);
    if (!detected.complete) {
      spdlog::warn("interrupted: no metrics, since not all images were done");
      return interrupt_exit_code();
    }
    if (!args.save_detections.empty()) write_file(args.save_detections, coco::to_json(detected.results));
  }
  const coco::Evaluation evaluation = coco::evaluate(truth, detected.results);
  if (!args.json.empty()) write_json(args.json, report_json(evaluation));
  if (args.json != "-") {
    std::fputs(report_text(evaluation, terminal(STDOUT_FILENO)).c_str(), stdout);
    if (detected.rate > 0) fmt::print("{:.1f} images/s\n", detected.rate);
  }
  if (detected.unreadable > 0) {
    spdlog::warn("{} of {} images could not be read", detected.unreadable, truth.images.size());
    return kIncomplete;
  }
  return kSuccess;
}

}  // namespace

void add_eval(CLI::App& app, Run& run) {
  auto args = std::make_shared<EvalArgs>();
  CLI::App* sub = app.add_subcommand("eval", "COCO average precision and recall on annotated pictures");
  sub->add_option("--images", args->images, "folder of the annotated pictures")->type_name("DIR")->group("Data");
  sub->add_option("--annotations", args->annotations, "COCO annotations (instances)")
      ->type_name("FILE")
      ->required()
      ->group("Data");
  sub->add_option("--detections", args->detections, "evaluate this COCO results list; needs no model and no pictures")
      ->type_name("FILE")
      ->group("Data");
  add_model_options(*sub, args->model);
  add_detection_options(*sub, args->model);
  sub->add_option("--json", args->json, "metrics, over all and per class; - for standard output")
      ->type_name("FILE")
      ->group("Output");
  sub->add_option("--save-detections", args->save_detections, "COCO results list that was evaluated")
      ->type_name("FILE")
      ->group("Output");
  sub->add_flag("-q,--quiet", args->quiet, "no progress")->group("Output");
  sub->footer(
      "The numbers are those of pycocotools for boxes, on the same detections.\n\n"
      "Examples:\n"
      "  centernet eval --images val/ --annotations val.json --model model.safetensors\n"
      "  centernet eval --annotations val.json --detections out.json --json metrics.json");
  sub->callback([args, &run] { run = [args] { return eval(*args); }; });
}

}  // namespace dcn::cli
