/// \file split_sums.hpp
/// Memory of tiles whose channels are divided among several work-groups (kernels/tile_conv.hpp: add_splits).
#pragma once

#include <cstddef>

#include "dcn/device.hpp"
#include "ops/conv_tile.hpp"

namespace dcn::ops {

struct SplitSums {
  DeviceBuffer partial;  ///< f32, of every work-group
  DeviceBuffer arrived;  ///< int, of every tile; 0 between runs

  SplitSums() = default;
  /// \param tiles  of all slices. Holds nothing if `splits` is 1.
  SplitSums(Queue& queue, const ConvTile& tile, std::size_t tiles, int splits) {
    if (splits == 1 || tiles == 0) return;
    const auto sums = static_cast<std::size_t>(tile.pixels) * static_cast<std::size_t>(tile.outputs);
    partial = DeviceBuffer(queue, tiles * static_cast<std::size_t>(splits) * sums * sizeof(float));
    arrived = DeviceBuffer(queue, tiles * sizeof(int));
    queue.fill(arrived.data(), 0, arrived.bytes());
  }

  [[nodiscard]] std::size_t bytes() const noexcept { return partial.bytes() + arrived.bytes(); }

  /// \param args  of a tiled kernel.
  template <typename Args>
  void give(Args& args) const {
    args.partial = partial.data();
    args.arrived = static_cast<int*>(arrived.data());
  }
};

}  // namespace dcn::ops
