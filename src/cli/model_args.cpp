#include "cli/model_args.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>

#include "cli/usage.hpp"
#include "dcn/status.hpp"

namespace dcn::cli {
namespace {

/// The whole text as a number.
template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find_first_of(separators);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string read_text(const std::string& option, const std::string& file) {
  std::error_code status;
  if (std::filesystem::is_directory(file, status)) {
    throw Error(ErrorCode::kIo, fmt::format("{}: {}: is a folder, expected a file", option, file));
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw Error(ErrorCode::kIo, fmt::format("{}: {}: {}", option, file, std::strerror(errno)));
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace

CLI::Validator between(double low, double high) {
  return {[low, high](std::string& text) {
            const auto value = number<double>(text);
            return value && *value >= low && *value <= high
                       ? std::string()
                       : fmt::format("\"{}\" is not a number from {} to {}", text, low, high);
          },
          ""};
}

void add_override_options(CLI::App& app, ModelArgs& args) {
  app.add_option("--arch", args.arch, "architecture, when it cannot be told from the tensors: dla_34, resdcn_18, ...")
      ->type_name("NAME")
      ->group("Model");
  app.add_option("--labels", args.labels, "names of the classes: one a line, or a JSON list")
      ->type_name("FILE")
      ->group("Model");
}

void add_model_options(CLI::App& app, ModelArgs& args) {
  app.add_option("-m,--model", args.model, "CenterNet checkpoint: .pth or .safetensors")
      ->type_name("FILE")
      ->envname("CENTERNET_MODEL")
      ->group("Model");
  add_override_options(app, args);
  app.add_option("--device", args.device,
                 "auto, cpu, gpu, xpu (Intel GPU), cuda (NVIDIA GPU) or an index of `centernet devices`")
      ->type_name("NAME")
      ->capture_default_str()
      ->group("Model");
  app.add_option("--dtype", args.dtype,
                 "arithmetic: fp32, tf32 (fp32 activations, products rounded on matrix units) or bf16")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"fp32", "tf32", "bf16"}))
      ->capture_default_str()
      ->group("Model");
  app.add_option("--memory-format", args.memory_format, "memory order of the activations: auto, nchw or nhwc")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"auto", "nchw", "nhwc"}))
      ->capture_default_str()
      ->group("Model");
  app.add_option("--input-size", args.input_size, "height x width that pictures are warped to [the model's]")
      ->type_name("HxW")
      ->group("Model");
}

void add_detection_options(CLI::App& app, ModelArgs& args) {
  app.add_option("--batch", args.batch, "pictures that go through the network together")
      ->type_name("N")
      ->check(between(1, 256))
      ->capture_default_str()
      ->group("Detection");
  app.add_flag("--flip-test", args.flip_test, "average with the mirrored picture")->group("Detection");
  app.add_option("--scales", args.scales, "several sizes of the picture, merged by soft-NMS: 0.5,1,1.5")
      ->type_name("S,S,...")
      ->group("Detection");
  app.add_flag("--nms", args.nms, "soft-NMS also with one scale")->group("Detection");
  app.add_option("--top-k", args.top_k, "most objects in a picture")
      ->type_name("K")
      ->check(between(1, 10000))
      ->capture_default_str()
      ->group("Detection");
  auto* keep = app.add_flag("--keep-res", args.keep_res, "keep the picture's resolution instead of warping it");
  auto* fix = app.add_flag("--fix-res", args.fix_res, "warp to the input size, also if the model says otherwise");
  keep->excludes(fix)->group("Detection");
  fix->group("Detection");
  app.add_option("--camera-matrix", args.camera_matrix,
                 "ddd: 3 x 4 projection, as 12 numbers or a file (KITTI: its line P2)")
      ->type_name("P|FILE")
      ->group("Detection");
}

std::vector<std::string> read_labels(const std::string& file) {
  const std::string text = read_text("--labels", file);
  std::vector<std::string> labels;
  if (text.find_first_not_of(" \t\r\n") != std::string::npos && text[text.find_first_not_of(" \t\r\n")] == '[') {
    const auto list = nlohmann::json::parse(text, nullptr, false);
    if (!list.is_array()) fail(fmt::format("--labels: {}: starts like a JSON list but is none", file));
    for (const auto& item : list) {
      if (!item.is_string()) fail(fmt::format("--labels: {}: expected a JSON list of names", file));
      labels.push_back(item.get<std::string>());
    }
  } else {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (!line.empty() && line.back() == '\r') line.pop_back();
      labels.push_back(line);
    }
    while (!labels.empty() && labels.back().empty()) labels.pop_back();
  }
  if (labels.empty()) fail(fmt::format("--labels: {}: no names in it: expected one a line", file));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i].empty()) fail(fmt::format("--labels: {}: the name of class {} is empty", file, i));
  }
  return labels;
}

std::array<std::int64_t, 2> parse_input_size(const std::string& text) {
  const auto parts = split(text, "xX");
  const auto height = number<std::int64_t>(parts.front());
  const auto width = number<std::int64_t>(parts.back());
  if (parts.size() > 2 || !height || !width || *height < 1 || *width < 1 || *height > 16384 || *width > 16384) {
    fail(fmt::format("--input-size: \"{}\": expected height x width in pixels, such as 512x512", text));
  }
  return {*height, *width};
}

std::vector<double> parse_scales(const std::string& text) {
  std::vector<double> scales;
  for (const std::string_view part : split(text, ",")) {
    const auto scale = number<double>(part);
    if (!scale || !std::isfinite(*scale) || *scale < 0.01 || *scale > 100) {
      fail(fmt::format("--scales: \"{}\": expected numbers from 0.01 to 100 separated by commas, such as 0.5,1,1.5",
                       text));
    }
    scales.push_back(*scale);
  }
  return scales;
}

centernet::Camera parse_camera_matrix(const std::string& text) {
  std::string numbers = text;
  std::error_code status;
  const bool from_file = std::filesystem::exists(text, status);
  if (from_file) {
    numbers = read_text("--camera-matrix", text);
    std::istringstream lines(numbers);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("P2:")) numbers = line.substr(3);
    }
  }
  std::vector<float> values;
  std::replace_if(
      numbers.begin(), numbers.end(), [](char c) { return c == ',' || c == '\n' || c == '\r' || c == '\t'; }, ' ');
  for (const std::string_view part : split(numbers, " ")) {
    if (part.empty()) continue;
    const auto value = number<float>(part);
    if (!value || !std::isfinite(*value)) {
      if (!from_file && values.empty()) fail(fmt::format("--camera-matrix: {}: no such file, nor 12 numbers", text));
      fail(fmt::format("--camera-matrix: \"{}\" is not a number", std::string(part)));
    }
    values.push_back(*value);
  }
  centernet::Camera camera{};
  if (values.size() != camera.size()) {
    fail(fmt::format("--camera-matrix: {} numbers, expected 12: the rows of the 3 x 4 projection matrix",
                     values.size()));
  }
  std::copy(values.begin(), values.end(), camera.begin());
  return camera;
}

centernet::DetectorOptions detector_options(const ModelArgs& args) {
  centernet::DetectorOptions options;
  if (args.keep_res) options.resolution = centernet::Resolution::kKeep;
  if (args.fix_res) options.resolution = centernet::Resolution::kFix;
  if (!args.input_size.empty()) options.input_size = parse_input_size(args.input_size);
  if (!args.scales.empty()) options.scales = parse_scales(args.scales);
  if (!args.camera_matrix.empty()) options.camera = parse_camera_matrix(args.camera_matrix);
  options.top_k = args.top_k;
  options.max_per_image = args.top_k;
  options.flip_test = args.flip_test;
  options.nms = args.nms;
  options.plan.type = args.dtype == "bf16" ? DataType::kBf16 : DataType::kF32;
  options.plan.allow_tf32 = args.dtype == "tf32";
  options.plan.format = args.memory_format == "nchw"   ? nn::FormatChoice::kNchw
                        : args.memory_format == "nhwc" ? nn::FormatChoice::kNhwc
                                                       : nn::FormatChoice::kAuto;
  return options;
}

Queue create_queue(const ModelArgs& args) {
  Queue queue = Queue::create(args.device);
  if (args.dtype == "tf32" && !nn::has_tf32(queue)) {
    spdlog::warn("{} has no matrix units for tf32: --dtype tf32 is fp32 here", queue.device().name);
  }
  if (args.dtype == "bf16" && nn::is_emulated(queue, DataType::kBf16)) {
    spdlog::warn("{} has no bf16 arithmetic and emulates it: --dtype fp32 is several times faster here",
                 queue.device().name);
  }
  return queue;
}

centernet::ModelOverrides model_overrides(const ModelArgs& args) {
  centernet::ModelOverrides overrides;
  if (!args.arch.empty()) overrides.arch = args.arch;
  if (!args.labels.empty()) overrides.labels = read_labels(args.labels);
  return overrides;
}

centernet::Model load_model(const ModelArgs& args) {
  if (args.model.empty()) {
    fail("no model: name a CenterNet checkpoint with --model FILE, or in the variable CENTERNET_MODEL");
  }
  return centernet::load_model(args.model, model_overrides(args));
}

std::string describe(const centernet::ModelInfo& info) {
  return fmt::format("{}, {}, {} class{}", info.arch, centernet::to_string(info.task), info.labels.size(),
                     info.labels.size() == 1 ? "" : "es");
}

}  // namespace dcn::cli
