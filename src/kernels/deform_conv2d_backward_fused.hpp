/// \file deform_conv2d_backward_fused.hpp
/// Gradients of deformable convolution in one pass over tiles of output pixels. For each tile and tap, a work-group
/// (one sub-group) multiplies grad_output by packed weights into the gradient of its channels' samples, samples the
/// input again, scatters into grad_input, takes the dot products that make grad_offset and grad_mask, and multiplies
/// grad_output by the samples into grad_weight. Nothing of the size of im2col's columns reaches global memory.
///
/// A work-group owns a panel of channels (slice) of a picture or a part of it (strand): all that it adds to is its own,
/// so there are no atomics, and each run gives the same bits.
///
/// Lanes are pixels while positions are computed, output channels while grad_output is fetched, and input channels for
/// everything else, so that every address is uniform across the sub-group but for the lane's own number.
///
/// Macros: DCN_T_*, DCN_INDEX (deform_common.hpp);
///   DCN_LANES      size of the sub-group
///   DCN_VECTORS    sub-group widths of input channels; a panel has that many columns
///   DCN_ROWS       output pixels of a register block of the samples' gradient
///   DCN_OUT_ROWS   output channels of a register block of grad_weight
#include <sycl/accessor.hpp>
#include <sycl/builtins.hpp>
#include <sycl/group.hpp>
#include <sycl/group_algorithm.hpp>
#include <sycl/group_barrier.hpp>
#include <sycl/sub_group.hpp>
#include <sycl/vector.hpp>

#include "bilinear.hpp"
#include "deform_common.hpp"
#include "deform_conv2d_backward_args.hpp"
#include "deform_slice.hpp"

namespace syclexp = sycl::ext::oneapi::experimental;

constexpr int kLanes = DCN_LANES;
constexpr int kVectors = DCN_VECTORS;
constexpr int kRows = DCN_ROWS;
constexpr int kOutRows = DCN_OUT_ROWS;
constexpr int kPanel = kLanes * kVectors;

inline int round_up(int value, int step) { return (value + step - 1) / step * step; }

/// The parts of local memory. plan_deform_conv2d_backward() computes the same sum (backward_local_bytes).
struct Tile {
  float* grad_output;      ///< [rows][pitch]
  float* column;           ///< [rows][kPanel]: gradient of the samples
  float* sample;           ///< [rows][kPanel]: samples times mask
  float* sink;             ///< [kPanel]: what is added to corners outside of the picture
  float* dot;              ///< [pixels][kLanes]: products of column and the four corners, a quarter of the lanes each
  const Element** corner;  ///< [4][pixels]: where each corner's first channel is
  float** target;          ///< [4][pixels]: the same in grad_input
  Index* pixel_grad;       ///< [pixels]: element index of the pixel in grad_output, ...
  Index* pixel_offset;     ///< ... in the offset,
  Index* pixel_mask;       ///< ... and in the mask
  float* corner_weight;    ///< [4][pixels]: times mask
  float* pixel_y;          ///< [pixels]: position of tap (0, 0) with no offset
  float* pixel_x;
  float* low_y;  ///< fractions of the position
  float* low_x;
  float* factor;  ///< the mask
  float* inside;  ///< 1 or 0
  int pixels;     ///< tile_pixels, rounded up to whole sub-groups
  int rows;       ///< tile_pixels, rounded up to whole register blocks
  int pitch;      ///< of grad_output: odd in cache lines, so that columns of it do not meet in one set of the cache
  int valid;      ///< pixels of this tile that exist
};

inline Tile carve(const DeformConv2dBackwardFusedArgs& args, unsigned char* memory) {
  const auto address = reinterpret_cast<unsigned long long>(memory);
  memory += (64 - address % 64) % 64;
  Tile tile;
  tile.pixels = round_up(args.tile_pixels, kLanes);
  tile.rows = round_up(args.tile_pixels, kRows);
  tile.pitch = round_up(args.padded_outputs, 32) + 16;
  tile.grad_output = reinterpret_cast<float*>(memory);
  tile.column = tile.grad_output + tile.rows * tile.pitch;
  tile.sample = tile.column + tile.rows * kPanel;
  tile.sink = tile.sample + tile.rows * kPanel;
  tile.dot = tile.sink + kPanel;
  memory = reinterpret_cast<unsigned char*>(tile.dot + tile.pixels * kLanes);
  tile.corner = reinterpret_cast<const Element**>(memory);
  memory += 4 * tile.pixels * sizeof(void*);
  tile.target = reinterpret_cast<float**>(memory);
  memory += 4 * tile.pixels * sizeof(void*);
  tile.pixel_grad = reinterpret_cast<Index*>(memory);
  tile.pixel_offset = tile.pixel_grad + tile.pixels;
  tile.pixel_mask = tile.pixel_offset + tile.pixels;
  tile.corner_weight = reinterpret_cast<float*>(tile.pixel_mask + tile.pixels);
  tile.pixel_y = tile.corner_weight + 4 * tile.pixels;
  tile.pixel_x = tile.pixel_y + tile.pixels;
  tile.low_y = tile.pixel_x + tile.pixels;
  tile.low_x = tile.low_y + tile.pixels;
  tile.factor = tile.low_x + tile.pixels;
  tile.inside = tile.factor + tile.pixels;
  return tile;
}

/// What does not change from tap to tap. Lanes are pixels; `first` counts within picture n.
inline void locate_pixels(const DeformConv2dBackwardArgs& args, const Tile& tile, Index n, Index first, int lane) {
  const Index width = static_cast<Index>(args.out_width);
  for (int base = 0; base < tile.pixels; base += kLanes) {
    // One division for all lanes; the lanes walk on from there.
    const Index start = first + base;
    Index y = start / width;
    Index x = start - y * width + lane;
    while (x >= width) {
      x -= width;
      ++y;
    }
    const int m = base + lane;
    if (m >= tile.valid) y = x = 0;
    tile.pixel_y[m] = static_cast<float>(y * args.stride_h - args.padding_h);
    tile.pixel_x[m] = static_cast<float>(x * args.stride_w - args.padding_w);
    const auto at = [&](const long long* stride) {
      return n * static_cast<Index>(stride[0]) + y * static_cast<Index>(stride[2]) + x * static_cast<Index>(stride[3]);
    };
    tile.pixel_grad[m] = at(args.grad_output_stride);
    tile.pixel_offset[m] = at(args.offset_stride);
    tile.pixel_mask[m] = at(args.mask_stride);
  }
}

/// grad_output of the group's outputs, as f32. Lanes are output channels. Spare rows and columns are zeros.
inline void fetch_grad_output(const DeformConv2dBackwardFusedArgs& args, const Tile& tile, int group, int lane) {
  const int outputs = static_cast<int>(args.call.out_channels) / args.call.groups;
  const Index stride = static_cast<Index>(args.call.grad_output_stride[1]);
  const auto* source =
      static_cast<const Element*>(args.call.grad_output) + static_cast<Index>(group) * outputs * stride;
  for (int m = 0; m < tile.valid; ++m) {
    const Element* pixel = source + tile.pixel_grad[m];
    float* row = tile.grad_output + m * tile.pitch + lane;
    if (stride == 1) {
      for (int o = 0; o < tile.pitch; o += kLanes) row[o] = o + lane < outputs ? load(pixel[o + lane]) : 0.0f;
    } else {
      for (int o = 0; o < tile.pitch; o += kLanes) {
        row[o] = o + lane < outputs ? load(pixel[static_cast<Index>(o + lane) * stride]) : 0.0f;
      }
    }
  }
  for (int at = tile.valid * tile.pitch; at < tile.rows * tile.pitch; at += kLanes) tile.grad_output[at + lane] = 0.0f;
}

/// Where a work-group adds to grad_input: directly, or to sums of its own.
struct Target {
  float* first;  ///< the slice's first channel of pixel (0, 0)
  Index step_y, step_x;
};

/// Corners and their weights of one tap for the whole tile. Lanes are pixels. A corner outside of the picture is read
/// from zeros and added to the sink.
inline void locate_corners(const DeformConv2dBackwardFusedArgs& fused, const Tile& tile, const Slice& slice,
                           const Target& target, Index n, int tap_y, int tap_x, int lane) {
  const DeformConv2dBackwardArgs& args = fused.call;
  const int taps = args.kernel_h * args.kernel_w;
  const int tap = tap_y * args.kernel_w + tap_x;
  const Index dy_channel =
      static_cast<Index>(slice.deformable_group * 2 * taps + 2 * tap) * static_cast<Index>(args.offset_stride[1]);
  const Index dx_channel = dy_channel + static_cast<Index>(args.offset_stride[1]);
  const Index mask_channel =
      static_cast<Index>(slice.deformable_group * taps + tap) * static_cast<Index>(args.mask_stride[1]);
  const auto* input = static_cast<const Element*>(args.input) + n * static_cast<Index>(args.input_stride[0]) +
                      static_cast<Index>(slice.first) * static_cast<Index>(args.input_stride[1]);
  const auto* offset = static_cast<const Element*>(args.offset);
  const auto* zeros = static_cast<const Element*>(fused.zeros);
  const Index step_y = static_cast<Index>(args.input_stride[2]);
  const Index step_x = static_cast<Index>(args.input_stride[3]);
  const float shift_y = static_cast<float>(tap_y * args.dilation_h);
  const float shift_x = static_cast<float>(tap_x * args.dilation_w);
  for (int base = 0; base < tile.pixels; base += kLanes) {
    const int m = base + lane;
    const float y = tile.pixel_y[m] + shift_y + load(offset[tile.pixel_offset[m] + dy_channel]);
    const float x = tile.pixel_x[m] + shift_x + load(offset[tile.pixel_offset[m] + dx_channel]);
    const Bilinear at = place(args, y, x, m < tile.valid, read_mask(args, tile.pixel_mask[m] + mask_channel));
    const Index row = static_cast<Index>(at.row);
    const Index column = static_cast<Index>(at.column);
    const Element* corner = input + (row * step_y + column * step_x);
    tile.corner[0 * tile.pixels + m] = at.top_left ? corner : zeros;
    tile.corner[1 * tile.pixels + m] = at.top_right ? corner + step_x : zeros;
    tile.corner[2 * tile.pixels + m] = at.bottom_left ? corner + step_y : zeros;
    tile.corner[3 * tile.pixels + m] = at.bottom_right ? corner + (step_y + step_x) : zeros;
    float* sum = target.first + (row * target.step_y + column * target.step_x);
    tile.target[0 * tile.pixels + m] = at.top_left ? sum : tile.sink;
    tile.target[1 * tile.pixels + m] = at.top_right ? sum + target.step_x : tile.sink;
    tile.target[2 * tile.pixels + m] = at.bottom_left ? sum + target.step_y : tile.sink;
    tile.target[3 * tile.pixels + m] = at.bottom_right ? sum + (target.step_y + target.step_x) : tile.sink;
#pragma unroll
    for (int j = 0; j < 4; ++j) tile.corner_weight[j * tile.pixels + m] = at.weight[j];
    tile.low_y[m] = at.low_y;
    tile.low_x[m] = at.low_x;
    tile.factor[m] = at.factor;
    tile.inside[m] = at.inside ? 1.0f : 0.0f;
  }
}

/// column = grad_output * weights of one tap. Lanes are input channels.
inline void multiply_columns(const Tile& tile, const float* weight, int outputs, int lane) {
  for (int m = 0; m < tile.valid; m += kRows) {
    const float* grad = tile.grad_output + m * tile.pitch;
    float sum[kRows][kVectors];
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
#pragma unroll
      for (int j = 0; j < kVectors; ++j) sum[i][j] = 0.0f;
    }
    for (int o = 0; o < outputs; ++o) {
      float row[kVectors];
#pragma unroll
      for (int j = 0; j < kVectors; ++j) row[j] = weight[o * kPanel + j * kLanes + lane];
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
        const float value = grad[i * tile.pitch + o];
#pragma unroll
        for (int j = 0; j < kVectors; ++j) sum[i][j] = sycl::fma(value, row[j], sum[i][j]);
      }
    }
    float* column = tile.column + m * kPanel + lane;
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
#pragma unroll
      for (int j = 0; j < kVectors; ++j) column[i * kPanel + j * kLanes] = sum[i][j];
    }
  }
}

/// sums += transposed grad_output * samples. Lanes are input channels.
inline void multiply_weight(const Tile& tile, float* sums, int outputs, int lane) {
  for (int o = 0; o < outputs; o += kOutRows) {
    float* block = sums + o * kPanel + lane;
    const float* grad = tile.grad_output + o;
    const float* sample = tile.sample + lane;
    float sum[kOutRows][kVectors];
#pragma unroll
    for (int i = 0; i < kOutRows; ++i) {
#pragma unroll
      for (int j = 0; j < kVectors; ++j) sum[i][j] = block[i * kPanel + j * kLanes];
    }
    for (int m = 0; m < tile.valid; ++m) {
      float row[kVectors];
#pragma unroll
      for (int j = 0; j < kVectors; ++j) row[j] = sample[m * kPanel + j * kLanes];
#pragma unroll
      for (int i = 0; i < kOutRows; ++i) {
        const float value = grad[m * tile.pitch + i];
#pragma unroll
        for (int j = 0; j < kVectors; ++j) sum[i][j] = sycl::fma(value, row[j], sum[i][j]);
      }
    }
#pragma unroll
    for (int i = 0; i < kOutRows; ++i) {
#pragma unroll
      for (int j = 0; j < kVectors; ++j) block[i * kPanel + j * kLanes] = sum[i][j];
    }
  }
}

/// What the gradients that are asked for need.
struct Wanted {
  bool input, position, weight;
};

constexpr int kPart = kLanes / 4;  ///< lanes that hold the products of one corner

/// Half of the lanes' sums of a and half of b's: lanes without `bit` hold a[lane] + a[lane + bit], the others b.
inline float fold(const sycl::sub_group& lanes, float a, float b, int bit, int lane) {
  const bool second = (lane & bit) != 0;
  return (second ? b : a) + sycl::permute_group_by_xor(lanes, second ? a : b, static_cast<unsigned>(bit));
}

/// Adds to one corner's place in grad_input. Lanes are channels.
template <bool kFull>
inline void scatter(float* target, const float (&column)[kVectors], float weight, int count, int lane) {
#pragma unroll
  for (int j = 0; j < kVectors; ++j) {
    if (kFull || j * kLanes + lane < count) {
      target[j * kLanes + lane] = sycl::fma(weight, column[j], target[j * kLanes + lane]);
    }
  }
}

/// What visit_corners() can count on.
enum class Access {
  kFull,     ///< all gradients are wanted, all of the panel's channels exist, and they lie side by side
  kDense,    ///< the channels lie side by side
  kStrided,  ///< nothing
};

/// One corner's channels. Lanes are channels.
template <Access kAccess>
inline void fetch(const Element* corner, Index stride, int count, int lane, float (&value)[kVectors]) {
#pragma unroll
  for (int j = 0; j < kVectors; ++j) {
    const int c = j * kLanes + lane;
    if (kAccess == Access::kFull) {
      value[j] = load(corner[c]);
    } else {
      value[j] = 0.0f;
      if (c < count) value[j] = load(kAccess == Access::kDense ? corner[c] : corner[static_cast<Index>(c) * stride]);
    }
  }
}

/// What happens at the corners of the tile's samples. Lanes are channels.
template <Access kAccess>
inline void visit_corners(const DeformConv2dBackwardFusedArgs& args, const Tile& tile, const Wanted& wanted, int count,
                          int lane) {
  constexpr bool kFull = kAccess == Access::kFull;
  const auto* zeros = static_cast<const Element*>(args.zeros);
  const auto lanes = sycl::ext::oneapi::this_work_item::get_sub_group();
  const Index stride = static_cast<Index>(args.call.input_stride[1]);
  for (int m = 0; m < tile.valid; ++m) {
    float column[kVectors];
    float sample[kVectors];
#pragma unroll
    for (int j = 0; j < kVectors; ++j) {
      column[j] = tile.column[m * kPanel + j * kLanes + lane];
      sample[j] = 0.0f;
    }
    float dot[4] = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int at = i * tile.pixels + m;
      const float weight = tile.corner_weight[at];
      if (kFull || wanted.weight || wanted.position) {
        const Element* corner = tile.corner[at];
        float value[kVectors];
        fetch<kAccess>(corner, corner != zeros ? stride : 0, count, lane, value);
#pragma unroll
        for (int j = 0; j < kVectors; ++j) {
          sample[j] = sycl::fma(weight, value[j], sample[j]);
          dot[i] = sycl::fma(column[j], value[j], dot[i]);
        }
      }
      if (kFull || wanted.input) scatter<kFull>(tile.target[at], column, weight, count, lane);
    }
    if (kFull || wanted.position) {
      const float left = fold(lanes, dot[0], dot[2], kLanes / 2, lane);
      const float right = fold(lanes, dot[1], dot[3], kLanes / 2, lane);
      tile.dot[m * kLanes + lane] = fold(lanes, left, right, kLanes / 4, lane);
    }
    if (kFull || wanted.weight) {
#pragma unroll
      for (int j = 0; j < kVectors; ++j) tile.sample[m * kPanel + j * kLanes + lane] = sample[j];
    }
  }
}

/// Adds up what visit_corners() left of the products: [pixels / kPart][4 corners][kPart pixels]. Lanes are of any kind.
inline void sum_products(const Tile& tile, int lane) {
  const auto lanes = sycl::ext::oneapi::this_work_item::get_sub_group();
  for (int m = 0; m < tile.valid; m += kPart) {
    float part[kPart];
#pragma unroll
    for (int i = 0; i < kPart; ++i) part[i] = tile.dot[(m + i) * kLanes + lane];
#pragma unroll
    for (int half = kPart / 2; half > 0; half /= 2) {
#pragma unroll
      for (int i = 0; i < half; ++i) part[i] = fold(lanes, part[i], part[i + half], half, lane);
    }
    tile.dot[m * 4 + lane] = part[0];
  }
}

/// This slice's share of the gradients of mask and position. Lanes are pixels. `sums` is [3][stride].
inline void write_positions(const DeformConv2dBackwardArgs& args, const Tile& tile, float* sums, Index stride,
                            int lane) {
  for (int base = 0; base < tile.valid; base += kLanes) {
    const int m = base + lane;
    float dot[4];  // top left, top right, bottom left, bottom right
#pragma unroll
    for (int i = 0; i < 4; ++i) dot[i] = tile.dot[m / kPart * kLanes + i * kPart + m % kPart];
    const float low_y = tile.low_y[m];
    const float low_x = tile.low_x[m];
    const float factor = tile.factor[m];
    const bool inside = tile.inside[m] != 0.0f;
    float by_mask = (1.0f - low_y) * ((1.0f - low_x) * dot[0] + low_x * dot[1]) +
                    low_y * ((1.0f - low_x) * dot[2] + low_x * dot[3]);
    const float by_y = ((1.0f - low_x) * (dot[2] - dot[0]) + low_x * (dot[3] - dot[1])) * factor;
    const float by_x = ((1.0f - low_y) * (dot[1] - dot[0]) + low_y * (dot[3] - dot[2])) * factor;
    if (args.mask_is_logit) by_mask *= factor * (1.0f - factor);
    if (m < tile.valid) {
      sums[m] = inside ? by_mask : 0.0f;
      sums[stride + m] = inside ? by_y : 0.0f;
      sums[2 * stride + m] = inside ? by_x : 0.0f;
    }
  }
}

/// Work-groups: strands times slices, one sub-group each.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>))
    SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::sub_group_size<DCN_LANES>))
        SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::work_group_size<DCN_LANES>)) void deform_conv2d_backward_fused(
            DeformConv2dBackwardFusedArgs fused, sycl::local_accessor<sycl::vec<unsigned, 4>, 1> local) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const auto lanes = item.get_group();
  const int lane = static_cast<int>(item.get_local_id(0));
  const DeformConv2dBackwardArgs& args = fused.call;
  Tile tile = carve(fused, reinterpret_cast<unsigned char*>(local.get_multi_ptr<sycl::access::decorated::no>().get()));

  const int strand = static_cast<int>(item.get_group(0)) / fused.slices;
  const int slice_index = static_cast<int>(item.get_group(0)) - strand * fused.slices;
  const Slice slice = find_slice(args, slice_index, kPanel);
  const int taps = args.kernel_h * args.kernel_w;
  const int outputs = static_cast<int>(args.out_channels) / args.groups;
  const Wanted wanted{args.grad_input != nullptr, args.grad_offset != nullptr || args.grad_mask != nullptr,
                      args.grad_weight != nullptr};
  const Index n = static_cast<Index>(fused.first_picture + strand / fused.segments);
  const Index picture_pixels = static_cast<Index>(args.out_height * args.out_width);
  const Index segment_first = static_cast<Index>(strand % fused.segments) * static_cast<Index>(fused.segment_pixels);
  Index segment_end = segment_first + static_cast<Index>(fused.segment_pixels);
  segment_end = segment_end < picture_pixels ? segment_end : picture_pixels;
  const Index first = segment_first + static_cast<Index>(fused.round_first);
  Index end = first + static_cast<Index>(fused.round_pixels);
  end = end < segment_end ? end : segment_end;

  const Index cell = static_cast<Index>(strand) * fused.slices + slice_index;
  const float* weight = fused.packed_weight + static_cast<Index>(slice_index) * taps * outputs * kPanel;
  float* weight_sums = fused.weight_sums + cell * taps * fused.padded_outputs * kPanel;
  float* position_sums = fused.position_sums + cell * taps * 3 * static_cast<Index>(fused.round_pixels);
  Target target;
  if (fused.input_sums != nullptr) {
    target.step_x = static_cast<Index>(fused.slices) * kPanel;
    target.step_y = static_cast<Index>(args.width) * target.step_x;
    target.first = fused.input_sums + static_cast<Index>(strand) * static_cast<Index>(args.height) * target.step_y +
                   static_cast<Index>(slice_index) * kPanel;
  } else {
    target.step_x = static_cast<Index>(args.grad_input_stride[3]);
    target.step_y = static_cast<Index>(args.grad_input_stride[2]);
    target.first =
        static_cast<float*>(args.grad_input) + n * static_cast<Index>(args.grad_input_stride[0]) + slice.first;
  }

  const bool dense = args.input_stride[1] == 1;
  const bool full = dense && slice.count == kPanel && wanted.input && wanted.position && wanted.weight;
  if (wanted.input && fused.clear_input) {
    const int count = slice.count;
    for (Index y = 0; y < args.height; ++y) {
      for (Index x = 0; x < args.width; ++x) {
        for (int c = 0; c < count; c += kLanes) {
          if (c + lane < count) target.first[y * target.step_y + x * target.step_x + c + lane] = 0.0f;
        }
      }
    }
  }
  if (wanted.weight && fused.clear_weight) {
    const Index count = static_cast<Index>(taps) * fused.padded_outputs * kPanel;
    for (Index at = 0; at < count; at += kLanes) weight_sums[at + lane] = 0.0f;
  }

  for (Index tile_first = first; tile_first < end; tile_first += fused.tile_pixels) {
    tile.valid = end - tile_first < fused.tile_pixels ? static_cast<int>(end - tile_first) : fused.tile_pixels;
    sycl::group_barrier(lanes);
    locate_pixels(args, tile, n, tile_first, lane);
    sycl::group_barrier(lanes);
    fetch_grad_output(fused, tile, slice.group, lane);
    for (int tap_y = 0; tap_y < args.kernel_h; ++tap_y) {
      for (int tap_x = 0; tap_x < args.kernel_w; ++tap_x) {
        const int tap = tap_y * args.kernel_w + tap_x;
        sycl::group_barrier(lanes);
        locate_corners(fused, tile, slice, target, n, tap_y, tap_x, lane);
        sycl::group_barrier(lanes);
        if (wanted.input || wanted.position) {
          multiply_columns(tile, weight + static_cast<Index>(tap) * outputs * kPanel, outputs, lane);
        }
        if (full) {
          visit_corners<Access::kFull>(fused, tile, wanted, slice.count, lane);
        } else if (dense) {
          visit_corners<Access::kDense>(fused, tile, wanted, slice.count, lane);
        } else {
          visit_corners<Access::kStrided>(fused, tile, wanted, slice.count, lane);
        }
        sycl::group_barrier(lanes);
        if (wanted.position) {
          sum_products(tile, lane);
          sycl::group_barrier(lanes);
          write_positions(args, tile,
                          position_sums + static_cast<Index>(tap) * 3 * static_cast<Index>(fused.round_pixels) +
                              (tile_first - first),
                          static_cast<Index>(fused.round_pixels), lane);
        }
        if (wanted.weight) {
          multiply_weight(tile, weight_sums + static_cast<Index>(tap) * fused.padded_outputs * kPanel, outputs, lane);
        }
      }
    }
  }
}

/// What a work-group of the two kernels below has: a slice and a block of kOutRows outputs of its group.
struct WeightBlock {
  int slice_index;
  Slice slice;
  int first_output, end_output;  ///< within the group
  int lane;
};

inline WeightBlock find_weight_block(const DeformConv2dBackwardFusedArgs& fused) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const int outputs = static_cast<int>(fused.call.out_channels) / fused.call.groups;
  const int blocks = fused.padded_outputs / kOutRows;
  WeightBlock block;
  block.slice_index = static_cast<int>(item.get_group(0)) / blocks;
  block.slice = find_slice(fused.call, block.slice_index, kPanel);
  block.first_output = (static_cast<int>(item.get_group(0)) - block.slice_index * blocks) * kOutRows;
  block.end_output = block.first_output + kOutRows < outputs ? block.first_output + kOutRows : outputs;
  block.lane = static_cast<int>(item.get_local_id(0));
  return block;
}

/// Element index of a weight of the slice's first channel.
inline Index weight_at(const DeformConv2dBackwardArgs& args, const long long* stride, const Slice& slice, int output,
                       int tap_y, int tap_x) {
  const int outputs = static_cast<int>(args.out_channels) / args.groups;
  const int channel = slice.first - slice.group * (static_cast<int>(args.in_channels) / args.groups);
  return static_cast<Index>(slice.group * outputs + output) * static_cast<Index>(stride[0]) +
         static_cast<Index>(channel) * static_cast<Index>(stride[1]) + tap_y * static_cast<Index>(stride[2]) +
         tap_x * static_cast<Index>(stride[3]);
}

/// Packs the weights. Work-groups: slices times blocks of outputs. Lanes are input channels.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>))
    SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::sub_group_size<DCN_LANES>)) SYCL_EXT_ONEAPI_FUNCTION_PROPERTY(
        (syclexp::work_group_size<DCN_LANES>)) void deform_conv2d_backward_pack(DeformConv2dBackwardFusedArgs fused) {
  const DeformConv2dBackwardArgs& args = fused.call;
  const WeightBlock block = find_weight_block(fused);
  const int outputs = static_cast<int>(args.out_channels) / args.groups;
  const int taps = args.kernel_h * args.kernel_w;
  const Index step = static_cast<Index>(args.weight_stride[1]);
  for (int output = block.first_output; output < block.end_output; ++output) {
    for (int tap_y = 0; tap_y < args.kernel_h; ++tap_y) {
      for (int tap_x = 0; tap_x < args.kernel_w; ++tap_x) {
        const Index cell = static_cast<Index>(block.slice_index) * taps + tap_y * args.kernel_w + tap_x;
        float* packed = fused.packed_weight + (cell * outputs + output) * kPanel;
        const auto* weight = static_cast<const Element*>(args.weight) +
                             weight_at(args, args.weight_stride, block.slice, output, tap_y, tap_x);
        for (int c = block.lane; c < kPanel; c += kLanes) {
          packed[c] = c < block.slice.count ? load(weight[c * step]) : 0.0f;
        }
      }
    }
  }
}

/// grad_weight: the strands' sums in their order. Work-groups and lanes as above.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>))
    SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::sub_group_size<DCN_LANES>))
        SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::work_group_size<DCN_LANES>)) void deform_conv2d_backward_sum_weight(
            DeformConv2dBackwardFusedArgs fused) {
  const DeformConv2dBackwardArgs& args = fused.call;
  const WeightBlock block = find_weight_block(fused);
  const int taps = args.kernel_h * args.kernel_w;
  const Index step = static_cast<Index>(args.grad_weight_stride[1]);
  const Index strand_elements = static_cast<Index>(fused.slices) * taps * fused.padded_outputs * kPanel;
  for (int output = block.first_output; output < block.end_output; ++output) {
    for (int tap_y = 0; tap_y < args.kernel_h; ++tap_y) {
      for (int tap_x = 0; tap_x < args.kernel_w; ++tap_x) {
        const Index cell = static_cast<Index>(block.slice_index) * taps + tap_y * args.kernel_w + tap_x;
        const float* sums = fused.weight_sums + (cell * fused.padded_outputs + output) * kPanel;
        auto* grad_weight = static_cast<Element*>(args.grad_weight) +
                            weight_at(args, args.grad_weight_stride, block.slice, output, tap_y, tap_x);
        for (int c = block.lane; c < kPanel; c += kLanes) {
          float sum = 0.0f;
          for (int strand = 0; strand < fused.strands; ++strand) sum += sums[strand * strand_elements + c];
          if (c < block.slice.count) grad_weight[c * step] = store(sum);
        }
      }
    }
  }
}

/// grad_offset and grad_mask of a round: the slices' sums in their order. A work-group has a block of output pixels of
/// one strand, deformable group and tap.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void deform_conv2d_backward_sum_position(
    DeformConv2dBackwardFusedArgs fused) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const DeformConv2dBackwardArgs& args = fused.call;
  const int taps = args.kernel_h * args.kernel_w;
  const Index planes = static_cast<Index>(args.deformable_groups) * taps;
  const Index block = static_cast<Index>(item.get_local_range(0));
  const Index blocks = (static_cast<Index>(fused.round_pixels) + block - 1) / block;
  const Index group = static_cast<Index>(item.get_group(0));
  const Index pixel = group % blocks * block + static_cast<Index>(item.get_local_id(0));
  const int plane = static_cast<int>(group / blocks % planes);
  const int strand = static_cast<int>(group / blocks / planes);
  const int deformable_group = plane / taps;
  const int tap = plane - deformable_group * taps;
  const Index in_segment = static_cast<Index>(fused.round_first) + pixel;
  const Index in_picture =
      static_cast<Index>(strand % fused.segments) * static_cast<Index>(fused.segment_pixels) + in_segment;
  if (pixel >= fused.round_pixels || in_segment >= fused.segment_pixels ||
      in_picture >= args.out_height * args.out_width) {
    return;
  }
  float sum[3] = {0.0f, 0.0f, 0.0f};
  for (int slice = 0; slice < fused.slices; ++slice) {
    if (args.deformable_groups > 1 && find_slice(args, slice, kPanel).deformable_group != deformable_group) continue;
    const long long cell = static_cast<long long>(strand) * fused.slices + slice;
    const float* sums = fused.position_sums + (cell * taps + tap) * 3 * fused.round_pixels + pixel;
    for (int i = 0; i < 3; ++i) sum[i] += sums[i * fused.round_pixels];
  }
  const Index n = static_cast<Index>(fused.first_picture + strand / fused.segments);
  const Index y = in_picture / static_cast<Index>(args.out_width);
  const Index x = in_picture - y * static_cast<Index>(args.out_width);
  const auto at = [&](const long long* stride, int channel) {
    return n * static_cast<Index>(stride[0]) + channel * static_cast<Index>(stride[1]) +
           y * static_cast<Index>(stride[2]) + x * static_cast<Index>(stride[3]);
  };
  if (args.grad_offset != nullptr) {
    auto* grad_offset = static_cast<Element*>(args.grad_offset);
    grad_offset[at(args.grad_offset_stride, 2 * plane)] = store(sum[1]);
    grad_offset[at(args.grad_offset_stride, 2 * plane + 1)] = store(sum[2]);
  }
  if (args.grad_mask != nullptr) {
    static_cast<Element*>(args.grad_mask)[at(args.grad_mask_stride, plane)] = store(sum[0]);
  }
}

/// grad_input where it is not added to directly: the segments' sums in their order. One work-item per element of the
/// launch's pictures, channels fastest.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void deform_conv2d_backward_sum_input(
    DeformConv2dBackwardFusedArgs fused) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const long long id = static_cast<long long>(item.get_global_id(0));
  const DeformConv2dBackwardArgs& args = fused.call;
  const long long padded = static_cast<long long>(fused.slices) * kPanel;
  const long long pixels = args.height * args.width;
  if (id >= fused.strands / fused.segments * pixels * padded) return;
  const int column = static_cast<int>(id % padded);
  const long long pixel = id / padded % pixels;
  const int picture = static_cast<int>(id / padded / pixels);
  const Slice slice = find_slice(args, column / kPanel, kPanel);
  if (column % kPanel >= slice.count) return;
  float sum = 0.0f;
  for (int segment = 0; segment < fused.segments; ++segment) {
    sum += fused.input_sums[((static_cast<long long>(picture) * fused.segments + segment) * pixels + pixel) * padded +
                            column];
  }
  const Index n = static_cast<Index>(fused.first_picture + picture);
  const Index y = static_cast<Index>(pixel / args.width);
  const Index x = static_cast<Index>(pixel) - y * static_cast<Index>(args.width);
  static_cast<Element*>(
      args.grad_input)[n * static_cast<Index>(args.grad_input_stride[0]) +
                       (slice.first + column % kPanel) * static_cast<Index>(args.grad_input_stride[1]) +
                       y * static_cast<Index>(args.grad_input_stride[2]) +
                       x * static_cast<Index>(args.grad_input_stride[3])] = store(sum);
}

/// grad_bias, first step: parts of the output pixels. One work-item per part and output channel, channels fastest.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void deform_conv2d_backward_part_bias(
    DeformConv2dBackwardFusedArgs fused) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const long long id = static_cast<long long>(item.get_global_id(0));
  const DeformConv2dBackwardArgs& args = fused.call;
  if (id >= fused.bias_parts * args.out_channels) return;
  const Index o = static_cast<Index>(id % args.out_channels);
  const long long part = id / args.out_channels;
  // Parts are rows of output pixels.
  const long long rows = args.batch * args.out_height;
  float sum = 0.0f;
  for (long long row = part * rows / fused.bias_parts; row < (part + 1) * rows / fused.bias_parts; ++row) {
    const Index n = static_cast<Index>(row / args.out_height);
    const Index y = static_cast<Index>(row % args.out_height);
    const auto* grad_output =
        static_cast<const Element*>(args.grad_output) + n * static_cast<Index>(args.grad_output_stride[0]) +
        o * static_cast<Index>(args.grad_output_stride[1]) + y * static_cast<Index>(args.grad_output_stride[2]);
    float row_sum = 0.0f;
    for (Index x = 0; x < args.out_width; ++x) {
      row_sum += load(grad_output[x * static_cast<Index>(args.grad_output_stride[3])]);
    }
    sum += row_sum;
  }
  fused.bias_sums[id] = sum;
}

/// grad_bias, second step: the parts in their order. One work-item per output channel.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void deform_conv2d_backward_sum_bias(
    DeformConv2dBackwardFusedArgs fused) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const long long o = static_cast<long long>(item.get_global_id(0));
  if (o >= fused.call.out_channels) return;
  float sum = 0.0f;
  for (int part = 0; part < fused.bias_parts; ++part) sum += fused.bias_sums[part * fused.call.out_channels + o];
  static_cast<Element*>(fused.call.grad_bias)[o * fused.call.grad_bias_stride] = store(sum);
}
