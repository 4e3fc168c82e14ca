/// \file detection.hpp
/// One object found in a picture.
#pragma once

#include <array>
#include <vector>

namespace dcn::centernet {

struct Detection {
  int category = 0;  ///< 0-based index into ModelInfo::labels
  float score = 0;
  std::array<float, 4> box{};                   ///< x1, y1, x2, y2 in pixels of the picture
  std::vector<std::array<float, 2>> keypoints;  ///< multi_pose: 17 x (x, y)
  // ddd, camera coordinates in metres, angles in radians
  float alpha = 0, rotation_y = 0;
  std::array<float, 3> dimensions{};  ///< height, width, length
  std::array<float, 3> location{};
};

}  // namespace dcn::centernet
