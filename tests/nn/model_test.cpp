/// From a checkpoint's tensors to a model: what is inferred, what overrides it, and what is said when it does not fit.
#include "centernet/model.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>

#include "dcn/status.hpp"
#include "make_checkpoint.hpp"
#include "make_network.hpp"

namespace dcn::test {
namespace {

using centernet::build_model;
using centernet::Model;
using centernet::ModelOverrides;
using centernet::Task;

const std::vector<std::int64_t> kSlimDla{8, 8, 16, 24, 32, 40};
const std::vector<std::int64_t> kSlimRes{8, 8, 12, 16, 20};
const std::vector<std::int64_t> kSlimUp{16, 12, 8};

checkpoint::Checkpoint slim_resdcn_18(const HeadSpec& heads = {}) {
  return make_resdcn({2, 2, 2, 2}, false, kSlimRes, kSlimUp, heads);
}

std::string message_of(ErrorCode code, const std::function<void()>& function) {
  try {
    function();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

std::string build_error(const checkpoint::Checkpoint& checkpoint, ErrorCode code = ErrorCode::kBadFile) {
  return message_of(code, [&] { (void)build_model(checkpoint); });
}

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "\"" << part << "\" is not in:\n" << text;
}

/// The network runs, and gives what its layer list says.
void expect_runs(const Model& model) {
  NetworkMaker maker(3);
  const HostTensor picture = maker.picture(1, 64, 32);
  nn::Executor executor(shared_queue(), model.network, {});
  run(executor, shared_queue(), picture);
  const std::vector<HostTensor> expected = run_reference(model.network, picture);
  for (const auto& [head, channels] : model.info.heads) {
    const HostTensor output = read_output(executor, shared_queue(), head);
    EXPECT_EQ((std::vector<std::int64_t>{output.n, output.c, output.h, output.w}),
              (std::vector<std::int64_t>{1, channels, 16, 8}));
    const HostTensor& reference = expected.at(static_cast<std::size_t>(model.network.outputs.at(head)));
    EXPECT_LE(max_difference(output, reference), 1e-4 * max_magnitude(reference)) << head;
  }
}

TEST(Architecture, IsInferred) {
  const std::vector<std::tuple<std::string, std::vector<int>, bool>> resnets{{"resdcn_18", {2, 2, 2, 2}, false},
                                                                             {"resdcn_34", {3, 4, 6, 3}, false},
                                                                             {"resdcn_50", {3, 4, 6, 3}, true},
                                                                             {"resdcn_101", {3, 4, 23, 3}, true},
                                                                             {"resdcn_152", {3, 8, 36, 3}, true}};
  for (const auto& [name, blocks, bottleneck] : resnets) {
    const Model model = build_model(make_resdcn(blocks, bottleneck, kSlimRes, kSlimUp));
    EXPECT_EQ(model.info.arch, name);
    if (name == "resdcn_34" || name == "resdcn_50") expect_runs(model);
  }
  EXPECT_EQ(build_model(make_dla_34(kSlimDla)).info.arch, "dla_34");
}

TEST(Architecture, WidthsFollowFromTheTensors) {
  expect_runs(build_model(make_dla_34(kSlimDla, {.heads = {{"hm", 3}, {"wh", 2}, {"reg", 2}}, .head_conv = 24})));
  // A tree whose input is as wide as its output has no projection.
  expect_runs(build_model(make_dla_34({8, 16, 16, 16, 32, 32}, {.heads = {{"hm", 1}, {"wh", 2}}, .head_conv = 0})));
  expect_runs(build_model(make_resdcn({2, 2, 2, 2}, false, {8, 16, 16, 24, 24}, {20, 8, 12})));
}

TEST(Architecture, EveryTensorOfTheOriginalIsKnown) {
  // base.fc, the projections of two-level trees and the counters of batch-norms take no part in the result.
  const checkpoint::Checkpoint checkpoint = make_dla_34(kSlimDla);
  ASSERT_TRUE(checkpoint.tensors.contains("base.fc.weight"));
  ASSERT_TRUE(checkpoint.tensors.contains("base.level3.project.0.weight"));
  ASSERT_TRUE(checkpoint.tensors.contains("base.level3.project.1.num_batches_tracked"));
  EXPECT_NO_THROW((void)build_model(checkpoint));
}

TEST(Architecture, WithoutUnusedTensorsIsWhole) {
  checkpoint::Checkpoint checkpoint = make_dla_34(kSlimDla);
  std::erase_if(checkpoint.tensors, [](const auto& entry) {
    return entry.first.ends_with("num_batches_tracked") || entry.first.starts_with("base.fc.") ||
           entry.first.starts_with("base.level3.project.") || entry.first.starts_with("base.level4.project.");
  });
  EXPECT_NO_THROW((void)build_model(checkpoint));
}

TEST(Architecture, OverrideIsTaken) {
  const checkpoint::Checkpoint checkpoint = slim_resdcn_18();
  const auto overridden = [&](const std::string& arch, ErrorCode code) {
    return message_of(code, [&] { (void)build_model(checkpoint, {.arch = arch, .labels = {}}); });
  };
  expect_contains(overridden("resdcn_34", ErrorCode::kBadFile), "layer1.2.conv1.weight [8, 8, 3, 3]");
  EXPECT_EQ(overridden("resnet", ErrorCode::kInvalidArgument),
            "arch: \"resnet\", expected one of dla_34, resdcn_18, resdcn_34, resdcn_50, resdcn_101, resdcn_152");
}

TEST(Architecture, ThoseThatAreNotSupportedAreNamed) {
  const auto with_names = [](const std::vector<std::string>& names) {
    checkpoint::Checkpoint checkpoint;
    for (const std::string& name : names) checkpoint.tensors[name] = slim_resdcn_18().tensors.at("bn1.weight");
    return checkpoint;
  };
  expect_contains(build_error(with_names({"layer1.0.conv1.weight", "deconv_layers.0.weight"}), ErrorCode::kUnsupported),
                  "a ResNet without deformable convolution (res_*)");
  expect_contains(build_error(with_names({"pre.0.conv.weight", "kps.0.up1.0.conv1.weight"}), ErrorCode::kUnsupported),
                  "Hourglass");
  expect_contains(build_error(with_names({"dla_up.ida_0.proj_1.0.weight"}), ErrorCode::kUnsupported), "dlav0_34");
  expect_contains(build_error(with_names({"features.0.weight"})),
                  "the architecture cannot be told from the 1 tensors (features.0.weight); it should be one of dla_34");
  EXPECT_EQ(build_error({}), "the checkpoint holds no tensors");
  expect_contains(build_error(make_resdcn({2, 2, 2, 3}, false, kSlimRes, kSlimUp)), "number of blocks");
}

TEST(Tensors, MissingUnexpectedAndMisshapedAreReportedTogether) {
  checkpoint::Checkpoint checkpoint = slim_resdcn_18();
  checkpoint.tensors.erase("layer2.0.conv2.weight");
  checkpoint.tensors.erase("hm.2.bias");
  checkpoint.tensors.erase("deconv_layers.6.conv_offset_mask.bias");
  checkpoint.tensors["layer1.0.conv3.bias"] = checkpoint.tensors.at("bn1.bias");
  checkpoint.tensors["ema.decay"] = checkpoint.tensors.at("bn1.bias");
  checkpoint.tensors["layer3.1.bn2.running_mean"] = checkpoint.tensors.at("bn1.bias");
  checkpoint.tensors["conv1.weight"] = checkpoint.tensors.at("layer1.0.conv1.weight");
  EXPECT_EQ(build_error(checkpoint),
            "the tensors do not make a resdcn_18; choose another --arch, or repair the checkpoint:\n"
            "  missing (3):\n"
            "    deconv_layers.6.conv_offset_mask.bias [27]\n"
            "    hm.2.bias [80]\n"
            "    layer2.0.conv2.weight [12, 12, 3, 3]\n"
            "  unexpected (2):\n"
            "    ema.decay [8]\n"
            "    layer1.0.conv3.bias [8]\n"
            "  wrong shape (2):\n"
            "    conv1.weight [8, 8, 3, 3], expected [8, 3, 7, 7]\n"
            "    layer3.1.bn2.running_mean [8], expected [16]");
}

TEST(Tensors, OneDamagedWidthDoesNotBlameItsNeighbours) {
  checkpoint::Checkpoint checkpoint = make_dla_34(kSlimDla);
  checkpoint.tensors["base.level3.tree1.tree1.conv1.weight"] = checkpoint.tensors.at("base.level1.0.weight");
  const std::string message = build_error(checkpoint);
  expect_contains(message,
                  "wrong shape (1):\n    base.level3.tree1.tree1.conv1.weight [8, 8, 3, 3], expected [24, 16, 3, 3]");
  EXPECT_EQ(message.find("missing"), std::string::npos) << message;
}

TEST(Tensors, UnusableValuesAreReported) {
  checkpoint::Checkpoint checkpoint = slim_resdcn_18();
  const auto set_first = [&](const std::string& name, float value) {
    checkpoint::Tensor& tensor = checkpoint.tensors.at(name);
    const std::shared_ptr<std::byte[]> data(new std::byte[tensor.bytes()]);
    std::memcpy(data.get(), tensor.data.get(), tensor.bytes());
    std::memcpy(data.get(), &value, sizeof(value));
    tensor.data = data;
  };
  set_first("conv1.weight", std::numeric_limits<float>::quiet_NaN());
  set_first("layer1.0.bn1.running_var", -1.0F);
  checkpoint.tensors.at("bn1.bias").type = DataType::kI32;
  expect_contains(build_error(checkpoint),
                  "  unusable (3):\n"
                  "    bn1.bias i32, expected a floating-point type\n"
                  "    conv1.weight holds NaN or infinity\n"
                  "    layer1.0.bn1.running_var holds a negative variance");
}

TEST(Heads, DecideTheTask) {
  const auto task_of = [](const std::map<std::string, std::int64_t>& heads) {
    return build_model(slim_resdcn_18({.heads = heads, .head_conv = 8})).info.task;
  };
  EXPECT_EQ(task_of({{"hm", 80}, {"wh", 2}, {"reg", 2}}), Task::kCtdet);
  EXPECT_EQ(task_of({{"hm", 80}, {"wh", 160}}), Task::kCtdet);  // cat_spec_wh, no reg
  EXPECT_EQ(task_of({{"hm", 1}, {"wh", 2}, {"hps", 34}}), Task::kMultiPose);
  EXPECT_EQ(task_of({{"hm", 3}, {"dep", 1}, {"rot", 8}, {"dim", 3}}), Task::kDdd);
  // A further head of the same form, as derived projects have.
  const Model model = build_model(slim_resdcn_18({.heads = {{"hm", 1}, {"wh", 2}, {"id", 128}}, .head_conv = 8}));
  EXPECT_EQ(model.info.heads.at("id"), 128);
  EXPECT_EQ(model.info.task, Task::kCtdet);
}

TEST(Heads, ThatDoNotFitTheTaskAreReported) {
  const auto error_of = [](const std::map<std::string, std::int64_t>& heads) {
    return build_error(slim_resdcn_18({.heads = heads, .head_conv = 8}));
  };
  expect_contains(error_of({{"hm", 80}, {"wh", 3}}), "wh.2.weight [3, 8, 1, 1], expected [2, 8, 1, 1]");
  expect_contains(error_of({{"hm", 1}, {"wh", 2}, {"hps", 32}}), "hps.2.weight [32, 8, 1, 1], expected [34, 8, 1, 1]");
  expect_contains(error_of({{"hm", 3}, {"dep", 1}, {"rot", 8}}), "dim (the whole head; ddd needs it)");
  expect_contains(error_of({{"wh", 2}}), "hm (the whole head; ctdet needs it)");
  EXPECT_EQ(
      build_error(slim_resdcn_18({.heads = {{"hm_t", 1}, {"hm_l", 1}}, .head_conv = 8}), ErrorCode::kUnsupported),
      "the heads are those of exdet (extreme points), which is not supported; supported tasks are ctdet, multi_pose "
      "and ddd");
}

TEST(Labels, DefaultToTheDataSetOfThatSize) {
  const auto labels_of = [](const std::map<std::string, std::int64_t>& heads) {
    return build_model(slim_resdcn_18({.heads = heads, .head_conv = 8})).info.labels;
  };
  const auto coco = labels_of({{"hm", 80}, {"wh", 2}});
  EXPECT_EQ(coco.front(), "person");
  EXPECT_EQ(coco.at(39), "bottle");
  EXPECT_EQ(coco.back(), "toothbrush");
  const auto voc = labels_of({{"hm", 20}, {"wh", 2}});
  EXPECT_EQ(voc.front(), "aeroplane");
  EXPECT_EQ(voc.back(), "tvmonitor");
  EXPECT_EQ(labels_of({{"hm", 3}, {"dep", 1}, {"rot", 8}, {"dim", 3}}),
            (std::vector<std::string>{"Pedestrian", "Car", "Cyclist"}));
  EXPECT_EQ(labels_of({{"hm", 1}, {"wh", 2}, {"hps", 34}}), (std::vector<std::string>{"person"}));
  EXPECT_EQ(labels_of({{"hm", 3}, {"wh", 2}}), (std::vector<std::string>{"class_0", "class_1", "class_2"}));
}

TEST(Labels, OfTheWrongNumberAreRefused) {
  checkpoint::Checkpoint checkpoint = slim_resdcn_18({.heads = {{"hm", 3}, {"wh", 2}}, .head_conv = 8});
  const ModelOverrides two{.arch = {}, .labels = std::vector<std::string>{"cat", "dog"}};
  EXPECT_EQ(message_of(ErrorCode::kInvalidArgument, [&] { (void)build_model(checkpoint, two); }),
            "labels: 2 names, but the model has 3 classes (channels of its head hm)");
  checkpoint.metadata["labels"] = R"(["cat", "dog"])";
  EXPECT_EQ(build_error(checkpoint), "metadata labels: 2 names, but the model has 3 classes (channels of its head hm)");
  // What the user says counts, the file's own labels are not even looked at.
  const ModelOverrides three{.arch = {}, .labels = std::vector<std::string>{"a", "b", "c"}};
  EXPECT_EQ(build_model(checkpoint, three).info.labels, *three.labels);
}

TEST(Metadata, IsRead) {
  checkpoint::Checkpoint checkpoint = slim_resdcn_18({.heads = {{"hm", 2}, {"wh", 2}, {"reg", 2}}, .head_conv = 8});
  checkpoint.metadata = {{"arch", "resdcn_18"},       {"task", "ctdet"},        {"labels", R"(["fish", "shark"])"},
                         {"mean", "[0.1, 0.2, 0.3]"}, {"std", "[0.4, 0.5, 1]"}, {"input_size", "[384, 640]"},
                         {"resolution", "keep"},      {"license", "CC BY 4.0"}};
  const auto info = build_model(checkpoint).info;
  EXPECT_EQ(info.labels, (std::vector<std::string>{"fish", "shark"}));
  EXPECT_EQ(info.mean, (std::array<float, 3>{0.1F, 0.2F, 0.3F}));
  EXPECT_EQ(info.std, (std::array<float, 3>{0.4F, 0.5F, 1.0F}));
  EXPECT_EQ(info.input_h, 384);
  EXPECT_EQ(info.input_w, 640);
  EXPECT_EQ(info.resolution, centernet::Resolution::kKeep);
  EXPECT_EQ(info.metadata.at("license"), "CC BY 4.0");
}

TEST(Metadata, DefaultsAreTheOriginals) {
  const auto info = build_model(slim_resdcn_18()).info;
  EXPECT_EQ(info.mean, (std::array<float, 3>{0.408F, 0.447F, 0.470F}));
  EXPECT_EQ(info.std, (std::array<float, 3>{0.289F, 0.274F, 0.278F}));
  EXPECT_EQ(info.input_h, 512);
  EXPECT_EQ(info.resolution, centernet::Resolution::kFix);
  EXPECT_EQ(info.down_ratio, 4);
  const auto ddd =
      build_model(slim_resdcn_18({.heads = {{"hm", 3}, {"dep", 1}, {"rot", 8}, {"dim", 3}}, .head_conv = 8})).info;
  EXPECT_EQ(ddd.mean, (std::array<float, 3>{0.485F, 0.456F, 0.406F}));
  EXPECT_EQ(ddd.std, (std::array<float, 3>{0.229F, 0.224F, 0.225F}));
  EXPECT_EQ(ddd.input_h, 384);
  EXPECT_EQ(ddd.input_w, 1280);
}

TEST(Metadata, ThatMakesNoSenseIsRefused) {
  const auto error_with = [](const std::string& key, const std::string& value) {
    checkpoint::Checkpoint checkpoint = slim_resdcn_18();
    checkpoint.metadata[key] = value;
    return build_error(checkpoint);
  };
  expect_contains(error_with("arch", "yolo"), "metadata arch: \"yolo\", expected one of dla_34");
  EXPECT_EQ(error_with("task", "ddd"), "metadata task: \"ddd\", but the heads (hm, reg, wh) are those of ctdet");
  EXPECT_EQ(error_with("labels", "fish"), "metadata labels: \"fish\", expected a JSON list of names");
  EXPECT_EQ(error_with("mean", "[0.1, 0.2]"),
            "metadata mean: [0.1, 0.2], expected a JSON list of three numbers (blue, green, red)");
  EXPECT_EQ(error_with("std", "[0.1, 0.2, 0]"),
            "metadata std: [0.1, 0.2, 0], expected a JSON list of three numbers (blue, green, red), all above zero");
  EXPECT_EQ(error_with("input_size", "[500, 512]"),
            "metadata input_size: [500, 512], expected [height, width], both multiples of 32");
  EXPECT_EQ(error_with("resolution", "high"), "metadata resolution: \"high\", expected \"fix\" or \"keep\"");
}

TEST(LoadModel, NamesTheFile) {
  const auto file = std::filesystem::temp_directory_path() / "dcn_model_test.safetensors";
  checkpoint::Checkpoint checkpoint = slim_resdcn_18();
  checkpoint::save_safetensors(file, checkpoint);
  EXPECT_EQ(centernet::load_model(file).info.arch, "resdcn_18");
  checkpoint.tensors.erase("hm.0.bias");
  checkpoint::save_safetensors(file, checkpoint);
  const std::string message = message_of(ErrorCode::kBadFile, [&] { (void)centernet::load_model(file); });
  EXPECT_TRUE(message.starts_with(file.string() + ": the tensors do not make a resdcn_18")) << message;
  std::filesystem::remove(file);
}

TEST(Weights, InHalfPrecisionAreTaken) {
  const checkpoint::Checkpoint checkpoint = slim_resdcn_18();
  const Model f32 = build_model(checkpoint);
  const Model f16 = build_model(checkpoint::convert(checkpoint, DataType::kF16));
  ASSERT_EQ(f32.network.layers.size(), f16.network.layers.size());
  for (std::size_t i = 0; i < f32.network.layers.front().weight.size(); ++i) {
    const auto exact = static_cast<double>(f32.network.layers.front().weight[i]);
    EXPECT_NEAR(static_cast<double>(f16.network.layers.front().weight[i]), exact, 1e-3 * std::abs(exact) + 1e-6);
  }
}

}  // namespace
}  // namespace dcn::test
