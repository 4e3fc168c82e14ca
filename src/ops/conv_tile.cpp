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

const ConvTile* choose_conv_tile(const TiledProblem& problem, const DeviceFacts& device) {
  const ConvTile* best = nullptr;
  double best_time = std::numeric_limits<double>::infinity();
  for (const ConvTile& tile : kConvTiles) {
    if (!why_unable(tile, problem, device).empty()) continue;
    const std::int64_t work_groups = div_up(problem.pixels, std::int64_t{tile.pixels}) *
                                     div_up(problem.outputs, std::int64_t{tile.outputs}) * problem.groups;
    // Of one work-group and unit of depth: sampling, multiplying, and reading the weights; then how work-groups of one
    // unit overlap. Fitted to an H100. Warpgroups multiply while they sample.
    const bool matrix = problem.matrix.rows != 0;
    const double multiply_cost = !matrix ? 0.25 : by_warpgroups(tile, problem.matrix) ? 0.0 : 0.06;
    const double weight_cost = matrix ? 1.8 : 6.0;
    const bool crowded = !matrix || tile.pixels * tile.outputs >= 128 * 128;  // one fills a unit's registers
    const double overlap = crowded ? 0.1 : 0.4;
    const double share =
        tile.pixels * (problem.sample_cost + multiply_cost * tile.outputs) + weight_cost * tile.outputs;
    const auto rounds = static_cast<double>(div_up(work_groups, std::int64_t{device.compute_units}));
    const double time = share * (overlap + (1.0 - overlap) * rounds);
    if (time < best_time) {
      best_time = time;
      best = &tile;
    }
  }
  return best;
}

bool by_warpgroups(const ConvTile& tile, const MatrixShape& matrix) {
  // Two warpgroups of 64 rows each, or of half the columns each; instructions have 32 or 64 columns.
  return matrix.warpgroups &&
         ((tile.pixels == 128 && tile.outputs % 32 == 0) || (tile.pixels == 64 && tile.outputs % 64 == 0));
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
  const std::size_t sums = pixels * (outputs + 4) * sizeof(float);
  if (by_warpgroups(tile, matrix)) return 1024 + std::max(positions + 2 * (pixels + outputs) * row, sums);  // aligned
  const std::size_t weights = matrix.rows != 0 ? 0 : 2 * outputs * row;  // matrix units read them from global memory
  return std::max(positions + columns + weights, sums);
}

void add_tile_macros(const ConvTile& tile, int depth, const MatrixShape& matrix, runtime::KernelRequest& request) {
  const auto add = [&](const char* name, int value) { request.macros.emplace_back(name, std::to_string(value)); };
  add("DCN_PIXELS", tile.pixels);
  add("DCN_OUTPUTS", tile.outputs);
  add("DCN_DEPTH", depth);
  add("DCN_AHEAD", tile.ahead ? 1 : 0);
  add("DCN_ROW_TEAMS", tile.row_teams);
  add("DCN_COLUMN_TEAMS", tile.column_teams);
  if (matrix.mma) {
    const bool warpgroups = by_warpgroups(tile, matrix);
    add(warpgroups ? "DCN_WARPGROUPS" : "DCN_MMA", 1);
    const int registers = warpgroups ? tile.warpgroup_registers : tile.registers;
    if (registers != 0) {
      add("DCN_PTX", 1);
      add("DCN_REGISTERS", registers);
    }
  } else if (matrix.rows != 0) {
    add("DCN_MATRIX_ROWS", matrix.rows);
    add("DCN_MATRIX_COLUMNS", matrix.columns);
    add("DCN_MATRIX_DEPTH", matrix.depth);
  }
}

bool is_wide(const TensorView& view, std::int64_t cut) {
  const auto vector = static_cast<std::int64_t>(16 / size_of(view.type));
  if (view.strides[1] != 1 || cut % vector != 0) return false;
  return view.strides[0] % vector == 0 && view.strides[2] % vector == 0 && view.strides[3] % vector == 0;
}

}  // namespace dcn::ops
