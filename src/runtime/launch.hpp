/// \file launch.hpp
/// The one way to submit a kernel. Free of SYCL headers.
///
///     const Kernel kernel = get_kernel(queue, {.source = "scale.hpp", .entry = "scale", .macros = {{"DCN_T",
///     "float"}}}); launch(queue, kernel, range_elements(count), ScaleArgs{x, y, count});
#pragma once

#include <array>
#include <cstddef>
#include <type_traits>

#include "dcn/device.hpp"
#include "runtime/kernel.hpp"

namespace dcn::runtime {

/// Work-groups times work-items per group. The last dimension runs fastest, as in SYCL; it is also the only one that
/// may exceed 65,535 groups on NVIDIA GPUs, so the long extent goes last.
struct LaunchRange {
  std::array<std::size_t, 3> groups{1, 1, 1};
  std::array<std::size_t, 3> group_size{1, 1, 1};
  int dims = 1;
};

[[nodiscard]] constexpr LaunchRange range_1d(std::size_t groups, std::size_t group_size) {
  return {{groups, 1, 1}, {group_size, 1, 1}, 1};
}
[[nodiscard]] constexpr LaunchRange range_2d(std::array<std::size_t, 2> groups, std::array<std::size_t, 2> group_size) {
  return {{groups[0], groups[1], 1}, {group_size[0], group_size[1], 1}, 2};
}
[[nodiscard]] constexpr LaunchRange range_3d(std::array<std::size_t, 3> groups, std::array<std::size_t, 3> group_size) {
  return {groups, group_size, 3};
}

/// ceil(count / size); the usual number of work-groups.
[[nodiscard]] constexpr std::size_t div_up(std::size_t count, std::size_t size) { return (count + size - 1) / size; }

/// A work-item for each of `count` elements, and some that the kernel has to turn away.
[[nodiscard]] constexpr LaunchRange range_elements(std::size_t count) {
  constexpr std::size_t kGroup = 256;
  return range_1d(div_up(count, kGroup), kGroup);
}

/// What every device takes as kernel arguments; what cuda_code.hpp makes words of.
inline constexpr std::size_t kMaxArgumentBytes = 768;

/// Same as launch() below for an argument struct whose type is known only by its bytes.
void launch_bytes(const Queue& queue, const Kernel& kernel, const LaunchRange& range, const void* args,
                  std::size_t args_bytes, std::size_t local_bytes);

/// Submits `kernel` to the in-order queue and returns. The argument struct is copied before launch() returns; what its
/// pointers refer to must live until the kernel has run. A range with no groups submits nothing.
/// \param local_bytes size of the kernel's local_accessor parameter; 0 for a kernel without one.
/// \throws Error kInvalidArgument for a range the device cannot run, kDevice with what the runtime reported.
template <typename Args>
void launch(const Queue& queue, const Kernel& kernel, const LaunchRange& range, const Args& args,
            std::size_t local_bytes = 0) {
  static_assert(std::is_trivially_copyable_v<Args>, "kernel arguments are copied byte by byte to the device");
  static_assert(sizeof(Args) <= kMaxArgumentBytes, "too large for the argument space of some devices");
  launch_bytes(queue, kernel, range, &args, sizeof(Args), local_bytes);
}

}  // namespace dcn::runtime
