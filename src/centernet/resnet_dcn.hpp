/// \file resnet_dcn.hpp
/// ResNet (He et al. 2016, arXiv:1512.03385) with three deformable up-sampling steps, tensor names and topology of the
/// original's resnet_dcn.py (after Xiao et al. 2018, arXiv:1804.06208).
#pragma once

#include <string>
#include <vector>

#include "centernet/network_builder.hpp"

namespace dcn::centernet {

/// "resdcn_18", "resdcn_34", ...
[[nodiscard]] std::vector<std::string> resnet_dcn_names();

/// The one whose blocks the checkpoint holds, "" when none fits.
[[nodiscard]] std::string infer_resnet_dcn(const checkpoint::Checkpoint& checkpoint);

/// Adds the network up to the heads and returns the value that they read, stride 4. Widths follow from the tensors'
/// shapes. \param arch one of resnet_dcn_names().
int build_resnet_dcn(NetworkBuilder& builder, const std::string& arch);

}  // namespace dcn::centernet
