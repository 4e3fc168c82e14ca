/// The five networks against the original's numbers: heads of every run whose warped input is stored, and features
/// inside the networks, in both memory formats, by oneDNN and by own kernels. bf16 is bf16_test.cpp's.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include "make_network.hpp"
#include "parity_model.hpp"

namespace dcn::test {
namespace {

constexpr double kTolerance = 5e-3;  // of the tensor's standard deviation

class Parity : public testing::TestWithParam<const char*> {
 protected:
  /// Loading takes a second each: one model at a time is kept.
  static const ParityModel& model(const std::string& name) {
    static std::unique_ptr<ParityModel> kept;
    if (kept == nullptr || kept->name != name) {
      kept.reset();
      kept = std::make_unique<ParityModel>(name);
    }
    return *kept;
  }
  static const ParityModel& model() { return model(GetParam()); }
};

TEST_P(Parity, ModelIsRecognised) {
  const auto& info = model().model.info;
  const std::string name = GetParam();
  EXPECT_EQ(std::string(to_string(info.task)) + "_" + info.arch, name);
  EXPECT_EQ(std::ssize(info.labels), info.heads.at("hm"));
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(static_cast<double>(info.mean.at(c)), model().json.at("mean").at(c).get<double>(), 1e-6);
    EXPECT_NEAR(static_cast<double>(info.std.at(c)), model().json.at("std").at(c).get<double>(), 1e-6);
  }
}

TEST_P(Parity, HeadsAgree) {
  nn::Executor executor(shared_queue(), model().model.network, {});
  for (const ParityRun& parity : runs_with_inputs(model())) {
    run(executor, shared_queue(), load_picture(model(), parity));
    double worst = 0;
    for (const auto& [head, channels] : model().model.info.heads) {
      const HostTensor output = read_output(executor, shared_queue(), head);
      const Samples samples = samples_of(model(), parity.run + "/" + parity.scale + "/" + head);
      ASSERT_GT(samples.values.size(), 100U);
      const double deviation = head_statistics(model(), parity, head).at("std").get<double>();
      const double error = max_sample_error(output.values, samples) / deviation;
      worst = std::max(worst, error);
      EXPECT_LE(error, kTolerance) << parity.run << " " << parity.scale << " " << head;
    }
    std::printf("[  parity  ] %-20s %-10s %-5s largest error %.1e of the standard deviation, tolerance %.0e\n",
                GetParam(), parity.run.c_str(), parity.scale.c_str(), worst, kTolerance);
  }
}

/// Our layers fuse what the original keeps apart. How its feature is found in one of our values.
struct Feature {
  std::string layer;       ///< whose value is compared
  std::string batch_norm;  ///< applied, with ReLU, to the original's numbers first
  std::string residual;    ///< layer whose value is subtracted from ours first
};

Feature feature_of(const std::string& name, const std::string& arch) {
  const auto ends_with = [&](const std::string& end) { return name.ends_with(end); };
  if (ends_with("conv_offset_mask")) return {name, "", ""};
  if (arch == "dla_34") {
    if (name == "base.level3" || name == "base.level4") return {name + ".tree2.root.conv", "", ""};
    if (name == "base.level2" || name == "base.level5") return {name + ".root.conv", "", ""};
    if (name.starts_with("base.")) return {name + ".0", "", ""};
    if (name == "dla_up.ida_0.up_1") return {name, "", "base.level4.tree2.root.conv"};
    if (name == "ida_up.up_2") return {name, "", "ida_up.node_1.conv"};
    if (ends_with(".conv")) return {name, name.substr(0, name.size() - 5) + ".actf.0", ""};
    return {name + ".conv", "", ""};  // node_1, ...
  }
  if (name == "maxpool") return {name, "", ""};
  if (name.starts_with("layer")) {
    const bool bottleneck = arch == "resdcn_101";
    const std::map<std::string, std::string> last{{"layer1", bottleneck ? "2" : "1"},
                                                  {"layer2", bottleneck ? "3" : "1"},
                                                  {"layer3", bottleneck ? "22" : "1"},
                                                  {"layer4", bottleneck ? "2" : "1"}};
    return {name + "." + last.at(name) + (bottleneck ? ".conv3" : ".conv2"), "", ""};
  }
  // deconv_layers.N: DCN, batch-norm, ReLU, deconvolution, batch-norm, ReLU, and again.
  const int place = std::stoi(name.substr(name.find('.') + 1));
  const auto at = [](int n) { return "deconv_layers." + std::to_string(n); };
  if (place % 3 == 2) return {at(place - 2), "", ""};
  return {at(place), at(place + 1), ""};
}

double batch_norm_relu(const checkpoint::Checkpoint& checkpoint, const std::string& module, std::size_t channel,
                       double value) {
  const auto element = [&](const std::string& tensor) {
    return static_cast<double>(checkpoint.tensors.at(module + tensor).to_f32().at(channel));
  };
  const double normal = (value - element(".running_mean")) / std::sqrt(element(".running_var") + 1e-5);
  return std::max(0.0, normal * element(".weight") + element(".bias"));
}

TEST_P(Parity, FeaturesAgree) {
  nn::Executor executor(shared_queue(), model().model.network, {});
  const bool ddd = model().model.info.task == centernet::Task::kDdd;
  const HostTensor picture = load_picture(model(), {"A/fix", "s1", ddd ? "A_ddd_s1.png" : "A_fix_s1.png", false});
  executor.prepare(1, picture.h, picture.w);
  load_input(executor, shared_queue(), picture);
  double worst = 0;
  for (const auto& [name, statistics] : model().json.at("features_A_fix").items()) {
    const Feature feature = feature_of(name, model().model.info.arch);
    std::vector<std::int64_t> sizes;
    const std::vector<float> read = executor.read_value(feature.layer, sizes);
    ASSERT_EQ(sizes, statistics.at("shape").get<std::vector<std::int64_t>>()) << name;
    std::vector<double> ours(read.begin(), read.end());
    if (!feature.residual.empty()) {
      const std::vector<float> residual = executor.read_value(feature.residual, sizes);
      for (std::size_t i = 0; i < ours.size(); ++i) ours[i] -= static_cast<double>(residual[i]);
    }
    Samples samples = samples_of(model(), "feat/" + name);
    double deviation = statistics.at("std").get<double>();
    if (!feature.batch_norm.empty()) {
      const auto plane = static_cast<std::size_t>(sizes[2] * sizes[3]);
      for (std::size_t i = 0; i < samples.values.size(); ++i) {
        samples.values[i] =
            batch_norm_relu(model().checkpoint, feature.batch_norm, samples.indices[i] / plane, samples.values[i]);
      }
      deviation = standard_deviation(samples.values);
    }
    const double error = max_sample_error(ours, samples) / deviation;
    worst = std::max(worst, error);
    EXPECT_LE(error, kTolerance) << name << " in " << feature.layer;
  }
  std::printf("[  parity  ] %-20s features: largest error %.1e of the standard deviation, tolerance %.0e\n", GetParam(),
              worst, kTolerance);
}

/// Heads of the first run in another way of running.
void expect_agreement(const ParityModel& model, const nn::PlanOptions& options) {
  nn::Executor executor(shared_queue(), model.model.network, options);
  const ParityRun parity = runs_with_inputs(model).front();
  run(executor, shared_queue(), load_picture(model, parity));
  for (const auto& [head, channels] : model.model.info.heads) {
    const HostTensor output = read_output(executor, shared_queue(), head);
    const Samples samples = samples_of(model, parity.run + "/" + parity.scale + "/" + head);
    const double deviation = head_statistics(model, parity, head).at("std").get<double>();
    EXPECT_LE(max_sample_error(output.values, samples) / deviation, kTolerance) << head;
  }
}

TEST_P(Parity, NchwAgreesToo) { expect_agreement(model(), {.format = nn::FormatChoice::kNchw}); }

INSTANTIATE_TEST_SUITE_P(, Parity,
                         testing::Values("ctdet_resdcn_18", "ctdet_dla_34", "multi_pose_dla_34", "ddd_dla_34",
                                         "ctdet_resdcn_101"),
                         [](const auto& parameter) { return std::string(parameter.param); });

/// One of each architecture: on a CPU own kernels for GPUs take seconds.
class OwnKernels : public Parity {};

TEST_P(OwnKernels, Agree) { expect_agreement(model(), {.own_kernels = true}); }

INSTANTIATE_TEST_SUITE_P(, OwnKernels, testing::Values("ctdet_resdcn_18", "ctdet_dla_34"),
                         [](const auto& parameter) { return std::string(parameter.param); });

}  // namespace
}  // namespace dcn::test
