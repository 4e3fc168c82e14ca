/// \file make_checkpoint.hpp
/// Checkpoints with the original's tensor names and shapes, of any widths, with random values. Written from the
/// original's modules, not from src/centernet.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"

namespace dcn::test {

struct HeadSpec {
  std::map<std::string, std::int64_t> heads{{"hm", 80}, {"wh", 2}, {"reg", 2}};
  std::int64_t head_conv = 64;  ///< 0: none
};

/// pose_dla_dcn.py's DLASeg('dla34'). \param widths of the six levels.
[[nodiscard]] checkpoint::Checkpoint make_dla_34(const std::vector<std::int64_t>& widths, const HeadSpec& heads = {});

/// resnet_dcn.py's PoseResNet. \param blocks of the four stages; widths of the stem and the four stages (inner widths
/// of bottlenecks); up_widths of the three deconvolutions.
[[nodiscard]] checkpoint::Checkpoint make_resdcn(const std::vector<int>& blocks, bool bottleneck,
                                                 const std::vector<std::int64_t>& widths,
                                                 const std::vector<std::int64_t>& up_widths,
                                                 const HeadSpec& heads = {});

}  // namespace dcn::test
