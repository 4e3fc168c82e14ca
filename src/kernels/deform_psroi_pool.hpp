/// \file deform_psroi_pool.hpp
/// Deformable position-sensitive RoI pooling. Macros: DCN_T_*, DCN_INDEX (deform_common.hpp), DCN_LANES.
#include "deform_common.hpp"
#include "deform_psroi_pool_args.hpp"

namespace syclexp = sycl::ext::oneapi::experimental;

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

/// The samples of one bin of one class: positions start + i * step in each direction.
struct Bin {
  Index picture;
  Real start_y, start_x;
  Real step_y, step_x;
};

inline Bin locate_bin(const DeformPsroiPoolArgs& args, Index roi, Index bin_y, Index bin_x, Index class_id) {
  const auto* row = static_cast<const Real*>(args.rois) + roi * static_cast<Index>(args.rois_stride[0]);
  const Index step = static_cast<Index>(args.rois_stride[1]);
  const Real scale = static_cast<Real>(args.spatial_scale);
  const Real x1 = round_away(row[1 * step]) * scale - Real(0.5);
  const Real y1 = round_away(row[2 * step]) * scale - Real(0.5);
  const Real x2 = (round_away(row[3 * step]) + Real(1)) * scale - Real(0.5);
  const Real y2 = (round_away(row[4 * step]) + Real(1)) * scale - Real(0.5);
  const Real width = x2 - x1 < Real(0.1) ? Real(0.1) : x2 - x1;
  const Real height = y2 - y1 < Real(0.1) ? Real(0.1) : y2 - y1;
  const Real pooled = static_cast<Real>(args.pooled_size);
  const Real bin_width = width / pooled;
  const Real bin_height = height / pooled;

  Bin bin;
  // An index that is not a picture's, or not a number, is no picture: every sample is outside.
  const Real picture = row[0];
  bin.picture = picture >= Real(0) && picture < static_cast<Real>(args.batch) ? static_cast<Index>(picture) : Index(-1);
  bin.step_y = bin_height / static_cast<Real>(args.sample_per_part);
  bin.step_x = bin_width / static_cast<Real>(args.sample_per_part);
  bin.start_y = static_cast<Real>(bin_y) * bin_height + y1;
  bin.start_x = static_cast<Real>(bin_x) * bin_width + x1;
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

/// Mean over the samples of a bin that lie in the picture, and their number. `channel` is the index of the channel's
/// first element in a picture.
inline Real pool(const DeformPsroiPoolArgs& args, const Bin& bin, Index channel, Real& count) {
  const Index height = static_cast<Index>(args.height);
  const Index width = static_cast<Index>(args.width);
  const Index stride_y = static_cast<Index>(args.input_stride[2]);
  const Index stride_x = static_cast<Index>(args.input_stride[3]);
  const Real last_y = static_cast<Real>(height - 1);
  const Real last_x = static_cast<Real>(width - 1);
  const auto* picture =
      static_cast<const Element*>(args.input) + bin.picture * static_cast<Index>(args.input_stride[0]);
  Real sum = Real(0);
  count = Real(0);
  if (bin.picture < 0) return sum;
  const Index samples = static_cast<Index>(args.sample_per_part);
  for (Index i = 0; i < samples; ++i) {
    const Real y = bin.start_y + static_cast<Real>(i) * bin.step_y;
    // Written so that NaN is outside.
    if (!(y >= Real(-0.5) && y <= last_y + Real(0.5))) continue;
    const Real inner_y = clamp_to(y, last_y);
    const Index top = static_cast<Index>(inner_y);
    const Real low_y = inner_y - static_cast<Real>(top);
    const Index bottom = low_y > Real(0) ? top + 1 : top;
    for (Index j = 0; j < samples; ++j) {
      const Real x = bin.start_x + static_cast<Real>(j) * bin.step_x;
      if (!(x >= Real(-0.5) && x <= last_x + Real(0.5))) continue;
      const Real inner_x = clamp_to(x, last_x);
      const Index left = static_cast<Index>(inner_x);
      const Real low_x = inner_x - static_cast<Real>(left);
      const Index right = low_x > Real(0) ? left + 1 : left;
      const Element* row_top = picture + top * stride_y;
      const Element* row_bottom = picture + bottom * stride_y;
      sum += (Real(1) - low_y) * (Real(1) - low_x) * load(row_top[left * stride_x + channel]) +
             (Real(1) - low_y) * low_x * load(row_top[right * stride_x + channel]) +
             low_y * (Real(1) - low_x) * load(row_bottom[left * stride_x + channel]) +
             low_y * low_x * load(row_bottom[right * stride_x + channel]);
      count += Real(1);
    }
  }
  return count > Real(0) ? sum / count : Real(0);
}

/// Element of the output, and where its channel of the input lies.
inline Index input_channel(const DeformPsroiPoolArgs& args, Index output_channel, Index bin_y, Index bin_x) {
  const Index size = static_cast<Index>(args.group_size);
  const Index group_y = bin_y * size / static_cast<Index>(args.pooled_size);
  const Index group_x = bin_x * size / static_cast<Index>(args.pooled_size);
  return ((output_channel * size + group_y) * size + group_x) * static_cast<Index>(args.input_stride[1]);
}

inline void write(const DeformPsroiPoolArgs& args, Index roi, Index channel, Index bin_y, Index bin_x, Real value,
                  Real count) {
  const auto at = [&](const long long* stride) {
    return roi * static_cast<Index>(stride[0]) + channel * static_cast<Index>(stride[1]) +
           bin_y * static_cast<Index>(stride[2]) + bin_x * static_cast<Index>(stride[3]);
  };
  static_cast<Element*>(args.output)[at(args.output_stride)] = store(value);
  static_cast<Real*>(args.count)[at(args.count_stride)] = count;
}

/// One work-item per element of the output, channels fastest.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void deform_psroi_pool_reference(
    DeformPsroiPoolArgs args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const long long id = static_cast<long long>(item.get_global_id(0));
  const long long bins = args.pooled_size * args.pooled_size;
  if (id >= args.rois_count * bins * args.output_dim) return;
  const Index channel = static_cast<Index>(id % args.output_dim);
  const Index bin_x = static_cast<Index>(id / args.output_dim % args.pooled_size);
  const Index bin_y = static_cast<Index>(id / args.output_dim / args.pooled_size % args.pooled_size);
  const Index roi = static_cast<Index>(id / args.output_dim / bins);
  const Index class_id = channel / (static_cast<Index>(args.output_dim) / static_cast<Index>(args.classes));
  const Bin bin = locate_bin(args, roi, bin_y, bin_x, class_id);
  Real count = Real(0);
  const Real value = pool(args, bin, input_channel(args, channel, bin_y, bin_x), count);
  write(args, roi, channel, bin_y, bin_x, value, count);
}

/// Work-groups: [channels / lanes, bins of all RoIs]. A sub-group shares one bin of one class, so that positions are
/// computed once, and reads neighbouring channels: group_size 1 and an input channel stride of 1.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<2>))
    SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::sub_group_size<DCN_LANES>)) SYCL_EXT_ONEAPI_FUNCTION_PROPERTY(
        (syclexp::work_group_size<1, DCN_LANES>)) void deform_psroi_pool_channels(DeformPsroiPoolArgs args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<2>();
  const Index lane = static_cast<Index>(item.get_local_id(1));
  const long long id = static_cast<long long>(item.get_group(1));
  const Index bin_x = static_cast<Index>(id % args.pooled_size);
  const Index bin_y = static_cast<Index>(id / args.pooled_size % args.pooled_size);
  const Index roi = static_cast<Index>(id / args.pooled_size / args.pooled_size);
  const Index channel = static_cast<Index>(item.get_group(0)) * DCN_LANES;
  const Index class_id = channel / (static_cast<Index>(args.output_dim) / static_cast<Index>(args.classes));
  const Bin bin = locate_bin(args, roi, bin_y, bin_x, class_id);
  Real count = Real(0);
  const Real value = pool(args, bin, channel + lane, count);
  write(args, roi, channel + lane, bin_y, bin_x, value, count);
}
