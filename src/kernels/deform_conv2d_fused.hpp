/// \file deform_conv2d_fused.hpp
/// Deformable convolution in one pass: a work-group (one sub-group) samples a tile of output pixels, one tap and a
/// chunk of channels at a time, into local memory, and multiplies it there by packed weights. The columns of im2col
/// never reach global memory, and the output is written once.
///
/// Lanes are pixels while positions are computed, input channels while sampling, output channels while multiplying, so
/// that every address is uniform across the sub-group, and memory is read in whole vectors.
///
/// Macros: DCN_T_*, DCN_INDEX (deform_common.hpp);
///   DCN_LANES      size of the sub-group
///   DCN_ROWS       output pixels of one register block
///   DCN_VECTORS    sub-group widths of output channels of one register block; a weight panel has that many columns
///   DCN_CHUNK      channels sampled at a time
#include <sycl/accessor.hpp>
#include <sycl/builtins.hpp>
#include <sycl/group.hpp>
#include <sycl/group_barrier.hpp>
#include <sycl/vector.hpp>

#include "bilinear.hpp"
#include "conv_pack_args.hpp"
#include "deform_common.hpp"
#include "deform_conv2d_args.hpp"

namespace syclexp = sycl::ext::oneapi::experimental;

constexpr int kLanes = DCN_LANES;
constexpr int kRows = DCN_ROWS;
constexpr int kVectors = DCN_VECTORS;
constexpr int kChunk = DCN_CHUNK;
constexpr int kPanel = kLanes * kVectors;

/// The parts of local memory. deform_conv2d.cpp computes the same sum (fused_local_bytes).
struct Tile {
  float* column;           ///< [rows][kChunk]: sampled input
  float* sum;              ///< [slice_panels][rows][kPanel]
  const Element** corner;  ///< [4][pixels]: where each corner's channel 0 is
  Index* pixel_input;      ///< [pixels]: element index of the pixel's picture in the input, ...
  Index* pixel_offset;     ///< ... of the pixel in the offset,
  Index* pixel_mask;       ///< ... in the mask,
  Index* pixel_output;     ///< ... and in the output
  float* corner_weight;    ///< [4][pixels]
  float* pixel_y;          ///< [pixels]: position of tap (0, 0) with no offset
  float* pixel_x;
  int pixels;  ///< tile_pixels, rounded up to whole sub-groups
  int rows;    ///< tile_pixels, rounded up to whole register blocks
  int valid;   ///< pixels of this tile that exist
  int panels;  ///< weight panels of this slice
};

/// Not sycl::min: the CPU's compiler takes the result of a built-in function for different in each lane, and with it
/// every loop that it bounds.
inline int smaller(int a, int b) { return a < b ? a : b; }

inline int round_up(int value, int step) { return (value + step - 1) / step * step; }

inline Tile carve(const DeformConv2dArgs& args, unsigned char* memory) {
  // Whole cache lines; the host asks for kFusedAlignment bytes more than the parts need.
  const auto address = reinterpret_cast<unsigned long long>(memory);
  memory += (kFusedAlignment - address % kFusedAlignment) % kFusedAlignment;
  Tile tile;
  tile.pixels = round_up(args.tile_pixels, kLanes);
  tile.rows = round_up(args.tile_pixels, kRows);
  tile.column = reinterpret_cast<float*>(memory);
  tile.sum = tile.column + tile.rows * kChunk;
  tile.corner = reinterpret_cast<const Element**>(tile.sum + args.slice_panels * tile.rows * kPanel);
  tile.pixel_input = reinterpret_cast<Index*>(tile.corner + 4 * tile.pixels);
  tile.pixel_offset = tile.pixel_input + tile.pixels;
  tile.pixel_mask = tile.pixel_offset + tile.pixels;
  tile.pixel_output = tile.pixel_mask + tile.pixels;
  tile.corner_weight = reinterpret_cast<float*>(tile.pixel_output + tile.pixels);
  tile.pixel_y = tile.corner_weight + 4 * tile.pixels;
  tile.pixel_x = tile.pixel_y + tile.pixels;
  return tile;
}

/// What does not change from tap to tap. Lanes are pixels.
inline void locate_pixels(const DeformConv2dArgs& args, const Tile& tile, Index first, int lane) {
  const Index width = static_cast<Index>(args.out_width);
  const Index height = static_cast<Index>(args.out_height);
  for (int base = 0; base < tile.pixels; base += kLanes) {
    // One division for all lanes; the lanes walk on from there.
    const Index start = first + base;
    Index y = start / width;
    Index x = start - y * width + lane;
    Index n = y / height;
    y -= n * height;
    while (x >= width) {
      x -= width;
      ++y;
    }
    while (y >= height) {
      y -= height;
      ++n;
    }
    const int m = base + lane;
    if (m >= tile.valid) n = y = x = 0;
    tile.pixel_y[m] = static_cast<float>(y * args.stride_h - args.padding_h);
    tile.pixel_x[m] = static_cast<float>(x * args.stride_w - args.padding_w);
    tile.pixel_input[m] = n * static_cast<Index>(args.input_stride[0]);
    tile.pixel_offset[m] = n * static_cast<Index>(args.offset_stride[0]) +
                           y * static_cast<Index>(args.offset_stride[2]) +
                           x * static_cast<Index>(args.offset_stride[3]);
    tile.pixel_mask[m] = n * static_cast<Index>(args.mask_stride[0]) + y * static_cast<Index>(args.mask_stride[2]) +
                         x * static_cast<Index>(args.mask_stride[3]);
    tile.pixel_output[m] = n * static_cast<Index>(args.output_stride[0]) +
                           y * static_cast<Index>(args.output_stride[2]) +
                           x * static_cast<Index>(args.output_stride[3]);
  }
}

/// Corners and their weights of one tap for the whole tile. Lanes are pixels. A corner outside of the picture points to
/// zeros: multiplying by a zero weight would let a NaN of an unrelated element through.
inline void locate_corners(const DeformConv2dArgs& args, const Tile& tile, int tap_y, int tap_x, int deformable_group,
                           int lane) {
  const int taps = args.kernel_h * args.kernel_w;
  const int tap = tap_y * args.kernel_w + tap_x;
  const Index dy_channel =
      static_cast<Index>(deformable_group * 2 * taps + 2 * tap) * static_cast<Index>(args.offset_stride[1]);
  const Index dx_channel = dy_channel + static_cast<Index>(args.offset_stride[1]);
  const Index mask_channel =
      static_cast<Index>(deformable_group * taps + tap) * static_cast<Index>(args.mask_stride[1]);
  const auto* input = static_cast<const Element*>(args.input);
  const auto* offset = static_cast<const Element*>(args.offset);
  const auto* zeros = static_cast<const Element*>(args.zeros);
  const Index step_y = static_cast<Index>(args.input_stride[2]);
  const Index step_x = static_cast<Index>(args.input_stride[3]);
  const float shift_y = static_cast<float>(tap_y * args.dilation_h);
  const float shift_x = static_cast<float>(tap_x * args.dilation_w);
  for (int base = 0; base < tile.pixels; base += kLanes) {
    const int m = base + lane;
    const float y = tile.pixel_y[m] + shift_y + load(offset[tile.pixel_offset[m] + dy_channel]);
    const float x = tile.pixel_x[m] + shift_x + load(offset[tile.pixel_offset[m] + dx_channel]);
    const Bilinear at = place(args, y, x, m < tile.valid, read_mask(args, tile.pixel_mask[m] + mask_channel));
    const Element* corner =
        input + (tile.pixel_input[m] + static_cast<Index>(at.row) * step_y + static_cast<Index>(at.column) * step_x);
    tile.corner[0 * tile.pixels + m] = at.top_left ? corner : zeros;
    tile.corner[1 * tile.pixels + m] = at.top_right ? corner + step_x : zeros;
    tile.corner[2 * tile.pixels + m] = at.bottom_left ? corner + step_y : zeros;
    tile.corner[3 * tile.pixels + m] = at.bottom_right ? corner + (step_y + step_x) : zeros;
#pragma unroll
    for (int j = 0; j < 4; ++j) tile.corner_weight[j * tile.pixels + m] = at.weight[j];
  }
}

/// Channels [channel, channel + count) of one pixel and tap. Lanes are channels, side by side in memory (NHWC).
inline void sample_dense(const Tile& tile, int m, int channel, int count, int lane) {
  const Element* corner0 = tile.corner[0 * tile.pixels + m] + channel + lane;
  const Element* corner1 = tile.corner[1 * tile.pixels + m] + channel + lane;
  const Element* corner2 = tile.corner[2 * tile.pixels + m] + channel + lane;
  const Element* corner3 = tile.corner[3 * tile.pixels + m] + channel + lane;
  const float weight0 = tile.corner_weight[0 * tile.pixels + m];
  const float weight1 = tile.corner_weight[1 * tile.pixels + m];
  const float weight2 = tile.corner_weight[2 * tile.pixels + m];
  const float weight3 = tile.corner_weight[3 * tile.pixels + m];
  float* column = tile.column + m * kChunk + lane;
  if (count == kChunk) {
#pragma unroll
    for (int c = 0; c < kChunk; c += kLanes) {
      column[c] = weight0 * load(corner0[c]) + weight1 * load(corner1[c]) + weight2 * load(corner2[c]) +
                  weight3 * load(corner3[c]);
    }
  } else {
    for (int c = 0; c < count; c += kLanes) {
      if (c + lane < count) {
        column[c] = weight0 * load(corner0[c]) + weight1 * load(corner1[c]) + weight2 * load(corner2[c]) +
                    weight3 * load(corner3[c]);
      }
    }
  }
}

/// The same for any channel stride. A corner that points to the zeros stays on the first of them.
inline void sample_strided(const DeformConv2dArgs& args, const Tile& tile, int m, int channel, int count, int lane) {
  const auto* zeros = static_cast<const Element*>(args.zeros);
  const Index stride = static_cast<Index>(args.input_stride[1]);
  const Element* corner0 = tile.corner[0 * tile.pixels + m];
  const Element* corner1 = tile.corner[1 * tile.pixels + m];
  const Element* corner2 = tile.corner[2 * tile.pixels + m];
  const Element* corner3 = tile.corner[3 * tile.pixels + m];
  const Index stride0 = corner0 != zeros ? stride : 0;
  const Index stride1 = corner1 != zeros ? stride : 0;
  const Index stride2 = corner2 != zeros ? stride : 0;
  const Index stride3 = corner3 != zeros ? stride : 0;
  const float weight0 = tile.corner_weight[0 * tile.pixels + m];
  const float weight1 = tile.corner_weight[1 * tile.pixels + m];
  const float weight2 = tile.corner_weight[2 * tile.pixels + m];
  const float weight3 = tile.corner_weight[3 * tile.pixels + m];
  float* column = tile.column + m * kChunk + lane;
  for (int c = 0; c < count; c += kLanes) {
    const Index at = channel + c + lane;
    if (c + lane < count) {
      column[c] = weight0 * load(corner0[at * stride0]) + weight1 * load(corner1[at * stride1]) +
                  weight2 * load(corner2[at * stride2]) + weight3 * load(corner3[at * stride3]);
    }
  }
}

/// Channels [channel, channel + count) of one tap of all pixels into tile.column.
inline void sample(const DeformConv2dArgs& args, const Tile& tile, int channel, int count, int lane) {
  if (args.input_stride[1] == 1) {
    for (int m = 0; m < tile.valid; ++m) sample_dense(tile, m, channel, count, lane);
  } else {
    for (int m = 0; m < tile.valid; ++m) sample_strided(args, tile, m, channel, count, lane);
  }
}

/// Rows that only fill up a register block: never written, but what lies there could be slow to multiply.
inline void clear_spare_rows(const Tile& tile, int lane) {
  for (int at = tile.valid * kChunk; at < tile.rows * kChunk; at += kLanes) tile.column[at + lane] = 0.0f;
}

/// sum += column * weights over `count` values of K. Lanes are output channels. `weight` is the chunk's first row of
/// the slice's first panel.
inline void multiply(const Tile& tile, const float* weight, Index panel_elements, int count, int lane) {
  for (int panel = 0; panel < tile.panels; ++panel) {
    const float* panel_weight = weight + panel * panel_elements + lane;
    float* panel_sum = tile.sum + panel * tile.rows * kPanel + lane;
    for (int m = 0; m < tile.rows; m += kRows) {
      float* block = panel_sum + m * kPanel;
      const float* column = tile.column + m * kChunk;
      float sum[kRows][kVectors];
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
#pragma unroll
        for (int j = 0; j < kVectors; ++j) sum[i][j] = block[i * kPanel + j * kLanes];
      }
      for (int k = 0; k < count; ++k) {
        float row[kVectors];
#pragma unroll
        for (int j = 0; j < kVectors; ++j) row[j] = panel_weight[k * kPanel + j * kLanes];
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
          const float value = column[i * kChunk + k];
#pragma unroll
          for (int j = 0; j < kVectors; ++j) sum[i][j] = sycl::fma(value, row[j], sum[i][j]);
        }
      }
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
#pragma unroll
        for (int j = 0; j < kVectors; ++j) block[i * kPanel + j * kLanes] = sum[i][j];
      }
    }
  }
}

/// Sums start from the bias. Lanes are output channels.
inline void start_sums(const Tile& tile, const float* bias, int lane) {
  for (int panel = 0; panel < tile.panels; ++panel) {
    float* panel_sum = tile.sum + panel * tile.rows * kPanel + lane;
    for (int j = 0; j < kVectors; ++j) {
      const float value = bias[panel * kPanel + j * kLanes + lane];
      for (int m = 0; m < tile.rows; ++m) panel_sum[m * kPanel + j * kLanes] = value;
    }
  }
}

/// Activation, rounding, writing. Lanes are output channels, of which the slice has `channels` from `first` on.
inline void write(const DeformConv2dArgs& args, const Tile& tile, int first, int channels, int lane) {
  auto* output = static_cast<Element*>(args.output);
  const Index stride = static_cast<Index>(args.output_stride[1]);
  for (int m = 0; m < tile.valid; ++m) {
    Element* pixel = output + tile.pixel_output[m];
    for (int o = 0; o < channels; o += kLanes) {
      const int panel = o / kPanel;
      float value = tile.sum[(panel * tile.rows + m) * kPanel + (o - panel * kPanel) + lane];
      // Not fmax: NaN must stay NaN.
      if (args.relu) value = value < 0.0f ? 0.0f : value;
      if (o + lane < channels) pixel[static_cast<Index>(first + o + lane) * stride] = store(value);
    }
  }
}

/// Work-groups: [groups * slices_per_group, tiles], one sub-group each.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<2>))
    SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::sub_group_size<DCN_LANES>))
        SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::work_group_size<1, DCN_LANES>)) void deform_conv2d_fused(
            DeformConv2dArgs args, sycl::local_accessor<sycl::vec<unsigned, 4>, 1> local) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<2>();
  // Barriers are the work-group's, although it is one sub-group: around barriers of a sub-group the CPU's compiler
  // makes a second, masked copy of everything.
  const auto lanes = item.get_group();
  const int lane = static_cast<int>(item.get_local_id(1));
  Tile tile = carve(args, reinterpret_cast<unsigned char*>(local.get_multi_ptr<sycl::access::decorated::no>().get()));

  const Index pixels = static_cast<Index>(args.batch * args.out_height * args.out_width);
  const Index first_pixel = static_cast<Index>(item.get_group(1)) * args.tile_pixels;
  tile.valid = pixels - first_pixel < args.tile_pixels ? static_cast<int>(pixels - first_pixel) : args.tile_pixels;

  const int group = static_cast<int>(item.get_group(0)) / args.slices_per_group;
  const int slice = static_cast<int>(item.get_group(0)) - group * args.slices_per_group;
  const int group_channels = static_cast<int>(args.in_channels) / args.groups;
  const int group_outputs = static_cast<int>(args.out_channels) / args.groups;
  const int deformable_channels = static_cast<int>(args.in_channels) / args.deformable_groups;
  const int first_panel = slice * args.slice_panels;
  tile.panels = smaller(args.slice_panels, args.panels_per_group - first_panel);
  const Index panel_elements = static_cast<Index>(group_channels) * (args.kernel_h * args.kernel_w) * kPanel;
  const Index slice_panel = static_cast<Index>(group) * args.panels_per_group + first_panel;
  const float* weight = static_cast<const float*>(args.weight) + slice_panel * panel_elements;

  clear_spare_rows(tile, lane);
  locate_pixels(args, tile, first_pixel, lane);
  start_sums(tile, static_cast<const float*>(args.bias) + slice_panel * kPanel, lane);
  const int last_channel = (group + 1) * group_channels;
  for (int cut = group * group_channels; cut < last_channel;) {
    const int deformable_group = cut / deformable_channels;
    const int cut_end = smaller((deformable_group + 1) * deformable_channels, last_channel);
    for (int tap_y = 0; tap_y < args.kernel_h; ++tap_y) {
      for (int tap_x = 0; tap_x < args.kernel_w; ++tap_x) {
        sycl::group_barrier(lanes);
        locate_corners(args, tile, tap_y, tap_x, deformable_group, lane);
        for (int channel = cut; channel < cut_end; channel += kChunk) {
          const int count = smaller(kChunk, cut_end - channel);
          sycl::group_barrier(lanes);
          sample(args, tile, channel, count, lane);
          sycl::group_barrier(lanes);
          multiply(tile, weight, panel_elements, count, lane);
          weight += count * kPanel;
        }
      }
    }
    cut = cut_end;
  }
  sycl::group_barrier(lanes);
  const int first_output = first_panel * kPanel;
  const int outputs = smaller(tile.panels * kPanel, group_outputs - first_output);
  write(args, tile, group * group_outputs + first_output, outputs, lane);
}

/// One work-item per channel of a panel, then per element of the packed bias. Side by side, work-items read what lies
/// side by side in dense weights, and each position is computed once for all columns of the panel: a training step
/// packs anew.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void deform_conv2d_pack(ConvPackArgs args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const long long id = static_cast<long long>(item.get_global_id(0));
  const int group_channels = static_cast<int>(args.in_channels / args.groups);
  const int group_outputs = static_cast<int>(args.out_channels / args.groups);
  const int taps = args.kernel_h * args.kernel_w;
  const long long panels = static_cast<long long>(args.groups) * args.panels_per_group;
  const long long channels = panels * group_channels;
  if (id >= channels + panels * kPanel) return;
  if (id >= channels) {
    const long long panel = (id - channels) / kPanel;
    const int group = static_cast<int>(panel / args.panels_per_group);
    const int output =
        static_cast<int>(panel % args.panels_per_group) * kPanel + static_cast<int>((id - channels) % kPanel);
    const auto* bias = static_cast<const Element*>(args.bias);
    const bool valid = output < group_outputs && bias != nullptr;
    const long long at = static_cast<long long>(group) * group_outputs + output;
    args.packed_bias[id - channels] = valid ? load(bias[at * args.bias_stride]) : 0.0f;
    return;
  }
  const long long panel = id / group_channels;
  const int channel = static_cast<int>(id - panel * group_channels);  // of the group
  const int group = static_cast<int>(panel / args.panels_per_group);
  const int first_output = static_cast<int>(panel % args.panels_per_group) * kPanel;
  const int outputs = smaller(kPanel, group_outputs - first_output);
  // The cut of the group that holds this channel.
  const int deformable_channels = static_cast<int>(args.in_channels / args.deformable_groups);
  const int before = group * group_channels;
  const int cut = (before + channel) / deformable_channels * deformable_channels;
  const int begin = cut > before ? cut - before : 0;
  const int end = smaller(cut + deformable_channels - before, group_channels);
  const auto* source = static_cast<const Element*>(args.weight) + channel * args.weight_stride[1] +
                       (static_cast<long long>(group) * group_outputs + first_output) * args.weight_stride[0];
  auto* target =
      static_cast<float*>(args.packed_weight) + ((panel * group_channels + begin) * taps + (channel - begin)) * kPanel;
  const long long step = static_cast<long long>(end - begin) * kPanel;
  for (int column = 0; column < kPanel; ++column) {
    int tap = 0;
    for (int y = 0; y < args.kernel_h; ++y) {
      for (int x = 0; x < args.kernel_w; ++x) {
        target[tap * step + column] =
            column < outputs
                ? load(source[column * args.weight_stride[0] + y * args.weight_stride[2] + x * args.weight_stride[3]])
                : 0.0f;
        ++tap;
      }
    }
  }
}
