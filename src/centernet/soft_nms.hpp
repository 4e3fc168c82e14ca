/// \file soft_nms.hpp
/// Soft-NMS (Bodla et al. 2017, arXiv:1704.04503) with the arithmetic and the order of exchanges of the original's
/// src/lib/external/nms.pyx (soft_nms, soft_nms_39).
#pragma once

#include <cstdint>
#include <span>

namespace dcn::centernet {

enum class SoftNmsMethod : std::uint8_t { kHard, kLinear, kGaussian };

struct SoftNmsParams {
  SoftNmsMethod method = SoftNmsMethod::kGaussian;
  float overlap = 0.5F;  ///< Nt: kHard and kLinear act above it
  float sigma = 0.5F;    ///< kGaussian
  float threshold = 0.001F;
};

/// Rescores rows of `columns` >= 5 floats in place: x1, y1, x2, y2, score and anything that belongs to the row.
/// Returns how many rows stay above the threshold; they come first. The rows after those are left as the original
/// leaves them (it keeps them too): where a row was dropped, the first five values of the last row remain twice.
/// \throws Error kInvalidArgument when the rows have fewer than five columns or do not divide the span.
std::int64_t soft_nms(std::span<float> rows, std::int64_t columns, const SoftNmsParams& params = {});

}  // namespace dcn::centernet
