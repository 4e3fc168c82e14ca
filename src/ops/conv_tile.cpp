#include "ops/conv_tile.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "kernels/conv_pack_args.hpp"
#include "ops/rounding.hpp"

namespace dcn::ops {

std::string why_unable(const ConvTile& tile, const TiledProblem& problem, const DeviceFacts& device) {
  const int depth = tiled_depth(problem.type);
  const int vector = static_cast<int>(16 / size_of(problem.type));
  const int threads = tile.row_teams * tile.column_teams * device.lanes;
  if (threads % tile.pixels != 0 || tile.pixels * depth / vector % threads != 0) {
    return fmt::format("its tile of {} pixels cannot be shared by sub-groups of {}", tile.pixels, device.lanes);
  }
  const MatrixShape& matrix = problem.matrix;
  if (matrix.rows != 0 && (tile.pixels % (tile.row_teams * matrix.rows) != 0 ||
                           tile.outputs % (tile.column_teams * matrix.columns) != 0 || depth % matrix.depth != 0)) {
    return fmt::format("its tile is no multiple of the matrix units' {} x {}", matrix.rows, matrix.columns);
  }
  const std::size_t local = tiled_local_bytes(tile, problem.position_bytes, depth, matrix, problem.type);
  if (local > device.local_bytes) {
    return fmt::format("it needs {} bytes of local memory, the device has {}", local, device.local_bytes);
  }
  return {};
}

namespace {

std::int64_t count_work_groups(const ConvTile& tile, const TiledProblem& problem) {
  return div_up(problem.pixels, std::int64_t{tile.pixels}) * div_up(problem.outputs, std::int64_t{tile.outputs}) *
         problem.groups;
}

/// Of one work-group and step, and how many steps' time the device takes for one of each work-group. A unit is about a
/// nanosecond on an H100, to which all numbers are fitted.
double estimate_step(const ConvTile& tile, const TiledProblem& problem, double rounds) {
  const bool crowded = tile.pixels * tile.outputs >= 128 * 128;  // one work-group fills a unit's registers
  if (by_warpgroups(tile, problem.matrix)) {
    // They multiply while they sample. With more of them on a unit, each of fewer sub-groups, waits overlap better.
    const bool few = tile.row_teams * tile.column_teams == 4;
    const double sampling = tile.pixels * problem.sample_cost * (tile.pixels >= 128 ? 1.08 : 0.95);
    const double share = (sampling + 1.8 * tile.outputs) * (tile.pixels >= 128 && crowded ? 1.3 : 1.0);
    return share * (few ? std::max(rounds + 0.1, 1.5) : rounds);
  }
  // Sampling, multiplying, and reading the weights; then how work-groups of one unit overlap.
  const bool matrix = problem.matrix.rows != 0;
  const double share =
      tile.pixels * (problem.sample_cost + (matrix ? 0.06 : 0.25) * tile.outputs) + (matrix ? 1.8 : 6.0) * tile.outputs;
  const double overlap = !matrix || crowded ? 0.1 : 0.4;
  return share * (matrix ? 1.4 : 0.7) * (overlap + (1.0 - overlap) * rounds);
}

double estimate(const ConvTile& tile, int splits, const TiledProblem& problem, const DeviceFacts& device) {
  const std::int64_t work_groups = count_work_groups(tile, problem) * splits;
  const auto rounds = static_cast<double>(div_up(work_groups, std::int64_t{device.compute_units}));
  const auto most = static_cast<double>(div_up(problem.chunks, std::int64_t{splits}));  // chunks of one of them
  const double steps = static_cast<double>(problem.steps) * most / problem.chunks;
  const double time = steps * estimate_step(tile, problem, rounds);
  if (splits == 1) return time;
  // Partial sums are written by all, read by the last.
  const int sums = tile.pixels * tile.outputs / (tile.row_teams * tile.column_teams * device.lanes);
  return time + 3000.0 + 45.0 * sums * (1 + splits);
}

}  // namespace

const ConvTile* choose_conv_tile(const TiledProblem& problem, const DeviceFacts& device) {
  const ConvTile* best = nullptr;
  double best_time = std::numeric_limits<double>::infinity();
  for (const ConvTile& tile : kConvTiles) {
    if (!why_unable(tile, problem, device).empty()) continue;
    const double time = estimate(tile, choose_splits(tile, problem, device), problem, device);
    if (time < best_time) {
      best_time = time;
      best = &tile;
    }
  }
  return best;
}

int choose_splits(const ConvTile& tile, const TiledProblem& problem, const DeviceFacts& device) {
  if (problem.force_splits != 0) return std::min(problem.force_splits, problem.chunks);
  constexpr int kMost = 8;
  int best = 1;
  for (int splits = 2; splits <= std::min(kMost, problem.chunks); ++splits) {
    if (count_work_groups(tile, problem) * splits > std::int64_t{device.compute_units}) break;
    if (estimate(tile, splits, problem, device) < estimate(tile, best, problem, device)) best = splits;
  }
  return best;
}

bool by_warpgroups(const ConvTile& tile, const MatrixShape& matrix) {
  const int warpgroups = tile.row_teams * tile.column_teams / 4;
  if (!matrix.warpgroups || warpgroups == 0 || tile.pixels % 64 != 0) return false;
  // Each takes 64 rows, and, where there are more of them than that, its part of the columns. Instructions have 32 or
  // 64 columns; by 32, sampling waits more than the units gain.
  const int rows = tile.pixels / 64;
  if (warpgroups % rows != 0) return false;
  return tile.outputs / (warpgroups / rows) % 64 == 0 || (warpgroups == rows && tile.outputs == 32);
}

DataType staged_type(DataType type, const MatrixShape& matrix) { return matrix.rows != 0 ? type : DataType::kF32; }

int tiled_depth(DataType type) { return static_cast<int>(128 / size_of(type)); }

std::size_t tiled_local_bytes(const ConvTile& tile, std::size_t position_bytes, int depth, const MatrixShape& matrix,
                              DataType type) {
  const auto pixels = static_cast<std::size_t>(tile.pixels);
  const auto outputs = static_cast<std::size_t>(tile.outputs);
  const std::size_t row = static_cast<std::size_t>(depth) * size_of(staged_type(type, matrix));
  const std::size_t positions = pixels * kTiledTaps * position_bytes;
  const std::size_t columns = 2 * pixels * (row + 16);
  const std::size_t sums = pixels * (outputs + 8) * sizeof(float) + 16;  // and how many have arrived
  if (by_warpgroups(tile, matrix)) return 1024 + std::max(positions + 2 * (pixels + outputs) * row, sums);  // aligned
  const std::size_t weights = matrix.rows != 0 ? 0 : 2 * outputs * row;  // matrix units read them from global memory
  return std::max(positions + columns + weights, sums);
}

void add_tile_macros(const ConvTile& tile, int depth, bool whole_steps, const MatrixShape& matrix, bool ptx,
                     runtime::KernelRequest& request) {
  const auto add = [&](const char* name, int value) { request.macros.emplace_back(name, std::to_string(value)); };
  add("DCN_PIXELS", tile.pixels);
  add("DCN_OUTPUTS", tile.outputs);
  add("DCN_DEPTH", depth);
  add("DCN_WHOLE_STEPS", whole_steps ? 1 : 0);
  add("DCN_AHEAD", tile.ahead ? 1 : 0);
  add("DCN_ROW_TEAMS", tile.row_teams);
  add("DCN_COLUMN_TEAMS", tile.column_teams);
  const bool warpgroups = by_warpgroups(tile, matrix);
  const int registers = warpgroups         ? tile.warpgroup_registers
                        : matrix.rows != 0 ? tile.registers
                                           : tile.plain_registers;
  if (ptx && registers != 0) {
    add("DCN_PTX", 1);
    add("DCN_REGISTERS", registers);
  }
  if (matrix.mma) {
    add(warpgroups ? "DCN_WARPGROUPS" : "DCN_MMA", 1);
  } else if (matrix.rows != 0) {
    add("DCN_MATRIX_ROWS", matrix.rows);
    add("DCN_MATRIX_COLUMNS", matrix.columns);
    add("DCN_MATRIX_DEPTH", matrix.depth);
  }
}

TileBlocks choose_blocks(std::int64_t pictures, std::int64_t height, std::int64_t width, int pixels) {
  TileBlocks best;
  const std::int64_t fewest = count_tiles(best, pictures, height, width, pixels);
  std::int64_t best_side = std::numeric_limits<std::int64_t>::max();
  for (int shift = 0; 1 << shift <= pixels; ++shift) {
    const std::int64_t columns = std::int64_t{1} << shift;
    const std::int64_t rows = pixels / columns;
    const TileBlocks blocks{shift, static_cast<int>(div_up(width, columns)), static_cast<int>(div_up(height, rows))};
    if (count_tiles(blocks, pictures, height, width, pixels) * 32 <= fewest * 33 && columns + rows < best_side) {
      best_side = columns + rows;
      best = blocks;
    }
  }
  return best;
}

std::int64_t count_tiles(const TileBlocks& blocks, std::int64_t pictures, std::int64_t height, std::int64_t width,
                         int pixels) {
  if (blocks.shift < 0) return div_up(pictures * height * width, std::int64_t{pixels});
  return pictures * blocks.across * blocks.down;
}

bool is_wide(const TensorView& view, std::int64_t cut) {
  const auto vector = static_cast<std::int64_t>(16 / size_of(view.type));
  if (view.strides[1] != 1 || cut % vector != 0) return false;
  return view.strides[0] % vector == 0 && view.strides[2] % vector == 0 && view.strides[3] % vector == 0;
}

}  // namespace dcn::ops
