/// \file model.hpp
/// From a checkpoint to a network: architecture, task and classes inferred from tensor names and shapes.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "nn/network.hpp"

namespace dcn::centernet {

enum class Task : std::uint8_t { kCtdet, kMultiPose, kDdd };
[[nodiscard]] std::string_view to_string(Task task) noexcept;

/// How a picture becomes the network's input: warped to a fixed size, or kept at its size and padded (--keep_res).
enum class Resolution : std::uint8_t { kFix, kKeep };

struct ModelInfo {
  std::string arch;  ///< "dla_34", "resdcn_18", ...
  Task task = Task::kCtdet;
  std::vector<std::string> labels;                    ///< one per class
  std::array<float, 3> mean{0.408F, 0.447F, 0.470F};  ///< of the BGR picture / 255
  std::array<float, 3> std{0.289F, 0.274F, 0.278F};
  std::int64_t input_h = 512, input_w = 512;  ///< for Resolution::kFix
  Resolution resolution = Resolution::kFix;
  std::int64_t down_ratio = 4;
  std::map<std::string, std::int64_t> heads;    ///< name -> channels
  std::map<std::string, std::string> metadata;  ///< all strings the file carried
};

struct ModelOverrides {
  std::optional<std::string> arch;
  std::optional<std::vector<std::string>> labels;
};

struct Model {
  ModelInfo info;
  nn::Network network;
};

/// Names that ModelOverrides::arch takes: "dla_34", "resdcn_18", ...
[[nodiscard]] std::vector<std::string> architectures();

/// Infers what it can, checks every tensor, builds the layer list with batch-norm folded (in double).
/// \throws Error kBadFile listing all missing, unexpected and mis-shaped tensors by name at once.
[[nodiscard]] Model build_model(const checkpoint::Checkpoint& checkpoint, const ModelOverrides& overrides = {});
[[nodiscard]] Model load_model(const std::filesystem::path& file, const ModelOverrides& overrides = {});

}  // namespace dcn::centernet
