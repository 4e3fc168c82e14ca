/// \file channels_last_args.hpp
/// Arguments of channels_last.hpp, for both sides. A plain struct: no includes, no host code.
#pragma once

/// Pixels and channels of a work-group.
constexpr int kTransposedTile = 32;

struct ChannelsLastArgs {
  const void* source;
  void* destination;           ///< [pictures][height][width][channels], dense
  long long source_stride[4];  ///< of n, c, y, x, in elements
  long long first_picture;     ///< of the source
  long long channels, height, width;
};
