/// \file shape_plan.hpp
/// A network planned for one input shape: the format of every value, the steps, and where everything lies in the arena.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "nn/network.hpp"
#include "nn/onednn.hpp"
#include "nn/step.hpp"

namespace dcn::nn {

class ShapePlan {
 public:
  /// Packs the weights that no earlier plan has packed in the same format.
  /// \throws Error naming the layer that does not fit or that the device cannot run.
  ShapePlan(const StepContext& context, const Network& network, const Sizes& input);

  [[nodiscard]] const Sizes& input_sizes() const noexcept { return input_; }
  [[nodiscard]] std::size_t arena_bytes() const noexcept { return arena_bytes_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Step>>& steps() const noexcept { return steps_; }
  [[nodiscard]] const dnnl::memory::desc& desc(int value) const { return descs_[static_cast<std::size_t>(value)]; }
  /// The value that holds the head, f32 and not blocked. \throws Error kInvalidArgument listing the heads.
  [[nodiscard]] int output(const std::string& head) const;

  /// Points all steps into this memory of arena_bytes(). Does nothing when they are there already.
  void bind(std::byte* arena);
  [[nodiscard]] void* data(int value) const { return arena_ + offsets_[static_cast<std::size_t>(value)]; }

 private:
  void choose_formats(const StepContext& context, const Network& network);
  void keep_blocked_chains(const StepContext& context, const Network& network);
  void add_steps(const StepContext& context, const Network& network);
  void add_outputs(const StepContext& context, const Network& network);
  int add_value(const dnnl::memory::desc& desc);
  [[nodiscard]] Value value(int id) const { return {id, desc(id)}; }
  void place();

  Sizes input_;
  std::vector<dnnl::memory::desc> descs_;  ///< the network's values, then copies of them in another type
  std::vector<std::unique_ptr<Step>> steps_;
  std::map<std::string, int> outputs_;
  int network_input_ = 0;  ///< what the layers read for value 0: itself, or its copy in the plan's type

  std::vector<std::size_t> offsets_;          ///< of each value
  std::vector<std::size_t> scratch_offsets_;  ///< of each step
  std::size_t arena_bytes_ = 0;
  std::byte* arena_ = nullptr;
};

}  // namespace dcn::nn
