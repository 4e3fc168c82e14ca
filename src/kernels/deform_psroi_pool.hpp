/// \file deform_psroi_pool.hpp
/// Deformable position-sensitive RoI pooling. Macros: DCN_T_*, DCN_INDEX (deform_common.hpp), DCN_LANES.
#include "deform_common.hpp"
#include "deform_psroi_pool_args.hpp"
#include "deform_psroi_pool_bins.hpp"

namespace syclexp = sycl::ext::oneapi::experimental;

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
