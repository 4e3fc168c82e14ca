/// \file model_args.hpp
/// The options that commands share: which model, on which device, with which settings.
#pragma once

#include <CLI/CLI.hpp>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "centernet/detector.hpp"

namespace dcn::cli {

/// As typed.
struct ModelArgs {
  std::string model, arch, labels;
  std::string device = "auto", dtype = "fp32", memory_format = "auto";
  std::string input_size;
  // Of detection only
  std::string scales, camera_matrix;
  int top_k = 100;
  int batch = 1;
  bool keep_res = false, fix_res = false, flip_test = false, nms = false;
};

/// A number within limits, for CLI::Option::check.
[[nodiscard]] CLI::Validator between(double low, double high);

/// --arch and --labels.
void add_override_options(CLI::App& app, ModelArgs& args);
/// --model, --device, --dtype, --memory-format, --input-size and the overrides.
void add_model_options(CLI::App& app, ModelArgs& args);
/// --batch, --flip-test, --scales, --nms, --top-k, --keep-res, --fix-res, --camera-matrix.
void add_detection_options(CLI::App& app, ModelArgs& args);

// Each throws Error kInvalidArgument that names the option, or kIo for a file.

/// The labels file: one name a line, or a JSON list of names.
[[nodiscard]] std::vector<std::string> read_labels(const std::string& file);
/// "512x768" (height x width) or "512".
[[nodiscard]] std::array<std::int64_t, 2> parse_input_size(const std::string& text);
/// "0.5,1,1.5"
[[nodiscard]] std::vector<double> parse_scales(const std::string& text);
/// Twelve numbers separated by commas or spaces, or a file with them; of a KITTI calibration file the line P2.
[[nodiscard]] centernet::Camera parse_camera_matrix(const std::string& text);

/// Checks everything that needs neither a model nor a device.
[[nodiscard]] centernet::DetectorOptions detector_options(const ModelArgs& args);
/// The queue of --device; warns when the device only emulates --dtype.
[[nodiscard]] Queue create_queue(const ModelArgs& args);
[[nodiscard]] centernet::ModelOverrides model_overrides(const ModelArgs& args);
/// \throws Error also when --model is missing.
[[nodiscard]] centernet::Model load_model(const ModelArgs& args);

/// "resdcn_18, ctdet, 7 classes"
[[nodiscard]] std::string describe(const centernet::ModelInfo& info);

}  // namespace dcn::cli
