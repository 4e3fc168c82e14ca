/// \file plan.hpp
/// A network made runnable: oneDNN primitives (where it has no engine for the device, own kernels in their place) and
/// our own operators on one queue, weights packed once, activations in an arena planned once per input shape.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dcn/device.hpp"
#include "dcn/tensor.hpp"
#include "nn/network.hpp"

namespace dcn::nn {

/// Memory order of the activations. kAuto: NHWC, except where a layer's neighbours gain from oneDNN's blocked formats.
enum class FormatChoice : std::uint8_t { kAuto, kNchw, kNhwc };

struct PlanOptions {
  DataType type = DataType::kF32;  ///< kF32 or kBf16; heads are always f32
  bool allow_tf32 = false;         ///< f32 may be multiplied in tf32, where our own kernels find units for it
  FormatChoice format = FormatChoice::kAuto;
  /// Every layer by this library's own kernels, as on devices for which oneDNN has no engine.
  bool own_kernels = false;
  std::string upsample_variant = {};  ///< one of upsample_variants() by force, "" for the first that accepts
};

/// How a transposed convolution of each channel by itself can be computed, in the order in which they are tried.
[[nodiscard]] std::vector<std::string> upsample_variants();

/// True when the device has no arithmetic of this type: networks then give the same numbers, but slower than in f32.
[[nodiscard]] bool is_emulated(const Queue& queue, DataType type);

/// True when PlanOptions::allow_tf32 changes anything on the device.
[[nodiscard]] bool has_tf32(const Queue& queue);

/// One line of `centernet inspect`.
struct LayerReport {
  std::string name;
  std::string kind;                         ///< "conv", "deconv", "deform_conv", "max_pool", "concat", "reorder"
  std::vector<std::int64_t> input, output;  ///< N, C, H, W
  std::int64_t parameters = 0;
  double flops = 0;                                              ///< multiplications and additions, counted separately
  std::string source_format, weight_format, destination_format;  ///< e.g. "nhwc", "OIhw16i16o"
  std::string implementation;                                    ///< oneDNN's name of the kernel, or our variant
  double milliseconds = -1;                                      ///< filled by Executor::profile
};

/// Weights packed for a device, plus plans for the input shapes met last. Not thread-safe: one per thread and queue.
///
///     dcn::nn::Executor executor(queue, network, {});
///     executor.prepare(1, 512, 512);
///     queue.copy(executor.input().data, picture, bytes);   // in the strides of input()
///     executor.run();
///     dcn::TensorView heat_map = executor.output("hm");    // device memory
///
/// All plans share one arena: after prepare() with another shape, input and outputs of the one before are gone.
class Executor {
 public:
  /// Plans kept; the one not used for longest makes room for a new one.
  static constexpr std::size_t kMaxPlans = 8;

  /// \throws Error kUnsupported when the type is not supported on the queue's device; kInvalidArgument naming the layer
  /// when the network does not fit together.
  Executor(const Queue& queue, Network network, const PlanOptions& options);
  ~Executor();
  Executor(Executor&&) noexcept;
  Executor& operator=(Executor&&) noexcept;

  /// Plans for this input if it is new (later calls with the same shape allocate nothing).
  /// \throws Error kInvalidArgument when height or width is no multiple of the network's size_divisor.
  void prepare(std::int64_t batch, std::int64_t height, std::int64_t width);
  /// The view of value 0 for the prepared shape: write the normalised picture here, f32, in the strides of the view.
  [[nodiscard]] TensorView input() const;
  /// Submits all layers; asynchronous, in order on the queue.
  void run();
  /// The head's output for the prepared shape: device memory, f32 [N, C, H, W] with the strides of the view, valid
  /// until the next run().
  [[nodiscard]] TensorView output(const std::string& head) const;
  /// The value that a layer writes, copied to the host as dense f32 NCHW (tests, --show-offsets). Runs the network up
  /// to and including that layer on the present input.
  [[nodiscard]] std::vector<float> read_value(const std::string& layer, std::vector<std::int64_t>& sizes);

  [[nodiscard]] std::vector<LayerReport> report() const;
  /// report() with the median time per layer over `repeats` runs.
  [[nodiscard]] std::vector<LayerReport> profile(int repeats);
  /// Device memory of the arena, and of the packed weights that plans share.
  [[nodiscard]] std::size_t arena_bytes() const;
  [[nodiscard]] std::size_t weight_bytes() const;
  /// Plans held at present.
  [[nodiscard]] std::size_t plan_count() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dcn::nn
