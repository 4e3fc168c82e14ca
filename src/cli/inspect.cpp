/// centernet inspect: a model layer by layer.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "cli/commands.hpp"
#include "cli/json.hpp"
#include "cli/model_args.hpp"
#include "cli/table.hpp"
#include "dcn/status.hpp"
#include "nn/plan.hpp"

namespace dcn::cli {
namespace {

struct InspectArgs {
  ModelArgs model;
  std::string file;
  bool profile = false, json = false;
  int repeats = 20;
  int batch = 1;
};

std::string shape(const std::vector<std::int64_t>& sizes) { return fmt::format("{}", fmt::join(sizes, "x")); }

struct Totals {
  std::int64_t parameters = 0;
  double flops = 0, milliseconds = 0;
  long long reorders = 0;
};

Totals add_up(const std::vector<nn::LayerReport>& layers) {
  Totals totals;
  for (const auto& layer : layers) {
    totals.parameters += layer.parameters;
    totals.flops += layer.flops;
    totals.milliseconds += std::max(layer.milliseconds, 0.0);
    totals.reorders += layer.kind == "reorder" ? 1 : 0;
  }
  return totals;
}

std::string layers_text(const std::vector<nn::LayerReport>& layers, bool profile, const Terminal& terminal) {
  std::vector<Table::Column> columns{{"layer", Align::kLeft, true},    {"kind", Align::kLeft, false},
                                     {"input", Align::kRight, false},  {"output", Align::kRight, false},
                                     {"params", Align::kRight, false}, {"MFLOP", Align::kRight, false},
                                     {"source", Align::kLeft, false},  {"weights", Align::kLeft, true},
                                     {"dest", Align::kLeft, false},    {"implementation", Align::kLeft, true}};
  if (profile) {
    columns.push_back({"ms", Align::kRight, false});
    columns.push_back({"GFLOP/s", Align::kRight, false});
  }
  Table table(columns);
  for (const auto& layer : layers) {
    std::vector<std::string> row{layer.name,
                                 layer.kind,
                                 shape(layer.input),
                                 shape(layer.output),
                                 layer.parameters > 0 ? grouped(layer.parameters) : "",
                                 layer.flops > 0 ? fmt::format("{:.1f}", layer.flops * 1e-6) : "",
                                 layer.source_format,
                                 layer.weight_format,
                                 layer.destination_format,
                                 layer.implementation};
    if (profile) {
      row.push_back(layer.milliseconds < 0 ? "" : fmt::format("{:.3f}", layer.milliseconds));
      row.push_back(layer.milliseconds > 0 && layer.flops > 0
                        ? fmt::format("{:.0f}", layer.flops * 1e-6 / layer.milliseconds)
                        : "");
    }
    table.add(std::move(row));
  }
  const Totals totals = add_up(layers);
  table.rule();
  std::vector<std::string> row{
      fmt::format("{} layers, {} reorders", layers.size() - static_cast<std::size_t>(totals.reorders), totals.reorders),
      "",
      "",
      "",
      grouped(totals.parameters),
      fmt::format("{:.1f}", totals.flops * 1e-6),
      "",
      "",
      "",
      ""};
  if (profile) {
    row.push_back(fmt::format("{:.3f}", totals.milliseconds));
    row.push_back(totals.milliseconds > 0 ? fmt::format("{:.0f}", totals.flops * 1e-6 / totals.milliseconds) : "");
  }
  table.add(std::move(row));
  return table.text(terminal);
}

std::string info_text(const std::string& file, const centernet::ModelInfo& info, const DeviceInfo& device) {
  std::vector<std::string> heads;
  for (const auto& [name, channels] : info.heads) heads.push_back(fmt::format("{} {}", name, channels));
  std::string text;
  const auto line = [&](const char* name, const std::string& value) {
    text += fmt::format("{:<13}{}\n", name, printable(value));
  };
  line("model", file);
  line("network", fmt::format("{}, {}", info.arch, centernet::to_string(info.task)));
  line("classes", fmt::format("{}: {}", info.labels.size(), fmt::join(info.labels, ", ")));
  line("heads", fmt::format("{}", fmt::join(heads, ", ")));
  line("input", fmt::format("{} x {} (height x width), {}", info.input_h, info.input_w,
                            info.resolution == centernet::Resolution::kKeep ? "pictures keep their resolution"
                                                                            : "pictures are warped to it"));
  line("mean, std", fmt::format("{} / {}", fmt::join(info.mean, " "), fmt::join(info.std, " ")));
  line("device", fmt::format("{} ({})", device.name, device.backend));
  for (const auto& [name, value] : info.metadata) {
    static const std::vector<std::string> shown{"arch", "task",       "labels",     "mean",
                                                "std",  "input_size", "resolution", "format"};
    if (std::find(shown.begin(), shown.end(), name) == shown.end()) line(name.c_str(), value);
  }
  return text;
}

Json report_json(const std::string& file, const centernet::ModelInfo& info, const DeviceInfo& device,
                 const std::vector<nn::LayerReport>& layers) {
  const Totals totals = add_up(layers);
  Json document;
  document["model"] = {{"file", file},
                       {"arch", info.arch},
                       {"task", centernet::to_string(info.task)},
                       {"labels", info.labels},
                       {"mean", info.mean},
                       {"std", info.std},
                       {"input_size", {info.input_h, info.input_w}},
                       {"resolution", info.resolution == centernet::Resolution::kKeep ? "keep" : "fix"},
                       {"heads", info.heads},
                       {"metadata", info.metadata}};
  document["device"] = {{"name", device.name}, {"backend", device.backend}};
  document["parameters"] = totals.parameters;
  document["flops"] = totals.flops;
  document["reorders"] = totals.reorders;
  document["layers"] = Json::array();
  for (const auto& layer : layers) {
    Json entry{{"name", layer.name},
               {"kind", layer.kind},
               {"input", layer.input},
               {"output", layer.output},
               {"parameters", layer.parameters},
               {"flops", layer.flops},
               {"source_format", layer.source_format},
               {"weight_format", layer.weight_format},
               {"destination_format", layer.destination_format},
               {"implementation", layer.implementation}};
    if (layer.milliseconds >= 0) entry["milliseconds"] = layer.milliseconds;
    document["layers"].push_back(std::move(entry));
  }
  return document;
}

int inspect(InspectArgs args) {
  if (!args.file.empty()) args.model.model = args.file;
  const auto options = detector_options(args.model);
  centernet::Model model = load_model(args.model);
  const auto size = options.input_size.value_or(std::array<std::int64_t, 2>{model.info.input_h, model.info.input_w});
  const std::int64_t divisor = model.network.size_divisor;
  if (size[0] % divisor != 0 || size[1] % divisor != 0) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("--input-size: {} x {}: both must be multiples of {}", size[0], size[1], divisor));
  }
  Queue queue = create_queue(args.model);
  const centernet::ModelInfo info = model.info;
  nn::Executor executor(queue, std::move(model.network), options.plan);
  executor.prepare(args.batch, size[0], size[1]);
  const auto layers = args.profile ? executor.profile(args.repeats) : executor.report();
  if (args.json) {
    write_json("-", report_json(args.model.model, info, queue.device(), layers));
    return kSuccess;
  }
  const Terminal screen = terminal(STDOUT_FILENO);
  fmt::print("{}\n{}\n{} of device memory for activations\n", info_text(args.model.model, info, queue.device()),
             layers_text(layers, args.profile, screen), bytes_text(static_cast<double>(executor.arena_bytes())));
  return kSuccess;
}

}  // namespace

void add_inspect(CLI::App& app, Run& run) {
  auto args = std::make_shared<InspectArgs>();
  CLI::App* sub = app.add_subcommand("inspect", "a model layer by layer: shapes, cost, memory formats, time");
  sub->add_option("MODEL", args->file, "CenterNet checkpoint: .pth or .safetensors")->type_name("");
  add_model_options(*sub, args->model);
  sub->add_option("--batch", args->batch, "pictures that go through the network together")
      ->type_name("N")
      ->check(between(1, 256))
      ->capture_default_str();
  sub->add_flag("--profile", args->profile, "measure the time of each layer");
  sub->add_option("--repeats", args->repeats, "runs that --profile takes the median of")
      ->type_name("N")
      ->check(between(1, 100000))
      ->capture_default_str();
  sub->add_flag("--json", args->json, "as JSON on standard output");
  sub->footer(
      "A reorder is a change of memory format between two layers. FLOP counts multiplications and additions.\n\n"
      "Examples:\n"
      "  centernet inspect model.safetensors\n"
      "  centernet inspect model.pth --input-size 384x1280 --profile\n"
      "  centernet inspect model.pth --memory-format nchw --profile");
  sub->callback([args, &run] { run = [args] { return inspect(*args); }; });
}

}  // namespace dcn::cli
