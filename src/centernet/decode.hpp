/// \file decode.hpp
/// From the heads to the best objects of each picture, on the device (the original's src/lib/models/decode.py:
/// ctdet_decode, multi_pose_decode, ddd_decode, and the averages of its flip test).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "centernet/model.hpp"
#include "dcn/device.hpp"
#include "dcn/tensor.hpp"

namespace dcn::centernet {

/// Outputs of the network: f32 [N, C, H, W] of one N, H and W, any strides. Heat maps are logits.
struct DecodeHeads {
  TensorView heat;                         ///< "hm": one channel per class
  std::optional<TensorView> size;          ///< "wh": 2 channels, or 2 per class; ctdet and multi_pose need it
  std::optional<TensorView> offset;        ///< "reg": 2; without it objects lie at the middle of their cells
  std::optional<TensorView> joints;        ///< "hps": 2 per joint; multi_pose needs it
  std::optional<TensorView> joint_heat;    ///< "hm_hp": one per joint; without it joints are only regressed
  std::optional<TensorView> joint_offset;  ///< "hp_offset": 2
  std::optional<TensorView> rotation;      ///< "rot": 8; ddd needs it
  std::optional<TensorView> depth;         ///< "dep": 1; ddd needs it
  std::optional<TensorView> dimensions;    ///< "dim": 3; ddd needs it
};

struct DecodeOptions {
  Task task = Task::kCtdet;
  std::int64_t top_k = 100;
  /// Elements 2i and 2i + 1 of N are picture i and its mirror image: heat maps after the sigmoid, sizes and joints are
  /// averaged, offsets are the picture's alone. Joints change sides as COCO's 17 do: 1 and 2, 3 and 4, ...
  bool flip = false;
};

/// Finds peaks, keeps the best top_k of each picture and gathers the heads there. Allocates only when a shape needs
/// more room than any before it.
///
/// Rows come best score first, equal scores by class, then row, then column; where there are fewer peaks than rows,
/// the rest have score 0 and lie at the first places without a peak. A NaN in a heat map is no peak; a NaN in another
/// head becomes a NaN in the row.
class Decoder {
 public:
  /// \throws Error kInvalidArgument when top_k is not positive.
  Decoder(Queue queue, const DecodeOptions& options);
  ~Decoder();
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;

  /// Submits the work; asynchronous. \throws Error kInvalidArgument naming the head, what it has and what is expected.
  void run(const DecodeHeads& heads);
  /// Device memory, f32 [pictures, rows, columns], dense; columns as in postprocess.hpp. There are min(top_k, all
  /// places of the heat map) rows. Valid until the next run().
  [[nodiscard]] TensorView rows() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dcn::centernet
