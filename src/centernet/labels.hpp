/// \file labels.hpp
/// Names of the classes of the data sets that the original's checkpoints were trained on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "centernet/model.hpp"

namespace dcn::centernet {

/// ctdet: the 80 names of COCO for 80 classes, the 20 of PASCAL VOC for 20; ddd: KITTI's three; multi_pose: "person".
/// Anything else: "class_0", "class_1", ...
[[nodiscard]] std::vector<std::string> default_labels(Task task, std::int64_t classes);

}  // namespace dcn::centernet
