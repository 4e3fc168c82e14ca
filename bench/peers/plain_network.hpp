/// \file plain_network.hpp
/// The limit of a network with deformable convolutions.
#pragma once

#include <set>

#include "nn/network.hpp"

namespace dcn::bench {

/// The same network with an ordinary convolution wherever there is a deformable one, and nothing that makes offsets.
inline nn::Network without_deformation(nn::Network network) {
  std::set<int> offsets;
  for (nn::Layer& layer : network.layers) {
    if (layer.kind != nn::LayerKind::kDeformConv) continue;
    offsets.insert(layer.inputs.at(1));
    layer.kind = nn::LayerKind::kConv;
    layer.inputs.pop_back();
    layer.deformable_groups = 1;
  }
  std::erase_if(network.layers, [&](const nn::Layer& layer) { return offsets.contains(layer.output); });
  return network;
}

}  // namespace dcn::bench
