/// \file heads.hpp
/// The heads of a CenterNet: `NAME.0` (3x3, ReLU) and `NAME.2` (1x1), or `NAME` alone (1x1).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "centernet/model.hpp"
#include "centernet/network_builder.hpp"

namespace dcn::centernet {

/// Names of all heads: modules outside of `backbone` whose tensors have the form of a head, and whatever of the
/// original's head names occurs.
[[nodiscard]] std::set<std::string> find_heads(const checkpoint::Checkpoint& checkpoint,
                                               const std::set<std::string>& backbone);

/// By the original's head names: `hps` makes multi_pose; `dep`, `rot` or `dim` ddd; everything else is ctdet.
[[nodiscard]] Task infer_task(const std::set<std::string>& heads);

/// Adds the heads behind `features`, and notes those that the task needs and are not there.
/// \returns channels by head.
std::map<std::string, std::int64_t> build_heads(NetworkBuilder& builder, const std::set<std::string>& heads, Task task,
                                                int features);

}  // namespace dcn::centernet
