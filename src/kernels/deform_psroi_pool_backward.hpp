/// \file deform_psroi_pool_backward.hpp
/// Gradients of deformable position-sensitive RoI pooling. No atomics: each run gives the same bits. Macros: DCN_T_*,
/// DCN_INDEX (deform_common.hpp).
#include "deform_common.hpp"
#include "deform_psroi_pool_args.hpp"
#include "deform_psroi_pool_bins.hpp"

namespace syclexp = sycl::ext::oneapi::experimental;

/// One direction of one sample: two neighbours and the weight of the second. Both are the same at a whole-numbered
/// position, whose derivative is zero therefore, as in the original.
struct Neighbours {
  bool inside;
  Index low, high;
  Real fraction;
};

inline Neighbours neighbours(Real position, Real last) {
  Neighbours result;
  // Written so that NaN is outside.
  result.inside = position >= Real(-0.5) && position <= last + Real(0.5);
  const Real inner = result.inside ? clamp_to(position, last) : Real(0);
  result.low = static_cast<Index>(inner);
  result.fraction = inner - static_cast<Real>(result.low);
  result.high = result.fraction > Real(0) ? result.low + 1 : result.low;
  return result;
}

/// Samples of a bin that count.
inline Real count_samples(const DeformPsroiPoolArgs& args, const Bin& bin) {
  const Real last_y = static_cast<Real>(args.height - 1);
  const Real last_x = static_cast<Real>(args.width - 1);
  Real rows = Real(0);
  Real columns = Real(0);
  for (Index i = 0; i < args.sample_per_part; ++i) {
    if (neighbours(bin.start_y + static_cast<Real>(i) * bin.step_y, last_y).inside) rows += Real(1);
    if (neighbours(bin.start_x + static_cast<Real>(i) * bin.step_x, last_x).inside) columns += Real(1);
  }
  return rows * columns;
}

inline Real grad_output_at(const DeformPsroiPoolArgs& args, Index roi, Index channel, Index bin_y, Index bin_x) {
  return load(static_cast<const Element*>(args.output)[roi * static_cast<Index>(args.output_stride[0]) +
                                                       channel * static_cast<Index>(args.output_stride[1]) +
                                                       bin_y * static_cast<Index>(args.output_stride[2]) +
                                                       bin_x * static_cast<Index>(args.output_stride[3])]);
}

/// First index i with i * parts / size >= part, so that [first(part), first(part + 1)) are the indices of a part.
inline Index first_of_part(Index part, Index parts, Index size) { return (part * size + parts - 1) / parts; }

/// One work-item owns one channel of one picture, and visits the bins that read it.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void deform_psroi_pool_backward_input(
    DeformPsroiPoolBackwardArgs args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const long long id = static_cast<long long>(item.get_global_id(0));
  if (id >= args.plane_count) return;
  const DeformPsroiPoolArgs& pool = args.pool;
  const Index size = static_cast<Index>(pool.group_size);
  const Index pooled = static_cast<Index>(pool.pooled_size);
  const Index samples = static_cast<Index>(pool.sample_per_part);
  const Index channels = static_cast<Index>(pool.output_dim) * size * size;
  const Index n = static_cast<Index>((args.first_plane + id) / channels);
  const Index c = static_cast<Index>((args.first_plane + id) % channels);
  const Index group_x = c % size;
  const Index group_y = c / size % size;
  const Index channel = c / size / size;
  const Index class_id = channel / (static_cast<Index>(pool.output_dim) / static_cast<Index>(pool.classes));
  const Real last_y = static_cast<Real>(pool.height - 1);
  const Real last_x = static_cast<Real>(pool.width - 1);
  auto* sums = static_cast<Real*>(args.scratch) + id;
  for (long long at = 0; at < pool.height * pool.width; ++at) sums[at * args.plane_count] = Real(0);
  for (Index roi = 0; roi < pool.rois_count; ++roi) {
    for (Index bin_y = first_of_part(group_y, size, pooled); bin_y < first_of_part(group_y + 1, size, pooled);
         ++bin_y) {
      for (Index bin_x = first_of_part(group_x, size, pooled); bin_x < first_of_part(group_x + 1, size, pooled);
           ++bin_x) {
        const Bin bin = locate_bin(pool, roi, bin_y, bin_x, class_id);
        if (bin.picture != n) break;
        const Real count = count_samples(pool, bin);
        if (!(count > Real(0))) continue;
        const Real value = grad_output_at(pool, roi, channel, bin_y, bin_x) / count;
        for (Index i = 0; i < samples; ++i) {
          const Neighbours y = neighbours(bin.start_y + static_cast<Real>(i) * bin.step_y, last_y);
          if (!y.inside) continue;
          for (Index j = 0; j < samples; ++j) {
            const Neighbours x = neighbours(bin.start_x + static_cast<Real>(j) * bin.step_x, last_x);
            if (!x.inside) continue;
            const auto add = [&](Index row, Index column, Real weight) {
              sums[(row * pool.width + column) * args.plane_count] += weight * value;
            };
            add(y.low, x.low, (Real(1) - y.fraction) * (Real(1) - x.fraction));
            add(y.low, x.high, (Real(1) - y.fraction) * x.fraction);
            add(y.high, x.low, y.fraction * (Real(1) - x.fraction));
            add(y.high, x.high, y.fraction * x.fraction);
          }
        }
      }
    }
  }
  auto* grad_input = static_cast<Element*>(args.grad_input) + n * static_cast<Index>(args.grad_input_stride[0]) +
                     c * static_cast<Index>(args.grad_input_stride[1]);
  for (Index y = 0; y < pool.height; ++y) {
    for (Index x = 0; x < pool.width; ++x) {
      grad_input[y * static_cast<Index>(args.grad_input_stride[2]) +
                 x * static_cast<Index>(args.grad_input_stride[3])] =
          store(sums[(y * pool.width + x) * args.plane_count]);
    }
  }
}

/// One work-item per RoI, class and part.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<1>)) void deform_psroi_pool_backward_offset(
    DeformPsroiPoolBackwardArgs args) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<1>();
  const long long id = static_cast<long long>(item.get_global_id(0));
  const DeformPsroiPoolArgs& pool = args.pool;
  const Index parts = static_cast<Index>(pool.part_size);
  if (id >= pool.rois_count * pool.classes * parts * parts) return;
  const Index part_x = static_cast<Index>(id % parts);
  const Index part_y = static_cast<Index>(id / parts % parts);
  const Index class_id = static_cast<Index>(id / parts / parts % pool.classes);
  const Index roi = static_cast<Index>(id / parts / parts / pool.classes);
  const Index size = static_cast<Index>(pool.group_size);
  const Index pooled = static_cast<Index>(pool.pooled_size);
  const Index samples = static_cast<Index>(pool.sample_per_part);
  const Index channels = static_cast<Index>(pool.output_dim) / static_cast<Index>(pool.classes);
  const Real last_y = static_cast<Real>(pool.height - 1);
  const Real last_x = static_cast<Real>(pool.width - 1);
  Real grad_y = Real(0);
  Real grad_x = Real(0);
  for (Index bin_y = first_of_part(part_y, parts, pooled); bin_y < first_of_part(part_y + 1, parts, pooled); ++bin_y) {
    for (Index bin_x = first_of_part(part_x, parts, pooled); bin_x < first_of_part(part_x + 1, parts, pooled);
         ++bin_x) {
      const Bin bin = locate_bin(pool, roi, bin_y, bin_x, class_id);
      if (bin.picture < 0) continue;
      const Real count = count_samples(pool, bin);
      if (!(count > Real(0))) continue;
      const Index group = bin_y * size / pooled * size + bin_x * size / pooled;
      const auto* picture =
          static_cast<const Element*>(pool.input) + bin.picture * static_cast<Index>(pool.input_stride[0]);
      for (Index i = 0; i < samples; ++i) {
        const Neighbours y = neighbours(bin.start_y + static_cast<Real>(i) * bin.step_y, last_y);
        if (!y.inside) continue;
        for (Index j = 0; j < samples; ++j) {
          const Neighbours x = neighbours(bin.start_x + static_cast<Real>(j) * bin.step_x, last_x);
          if (!x.inside) continue;
          const auto at = [&](Index row, Index column) {
            return row * static_cast<Index>(pool.input_stride[2]) + column * static_cast<Index>(pool.input_stride[3]);
          };
          for (Index k = 0; k < channels; ++k) {
            const Index channel = class_id * channels + k;
            const Element* plane = picture + (channel * size * size + group) * static_cast<Index>(pool.input_stride[1]);
            const Real top_left = load(plane[at(y.low, x.low)]);
            const Real top_right = load(plane[at(y.low, x.high)]);
            const Real bottom_left = load(plane[at(y.high, x.low)]);
            const Real bottom_right = load(plane[at(y.high, x.high)]);
            const Real value = grad_output_at(pool, roi, channel, bin_y, bin_x) / count;
            grad_y +=
                value * ((Real(1) - x.fraction) * (bottom_left - top_left) + x.fraction * (bottom_right - top_right));
            grad_x +=
                value * ((Real(1) - y.fraction) * (top_right - top_left) + y.fraction * (bottom_right - bottom_left));
          }
        }
      }
    }
  }
  // What one unit of the offset moves the samples by: trans_std times the size of the RoI.
  const RoiSize roi_size = size_of_roi(pool, roi);
  auto* grad_offset = static_cast<Element*>(args.grad_offset) + roi * static_cast<Index>(args.grad_offset_stride[0]) +
                      2 * class_id * static_cast<Index>(args.grad_offset_stride[1]) +
                      part_y * static_cast<Index>(args.grad_offset_stride[2]) +
                      part_x * static_cast<Index>(args.grad_offset_stride[3]);
  const Real deviation = static_cast<Real>(pool.trans_std);
  grad_offset[0] = store(grad_x == Real(0) ? Real(0) : grad_x * deviation * roi_size.width);
  grad_offset[args.grad_offset_stride[1]] = store(grad_y == Real(0) ? Real(0) : grad_y * deviation * roi_size.height);
}
