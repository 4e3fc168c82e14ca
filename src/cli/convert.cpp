/// centernet convert: a checkpoint as safetensors, with what the detector must know of it inside.
#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <system_error>

#include "centernet/model.hpp"
#include "checkpoint/checkpoint.hpp"
#include "cli/commands.hpp"
#include "cli/model_args.hpp"
#include "cli/table.hpp"
#include "dcn/status.hpp"

namespace dcn::cli {
namespace {

struct ConvertArgs {
  ModelArgs model;  // --arch, --labels
  std::string in, out, dtype = "fp32", input_size;
};

std::string file_size(const std::string& file) {
  std::error_code status;
  const auto bytes = std::filesystem::file_size(file, status);
  return status ? "?" : bytes_text(static_cast<double>(bytes));
}

int convert(const ConvertArgs& args) {
  if (std::filesystem::path(args.out).extension() != ".safetensors") {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("{}: the output is a safetensors file: give it a name that ends in .safetensors", args.out));
  }
  const auto overrides = model_overrides(args.model);
  checkpoint::Checkpoint loaded = checkpoint::load(args.in);
  // Building the network checks every tensor, and tells what the file does not say itself.
  centernet::ModelInfo info;
  try {
    info = centernet::build_model(loaded, overrides).info;
  } catch (const Error& error) {
    throw error.in(args.in);
  }
  if (!args.input_size.empty()) {
    const auto size = parse_input_size(args.input_size);
    info.input_h = size[0];
    info.input_w = size[1];
  }
  const std::string format = loaded.format;
  checkpoint::Checkpoint converted =
      checkpoint::convert(loaded, args.dtype == "fp16" ? DataType::kF16 : DataType::kF32);
  converted.metadata = loaded.metadata;  // licence, attribution and whatever else the file says
  auto& metadata = converted.metadata;
  metadata["format"] = "pt";
  metadata["arch"] = info.arch;
  metadata["task"] = centernet::to_string(info.task);
  metadata["labels"] = nlohmann::json(info.labels).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  // Three numbers each, as short as they can be: 0.408, not 0.40799999237.
  metadata["mean"] = fmt::format("[{}]", fmt::join(info.mean, ", "));
  metadata["std"] = fmt::format("[{}]", fmt::join(info.std, ", "));
  metadata["input_size"] = fmt::format("[{}, {}]", info.input_h, info.input_w);
  metadata["resolution"] = info.resolution == centernet::Resolution::kKeep ? "keep" : "fix";
  checkpoint::save_safetensors(args.out, converted);
  fmt::print("{} ({}, {}) -> {} ({}, {}): {}\n", args.in, format, file_size(args.in), args.out, args.dtype,
             file_size(args.out), describe(info));
  return kSuccess;
}

}  // namespace

void add_convert(CLI::App& app, Run& run) {
  auto args = std::make_shared<ConvertArgs>();
  CLI::App* sub = app.add_subcommand("convert", "write a checkpoint as safetensors with its metadata inside");
  sub->add_option("IN", args->in, "CenterNet checkpoint: .pth or .safetensors")->type_name("")->required();
  sub->add_option("OUT", args->out, "file to write, NAME.safetensors")->type_name("")->required();
  sub->add_option("--dtype", args->dtype, "type of the weights: fp16 halves the file")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"fp16", "fp32"}))
      ->capture_default_str();
  add_override_options(*sub, args->model);
  sub->add_option("--input-size", args->input_size, "height x width to record")->type_name("HxW")->group("Model");
  sub->footer(
      "Recorded: arch, task, labels, mean, std, input_size, resolution; other metadata is kept.\n\n"
      "Examples:\n"
      "  centernet convert ctdet_coco_dla_2x.pth dla.safetensors --dtype fp16\n"
      "  centernet convert fish.pth fish.safetensors --labels fish.txt --input-size 640x640");
  sub->callback([args, &run] { run = [args] { return convert(*args); }; });
}

}  // namespace dcn::cli
