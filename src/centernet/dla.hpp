/// \file dla.hpp
/// DLA-34 with deformable up-sampling. Deep layer aggregation: Yu et al. 2018, arXiv:1707.06484; with DCN as in Zhou et
/// al. 2019 (arXiv:1904.07850), tensor names and topology of the original's pose_dla_dcn.py.
#pragma once

#include "centernet/network_builder.hpp"

namespace dcn::centernet {

/// Adds the backbone and the up-sampling of `dla_34` and returns the value that the heads read: stride 4, the third
/// width. Widths follow from the tensors' shapes.
int build_dla_34(NetworkBuilder& builder);

}  // namespace dcn::centernet
