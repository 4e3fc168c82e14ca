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
  std::string_view name;  ///< of the variant: output pixels x output channels
  int pixels = 0;
  int outputs = 0;
  int row_teams = 0;
  int column_teams = 0;
  int registers = 0;   ///< of a work-item on NVIDIA's matrix units (kernels/registers.hpp); 0: any number
  bool ahead = false;  ///< reads the next step's input before it multiplies: for tiles too large to share a unit
  int warpgroup_registers = ahead ? 0 : 128;  ///< where by_warpgroups()
};

inline constexpr std::array kConvTiles{
    ConvTile{"tiled_128x32", 128, 32, 8, 1},     ConvTile{"tiled_128x64", 128, 64, 4, 2},
    ConvTile{"tiled_64x64", 64, 64, 4, 2, 80},   ConvTile{"tiled_128x128", 128, 128, 4, 2, 0, true},
    ConvTile{"tiled_64x128", 64, 128, 2, 4, 80}, ConvTile{"tiled_32x128", 32, 128, 2, 4, 80},
    ConvTile{"tiled_64x256", 64, 256, 2, 4},     ConvTile{"tiled_32x256", 32, 256, 2, 4},
};

/// What the choice of a tile depends on.
struct TiledProblem {
  DataType type = DataType::kF32;
  MatrixShape matrix{};
  std::int64_t pixels = 0;  ///< output pixels of all pictures
  std::int64_t groups = 1;
  std::int64_t outputs = 0;        ///< output channels of a group
  std::size_t position_bytes = 0;  ///< that the sampler keeps of a tap and pixel, with 64-bit indices
  double sample_cost = 0;          ///< of a pixel, as choose_conv_tile() counts
};

/// Why the tile cannot be used at all; empty when it can.
[[nodiscard]] std::string why_unable(const ConvTile& tile, const TiledProblem& problem, const DeviceFacts& device);

/// The tile with the least estimated time on a GPU; null when none can be used.
[[nodiscard]] const ConvTile* choose_conv_tile(const TiledProblem& problem, const DeviceFacts& device);

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
void add_tile_macros(const ConvTile& tile, int depth, const MatrixShape& matrix, runtime::KernelRequest& request);

/// Whether a tiled kernel may read (write) a tensor [N, channels, H, W] 16 bytes at a time, its address aside:
/// channels lie side by side, and no 16 bytes hold channels of two cuts of `cut` channels.
[[nodiscard]] bool is_wide(const TensorView& view, std::int64_t cut);
/// Whether 16 bytes can be read (written) at once from there.
[[nodiscard]] inline bool is_aligned(const void* data) { return reinterpret_cast<std::uintptr_t>(data) % 16 == 0; }

}  // namespace dcn::ops
