#include "centernet/model.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "centernet/dla.hpp"
#include "centernet/heads.hpp"
#include "centernet/labels.hpp"
#include "centernet/network_builder.hpp"
#include "centernet/resnet_dcn.hpp"
#include "dcn/status.hpp"

namespace dcn::centernet {

namespace {

constexpr std::string_view kDla34 = "dla_34";

[[noreturn]] void fail(ErrorCode code, const std::string& message) { throw Error(code, message); }

bool has_prefix(const checkpoint::Checkpoint& checkpoint, const std::string& prefix) {
  const auto found = checkpoint.tensors.lower_bound(prefix);
  return found != checkpoint.tensors.end() && found->first.starts_with(prefix);
}

/// Modules of the network that are not heads.
std::set<std::string> backbone_modules(const std::string& arch) {
  if (arch == kDla34) return {"base", "dla_up", "ida_up"};
  return {"conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "deconv_layers", "fc"};
}

std::string infer_arch(const checkpoint::Checkpoint& checkpoint) {
  const auto unsupported = [](std::string_view what) {
    fail(ErrorCode::kUnsupported,
         fmt::format("this is {}, which is not supported; supported are {}", what, fmt::join(architectures(), ", ")));
  };
  if (has_prefix(checkpoint, "dla_up.") || has_prefix(checkpoint, "base.level")) {
    if (has_prefix(checkpoint, "dla_up.ida_0.proj_1.0.")) unsupported("dlav0_34 (DLA without deformable convolution)");
    return std::string(kDla34);
  }
  if (has_prefix(checkpoint, "kps.") && has_prefix(checkpoint, "pre.")) unsupported("the Hourglass network");
  if (has_prefix(checkpoint, "layer1.") && has_prefix(checkpoint, "deconv_layers.")) {
    if (!has_prefix(checkpoint, "deconv_layers.0.conv_offset_mask.") && !has_prefix(checkpoint, "deconv_layers.12.")) {
      unsupported("a ResNet without deformable convolution (res_*)");
    }
    if (std::string name = infer_resnet_dcn(checkpoint); !name.empty()) return name;
    fail(ErrorCode::kBadFile,
         fmt::format("a ResNet with deformable convolution, but its number of blocks is that of none of "
                     "{}; name one with --arch to see what is missing",
                     fmt::join(resnet_dcn_names(), ", ")));
  }
  std::vector<std::string> names;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (names.size() < 5) names.push_back(name);
  }
  fail(ErrorCode::kBadFile,
       fmt::format("the architecture cannot be told from the {} tensors ({}{}); it should be one of {}",
                   checkpoint.tensors.size(), fmt::join(names, ", "),
                   checkpoint.tensors.size() > names.size() ? ", ..." : "", fmt::join(architectures(), ", ")));
}

/// The strings that a safetensors file carries about the model.
class Metadata {
 public:
  explicit Metadata(const std::map<std::string, std::string>& strings) : strings_(strings) {}

  [[nodiscard]] const std::string* find(const std::string& key) const {
    const auto found = strings_.find(key);
    return found == strings_.end() || found->second.empty() ? nullptr : &found->second;
  }

  /// A JSON value of the given type, unchanged `value` when the key is absent.
  template <typename T>
  void read(const std::string& key, std::string_view what, T& value) const {
    const std::string* text = find(key);
    if (text == nullptr) return;
    try {
      value = nlohmann::json::parse(*text).get<T>();
    } catch (const nlohmann::json::exception&) {
      fail(ErrorCode::kBadFile, fmt::format("metadata {}: \"{}\", expected {}", key, *text, what));
    }
  }

  /// [a, b, c] of numbers, of which each must be finite and, if `positive`, above zero.
  void read_triple(const std::string& key, bool positive, std::array<float, 3>& value) const {
    constexpr std::string_view kWhat = "a JSON list of three numbers (blue, green, red)";
    std::vector<double> numbers(value.begin(), value.end());
    read(key, kWhat, numbers);
    const auto wrong = [&](double number) { return !std::isfinite(number) || (positive && number <= 0); };
    if (numbers.size() != value.size() || std::any_of(numbers.begin(), numbers.end(), wrong)) {
      fail(ErrorCode::kBadFile,
           fmt::format("metadata {}: {}, expected {}{}", key, *find(key), kWhat, positive ? ", all above zero" : ""));
    }
    std::transform(numbers.begin(), numbers.end(), value.begin(),
                   [](double number) { return static_cast<float>(number); });
  }

 private:
  const std::map<std::string, std::string>& strings_;
};

/// What the original uses with the task's data set (src/lib/opts.py).
void set_defaults(ModelInfo& info) {
  if (info.task == Task::kDdd) {
    info.mean = {0.485F, 0.456F, 0.406F};
    info.std = {0.229F, 0.224F, 0.225F};
    info.input_h = 384;
    info.input_w = 1280;
  }
}

void read_metadata(ModelInfo& info, const Metadata& metadata, std::int64_t divisor) {
  metadata.read_triple("mean", false, info.mean);
  metadata.read_triple("std", true, info.std);
  std::vector<std::int64_t> size{info.input_h, info.input_w};
  metadata.read("input_size", "a JSON list [height, width]", size);
  if (size.size() != 2 || size[0] < 1 || size[1] < 1 || size[0] % divisor != 0 || size[1] % divisor != 0) {
    fail(ErrorCode::kBadFile, fmt::format("metadata input_size: {}, expected [height, width], both multiples of {}",
                                          *metadata.find("input_size"), divisor));
  }
  info.input_h = size[0];
  info.input_w = size[1];
  if (const std::string* resolution = metadata.find("resolution")) {
    if (*resolution != "fix" && *resolution != "keep") {
      fail(ErrorCode::kBadFile, fmt::format("metadata resolution: \"{}\", expected \"fix\" or \"keep\"", *resolution));
    }
    info.resolution = *resolution == "fix" ? Resolution::kFix : Resolution::kKeep;
  }
}

void set_labels(ModelInfo& info, const Metadata& metadata, const ModelOverrides& overrides) {
  const std::int64_t classes = info.heads.at("hm");
  info.labels = default_labels(info.task, classes);
  metadata.read("labels", "a JSON list of names", info.labels);
  std::string_view source = "metadata labels";
  ErrorCode code = ErrorCode::kBadFile;
  if (overrides.labels) {
    info.labels = *overrides.labels;
    source = "labels";
    code = ErrorCode::kInvalidArgument;
  }
  if (std::cmp_not_equal(info.labels.size(), classes)) {
    fail(code, fmt::format("{}: {} names, but the model has {} classes (channels of its head hm)", source,
                           info.labels.size(), classes));
  }
}

Task choose_task(const std::set<std::string>& heads, const Metadata& metadata) {
  const Task inferred = infer_task(heads);
  const std::string* named = metadata.find("task");
  if (named == nullptr || *named == to_string(inferred)) return inferred;
  fail(ErrorCode::kBadFile, fmt::format("metadata task: \"{}\", but the heads ({}) are those of {}", *named,
                                        fmt::join(heads, ", "), to_string(inferred)));
}

std::string choose_arch(const checkpoint::Checkpoint& checkpoint, const Metadata& metadata,
                        const ModelOverrides& overrides) {
  const std::vector<std::string> known = architectures();
  const auto checked = [&](const std::string& name, std::string_view source, ErrorCode code) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      fail(code, fmt::format("{}: \"{}\", expected one of {}", source, name, fmt::join(known, ", ")));
    }
    return name;
  };
  if (overrides.arch) return checked(*overrides.arch, "arch", ErrorCode::kInvalidArgument);
  if (const std::string* name = metadata.find("arch")) return checked(*name, "metadata arch", ErrorCode::kBadFile);
  return infer_arch(checkpoint);
}

}  // namespace

std::string_view to_string(Task task) noexcept {
  switch (task) {
    case Task::kCtdet:
      return "ctdet";
    case Task::kMultiPose:
      return "multi_pose";
    case Task::kDdd:
      return "ddd";
  }
  return "unknown";
}

std::vector<std::string> architectures() {
  std::vector<std::string> names{std::string(kDla34)};
  for (std::string& name : resnet_dcn_names()) names.push_back(std::move(name));
  return names;
}

Model build_model(const checkpoint::Checkpoint& checkpoint, const ModelOverrides& overrides) {
  if (checkpoint.tensors.empty()) fail(ErrorCode::kBadFile, "the checkpoint holds no tensors");
  const Metadata metadata(checkpoint.metadata);
  Model model;
  ModelInfo& info = model.info;
  info.metadata = checkpoint.metadata;
  info.arch = choose_arch(checkpoint, metadata, overrides);
  const std::set<std::string> heads = find_heads(checkpoint, backbone_modules(info.arch));
  if (heads.contains("hm_t") || heads.contains("hm_l")) {
    fail(ErrorCode::kUnsupported,
         "the heads are those of exdet (extreme points), which is not supported; supported "
         "tasks are ctdet, multi_pose and ddd");
  }
  info.task = choose_task(heads, metadata);

  NetworkBuilder builder(checkpoint);
  const int features = info.arch == kDla34 ? build_dla_34(builder) : build_resnet_dcn(builder, info.arch);
  info.heads = build_heads(builder, heads, info.task, features);
  model.network = builder.finish(info.arch);

  set_defaults(info);
  read_metadata(info, metadata, model.network.size_divisor);
  set_labels(info, metadata, overrides);
  return model;
}

Model load_model(const std::filesystem::path& file, const ModelOverrides& overrides) {
  const checkpoint::Checkpoint checkpoint = checkpoint::load(file);
  try {
    return build_model(checkpoint, overrides);
  } catch (const Error& error) {
    throw error.in(file.string());
  }
}

}  // namespace dcn::centernet
