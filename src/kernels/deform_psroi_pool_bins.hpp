/// \file deform_psroi_pool_bins.hpp
/// Where the bins of deformable position-sensitive RoI pooling lie: shared by forward and backward.
#pragma once

#include "deform_common.hpp"
#include "deform_psroi_pool_args.hpp"

// Written without built-in functions where a value is the same for all lanes: the CPU's compiler takes the result of a
// built-in for different in each lane, and every address that depends on it.

/// Halves go away from zero, as C's round().
inline Real round_away(Real value) {
  if (!(value > Real(-8388608) && value < Real(8388608))) return value;  // whole already, or NaN
  const Real whole = static_cast<Real>(static_cast<int>(value));
  const Real rest = value - whole;
  return rest >= Real(0.5) ? whole + Real(1) : rest <= Real(-0.5) ? whole - Real(1) : whole;
}

inline Real clamp_to(Real value, Real last) { return value < Real(0) ? Real(0) : value > last ? last : value; }

/// A RoI in the coordinates of the input.
struct RoiSize {
  Real picture;
  Real y1, x1;
  Real height, width;
};

inline RoiSize size_of_roi(const DeformPsroiPoolArgs& args, Index roi) {
  const auto* row = static_cast<const Real*>(args.rois) + roi * static_cast<Index>(args.rois_stride[0]);
  const Index step = static_cast<Index>(args.rois_stride[1]);
  const Real scale = static_cast<Real>(args.spatial_scale);
  const Real x1 = round_away(row[1 * step]) * scale - Real(0.5);
  const Real y1 = round_away(row[2 * step]) * scale - Real(0.5);
  const Real x2 = (round_away(row[3 * step]) + Real(1)) * scale - Real(0.5);
  const Real y2 = (round_away(row[4 * step]) + Real(1)) * scale - Real(0.5);
  RoiSize size;
  size.picture = row[0];
  size.y1 = y1;
  size.x1 = x1;
  size.height = y2 - y1 < Real(0.1) ? Real(0.1) : y2 - y1;
  size.width = x2 - x1 < Real(0.1) ? Real(0.1) : x2 - x1;
  return size;
}

/// The samples of one bin of one class: positions start + i * step in each direction.
struct Bin {
  Index picture;
  Real start_y, start_x;
  Real step_y, step_x;
};

inline Bin locate_bin(const DeformPsroiPoolArgs& args, Index roi, Index bin_y, Index bin_x, Index class_id) {
  const RoiSize size = size_of_roi(args, roi);
  const Real width = size.width;
  const Real height = size.height;
  const Real pooled = static_cast<Real>(args.pooled_size);
  const Real bin_width = width / pooled;
  const Real bin_height = height / pooled;

  Bin bin;
  // An index that is not a picture's, or not a number, is no picture: every sample is outside.
  const Real picture = size.picture;
  bin.picture = picture >= Real(0) && picture < static_cast<Real>(args.batch) ? static_cast<Index>(picture) : Index(-1);
  bin.step_y = bin_height / static_cast<Real>(args.sample_per_part);
  bin.step_x = bin_width / static_cast<Real>(args.sample_per_part);
  bin.start_y = static_cast<Real>(bin_y) * bin_height + size.y1;
  bin.start_x = static_cast<Real>(bin_x) * bin_width + size.x1;
  if (args.offset != nullptr) {
    const Index part_y = bin_y * static_cast<Index>(args.part_size) / static_cast<Index>(args.pooled_size);
    const Index part_x = bin_x * static_cast<Index>(args.part_size) / static_cast<Index>(args.pooled_size);
    const auto* offset = static_cast<const Element*>(args.offset) + roi * static_cast<Index>(args.offset_stride[0]) +
                         2 * class_id * static_cast<Index>(args.offset_stride[1]) +
                         part_y * static_cast<Index>(args.offset_stride[2]) +
                         part_x * static_cast<Index>(args.offset_stride[3]);
    const Real deviation = static_cast<Real>(args.trans_std);
    bin.start_x += load(offset[0]) * deviation * width;
    bin.start_y += load(offset[args.offset_stride[1]]) * deviation * height;
  }
  return bin;
}
