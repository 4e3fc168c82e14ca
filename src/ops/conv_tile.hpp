/// \file conv_tile.hpp
/// The tiles of the tiled kernels (kernels/tile_conv.hpp): which there are, what they need, and which is best. No
/// function here touches a device.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "dcn/tensor.hpp"
#include "ops/device_facts.hpp"
#include "runtime/kernel.hpp"

namespace dcn::ops {

/// What one work-group computes, and how its sub-groups share that.
struct ConvTile {
  std::string_view name;  ///< of the variant: output pixels x output channels, and sub-groups where that is not all
  int pixels = 0;
  int outputs = 0;
  int row_teams = 0;
  int column_teams = 0;
  int registers = 0;   ///< of a work-item where units multiply for one sub-group (kernels/registers.hpp); 0: any number
  bool ahead = false;  ///< reads the next step's input before it multiplies: for tiles too large to share a unit
  int warpgroup_registers = ahead ? 0 : 128;                    ///< where by_warpgroups()
  int plain_registers = pixels * outputs > 128 * 64 ? 0 : 128;  ///< with multiply-adds: two work-groups share a unit
};

inline constexpr std::array kConvTiles{
    ConvTile{"tiled_128x32", 128, 32, 8, 1},     ConvTile{"tiled_128x64", 128, 64, 4, 2},
    ConvTile{"tiled_64x64", 64, 64, 4, 2, 80},   ConvTile{"tiled_64x64_by_4", 64, 64, 4, 1},
    ConvTile{"tiled_64x128", 64, 128, 2, 4, 80}, ConvTile{"tiled_128x128", 128, 128, 4, 2, 0, true},
    ConvTile{"tiled_64x256", 64, 256, 2, 4},     ConvTile{"tiled_32x128", 32, 128, 2, 4, 80},
    ConvTile{"tiled_32x256", 32, 256, 2, 4},
};

/// What the choice of a tile depends on.
struct TiledProblem {
  DataType type = DataType::kF32;
  MatrixShape matrix{};
  std::int64_t pixels = 0;  ///< output pixels of all pictures
  std::int64_t groups = 1;
  std::int64_t outputs = 0;  ///< output channels of a group
  std::int64_t steps = 1;    ///< of a work-group that walks all channels
  int chunks = 1;            ///< tiled_depth() channels at a time, of those that share their positions; the fewest
  int force_splits = 0;      ///< what choose_splits() gives, if there are so many chunks; 0: it chooses
  std::size_t position_bytes = 0;  ///< that the sampler keeps of a tap and pixel, with 64-bit indices
  double sample_cost = 0;          ///< of a pixel, as choose_conv_tile() counts
};

/// Why the tile cannot be used at all; empty when it can.
[[nodiscard]] std::string why_unable(const ConvTile& tile, const TiledProblem& problem, const DeviceFacts& device);

/// The tile with the least estimated time on a GPU; null when none can be used.
[[nodiscard]] const ConvTile* choose_conv_tile(const TiledProblem& problem, const DeviceFacts& device);

/// Among how many work-groups the channels of a tile are divided, so that few tiles fill the device: 1 or more, with
/// the least estimated time. At most one work-group a unit: what they hold in memory has a bound.
[[nodiscard]] int choose_splits(const ConvTile& tile, const TiledProblem& problem, const DeviceFacts& device);

/// Whether the units of four sub-groups multiply such a tile together.
[[nodiscard]] bool by_warpgroups(const ConvTile& tile, const MatrixShape& matrix);

/// What the tiled kernels, those of the gradients too, keep sampled input and weights in.
[[nodiscard]] DataType staged_type(DataType type, const MatrixShape& matrix);
/// Channels of one step of a tiled kernel: 128 bytes of a pixel, a whole line of a GPU's cache.
[[nodiscard]] int tiled_depth(DataType type);

/// Local memory of one work-group: the same sum as carve() in tile_conv.hpp.
/// \param position_bytes  that the sampler keeps of a tap and pixel.
[[nodiscard]] std::size_t tiled_local_bytes(const ConvTile& tile, std::size_t position_bytes, int depth,
                                            const MatrixShape& matrix, DataType type);

/// The macros of tile_conv.hpp but for DCN_LANES and those of deform_common.hpp.
/// \param whole_steps  every channel of every step exists.
/// \param ptx  as DeviceFacts has it.
void add_tile_macros(const ConvTile& tile, int depth, bool whole_steps, const MatrixShape& matrix, bool ptx,
                     runtime::KernelRequest& request);

/// How a picture is cut into blocks of output pixels, each a tile: a square one samples less of the input than a line.
struct TileBlocks {
  int shift =
      -1;  ///< log2 of a block's columns; -1: no blocks, tiles take pixels one after another through all pictures
  int across = 0, down = 0;  ///< of a picture
};

/// The squarest blocks of which there are hardly more than tiles without blocks.
[[nodiscard]] TileBlocks choose_blocks(std::int64_t pictures, std::int64_t height, std::int64_t width, int pixels);
[[nodiscard]] std::int64_t count_tiles(const TileBlocks& blocks, std::int64_t pictures, std::int64_t height,
                                       std::int64_t width, int pixels);

/// \param args  DeformConv2dArgs or Conv2dArgs with its sizes.
template <typename Args>
void set_blocks(Args& args, int pixels) {
  const TileBlocks blocks = choose_blocks(args.batch, args.out_height, args.out_width, pixels);
  args.block_shift = blocks.shift;
  args.blocks_across = blocks.across;
  args.blocks_down = blocks.down;
}
template <typename Args>
[[nodiscard]] std::size_t count_tiles(const Args& args, int pixels) {
  return static_cast<std::size_t>(count_tiles(TileBlocks{args.block_shift, args.blocks_across, args.blocks_down},
                                              args.batch, args.out_height, args.out_width, pixels));
}

/// Whether a tiled kernel may read (write) a tensor [N, channels, H, W] 16 bytes at a time, its address aside:
/// channels lie side by side, and no 16 bytes hold channels of two cuts of `cut` channels.
[[nodiscard]] bool is_wide(const TensorView& view, std::int64_t cut);
/// Whether 16 bytes can be read (written) at once from there.
[[nodiscard]] inline bool is_aligned(const void* data) { return reinterpret_cast<std::uintptr_t>(data) % 16 == 0; }

}  // namespace dcn::ops
