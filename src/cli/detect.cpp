/// centernet detect: objects in pictures, videos and cameras.
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <future>
#include <iostream>
#include <map>
#include <optional>
#include <utility>

#include "centernet/draw.hpp"
#include "cli/commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/log.hpp"
#include "cli/model_args.hpp"
#include "cli/offsets.hpp"
#include "cli/outputs.hpp"
#include "cli/pipeline.hpp"
#include "cli/results.hpp"
#include "cli/table.hpp"
#include "cli/usage.hpp"
#include "dcn/status.hpp"

namespace dcn::cli {
namespace {

using centernet::Detection;

constexpr const char* kLastLayer = "last";  // --show-offsets without a name

struct DetectArgs {
  ModelArgs model;
  std::vector<std::string> inputs;
  std::string output, json, csv, annotations, classes;
  double threshold = 0.3, json_threshold = 0;
  long long max_frames = 0;
  bool heatmap = false, quiet = false;
  std::string offsets_layer;  // of --show-offsets; empty: not given
};

/// --classes as one flag per class; empty: all.
std::vector<bool> parse_classes(const std::string& text, const std::vector<std::string>& labels) {
  if (text.empty()) return {};
  std::vector<bool> wanted(labels.size());
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find(',', start), text.size());
    const std::string name = text.substr(start, end - start);
    start = end + 1;
    const auto found = std::find(labels.begin(), labels.end(), name);
    auto index = static_cast<std::size_t>(found - labels.begin());
    if (found == labels.end()) {
      const auto parsed = std::from_chars(name.data(), name.data() + name.size(), index);
      if (parsed.ec != std::errc{} || parsed.ptr != name.data() + name.size() || index >= labels.size()) {
        fail(fmt::format("--classes: the model has no class \"{}\"; it has: {}", name, fmt::join(labels, ", ")));
      }
    }
    wanted[index] = true;
  }
  return wanted;
}

/// What the table says of one input.
struct Row {
  std::map<int, long long> objects;  // by class
  long long pictures = 0;
  double milliseconds = 0;
  std::string error;
};

std::string objects_text(const std::map<int, long long>& objects, const std::vector<std::string>& labels) {
  std::string text;
  for (const auto& [category, count] : objects) {
    const auto index = static_cast<std::size_t>(category);
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count,
                        index < labels.size() ? labels[index] : fmt::to_string(category));
  }
  return text.empty() ? "-" : text;
}

/// Everything that happens with a picture after the device is done with it.
class Consumer {
 public:
  Consumer(const DetectArgs& args, const std::vector<Input>& inputs, const centernet::ModelInfo& info,
           const centernet::DetectorOptions& options, const OutputNames* names, ResultFiles& files, const CocoIds& ids,
           Progress& progress)
      : args_(args),
        inputs_(inputs),
        names_(names),
        files_(files),
        ids_(ids),
        progress_(progress),
        rows_(inputs.size()) {
    style_.task = info.task;
    style_.labels = info.labels;
    style_.threshold = static_cast<float>(args.threshold);
    style_.camera = options.camera;
  }

  void take(Work&& work) {
    const Input& input = inputs_[work.input];
    Row& row = rows_[work.input];
    if (!work.error.empty()) {
      row.error = work.error;
      ++unreadable_;
      spdlog::warn("{}: {}", printable(input.path.empty() ? input.name : input.path.string()), work.error);
    }
    if (work.end_of_video) return close_videos();
    if (work.error.empty()) {
      if (!work.damage.empty()) spdlog::warn("{}: {}", printable(input.path.string()), work.damage);
      use(std::move(work), row);
    }
    progress_.advance();
  }

  [[nodiscard]] const std::vector<Row>& rows() const noexcept { return rows_; }
  [[nodiscard]] long long unreadable() const noexcept { return unreadable_; }

 private:
  void use(Work&& work, Row& row) {
    for (const Detection& detection : work.detections) {
      if (detection.score >= style_.threshold) ++row.objects[detection.category];
    }
    row.milliseconds += work.milliseconds;
    ++row.pictures;
    // Drawn first, so that the files list nothing whose picture could not be written.
    if (names_ != nullptr) {
      draw_offsets(work);
      if (args_.heatmap) put(work, View::kHeatmap, centernet::overlay_heatmap(work.picture, work.heat));
      draw_detections(work.picture, work.detections, style_);
      put(work, View::kAnnotated, work.picture);
    }
    const Input& input = inputs_[work.input];
    const auto id = ids_.image(input.path, work.turn);
    files_.add({id.value_or(work.turn), input.name, work.frame}, work.detections, ids_);
  }

  void draw_offsets(const Work& work) {
    if (args_.offsets_layer.empty()) return;
    cv::Mat picture = work.picture.clone();
    const auto strongest = std::span(work.detections).first(std::min(work.sampling.size(), work.detections.size()));
    centernet::DrawStyle all = style_;
    all.threshold = 0;
    draw_detections(picture, strongest, all);
    for (std::size_t i = 0; i < strongest.size(); ++i) {
      draw_sampling_points(picture, work.sampling[i], centernet::class_color(strongest[i].category));
    }
    put(work, View::kOffsets, picture);
  }

  void put(const Work& work, View view, const cv::Mat& picture) {
    const auto& name = names_->at(work.input, view);
    if (work.frame == 0) return write_picture(name, picture);
    auto& video = videos_[view];
    if (!video) {
      const double rate = work.frames_per_second;
      const double usable = std::isfinite(rate) && rate >= 1 && rate <= 1000 ? rate : 25;
      video = std::make_unique<VideoOutput>(name, usable, picture.size());
    }
    video->write(picture);
  }

  void close_videos() {
    for (auto& [view, video] : videos_) video->commit();
    videos_.clear();
  }

  const DetectArgs& args_;
  const std::vector<Input>& inputs_;
  const OutputNames* names_;
  ResultFiles& files_;
  const CocoIds& ids_;
  Progress& progress_;
  centernet::DrawStyle style_;
  std::vector<Row> rows_;
  std::map<View, std::unique_ptr<VideoOutput>> videos_;
  long long unreadable_ = 0;
};

constexpr std::size_t kTableRows = 60;
constexpr std::size_t kOffsetObjects = 5;

std::string summary(const DetectArgs& args, const std::vector<Input>& inputs, const std::vector<Row>& rows,
                    const std::vector<std::string>& labels, double rate, const Terminal& terminal) {
  Table table({{"image", Align::kLeft, true}, {"objects", Align::kLeft, true}, {"ms", Align::kRight, false}});
  Row total;
  std::size_t shown = 0;
  std::size_t known = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Row& row = rows[i];
    if (row.pictures == 0 && row.error.empty()) continue;  // not reached before an interrupt
    ++known;
    total.pictures += row.pictures;
    total.milliseconds += row.milliseconds;
    for (const auto& [category, count] : row.objects) total.objects[category] += count;
    if (shown == kTableRows) continue;
    ++shown;
    const std::string name = inputs[i].kind == Input::Kind::kPicture
                                 ? inputs[i].name
                                 : fmt::format("{} ({} frames)", inputs[i].name, row.pictures);
    if (row.pictures == 0) {
      table.add({name, "not read: " + row.error, ""});
    } else {
      table.add({name, objects_text(row.objects, labels),
                 fmt::format("{:.1f}", row.milliseconds / static_cast<double>(row.pictures))});
    }
  }
  if (known > shown) table.add({fmt::format("and {} more", known - shown), "", ""});
  if (known > 1 && total.pictures > 0) {
    table.rule();
    table.add({fmt::format("{} images", total.pictures), objects_text(total.objects, labels),
               fmt::format("{:.1f}", total.milliseconds / static_cast<double>(total.pictures))});
  }
  std::string text = table.text(terminal);
  if (rate > 0) text += fmt::format("\n{:.1f} images/s, with reading and writing\n", rate);
  std::vector<std::string> places;
  if (!args.output.empty()) places.push_back(fmt::format("pictures: {}", args.output));
  if (!args.json.empty() && args.json != "-") places.push_back(fmt::format("JSON: {}", args.json));
  if (!args.csv.empty() && args.csv != "-") places.push_back(fmt::format("CSV: {}", args.csv));
  for (const std::string& place : places) text += place + '\n';
  return text;
}

/// Mistakes that can be told before a model is loaded.
void check(const DetectArgs& args) {
  if (args.output.empty() && args.heatmap) fail("--heatmap writes pictures: name a folder for them with --output DIR");
  if (args.output.empty() && !args.offsets_layer.empty()) {
    fail("--show-offsets writes pictures: name a folder for them with --output DIR");
  }
  if (args.json == "-" && args.csv == "-") fail("--json - and --csv -: only one of them can be standard output");
}

std::vector<Input> expand(const DetectArgs& args) {
  try {
    return expand_inputs(args.inputs, std::cin);
  } catch (const Error& error) {
    // "--show-offsets LAYER" reads well but makes LAYER an input.
    if (args.offsets_layer != kLastLayer) throw;
    throw Error(error.code(),
                fmt::format("{} (a layer is named with an equals sign: --show-offsets=LAYER)", error.what()));
  }
}

CocoIds make_ids(const DetectArgs& args, const std::vector<Input>& inputs, const std::vector<std::string>& labels) {
  if (args.annotations.empty()) return CocoIds(labels);
  CocoIds ids(labels, centernet::coco::read_dataset(args.annotations), args.annotations);
  for (const Input& input : inputs) {
    if (input.kind != Input::Kind::kPicture) {
      fail(fmt::format("--annotations: {}: a video has no image_id there: leave one of them out", input.name));
    }
    if (!ids.image(input.path, 1)) {
      fail(fmt::format("--annotations: {} has no picture named {}: leave that picture or --annotations out",
                       args.annotations, input.path.filename().string()));
    }
  }
  return ids;
}

/// Runs on the device's thread.
void look_closer(const DetectArgs& args, centernet::Detector& detector, const std::vector<bool>& wanted,
                 const DeformLayer* layer, Work& work) {
  std::erase_if(work.detections, [&](const Detection& detection) {
    const auto index = static_cast<std::size_t>(detection.category);
    return !wanted.empty() && (index >= wanted.size() || !wanted[index]);
  });
  if (args.heatmap) work.heat = detector.heatmap(work.picture);
  if (layer == nullptr) return;
  // The strongest objects; where none is strong, the best guess.
  std::size_t count = 0;
  while (count < std::min(kOffsetObjects, work.detections.size()) && work.detections[count].score >= args.threshold) {
    ++count;
  }
  count = std::min(std::max<std::size_t>(count, 1), work.detections.size());
  work.sampling =
      sampling_points(detector, *layer, work.picture,
                      {work.detections.begin(), work.detections.begin() + static_cast<std::ptrdiff_t>(count)});
}

int detect(const DetectArgs& args) {
  check(args);
  const centernet::DetectorOptions options = detector_options(args.model);
  const std::vector<Input> inputs = expand(args);
  std::optional<OutputNames> names;
  if (!args.output.empty()) {
    std::vector<View> views{View::kAnnotated};
    if (args.heatmap) views.push_back(View::kHeatmap);
    if (!args.offsets_layer.empty()) views.push_back(View::kOffsets);
    names.emplace(args.output, inputs, views);
    prepare_folder(args.output);
  }

  // The device starts and the codecs load while the model is read: a third of the way to the first detection.
  const bool reads_pictures =
      std::any_of(inputs.begin(), inputs.end(), [](const Input& input) { return input.kind == Input::Kind::kPicture; });
  std::future<Queue> queue = std::async(std::launch::async, [&] {
    Queue created = create_queue(args.model);
    if (reads_pictures) load_picture_codecs();
    return created;
  });
  centernet::Model model = load_model(args.model);
  const centernet::ModelInfo info = model.info;
  const std::vector<bool> wanted = parse_classes(args.classes, info.labels);
  const CocoIds ids = make_ids(args, inputs, info.labels);
  const std::vector<DeformLayer> layers = deform_layers(model.network);
  const DeformLayer* layer = args.offsets_layer.empty()
                                 ? nullptr
                                 : &choose_layer(layers, args.offsets_layer == kLastLayer ? "" : args.offsets_layer);
  ResultFiles files({args.json, args.csv, args.json_threshold, args.threshold}, info.task, info.labels);
  centernet::Detector detector(queue.get(), std::move(model), options);

  const bool counted =
      std::all_of(inputs.begin(), inputs.end(), [](const Input& input) { return input.kind == Input::Kind::kPicture; });
  Progress progress("Detecting", "images", counted ? static_cast<long long>(inputs.size()) : 0, args.quiet);
  Consumer consumer(args, inputs, info, options, names ? &*names : nullptr, files, ids, progress);
  PipelineOptions pipeline;
  pipeline.batch = args.model.batch;
  pipeline.max_frames = args.max_frames;
  pipeline.on_device = [&](Work& work) { look_closer(args, detector, wanted, layer, work); };
  pipeline.on_open = [&](std::size_t, long long frames) {
    // Several videos tell their lengths one by one: there the end is not known before it comes.
    if (frames > 0 && inputs.size() == 1) progress.set_total(frames);
  };
  run_pipeline(inputs, detector, pipeline, [&](Work&& work) { consumer.take(std::move(work)); });
  progress.finish();
  files.commit();

  if (!args.quiet) {
    const bool piped = args.json == "-" || args.csv == "-";
    std::FILE* stream = piped ? stderr : stdout;
    std::fputs(summary(args, inputs, consumer.rows(), info.labels, progress.rate(),
                       terminal(piped ? STDERR_FILENO : STDOUT_FILENO))
                   .c_str(),
               stream);
  }
  if (interrupted()) {
    spdlog::warn("interrupted: the files hold the {} images that were done", progress.done() - consumer.unreadable());
    return interrupt_exit_code();
  }
  if (consumer.unreadable() > 0) {
    spdlog::warn("{} of {} inputs could not be read", consumer.unreadable(), inputs.size());
    return kIncomplete;
  }
  return kSuccess;
}

}  // namespace

void add_detect(CLI::App& app, Run& run) {
  auto args = std::make_shared<DetectArgs>();
  CLI::App* sub = app.add_subcommand("detect", "find objects in pictures, videos and cameras");
  sub->add_option("INPUT", args->inputs,
                  "pictures, folders of pictures, patterns such as 'photos/*.jpg', videos, camera:0, or - for a list "
                  "on standard input, one name a line")
      ->type_name("")
      ->required();
  add_model_options(*sub, args->model);
  add_detection_options(*sub, args->model);
  sub->add_option("--threshold", args->threshold, "least score of objects that are drawn, counted and put into --csv")
      ->type_name("T")
      ->check(between(0, 1))
      ->capture_default_str()
      ->group("Detection");
  sub->add_option("--classes", args->classes, "only these, by name or number from 0: person,dog")
      ->type_name("A,B,...")
      ->group("Detection");
  sub->add_option("--max-frames", args->max_frames, "stop each video or camera after so many frames")
      ->type_name("N")
      ->check(between(1, 1000000000000))
      ->group("Detection");
  sub->add_option("-o,--output", args->output, "folder for annotated pictures (of a video: a video without sound)")
      ->type_name("DIR")
      ->group("Output");
  sub->add_option("--json", args->json,
                  "COCO results list of all objects down to --json-threshold; - for standard output")
      ->type_name("FILE")
      ->group("Output");
  sub->add_option("--json-threshold", args->json_threshold, "least score in --json")
      ->type_name("T")
      ->check(between(0, 1))
      ->capture_default_str()
      ->group("Output");
  sub->add_option("--csv", args->csv, "table of the objects from --threshold on; - for standard output")
      ->type_name("FILE")
      ->group("Output");
  sub->add_option("--annotations", args->annotations,
                  "COCO file whose image_id and category_id --json and --csv use, by file name and by label [image_id "
                  "counts from 1 in the order of the inputs, category_id is the class's place in the model from 1]")
      ->type_name("FILE")
      ->group("Output");
  sub->add_flag("--heatmap", args->heatmap, "also write NAME_heatmap: the picture under its heat map")->group("Output");
  sub->add_flag("--show-offsets{last}", args->offsets_layer,
                "also write NAME_offsets: where a deformable layer looks for the strongest objects; which one is told "
                "as =LAYER, by its name in `centernet inspect` [the last one]")
      ->type_name("[=LAYER]")
      ->group("Output");
  sub->add_flag("-q,--quiet", args->quiet, "only warnings and errors")->group("Output");
  sub->footer(
      "Examples:\n"
      "  centernet detect photo.jpg --model model.safetensors --output out\n"
      "  centernet detect photos/ --model model.pth --json out.json --csv out.csv\n"
      "  centernet detect street.mp4 --model model.pth --output out --classes person,car\n"
      "  find . -name '*.png' | centernet detect - --model model.pth --output out --batch 8\n"
      "  centernet detect photo.jpg --model model.pth --output out --heatmap --show-offsets");
  sub->callback([args, &run] { run = [args] { return detect(*args); }; });
}

}  // namespace dcn::cli
