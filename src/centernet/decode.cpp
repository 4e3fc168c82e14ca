#include "centernet/decode.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "centernet/postprocess.hpp"
#include "dcn/status.hpp"
#include "kernels/decode_args.hpp"
#include "runtime/kernel.hpp"
#include "runtime/launch.hpp"

namespace dcn::centernet {
namespace {

/// Device memory that grows and never shrinks.
class Scratch {
 public:
  /// True when the memory is new.
  bool reserve(const Queue& queue, std::size_t bytes) {
    if (bytes <= buffer_.bytes()) {
      return false;
    }
    buffer_ = DeviceBuffer();
    buffer_ = DeviceBuffer(queue, bytes);
    return true;
  }
  [[nodiscard]] void* data() const noexcept { return buffer_.data(); }

 private:
  DeviceBuffer buffer_;
};

/// What decode_peaks and the merge of its lists write to.
struct PeakMemory {
  Scratch keys, counts, merged, sorted, sorted_counts;
  Scratch thresholds;  ///< 0 between runs
};

/// Sizes that every head shares.
struct Grid {
  std::int64_t batch = 0, height = 0, width = 0;
};

void check_head(std::string_view name, const TensorView& view, const Grid& grid, std::int64_t channels) {
  const bool fits = view.type == DataType::kF32 && view.rank == 4 && view.sizes[0] == grid.batch &&
                    view.sizes[1] == channels && view.sizes[2] == grid.height && view.sizes[3] == grid.width;
  if (!fits || view.data == nullptr) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("head {}: {}{}, expected f32 [{}, {}, {}, {}]", name,
                                                         view.describe(), view.data == nullptr ? " without memory" : "",
                                                         grid.batch, channels, grid.height, grid.width));
  }
}

/// Heat maps are addressed in 32 bits within one element of the batch.
void check_reach(std::string_view name, const TensorView& view) {
  std::int64_t reach = 0;
  for (std::size_t i = 1; i < 4; ++i) {
    reach += (view.sizes[i] - 1) * std::abs(view.strides[i]);
  }
  if (reach > std::numeric_limits<int>::max() ||
      view.elements() / std::max<std::int64_t>(view.sizes[0], 1) > std::numeric_limits<int>::max()) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("head {}: {} spans more than 2^31 elements in one picture: use a smaller input", name,
                            view.describe()));
  }
}

DecodeHead describe(const std::optional<TensorView>& view) {
  if (!view) {
    return {};
  }
  return {static_cast<const float*>(view->data), view->strides[0], view->strides[1], view->strides[2], view->strides[3],
          static_cast<int>(view->sizes[1])};
}

DecodeHead required(std::string_view name, const std::optional<TensorView>& view, const Grid& grid,
                    std::int64_t channels) {
  if (!view) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("head {}: absent, expected {} channels: is this a model of another task?", name, channels));
  }
  check_head(name, *view, grid, channels);
  return describe(view);
}

DecodeHead optional(std::string_view name, const std::optional<TensorView>& view, const Grid& grid,
                    std::int64_t channels) {
  return view ? required(name, view, grid, channels) : DecodeHead{};
}

}  // namespace

struct Decoder::State {
  Queue queue;
  DecodeOptions options;
  int lanes;
  int lists_wanted;  ///< per image, so that all of the device has work
  runtime::Kernel peaks, join, rows;
  PeakMemory centers, joints;
  Scratch joint_points, out;
  TensorView result;

  State(Queue on, const DecodeOptions& decode_options) : queue(std::move(on)), options(decode_options) {
    const DeviceInfo& device = queue.device();
    lanes = device.backend == "cuda" || device.backend == "hip" ? 32 : 16;
    constexpr int kCpuListsPerUnit = 4, kGpuLists = 512;
    lists_wanted = device.kind == "cpu" ? std::clamp(kCpuListsPerUnit * static_cast<int>(device.compute_units), 8, 128)
                                        : kGpuLists;
    const auto kernel = [&](std::string_view entry) {
      return runtime::get_kernel(
          queue, {.source = "decode.hpp", .entry = entry, .macros = {{"DCN_LANES", fmt::to_string(lanes)}}});
    };
    peaks = kernel("decode_peaks");
    join = kernel("decode_joints");
    rows = kernel("decode_rows");
  }

  /// How sub-groups walk over the heat map.
  void plan_walk(const TensorView& heat, DecodePeaksArgs& args) const {
    const auto channels = static_cast<int>(heat.sizes[1]), width = static_cast<int>(heat.sizes[3]);
    args.run_channels = heat.strides[1] == 1 && heat.strides[3] != 1 ? 1 : 0;
    if (args.run_channels == 0) {
      args.runs = channels;
      args.run_stride = heat.strides[1];
      args.run_length = width;
      args.step = heat.strides[3];
    } else if (heat.strides[3] == heat.sizes[1] && !options.flip) {
      args.runs = 1;  // a whole row
      args.run_stride = 0;
      args.run_length = width * channels;
      args.step = 1;
    } else {
      args.runs = width;
      args.run_stride = heat.strides[3];
      args.run_length = channels;
      args.step = 1;
    }
    args.pieces_y = std::min(lists_wanted, args.height);
    args.pieces_runs = std::clamp(lists_wanted / args.pieces_y, 1, args.runs);
  }

  /// Submits decode_peaks and returns what merges its lists.
  /// \param floor candidates must have a higher score.
  /// \param apart the best of each channel are wanted: lists have room for all candidates, and are never cut.
  DecodeMergeArgs find_peaks(const TensorView& heat, bool apart, int keep, float floor, PeakMemory& memory) {
    const std::int64_t images = heat.sizes[0] / (options.flip ? 2 : 1);
    DecodePeaksArgs args{};
    args.heat = describe(heat);
    args.height = static_cast<int>(heat.sizes[2]);
    args.width = static_cast<int>(heat.sizes[3]);
    args.flip = options.flip ? 1 : 0;
    args.swap_sides = options.flip && apart ? 1 : 0;
    plan_walk(heat, args);
    const auto piece_places = static_cast<int>(
        runtime::div_up(static_cast<std::size_t>(args.height), static_cast<std::size_t>(args.pieces_y)) *
        runtime::div_up(static_cast<std::size_t>(args.runs), static_cast<std::size_t>(args.pieces_runs)) *
        static_cast<std::size_t>(args.run_length));
    constexpr int kRoom = 256;  // new candidates between two cuts, at least
    args.keep = apart ? piece_places : keep;
    args.capacity = args.keep + (apart ? lanes : std::max(keep, kRoom)) + kDecodeWaiting * lanes;
    args.floor = floor;
    const auto lists = static_cast<std::size_t>(args.pieces_runs) * static_cast<std::size_t>(args.pieces_y);
    const auto pictures = static_cast<std::size_t>(images);

    DecodeMergeArgs merging{};
    merging.lists = static_cast<int>(lists);
    merging.capacity = args.capacity;
    merging.keep = keep;
    merging.merged_capacity = keep + std::max(keep, kRoom);
    const std::size_t groups = apart ? pictures * static_cast<std::size_t>(heat.sizes[1]) : pictures;
    memory.keys.reserve(queue, pictures * lists * static_cast<std::size_t>(args.capacity) * sizeof(DecodeKey));
    memory.counts.reserve(queue, pictures * lists * sizeof(int));
    memory.merged.reserve(queue, groups * static_cast<std::size_t>(merging.merged_capacity) * sizeof(DecodeKey));
    memory.sorted.reserve(queue, groups * static_cast<std::size_t>(keep) * sizeof(DecodeKey));
    memory.sorted_counts.reserve(queue, groups * sizeof(int));
    if (memory.thresholds.reserve(queue, pictures * sizeof(unsigned))) {
      queue.fill(memory.thresholds.data(), 0, pictures * sizeof(unsigned));
    }
    args.keys = static_cast<DecodeKey*>(memory.keys.data());
    args.counts = static_cast<int*>(memory.counts.data());
    args.thresholds = static_cast<unsigned*>(memory.thresholds.data());
    merging.keys = args.keys;
    merging.counts = args.counts;
    merging.thresholds = args.thresholds;
    merging.merged = static_cast<DecodeKey*>(memory.merged.data());
    merging.sorted = static_cast<DecodeKey*>(memory.sorted.data());
    merging.sorted_counts = static_cast<int*>(memory.sorted_counts.data());
    launch(queue, peaks, runtime::range_1d(pictures * lists, static_cast<std::size_t>(lanes)), args);
    return merging;
  }
};

Decoder::Decoder(Queue queue, const DecodeOptions& options) {
  if (options.top_k < 1 || options.top_k > std::numeric_limits<int>::max() / 4) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("top_k: {}, expected at least 1", options.top_k));
  }
  state_ = std::make_unique<State>(std::move(queue), options);
}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

void Decoder::run(const DecodeHeads& heads) {
  State& state = *state_;
  const DecodeOptions& options = state.options;
  const TensorView& heat = heads.heat;
  const Grid grid{heat.sizes[0], heat.sizes[2], heat.sizes[3]};
  check_head("hm", heat, grid, std::max<std::int64_t>(heat.sizes[1], 1));
  if (grid.height < 1 || grid.width < 1) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("head hm: {}, expected at least one place", heat.describe()));
  }
  if (options.flip && grid.batch % 2 != 0) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("head hm: {} elements, expected an even number with the flip test: each picture and its "
                            "mirror image",
                            grid.batch));
  }
  const std::int64_t images = grid.batch / (options.flip ? 2 : 1);
  const std::int64_t places = heat.sizes[1] * grid.height * grid.width;
  check_reach("hm", heat);
  const std::int64_t keep = std::min(options.top_k, places);

  DecodeRowsArgs args{};
  args.task = static_cast<int>(options.task);
  args.channels = static_cast<int>(heat.sizes[1]);
  args.height = static_cast<int>(grid.height);
  args.width = static_cast<int>(grid.width);
  args.flip = options.flip ? 1 : 0;
  args.rows = static_cast<int>(keep);
  args.offset = optional("reg", heads.offset, grid, 2);
  std::int64_t joint_count = 0;
  DecodeJointsArgs joints{};
  if (options.task == Task::kDdd) {
    args.size = optional("wh", heads.size, grid, 2);
    args.rotation = required("rot", heads.rotation, grid, 8);
    args.depth = required("dep", heads.depth, grid, 1);
    args.dimensions = required("dim", heads.dimensions, grid, 3);
  } else {
    const bool per_class = options.task == Task::kCtdet && heads.size && heads.size->sizes[1] == 2 * heat.sizes[1];
    args.size = required("wh", heads.size, grid, per_class ? 2 * heat.sizes[1] : 2);
    args.size_per_class = per_class ? 1 : 0;
  }
  if (options.task == Task::kMultiPose) {
    joint_count = heads.joints ? heads.joints->sizes[1] / 2 : 1;
    args.joints = required("hps", heads.joints, grid, 2 * joint_count);
    args.joint_count = static_cast<int>(joint_count);
    if (options.flip && joint_count % 2 == 0) {
      throw Error(
          ErrorCode::kUnsupported,
          fmt::format("head hps: {} joints: the flip test knows the sides of COCO's 17 joints only", joint_count));
    }
    if (heads.joint_heat) {
      (void)required("hm_hp", heads.joint_heat, grid, joint_count);
      check_reach("hm_hp", *heads.joint_heat);
      joints.offset = optional("hp_offset", heads.joint_offset, grid, 2);
    }
  }
  const std::int64_t columns = decoded_columns(options.task, joint_count);
  args.columns = static_cast<int>(columns);
  state.out.reserve(state.queue, static_cast<std::size_t>(images * keep * columns) * sizeof(float));
  args.out = static_cast<float*>(state.out.data());
  state.result = TensorView::contiguous(args.out, DataType::kF32, {images, keep, columns});
  if (images == 0) {
    return;
  }

  const auto lanes = static_cast<std::size_t>(state.lanes);
  args.merge = state.find_peaks(heat, false, args.rows, 0, state.centers);
  if (heads.joint_heat && joint_count > 0) {
    constexpr float kJointThreshold = 0.1F;  // of the original's multi_pose_decode
    joints.merge = state.find_peaks(*heads.joint_heat, true, args.rows, kJointThreshold, state.joints);
    joints.joints = args.joint_count;
    joints.height = args.height;
    joints.width = args.width;
    joints.flip = args.flip;
    state.joint_points.reserve(state.queue, static_cast<std::size_t>(images * joint_count * keep) * 2 * sizeof(float));
    joints.points = static_cast<float*>(state.joint_points.data());
    launch(state.queue, state.join, runtime::range_1d(static_cast<std::size_t>(images * joint_count), lanes), joints);
    args.joint_points = joints.points;
    args.joint_counts = joints.merge.sorted_counts;
  }
  launch(state.queue, state.rows, runtime::range_1d(static_cast<std::size_t>(images), lanes), args);
}

TensorView Decoder::rows() const { return state_->result; }

}  // namespace dcn::centernet
