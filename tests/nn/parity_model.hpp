/// \file parity_model.hpp
/// The five synthetic checkpoints of tests/data/parity with the original's numbers.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "centernet/model.hpp"
#include "checkpoint/checkpoint.hpp"
#include "reference.hpp"
#include "support/npz.hpp"

namespace dcn::test {

struct ParityModel {
  explicit ParityModel(const std::string& name);

  std::string name;
  checkpoint::Checkpoint checkpoint;
  centernet::Model model;
  nlohmann::json json;  ///< models/NAME.json
  Npz samples;          ///< models/NAME.npz
};

/// One input of one run.
struct ParityRun {
  std::string run;    ///< "A/fix_flip"
  std::string scale;  ///< "s1"
  std::string input;  ///< file in tests/data/parity/inputs
  bool flip = false;  ///< batch of the picture and its mirror image
};
/// Those whose warped input is stored.
[[nodiscard]] std::vector<ParityRun> runs_with_inputs(const ParityModel& model);

/// The normalised picture; two of them for a flip run.
[[nodiscard]] HostTensor load_picture(const ParityModel& model, const ParityRun& run);

/// Sampled values of a tensor [N, C, H, W] and where they are.
struct Samples {
  std::vector<std::size_t> indices;
  std::vector<double> values;
};
[[nodiscard]] Samples samples_of(const ParityModel& model, const std::string& tensor);

/// Largest difference between the tensor's elements and the samples.
[[nodiscard]] double max_sample_error(const std::vector<double>& tensor, const Samples& samples);
[[nodiscard]] double standard_deviation(const std::vector<double>& values);

/// What the original says of a run's head.
[[nodiscard]] const nlohmann::json& head_statistics(const ParityModel& model, const ParityRun& run,
                                                    const std::string& head);

}  // namespace dcn::test
