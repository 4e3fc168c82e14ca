/// \file deform_conv2d_backward_tiled.hpp
/// Gradients of deformable convolution in one pass, for GPUs. A work-group has one tap, up to 64 input channels
/// (slice), some outputs (output slice) and a range of output pixels, of which it takes a tile at a time: it multiplies
/// grad_output by packed weights into the gradient of the samples, reads the samples' corners once, for their own value
/// as well as for the dot products that make grad_offset and grad_mask, adds to the corners in grad_input, and
/// multiplies grad_output by the samples into sums of grad_weight, which stay in registers until the range ends.
///
/// What several work-groups share they add to atomically, in f32: runs differ in the last bits.
///
/// Macros: DCN_T_*, DCN_INDEX (deform_common.hpp);
///   DCN_LANES                  size of the sub-group
///   DCN_PIXELS                 output pixels of a tile
///   DCN_OUTPUTS                input channels of a slice: the columns of both products
///   DCN_SLICE                  output channels of an output slice
///   DCN_DEPTH                  outputs of one step of the first product
///   DCN_ROW_TEAMS, DCN_COLUMN_TEAMS   how the sub-groups share the tile
///   DCN_WIDE                   1: channels of input and grad_output lie side by side, and every 16 bytes of them are
///                              aligned and of one slice
///   DCN_MMA                    multiply by NVIDIA's mma.sync; without it plain multiply-adds
///   DCN_REGISTERS              of a work-item (registers.hpp)
///   DCN_PTX                    registers.hpp, atomic_add.hpp
#include <sycl/accessor.hpp>
#include <sycl/builtins.hpp>
#include <sycl/group.hpp>
#include <sycl/group_algorithm.hpp>
#include <sycl/group_barrier.hpp>
#include <sycl/sub_group.hpp>
#include <sycl/vector.hpp>

#include "atomic_add.hpp"
#include "deform_common.hpp"
#include "deform_conv2d_backward_args.hpp"
#include "deform_slice.hpp"
#include "registers.hpp"
#include "tile_sample.hpp"
#include "tile_transposed.hpp"

namespace syclexp = sycl::ext::oneapi::experimental;

constexpr int kLanes = DCN_LANES;
constexpr int kPixels = DCN_PIXELS;
constexpr int kChannels = DCN_OUTPUTS;
constexpr int kSlice = DCN_SLICE;
constexpr int kDepth = DCN_DEPTH;
constexpr int kTeams = DCN_ROW_TEAMS * DCN_COLUMN_TEAMS;
constexpr int kThreads = kTeams * kLanes;
constexpr int kSteps = kSlice / kDepth;
constexpr int kSumStride = kChannels + kSumPad;
constexpr int kPacks = kChannels / kVector;          ///< loads that a pixel's channels take
constexpr int kItems = kPixels * kPacks / kThreads;  ///< loads per corner and work-item
constexpr int kGradPacks = kSlice / kVector;
constexpr int kBiasItems = (kSlice + kThreads - 1) / kThreads;
static_assert(kThreads >= kPixels && kPixels * kPacks % kThreads == 0 && kLanes % kPacks == 0);
static_assert(kSlice % kDepth == 0 && kDepth % kVector == 0 && kPixels * kGradPacks % kThreads == 0);

/// Fractions of a position, and the mask there; factor and inside are 0 where nothing is sampled.
struct alignas(16) Place {
  float low_y, low_x, factor, inside;
};

/// The parts of local memory; the host computes the same sum (backward_tiled_local_bytes).
struct Tile {
  Corners* corners;    ///< [kPixels]: of the slice's first channel in the input
  Corners* targets;    ///< [kPixels]: the same in the sums of grad_input
  Weights* weights;    ///< [kPixels]: times mask
  Place* places;       ///< [kPixels]
  float* gradient;     ///< [kPixels][kSumStride]: of the samples, without the mask
  Stage* sample;       ///< [kPixels][kRightStride]: samples times mask
  Stage* grad_output;  ///< [kSteps][kPixels][kLeftStride]
  Index* pixels;       ///< [kPixels]: of grad_output, below 0 past the last
};

DCN_INLINE Tile carve(unsigned char* memory) {
  Tile tile;
  tile.corners = reinterpret_cast<Corners*>(memory);
  tile.targets = tile.corners + kPixels;
  tile.weights = reinterpret_cast<Weights*>(tile.targets + kPixels);
  tile.places = reinterpret_cast<Place*>(tile.weights + kPixels);
  tile.gradient = reinterpret_cast<float*>(tile.places + kPixels);
  tile.sample = reinterpret_cast<Stage*>(tile.gradient + kPixels * kSumStride);
  tile.grad_output = tile.sample + kPixels * kRightStride;
  tile.pixels = reinterpret_cast<Index*>(tile.grad_output + kSteps * kPixels * kLeftStride);
  return tile;
}

DCN_INLINE float unstage(float value) { return value; }
#if !defined(DCN_T_F32)
DCN_INLINE float unstage(Element value) { return load(value); }
#endif

/// Corners of the tile's samples, in the input and in the sums of grad_input. Lanes are pixels.
DCN_INLINE void locate_tile(const DeformConv2dBackwardTiledArgs& tiled, const Tile& tile, const Slice& slice,
                            int slice_in_launch, Index first_pixel, int tap, int thread) {
  if (thread >= kPixels) return;
  const DeformConv2dBackwardArgs& args = tiled.call;
  const Pixel pixel = find_pixel(args, args.grad_output_stride, tiled.first_picture,
                                 locate_output(args, tiled.pictures, first_pixel + thread));
  const Sample sample = locate(args, pixel, tap, read_tap(args, pixel, tap, slice.deformable_group));
  const Index step_y = static_cast<Index>(tiled.input_sum_step[1]);
  const Index step_x = static_cast<Index>(tiled.input_sum_step[2]);
  const Index target = pixel.picture * static_cast<Index>(tiled.input_sum_step[0]) + sample.row * step_y +
                       sample.column * step_x + (tiled.direct_input ? slice.first : slice_in_launch * kChannels);
  const Index channel = static_cast<Index>(slice.first) * static_cast<Index>(args.input_stride[1]);
  Corners corners;
  Corners targets;
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const bool exists = sample.corners.at[j] >= 0;
    corners.at[j] = exists ? sample.corners.at[j] + channel : -1;
    targets.at[j] = exists ? target + j / 2 * step_y + j % 2 * step_x : -1;
  }
  tile.corners[thread] = corners;
  tile.targets[thread] = targets;
  tile.weights[thread] = sample.weights;
  tile.places[thread] = {sample.low_y, sample.low_x, sample.inside ? sample.factor : 0.0f, sample.inside ? 1.0f : 0.0f};
  tile.pixels[thread] = pixel.valid ? pixel.output : -1;
}

/// Channels [c, c + kVector) of a pixel's four corners, zeros from `count` on.
DCN_INLINE void fetch(const DeformConv2dBackwardTiledArgs& tiled, const Corners& corners, int c, int count,
                      Pack (&fetched)[4]) {
  const auto* input = static_cast<const Element*>(tiled.call.input);
  const auto* zeros = static_cast<const Element*>(tiled.zeros);
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const Index at = corners.at[j];
#if DCN_WIDE
    fetched[j] = *reinterpret_cast<const Pack*>((at >= 0) & (c < count) ? input + at + c : zeros);
#else
    const Index stride = static_cast<Index>(tiled.call.input_stride[1]);
#pragma unroll
    for (int e = 0; e < kVector; ++e) {
      fetched[j].value[e] = *((at >= 0) & (c + e < count) ? input + at + (c + e) * stride : zeros);
    }
#endif
  }
}

/// The tile's grad_output of `outputs` channels from `first` on, zeros past them. Lanes are packs of channels.
DCN_INLINE void stage_grad_output(const DeformConv2dBackwardTiledArgs& tiled, const Tile& tile, int first, int outputs,
                                  int thread) {
  const auto* grad_output = static_cast<const Element*>(tiled.call.grad_output);
  const auto* zeros = static_cast<const Element*>(tiled.zeros);
#pragma unroll 2
  for (int id = thread; id < kPixels * kGradPacks; id += kThreads) {
    const int m = id / kGradPacks;
    const int o = (id - m * kGradPacks) * kVector;
    const Index at = tile.pixels[m];
    Pack pack;
#if DCN_WIDE
    pack = *reinterpret_cast<const Pack*>((at >= 0) & (o < outputs) ? grad_output + at + first + o : zeros);
#else
    const Index stride = static_cast<Index>(tiled.call.grad_output_stride[1]);
#pragma unroll
    for (int e = 0; e < kVector; ++e) {
      pack.value[e] =
          *((at >= 0) & (o + e < outputs) ? grad_output + at + static_cast<Index>(first + o + e) * stride : zeros);
    }
#endif
    struct alignas(16) {
      Stage value[kVector];
    } staged;
#pragma unroll
    for (int e = 0; e < kVector; ++e) staged.value[e] = stage(load(pack.value[e]));
    *reinterpret_cast<decltype(staged)*>(tile.grad_output + left_at(o) + m * kLeftStride) = staged;
  }
}

/// The samples, and their products with the gradient, which make grad_mask and grad_offset. Lanes are packs of
/// channels.
DCN_INLINE void visit_samples(const DeformConv2dBackwardTiledArgs& tiled, const Tile& tile, sycl::sub_group lanes,
                              Index first_pixel, int plane, int count, int thread) {
  const Index planes = static_cast<Index>(tiled.call.deformable_groups) * (tiled.call.kernel_h * tiled.call.kernel_w);
#pragma unroll
  for (int i = 0; i < kItems; ++i) {
    const int id = thread + i * kThreads;
    const int m = id / kPacks;
    const int c = (id - m * kPacks) * kVector;
    Pack corner[4];
    fetch(tiled, tile.corners[m], c, count, corner);
    if (tiled.weight_sums != nullptr) {
      const Weights weights = tile.weights[m];
      struct alignas(16) {
        Stage value[kVector];
      } staged;
#pragma unroll
      for (int e = 0; e < kVector; ++e) {
        staged.value[e] = stage(weigh(weights, load(corner[0].value[e]), load(corner[1].value[e]),
                                      load(corner[2].value[e]), load(corner[3].value[e])));
      }
      *reinterpret_cast<decltype(staged)*>(tile.sample + m * kRightStride + c) = staged;
    }
    if (tiled.position_sums != nullptr) {
      const float* gradient = tile.gradient + m * kSumStride + c;
      float dot[4] = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll
      for (int e = 0; e < kVector; ++e) {
#pragma unroll
        for (int j = 0; j < 4; ++j) dot[j] = sycl::fma(gradient[e], load(corner[j].value[e]), dot[j]);
      }
      const Place place = tile.places[m];
      const float upper = dot[0] + place.low_x * (dot[1] - dot[0]);
      const float lower = dot[2] + place.low_x * (dot[3] - dot[2]);
      const float left = dot[0] + place.low_y * (dot[2] - dot[0]);
      const float right = dot[1] + place.low_y * (dot[3] - dot[1]);
      float sum[3] = {upper + place.low_y * (lower - upper), lower - upper, right - left};
#pragma unroll
      for (int bit = 1; bit < kPacks; bit *= 2) {
#pragma unroll
        for (int s = 0; s < 3; ++s) sum[s] += sycl::permute_group_by_xor(lanes, sum[s], static_cast<unsigned>(bit));
      }
      if (c == 0 && place.inside != 0.0f) {
        float* to = tiled.position_sums + (static_cast<Index>(first_pixel + m) * planes + plane) * 3;
        atomic_add(to, tiled.call.mask_is_logit ? sum[0] * place.factor * (1.0f - place.factor) : sum[0]);
        atomic_add(to + 1, sum[1] * place.factor);
        atomic_add(to + 2, sum[2] * place.factor);
      }
    }
  }
}

/// Adds to grad_input. Lanes are channels, sub-groups take a pixel each.
DCN_INLINE void scatter(const DeformConv2dBackwardTiledArgs& tiled, const Tile& tile, int count, int team, int lane) {
  constexpr int kLaneChannels = kChannels / kLanes;
  for (int m = team; m < kPixels; m += kTeams) {
    const Corners targets = tile.targets[m];
    const Weights weights = tile.weights[m];
    float gradient[kLaneChannels];
#pragma unroll
    for (int c = 0; c < kLaneChannels; ++c) gradient[c] = tile.gradient[m * kSumStride + c * kLanes + lane];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (targets.at[j] < 0) continue;
      float* to = tiled.input_sums + targets.at[j] + lane;
#pragma unroll
      for (int c = 0; c < kLaneChannels; ++c) {
        if (c * kLanes + lane < count) atomic_add(to + c * kLanes, weights.of[j] * gradient[c]);
      }
    }
  }
}

/// Work-groups: [ranges, slices of the launch * output_slices * taps].
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<2>))
    SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::sub_group_size<DCN_LANES>))
        SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::work_group_size<1, kThreads>)) void deform_conv2d_backward_tiled(
            DeformConv2dBackwardTiledArgs tiled, sycl::local_accessor<sycl::vec<unsigned, 4>, 1> local) {
  DCN_LIMIT_REGISTERS(DCN_REGISTERS);
  const DeformConv2dBackwardArgs& args = tiled.call;
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<2>();
  const auto threads = item.get_group();
  const auto sub_group = sycl::ext::oneapi::this_work_item::get_sub_group();
  const int thread = static_cast<int>(item.get_local_id(1));
  const int team = thread / kLanes;
  const Tile tile = carve(reinterpret_cast<unsigned char*>(local.get_multi_ptr<sycl::access::decorated::no>().get()));

  const int taps = args.kernel_h * args.kernel_w;
  const int share = static_cast<int>(item.get_group(1));
  const int tap = share % taps;
  const int output_slice = share / taps % tiled.output_slices;
  const int slice_in_launch = share / taps / tiled.output_slices;
  const int slice_index = tiled.first_slice + slice_in_launch;
  const Slice slice = find_slice(args, slice_index, kChannels);
  const int group_outputs = static_cast<int>(args.out_channels) / args.groups;
  const int rest = group_outputs - output_slice * kSlice;
  const int outputs = rest < kSlice ? rest : kSlice;
  const int first_output = slice.group * group_outputs + output_slice * kSlice;
  const Index cell = (static_cast<Index>(slice_index) * tiled.output_slices + output_slice) * taps + tap;
  const auto* weight = static_cast<const Stage*>(tiled.packed_weight) + cell * (kSlice * kChannels);
  const bool wants_gradient = (tiled.input_sums != nullptr) | (tiled.position_sums != nullptr);
  const bool wants_samples = (tiled.weight_sums != nullptr) | (tiled.position_sums != nullptr);
  const bool wants_bias = (tiled.bias_sums != nullptr) & (tap == 0) &
                          (slice.first == slice.group * (static_cast<int>(args.in_channels) / args.groups));

  ProductSums product;
  clear(product);
  float bias[kBiasItems];
#pragma unroll
  for (int i = 0; i < kBiasItems; ++i) bias[i] = 0.0f;
  const Index pixels = static_cast<Index>(tiled.pictures * args.out_height * args.out_width);
  const Index tiles = (pixels + kPixels - 1) / kPixels;
  const Index first_tile = static_cast<Index>(item.get_group(0)) * static_cast<Index>(tiled.range_tiles);
  const Index last_tile = first_tile + static_cast<Index>(tiled.range_tiles);
  const Index end_tile = last_tile < tiles ? last_tile : tiles;
  for (Index t = first_tile; t < end_tile; ++t) {
    const Index first_pixel = t * kPixels;
    sycl::group_barrier(threads);  // all that the tile before left was read
    locate_tile(tiled, tile, slice, slice_in_launch, first_pixel, tap, thread);
    sycl::group_barrier(threads);
    stage_grad_output(tiled, tile, first_output, outputs, thread);
    sycl::group_barrier(threads);
    if (wants_gradient) {
      Sums sums;
      clear(sums);
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        multiply(sub_group, team, thread, tile.grad_output + step * (kPixels * kLeftStride),
                 weight + step * (kDepth * kChannels), sums);
      }
      put(sub_group, team, thread, sums, tile.gradient);
    }
    if (wants_bias) {
#pragma unroll
      for (int i = 0; i < kBiasItems; ++i) {
        const int o = thread + i * kThreads;
        if (o >= kSlice) break;
        for (int m = 0; m < kPixels; ++m) bias[i] += unstage(tile.grad_output[left_at(o) + m * kLeftStride]);
      }
    }
    sycl::group_barrier(threads);
    if (wants_samples) {
      visit_samples(tiled, tile, sub_group, first_pixel, slice.deformable_group * taps + tap, slice.count, thread);
    }
    if (tiled.input_sums != nullptr) scatter(tiled, tile, slice.count, team, thread % kLanes);
    if (tiled.weight_sums != nullptr) {
      sycl::group_barrier(threads);
      multiply_transposed(team, thread, tile.grad_output, tile.sample, product);
    }
  }
  if (tiled.weight_sums != nullptr) {
    float* sums = tiled.weight_sums + cell * (kSlice * kChannels);
    visit(team, thread, product, [&](int output, int channel, float sum) {
      if ((output < outputs) & (channel < slice.count)) atomic_add(sums + output * kChannels + channel, sum);
    });
  }
  if (wants_bias) {
#pragma unroll
    for (int i = 0; i < kBiasItems; ++i) {
      const int o = thread + i * kThreads;
      if (o < outputs) atomic_add(tiled.bias_sums + first_output + o, bias[i]);
    }
  }
}

/// A weight of a slice and an output slice, by its place among all of them.
struct Cell {
  Slice slice;
  int output_slice, tap_y, tap_x;
};

DCN_INLINE Cell find_cell(const DeformConv2dBackwardTiledArgs& tiled, Index cell) {
  const int taps = tiled.call.kernel_h * tiled.call.kernel_w;
  const int tap = static_cast<int>(cell % taps);
  const int slices = static_cast<int>(cell / taps);
  return {find_slice(tiled.call, slices / tiled.output_slices, kChannels), slices % tiled.output_slices,
          tap / tiled.call.kernel_w, tap % tiled.call.kernel_w};
}

/// Element index of a weight; below 0 where there is none.
DCN_INLINE Index weight_at(const DeformConv2dBackwardArgs& args, const long long (&stride)[4], const Cell& cell,
                           int output, int channel) {
  const int group_outputs = static_cast<int>(args.out_channels) / args.groups;
  const int group_channels = static_cast<int>(args.in_channels) / args.groups;
  output += cell.output_slice * kSlice;
  if (output >= group_outputs || channel >= cell.slice.count) return -1;
  return static_cast<Index>(cell.slice.group * group_outputs + output) * static_cast<Index>(stride[0]) +
         static_cast<Index>(cell.slice.first + channel - cell.slice.group * group_channels) *
             static_cast<Index>(stride[1]) +
         cell.tap_y * static_cast<Index>(stride[2]) + cell.tap_x * static_cast<Index>(stride[3]);
}

/// Packs the weights: step after step of kDepth outputs, in each as row_of() and column_of() say. A work-item per
/// element.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void deform_conv2d_backward_tiled_pack(
    DeformConv2dBackwardTiledArgs tiled) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const DeformConv2dBackwardArgs& args = tiled.call;
  const Index id = static_cast<Index>(item.get_global_id(0));
  const Index cells = static_cast<Index>(tiled.all_slices) * tiled.output_slices * (args.kernel_h * args.kernel_w);
  if (id >= cells * (kSlice * kChannels)) return;
  const int within = static_cast<int>(id % (kSlice * kChannels));
  const int in_step = within % (kDepth * kChannels);
  const Index at = weight_at(args, args.weight_stride, find_cell(tiled, id / (kSlice * kChannels)),
                             within / (kDepth * kChannels) * kDepth + row_of(in_step), column_of(in_step));
  static_cast<Stage*>(tiled.packed_weight)[id] =
      stage(at >= 0 ? load(static_cast<const Element*>(args.weight)[at]) : 0.0f);
}

/// grad_weight and grad_bias from their sums. A work-item per element of the packed weights, then of the bias.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void deform_conv2d_backward_tiled_weight(
    DeformConv2dBackwardTiledArgs tiled) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const DeformConv2dBackwardArgs& args = tiled.call;
  const Index id = static_cast<Index>(item.get_global_id(0));
  const Index cells = static_cast<Index>(tiled.all_slices) * tiled.output_slices * (args.kernel_h * args.kernel_w);
  const Index weights = tiled.weight_sums != nullptr ? cells * (kSlice * kChannels) : 0;
  if (id < weights) {
    const int within = static_cast<int>(id % (kSlice * kChannels));
    const Index at = weight_at(args, args.grad_weight_stride, find_cell(tiled, id / (kSlice * kChannels)),
                               within / kChannels, within % kChannels);
    if (at >= 0) static_cast<Element*>(args.grad_weight)[at] = store(tiled.weight_sums[id]);
    return;
  }
  const Index o = id - weights;
  if (tiled.bias_sums == nullptr || o >= static_cast<Index>(args.out_channels)) return;
  static_cast<Element*>(args.grad_bias)[o * static_cast<Index>(args.grad_bias_stride)] = store(tiled.bias_sums[o]);
}

/// grad_offset and grad_mask of a launch's pictures from their sums. A work-item per output pixel and plane (deformable
/// group and tap), planes fastest.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void deform_conv2d_backward_tiled_position(
    DeformConv2dBackwardTiledArgs tiled) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const DeformConv2dBackwardArgs& args = tiled.call;
  const Index id = static_cast<Index>(item.get_global_id(0));
  const Index planes = static_cast<Index>(args.deformable_groups) * (args.kernel_h * args.kernel_w);
  const Index width = static_cast<Index>(args.out_width);
  const Index height = static_cast<Index>(args.out_height);
  if (id >= static_cast<Index>(tiled.pictures) * height * width * planes) return;
  const Index pixel = id / planes;
  const Index plane = id - pixel * planes;
  const Index row = pixel / width;
  const Index n = row / height;
  const auto at = [&](const long long(&stride)[4], Index channel) {
    return (n + static_cast<Index>(tiled.first_picture)) * static_cast<Index>(stride[0]) +
           channel * static_cast<Index>(stride[1]) + (row - n * height) * static_cast<Index>(stride[2]) +
           (pixel - row * width) * static_cast<Index>(stride[3]);
  };
  const float* sums = tiled.position_sums + id * 3;
  if (args.grad_offset != nullptr) {
    auto* grad_offset = static_cast<Element*>(args.grad_offset);
    grad_offset[at(args.grad_offset_stride, 2 * plane)] = store(sums[1]);
    grad_offset[at(args.grad_offset_stride, 2 * plane + 1)] = store(sums[2]);
  }
  if (args.grad_mask != nullptr) {
    static_cast<Element*>(args.grad_mask)[at(args.grad_mask_stride, plane)] = store(sums[0]);
  }
}

/// grad_input of a launch's pictures and slices from its sums. A work-item per four channels, channels fastest.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void deform_conv2d_backward_tiled_input(
    DeformConv2dBackwardTiledArgs tiled) {
  constexpr int kQuads = kChannels / 4;
  struct alignas(16) Four {
    float value[4];
  };
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const DeformConv2dBackwardArgs& args = tiled.call;
  const Index id = static_cast<Index>(item.get_global_id(0));
  const Index width = static_cast<Index>(args.width);
  const Index height = static_cast<Index>(args.height);
  const Index quads = static_cast<Index>(tiled.slices) * kQuads;
  if (id >= static_cast<Index>(tiled.pictures) * height * width * quads) return;
  const Index pixel = id / quads;
  const int quad = static_cast<int>(id - pixel * quads);
  const Index row = pixel / width;
  const Index n = row / height;
  const Slice slice = find_slice(args, tiled.first_slice + quad / kQuads, kChannels);
  const int first = quad % kQuads * 4;
  const Four sums = reinterpret_cast<const Four*>(tiled.input_sums)[id];
  const Index step = static_cast<Index>(args.grad_input_stride[1]);
  auto* grad_input = static_cast<Element*>(args.grad_input) +
                     ((n + static_cast<Index>(tiled.first_picture)) * static_cast<Index>(args.grad_input_stride[0]) +
                      (row - n * height) * static_cast<Index>(args.grad_input_stride[2]) +
                      (pixel - row * width) * static_cast<Index>(args.grad_input_stride[3]) + slice.first * step);
#pragma unroll
  for (int c = 0; c < 4; ++c) {
    if (first + c < slice.count) grad_input[(first + c) * step] = store(sums.value[c]);
  }
}
