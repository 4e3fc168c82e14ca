/// \file tile_conv.hpp
/// A convolution by tiles, for GPUs: a work-group of many sub-groups samples a tile of output pixels, one tap and a few
/// channels at a time, into local memory, while it multiplies the step before by packed weights, on the device's matrix
/// units where it has some. No columns reach global memory, and the output is written once. What sampling is, a Sampler
/// says: bilinear (deform_conv2d_tiled.hpp) or plain (conv2d_tiled.hpp).
///
/// Lanes are channels while sampling (16 bytes each), so that a sub-group reads whole cache lines; where the input's
/// channels do not lie side by side they are pixels.
///
/// Macros: DCN_T_*, DCN_INDEX (deform_common.hpp);
///   DCN_LANES                  size of the sub-group
///   DCN_PIXELS, DCN_OUTPUTS    the tile: output pixels times output channels of one work-group
///   DCN_DEPTH                  channels of one step
///   DCN_ROW_TEAMS, DCN_COLUMN_TEAMS   how the sub-groups share the tile
///   DCN_WHOLE_STEPS            1: no step ends before its last channel
///   DCN_AHEAD                  1: bilinear sampling reads ahead, too
///   DCN_MMA                    multiply by NVIDIA's mma.sync, or
///   DCN_WARPGROUPS             by its wgmma (tile_warpgroup.hpp); or, for joint_matrix,
///   DCN_MATRIX_ROWS, _COLUMNS, _DEPTH  the shape of the matrix units' product; none of them: plain multiply-adds
///   DCN_REGISTERS, DCN_PTX     registers.hpp; may be absent
#pragma once

#include <sycl/accessor.hpp>
#include <sycl/atomic_fence.hpp>
#include <sycl/atomic_ref.hpp>
#include <sycl/builtins.hpp>
#include <sycl/group.hpp>
#include <sycl/group_barrier.hpp>
#include <sycl/sub_group.hpp>
#include <sycl/vector.hpp>

#include "conv_pack_args.hpp"
#include "deform_common.hpp"
#include "registers.hpp"
#include "tile_matrix.hpp"
#include "tile_pixel.hpp"

namespace syclexp = sycl::ext::oneapi::experimental;

constexpr int kLanes = DCN_LANES;
constexpr int kPixels = DCN_PIXELS;
constexpr int kOutputs = DCN_OUTPUTS;
constexpr int kDepth = DCN_DEPTH;
constexpr int kTeams = DCN_ROW_TEAMS * DCN_COLUMN_TEAMS;
constexpr int kThreads = kTeams * kLanes;
#if !defined(DCN_WARPGROUPS) && (defined(DCN_MMA) || defined(DCN_MATRIX_ROWS))
constexpr bool kStagesWeights = false;
#else
constexpr bool kStagesWeights = true;  ///< plain multiply-adds would wait for each quad of weights
#endif
constexpr int kStride = kDepth + kStagePad;     ///< of a row of the column, in elements
constexpr int kPacks = kDepth / kVector;        ///< loads that a pixel's channels of one step take
constexpr int kPixelStep = kThreads / kPixels;  ///< taps located side by side
constexpr int kReadings = (kTiledTaps + kPixelStep - 1) / kPixelStep;  ///< taps that a work-item locates at a time
constexpr int kItems = kPixels * kPacks / kThreads;  ///< packs of the column that a work-item fills in one step
constexpr bool kWholeSteps = DCN_WHOLE_STEPS != 0;   ///< no step ends before its last channel
constexpr int kStepWeights = kDepth * kOutputs;
constexpr int kPackWeights = 16 / int{sizeof(Stage)};
constexpr int kWeightPacks = kStepWeights / (kPackWeights * kThreads);  ///< of a work-item in one step
static_assert(!kStagesWeights || kWeightPacks * kPackWeights * kThreads == kStepWeights);
static_assert(kThreads % kPixels == 0 && kPixels * kPacks % kThreads == 0 && kDepth % kVector == 0);

/// The parts of local memory; the host computes the same sum (tiled_local_bytes).
template <typename Position>
struct Tile {
  Stage* column;        ///< [2][kPixels][kStride]: sampled input of this step and the next
  Stage* weights;       ///< [2][kStepWeights], where they are staged: of this step and the next
  Position* positions;  ///< [kTiledTaps][kPixels]
  float* sum;           ///< [kPixels][kOutputs + kSumPad], in place of all the others at the end
  int* arrived;         ///< behind the sums: work-groups of this tile that ended before
};

struct alignas(16) StagePack {
  Stage value[kVector];
};

DCN_INLINE StagePack stage_pack(const float (&value)[kVector]) {
#if defined(DCN_STAGES_PAIRS)
  struct Words {
    unsigned of[kVector / 2];
  } words;
#pragma unroll
  for (int c = 0; c < kVector; c += 2) words.of[c / 2] = stage_pair(value[c], value[c + 1]);
  return __builtin_bit_cast(StagePack, words);
#else
  StagePack staged;
#pragma unroll
  for (int c = 0; c < kVector; ++c) staged.value[c] = stage(value[c]);
  return staged;
#endif
}

/// A work-item's share of one step's weights, on their way to local memory.
struct alignas(16) WeightPack {
  Stage value[kPackWeights];
};
struct WeightPacks {
  WeightPack of[kStagesWeights ? kWeightPacks : 1];
};

#if !defined(DCN_WARPGROUPS)

// Products are done when begin_multiply() returns.
DCN_INLINE unsigned char* align(unsigned char* memory) { return memory; }
DCN_INLINE int staged_at(int row, int column) { return row * kStride + column; }
DCN_INLINE void publish() {}
template <typename Group>
DCN_INLINE void synchronize(Group threads) {
  sycl::group_barrier(threads);
}
DCN_INLINE void begin_multiply(int thread, const Stage* column, const Stage* weight, Sums& sums) {
  multiply(sycl::ext::oneapi::this_work_item::get_sub_group(), thread / kLanes, thread, column, weight, sums);
}
DCN_INLINE void end_multiply() {}

DCN_INLINE void fetch_weights(const Stage* weight, int thread, WeightPacks& packs) {
#pragma unroll
  for (int i = 0; i < kWeightPacks; ++i) {
    packs.of[i] = reinterpret_cast<const WeightPack*>(weight)[thread + i * kThreads];
  }
}

DCN_INLINE void put_weights(Stage* to, const Stage*, int thread, const WeightPacks& packs) {
#pragma unroll
  for (int i = 0; i < kWeightPacks; ++i) reinterpret_cast<WeightPack*>(to)[thread + i * kThreads] = packs.of[i];
}

#else

// Weights take no registers on their way.
DCN_INLINE void fetch_weights(const Stage*, int, WeightPacks&) {}
DCN_INLINE void put_weights(Stage* to, const Stage* from, int thread, const WeightPacks&) {
  begin_weights(to, from, thread);
}

#endif

template <typename Position>
DCN_INLINE Tile<Position> carve(unsigned char* memory) {
  Tile<Position> tile;
  memory = align(memory);
  tile.column = reinterpret_cast<Stage*>(memory);
  tile.weights = tile.column + 2 * kPixels * kStride;
  tile.positions = reinterpret_cast<Position*>(tile.weights + (kStagesWeights ? 2 * kStepWeights : 0));
  tile.sum = reinterpret_cast<float*>(memory);
  tile.arrived = reinterpret_cast<int*>(tile.sum + kPixels * (kOutputs + kSumPad));
  return tile;
}

/// Reads what a work-item needs for channels [channel, channel + kDepth) of a tap, whose place among the located ones
/// is `slot`; zeros from `end` on.
template <typename Sampler>
DCN_INLINE void fetch(const Sampler& sampler, const Tile<typename Sampler::Position>& tile, int slot, int channel,
                      int end, int thread, typename Sampler::Fetched (&fetched)[kItems]) {
#pragma unroll
  for (int i = 0; i < kItems; ++i) {
    const int id = thread + i * kThreads;
    const int m = id / kPacks;
    sampler.fetch(tile.positions[slot * kPixels + m], channel + (id - m * kPacks) * kVector, end, fetched[i]);
  }
}

/// Puts what fetch() read into the column.
template <typename Sampler>
DCN_INLINE void blend(const Sampler& sampler, const Tile<typename Sampler::Position>& tile, int slot, int buffer,
                      int thread, const typename Sampler::Fetched (&fetched)[kItems]) {
#pragma unroll
  for (int i = 0; i < kItems; ++i) {
    const int id = thread + i * kThreads;
    const int m = id / kPacks;
    Stage* column = tile.column + buffer * (kPixels * kStride) + staged_at(m, (id - m * kPacks) * kVector);
    *reinterpret_cast<StagePack*>(column) = sampler.blend(tile.positions[slot * kPixels + m], fetched[i]);
  }
}

/// fetch() and blend() for any channel stride and alignment, an element at a time. Lanes are pixels.
template <typename Sampler>
DCN_INLINE void sample_strided(const Sampler& sampler, const Tile<typename Sampler::Position>& tile, int slot,
                               int channel, int end, int buffer, int thread) {
  const int m = thread % kPixels;
  const typename Sampler::Position position = tile.positions[slot * kPixels + m];
  Stage* column = tile.column + buffer * (kPixels * kStride);
  for (int c = thread / kPixels; c < kDepth; c += kPixelStep) {
    column[staged_at(m, c)] = stage(sampler.element(position, channel + c, end));
  }
}

/// The tile of a work-group: a block of a picture, so that its pixels sample the same part of the input, or, where the
/// picture does not divide into blocks, kPixels one after another.
template <typename Args>
struct TilePlace {
  const Args& args;
  Index first = 0;                         ///< pixel; where there are no blocks
  Index picture = 0, row = 0, column = 0;  ///< of the block's first pixel

  DCN_INLINE TilePlace(const Args& of, Index tile) : args(of) {
    if (args.block_shift < 0) {
      first = tile * kPixels;
      return;
    }
    const Index down = tile / args.blocks_across;
    picture = down / args.blocks_down;
    row = (down - picture * args.blocks_down) * (kPixels >> args.block_shift);
    column = (tile - down * args.blocks_across) << args.block_shift;
  }
  /// Of pixel m.
  [[nodiscard]] DCN_INLINE OutputPlace at(int m) const {
    if (args.block_shift < 0) return locate_output(args, args.batch, first + m);
    OutputPlace place;
    place.picture = picture;
    place.row = row + (m >> args.block_shift);
    place.column = column + (m & ((1 << args.block_shift) - 1));
    place.valid =
        (place.row < static_cast<Index>(args.out_height)) & (place.column < static_cast<Index>(args.out_width));
    if (!place.valid) place.row = place.column = 0;
    return place;
  }
};

/// Bias, residual, activation, rounding, writing. The slice has `outputs` output channels from `first` on.
template <typename Sampler, typename Place>
DCN_INLINE void write(const Sampler& sampler, const float* sum, const Place& place, const float* bias, int first,
                      int outputs, int thread) {
  const auto& args = sampler.args;
  auto* output = static_cast<Element*>(args.output);
  const auto finish = [&](float value) {
    // Not fmax: NaN must stay NaN.
    return store((args.relu != 0) & (value < 0.0f) ? 0.0f : value);
  };
  if (args.wide_output) {
    constexpr int kRowPacks = kOutputs / kVector;
    static_assert(kThreads % kRowPacks == 0);
    const int o = thread % kRowPacks * kVector;
    if (o >= outputs) return;
    float added[kVector];
#pragma unroll
    for (int c = 0; c < kVector; ++c) added[c] = bias[o + c];
    for (int m = thread / kRowPacks; m < kPixels; m += kThreads / kRowPacks) {
      const OutputPixel pixel = find_output_pixel(args, args.output_stride, 0, place.at(m));
      if (!pixel.valid) continue;
      Pack pack;
      const Element* residual = sampler.residual(pixel.output + first + o);
      if (residual != nullptr) {
        const Pack more = *reinterpret_cast<const Pack*>(residual);
#pragma unroll
        for (int c = 0; c < kVector; ++c) {
          pack.value[c] = finish(sum[m * (kOutputs + kSumPad) + o + c] + added[c] + load(more.value[c]));
        }
      } else {
#pragma unroll
        for (int c = 0; c < kVector; ++c) pack.value[c] = finish(sum[m * (kOutputs + kSumPad) + o + c] + added[c]);
      }
      *reinterpret_cast<Pack*>(output + pixel.output + first + o) = pack;
    }
    return;
  }
  const Index stride = static_cast<Index>(args.output_stride[1]);
  const int m = thread % kPixels;
  const OutputPixel pixel = find_output_pixel(args, args.output_stride, 0, place.at(m));
  if (!pixel.valid) return;
  for (int o = thread / kPixels; o < outputs; o += kPixelStep) {
    const Index at = pixel.output + static_cast<Index>(first + o) * stride;
    const Element* residual = sampler.residual(at);
    const float added = residual != nullptr ? load(*residual) : 0.0f;
    output[at] = finish(sum[m * (kOutputs + kSumPad) + o] + bias[o] + added);
  }
}

/// Adds up what the work-groups of a tile, each with some of its channels, have summed: the last to come has them all
/// in tile.sum, in the order of the work-groups whichever comes last, and returns true.
template <typename Position, typename Args>
DCN_INLINE bool add_splits(const Args& args, const Tile<Position>& tile, sycl::group<2> threads, Index tile_id,
                           int split, int thread) {
  struct alignas(16) Quad {
    float value[4];
  };
  constexpr int kRowQuads = kOutputs / 4;
  constexpr int kQuads = kPixels * kRowQuads;
  auto* partial = reinterpret_cast<Quad*>(args.partial) + tile_id * args.splits * kQuads;
  for (int id = thread; id < kQuads; id += kThreads) {
    partial[split * kQuads + id] =
        *reinterpret_cast<const Quad*>(tile.sum + id / kRowQuads * (kOutputs + kSumPad) + id % kRowQuads * 4);
  }
  sycl::atomic_fence(sycl::memory_order::acq_rel, sycl::memory_scope::device);
  sycl::group_barrier(threads);
  if (thread == 0) {
    sycl::atomic_ref<int, sycl::memory_order::relaxed, sycl::memory_scope::device> arrived(args.arrived[tile_id]);
    const int before = arrived.fetch_add(1);
    if (before == args.splits - 1) arrived.store(0);  // for the next run
    *tile.arrived = before;
  }
  sycl::group_barrier(threads);
  const bool last = *tile.arrived == args.splits - 1;
  if (last) {
    sycl::atomic_fence(sycl::memory_order::acq_rel, sycl::memory_scope::device);
    for (int id = thread; id < kQuads; id += kThreads) {
      Quad sum = partial[id];
      for (int s = 1; s < args.splits; ++s) {
        const Quad more = partial[s * kQuads + id];
#pragma unroll
        for (int c = 0; c < 4; ++c) sum.value[c] += more.value[c];
      }
      *reinterpret_cast<Quad*>(tile.sum + id / kRowQuads * (kOutputs + kSumPad) + id % kRowQuads * 4) = sum;
    }
  }
  sycl::group_barrier(threads);
  return last;
}

/// The whole of a kernel. Work-groups: [groups * slices_per_group * splits, tiles].
///
/// A Sampler belongs to one output pixel of the work-item and has
///   Position, Fetched                    of one tap and pixel: where it is; what one pack of its channels takes
///   kAhead                               whether the next step's input is read before this step is multiplied
///   args                                 with the fields of Conv2dArgs that are read here
///   cut_end(channel, last)               where the channels that share their positions with `channel` end
///   read(tap, channel)                   what the tensors say of the tap
///   locate(tap, read())                  the Position
///   fetch(position, channel, end, to), blend(position, fetched), element(position, channel, end)
///   residual(at)                         what is added to the output at this element, or null
template <typename Sampler, typename Args>
DCN_INLINE void convolve_tiles(const Args& args, unsigned char* memory) {
  using Position = typename Sampler::Position;
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<2>();
  const auto threads = item.get_group();
  const auto sub_group = sycl::ext::oneapi::this_work_item::get_sub_group();
  const int thread = static_cast<int>(item.get_local_id(1));
  const int team = thread / kLanes;
  const Tile<Position> tile = carve<Position>(memory);

  const auto tile_index = static_cast<Index>(item.get_group(1));
  const TilePlace<Args> place(args, tile_index);
  const int panel = static_cast<int>(item.get_group(0)) / args.splits;
  const int split = static_cast<int>(item.get_group(0)) - panel * args.splits;
  const int group = panel / args.slices_per_group;
  const int slice = panel - group * args.slices_per_group;
  const int group_channels = static_cast<int>(args.in_channels) / args.groups;
  const int group_outputs = static_cast<int>(args.out_channels) / args.groups;
  const int taps = args.kernel_h * args.kernel_w;
  const Index slice_elements = static_cast<Index>(args.steps_per_group) * (kDepth * kOutputs);
  const auto* weight = static_cast<const Stage*>(args.weight) + static_cast<Index>(panel) * slice_elements;
  const bool wide = args.wide_input != 0;
  const Sampler sampler(args, place.at(thread % kPixels));

  Sums sums;
  clear(sums);
  const int last_channel = (group + 1) * group_channels;
  for (int cut = group * group_channels; cut < last_channel;) {
    const int cut_end = sampler.cut_end(cut, last_channel);
    const int chunks = (cut_end - cut + kDepth - 1) / kDepth;
    const int first_chunk = chunks * split / args.splits;
    const int last_chunk = chunks * (split + 1) / args.splits;
    const int first = cut + first_chunk * kDepth;
    const int end = last_chunk == chunks ? cut_end : cut + last_chunk * kDepth;
    for (int first_tap = 0; first_tap < taps; first_tap += kTiledTaps) {
      const int batch = taps - first_tap < kTiledTaps ? taps - first_tap : kTiledTaps;
      weight += first_chunk * batch * kStepWeights;
      sycl::group_barrier(threads);  // the column and the positions of the last batch were read
      decltype(sampler.read(0, 0)) readings[kReadings];
#pragma unroll
      for (int i = 0; i < kReadings; ++i) {  // all loads before one of them is waited for
        const int slot = i * kPixelStep + thread / kPixels;
        readings[i] = sampler.read(first_tap + (slot < batch ? slot : 0), cut);
      }
#pragma unroll
      for (int i = 0; i < kReadings; ++i) {
        const int slot = i * kPixelStep + thread / kPixels;
        if (slot >= batch) break;
        tile.positions[slot * kPixels + thread % kPixels] = sampler.locate(first_tap + slot, readings[i]);
      }
      sycl::group_barrier(threads);
      typename Sampler::Fetched fetched[kItems];
      WeightPacks packs;
      if (kStagesWeights) {
        fetch_weights(weight, thread, packs);
        put_weights(tile.weights, weight, thread, packs);
      }
      int slot = 0;
      int channel = first;
      if (wide) {
        fetch(sampler, tile, 0, first, end, thread, fetched);
        blend(sampler, tile, 0, 0, thread, fetched);
      } else {
        sample_strided(sampler, tile, 0, first, end, 0, thread);
      }
      for (int buffer = 0;; buffer ^= 1) {
        if (++slot == batch) {
          channel += kDepth;
          slot = 0;
        }
        const bool more = channel < end;
        if (Sampler::kAhead & wide & more) fetch(sampler, tile, slot, channel, end, thread, fetched);
        if (kStagesWeights & more) fetch_weights(weight + kStepWeights, thread, packs);
        publish();
        synchronize(threads);
        begin_multiply(thread, tile.column + buffer * (kPixels * kStride),
                       kStagesWeights ? tile.weights + buffer * kStepWeights : weight, sums);
        weight += kStepWeights;
        if (!more) break;
        if (kStagesWeights) put_weights(tile.weights + (buffer ^ 1) * kStepWeights, weight, thread, packs);
        if (wide) {
          if (!Sampler::kAhead) fetch(sampler, tile, slot, channel, end, thread, fetched);
          blend(sampler, tile, slot, buffer ^ 1, thread, fetched);
        } else {
          sample_strided(sampler, tile, slot, channel, end, buffer ^ 1, thread);
        }
        end_multiply();
      }
      end_multiply();
      weight += (chunks - last_chunk) * batch * kStepWeights;
    }
    cut = cut_end;
  }
  sycl::group_barrier(threads);
  put(sub_group, team, thread, sums, tile.sum);
  sycl::group_barrier(threads);
  const Index of_tile = tile_index * (args.groups * args.slices_per_group) + panel;
  if (args.splits == 1 || add_splits(args, tile, threads, of_tile, split, thread)) {
    const int first_output = slice * kOutputs;
    const int rest = group_outputs - first_output;
    write(sampler, tile.sum, place, static_cast<const float*>(args.bias) + static_cast<Index>(panel) * kOutputs,
          group * group_outputs + first_output, rest < kOutputs ? rest : kOutputs, thread);
  }
}

/// One work-item per 16 bytes of the packed weights, then one per element of the packed bias. Weights:
/// [group][slice][step], where steps walk the channels of a group, cut where the deformable group changes; within a
/// cut, kTiledTaps taps at a time; within these, channels, kDepth at a time; and the taps, which sample the same input.
/// Within a step as row_of() and column_of() have it. What is past the last channel or output is zero.
DCN_INLINE void pack_weights(const ConvPackArgs& args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const Index id = static_cast<Index>(item.get_global_id(0));
  const Index group_channels = static_cast<Index>(args.in_channels) / args.groups;
  const Index group_outputs = static_cast<Index>(args.out_channels) / args.groups;
  const int taps = args.kernel_h * args.kernel_w;
  const Index slice_packs = static_cast<Index>(args.steps_per_group) * (kStepWeights / kPackWeights);
  const Index slices = static_cast<Index>(args.groups) * args.panels_per_group;
  const Index packs = slices * slice_packs;
  if (id >= packs + slices * kOutputs) return;
  const bool is_bias = id >= packs;
  const Index slice = is_bias ? (id - packs) / kOutputs : id / slice_packs;
  const Index group = slice / args.panels_per_group;
  const Index first_output = (slice - group * args.panels_per_group) * kOutputs;
  if (is_bias) {
    const auto* bias = static_cast<const Element*>(args.bias);
    const Index output = first_output + (id - packs) % kOutputs;
    args.packed_bias[id - packs] =
        output < group_outputs && bias != nullptr
            ? load(bias[(group * group_outputs + output) * static_cast<Index>(args.bias_stride)])
            : 0.0f;
    return;
  }
  // Walk the cuts of the group to the one that holds this step.
  const Index deformable_channels = static_cast<Index>(args.in_channels) / args.deformable_groups;
  const Index last_channel = (group + 1) * group_channels;
  Index step = (id - slice * slice_packs) / (kStepWeights / kPackWeights);
  Index cut = group * group_channels;
  Index cut_end = 0;
  Index chunks = 0;
  while (cut < last_channel) {
    const Index next = (cut / deformable_channels + 1) * deformable_channels;
    cut_end = next < last_channel ? next : last_channel;
    chunks = (cut_end - cut + kDepth - 1) / kDepth;
    if (step < chunks * taps) break;
    step -= chunks * taps;
    cut = cut_end;
  }
  if (cut >= last_channel) return;  // another group has more steps
  const Index first_tap = step / (chunks * kTiledTaps) * kTiledTaps;
  const Index batch = taps - first_tap < kTiledTaps ? taps - first_tap : kTiledTaps;
  step -= first_tap * chunks;
  const Index chunk = step / batch;
  const Index tap = first_tap + step - chunk * batch;
  const Index first_channel = cut + chunk * kDepth;
  const auto* weight = static_cast<const Element*>(args.weight) +
                       tap / args.kernel_w * static_cast<Index>(args.weight_stride[2]) +
                       tap % args.kernel_w * static_cast<Index>(args.weight_stride[3]);
  const int within = static_cast<int>(id % (kStepWeights / kPackWeights)) * kPackWeights;
  WeightPack pack;
#pragma unroll
  for (int i = 0; i < kPackWeights; ++i) {
    const Index channel = first_channel + row_of(within + i);
    const Index output = first_output + column_of(within + i);
    const Index at = (group * group_outputs + output) * static_cast<Index>(args.weight_stride[0]) +
                     (channel - group * group_channels) * static_cast<Index>(args.weight_stride[1]);
    pack.value[i] = stage(channel < cut_end && output < group_outputs ? load(weight[at]) : 0.0f);
  }
  static_cast<WeightPack*>(args.packed_weight)[id] = pack;
}
