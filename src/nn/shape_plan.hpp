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
  /// Offsets and masks of 27 channels get room for 32.
  void pad_offsets(const Network& network);
  void add_layer(const Layer& layer);
  void add_conv(const Layer& layer);
  void add_padded_conv(const Layer& layer);
  void add_outputs(const Network& network);
  /// The value that holds network value `id` in this format: one that is there, or a copy made by a reorder.
  Value in_format(int id, const dnnl::memory::desc& desc);
  /// The same in the format that the options ask for.
  Value canonical(int id) { return in_format(id, formats_[static_cast<std::size_t>(id)]); }
  Value new_value(const dnnl::memory::desc& desc);
  /// \param destination already among the values.
  void append(std::unique_ptr<Step> step, int id, const Value& destination);
  void place();

  const StepContext context_;
  Sizes input_;
  std::vector<std::unique_ptr<Step>> steps_;
  std::vector<dnnl::memory::desc> descs_;  ///< of each value of the plan; 0 is the input
  std::map<int, std::size_t> bytes_;       ///< of values that take more than their descriptor says
  std::map<std::string, int> outputs_;     ///< head -> value of the plan

  // By values of the network, of which one can be several of the plan:
  std::vector<dnnl::memory::desc> formats_;   ///< what the options ask for
  std::vector<std::vector<int>> copies_;      ///< values of the plan
  std::vector<std::string> names_;            ///< of the layer that writes it
  std::vector<bool> is_final_;                ///< a head that no layer reads
  std::map<int, dnnl::memory::desc> padded_;  ///< what is really written where the value is a part of it

  std::vector<std::size_t> offsets_;          ///< of each value
  std::vector<std::size_t> scratch_offsets_;  ///< of each step
  std::size_t arena_bytes_ = 0;
  std::byte* arena_ = nullptr;
};

}  // namespace dcn::nn
