/// \file channels_last.hpp
/// A tensor in which pixels lie side by side, as one in which channels do.
///
/// Macros: DCN_T_* and DCN_INDEX as in deform_common.hpp.
#include <sycl/accessor.hpp>
#include <sycl/group.hpp>
#include <sycl/group_barrier.hpp>
#include <sycl/vector.hpp>

#include "channels_last_args.hpp"
#include "deform_common.hpp"

namespace syclexp = sycl::ext::oneapi::experimental;

/// Work-groups: [channel tiles, pictures, pixel tiles] of [1, 8, 32]; they read and write whole lines of the cache.
extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclexp::nd_range_kernel<3>)) void channels_last(
    ChannelsLastArgs args, sycl::local_accessor<sycl::vec<unsigned, 4>, 1> local) {
  const auto item = sycl::ext::oneapi::this_work_item::get_nd_item<3>();
  const int lane = static_cast<int>(item.get_local_id(2));
  const int first_row = static_cast<int>(item.get_local_id(1));
  const int rows = static_cast<int>(item.get_local_range(1));
  constexpr int kStride = kTransposedTile + 1;  // columns start in different banks
  auto* tile = reinterpret_cast<Element*>(local.get_multi_ptr<sycl::access::decorated::no>().get());

  const Index channels = static_cast<Index>(args.channels);
  const Index width = static_cast<Index>(args.width);
  const Index pixels = static_cast<Index>(args.height) * width;
  const Index first_channel = static_cast<Index>(item.get_group(0)) * kTransposedTile;
  const Index picture = static_cast<Index>(item.get_group(1));
  const Index first_pixel = static_cast<Index>(item.get_group(2)) * kTransposedTile;

  const Index pixel = first_pixel + lane;
  const Index y = pixel / width;
  const auto* from = static_cast<const Element*>(args.source) +
                     (picture + static_cast<Index>(args.first_picture)) * static_cast<Index>(args.source_stride[0]) +
                     y * static_cast<Index>(args.source_stride[2]) +
                     (pixel - y * width) * static_cast<Index>(args.source_stride[3]);
  for (int row = first_row; row < kTransposedTile; row += rows) {
    const Index channel = first_channel + row;
    if ((pixel < pixels) & (channel < channels)) {
      tile[row * kStride + lane] = from[channel * static_cast<Index>(args.source_stride[1])];
    }
  }
  sycl::group_barrier(item.get_group());
  auto* to = static_cast<Element*>(args.destination) + picture * pixels * channels;
  const Index channel = first_channel + lane;
  for (int row = first_row; row < kTransposedTile; row += rows) {
    if ((first_pixel + row < pixels) & (channel < channels)) {
      to[(first_pixel + row) * channels + channel] = tile[lane * kStride + row];
    }
  }
}
