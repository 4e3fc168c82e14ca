#include "parity_model.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <opencv2/imgcodecs.hpp>
#include <stdexcept>

#include "support/paths.hpp"

namespace dcn::test {

namespace {

nlohmann::json read_json(const std::filesystem::path& file) {
  std::ifstream stream(file);
  if (!stream) throw std::runtime_error("cannot read " + file.string());
  return nlohmann::json::parse(stream);
}

checkpoint::Checkpoint load_checkpoint(const std::string& name) {
  return checkpoint::load(generated_dir() / "parity" / (name + ".safetensors"));
}

const nlohmann::json& scale_of(const ParityModel& model, const ParityRun& run) {
  for (const auto& scale : model.json.at("runs").at(run.run).at("scales")) {
    const double value = std::stod(run.scale.substr(1));
    if (scale.at("scale").get<double>() == value) return scale;
  }
  throw std::runtime_error(model.name + " has no " + run.run + " " + run.scale);
}

}  // namespace

ParityModel::ParityModel(const std::string& model_name)
    : name(model_name),
      checkpoint(load_checkpoint(model_name)),
      model(centernet::build_model(checkpoint)),
      json(read_json(parity_dir() / "models" / (model_name + ".json"))),
      samples(parity_dir() / "models" / (model_name + ".npz")) {}

std::vector<ParityRun> runs_with_inputs(const ParityModel& model) {
  std::vector<ParityRun> runs;
  const bool ddd = model.model.info.task == centernet::Task::kDdd;
  for (const std::string picture : {"A", "B", "C"}) {
    for (const std::string mode : {"fix", "fix_flip", "fix_ms"}) {
      const std::string run = picture + "/" + mode;
      if (!model.json.at("runs").contains(run)) continue;
      for (const auto& scale : model.json.at("runs").at(run).at("scales")) {
        const auto value = scale.at("scale").get<double>();
        const std::string tag = value == 0.5 ? "s0.5" : value == 1.5 ? "s1.5" : "s1";
        runs.push_back({run, tag, picture + (ddd ? "_ddd_" : "_fix_") + tag + ".png", mode == "fix_flip"});
      }
    }
  }
  return runs;
}

HostTensor load_picture(const ParityModel& model, const ParityRun& run) {
  const auto file = parity_dir() / "inputs" / run.input;
  const cv::Mat pixels = cv::imread(file.string(), cv::IMREAD_COLOR);
  if (pixels.empty()) throw std::runtime_error("cannot read " + file.string());
  const auto& info = model.model.info;
  HostTensor picture(run.flip ? 2 : 1, 3, pixels.rows, pixels.cols);
  for (int y = 0; y < pixels.rows; ++y) {
    for (int x = 0; x < pixels.cols; ++x) {
      for (int c = 0; c < 3; ++c) {
        const auto channel = static_cast<std::size_t>(c);
        const float level = static_cast<float>(pixels.at<cv::Vec3b>(y, x)[c]) / 255.0F;
        const auto value = static_cast<double>((level - info.mean.at(channel)) / info.std.at(channel));
        picture.at(0, c, y, x) = value;
        if (run.flip) picture.at(1, c, y, pixels.cols - 1 - x) = value;
      }
    }
  }
  return picture;
}

Samples samples_of(const ParityModel& model, const std::string& tensor) {
  Samples samples;
  for (const double index : model.samples.get(tensor + "_idx").values) {
    samples.indices.push_back(static_cast<std::size_t>(index));
  }
  samples.values = model.samples.get(tensor + "_f64").values;
  return samples;
}

double max_sample_error(const std::vector<double>& tensor, const Samples& samples) {
  double largest = 0;
  for (std::size_t i = 0; i < samples.indices.size(); ++i) {
    const double error = std::abs(tensor.at(samples.indices[i]) - samples.values[i]);
    if (!(error <= largest)) largest = error;  // NaN too
  }
  return largest;
}

double standard_deviation(const std::vector<double>& values) {
  double mean = 0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  double variance = 0;
  for (const double value : values) variance += (value - mean) * (value - mean) / static_cast<double>(values.size());
  return std::sqrt(variance);
}

const nlohmann::json& head_statistics(const ParityModel& model, const ParityRun& run, const std::string& head) {
  return scale_of(model, run).at("heads").at(head);
}

}  // namespace dcn::test
