#include "runtime/launch.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <sycl/sycl.hpp>

#include "dcn/status.hpp"
#include "runtime/cuda_code.hpp"
#include "runtime/sycl_error.hpp"
#include "runtime/verbose.hpp"

namespace dcn::runtime {

namespace {

/// CUDA's limit for all dimensions of a grid but the fastest one.
constexpr std::size_t kCudaSlowGroups = 65535;

/// Local memory is given out in this unit, which also aligns it.
using LocalUnit = sycl::vec<unsigned, 4>;

std::string describe(const LaunchRange& range) {
  const auto n = static_cast<std::size_t>(range.dims);
  return fmt::format("[{}] groups of [{}]", fmt::join(std::span(range.groups.data(), n), ", "),
                     fmt::join(std::span(range.group_size.data(), n), ", "));
}

void check_range(const Queue& queue, const Kernel& kernel, const LaunchRange& range) {
  if (range.dims < 1 || range.dims > 3) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("kernel {}: a launch range of {} dimensions, expected 1 to 3", kernel.name, range.dims));
  }
  for (std::size_t d = 0; d + 1 < static_cast<std::size_t>(range.dims); ++d) {
    if (range.groups[d] > kCudaSlowGroups && queue.device().backend == "cuda") {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("kernel {}: {}; dimension {} may have {} groups on this device, the last one any number",
                              kernel.name, describe(range), d, kCudaSlowGroups));
    }
  }
}

/// Sets the argument struct, in words where the entry takes it so. Returns the next argument's index.
int set_struct(sycl::handler& handler, const void* args, std::size_t bytes, const Kernel& kernel) {
  using sycl::ext::oneapi::experimental::raw_kernel_arg;
  if (kernel.words == 0) {
    handler.set_arg(0, raw_kernel_arg(args, bytes));
    return 1;
  }
  std::array<std::uint64_t, kMostEntryWords> words{};
  if (kernel.words > words.size() || bytes > kernel.words * sizeof(words[0])) {
    throw Error(ErrorCode::kInternal, fmt::format("kernel {}: {} bytes of arguments for an entry of {} words",
                                                  kernel.name, bytes, kernel.words));
  }
  std::memcpy(words.data(), args, bytes);
  for (std::size_t i = 0; i < kernel.words; ++i) {
    handler.set_arg(static_cast<int>(i), raw_kernel_arg(&words.at(i), sizeof(words[0])));
  }
  return static_cast<int>(kernel.words);
}

template <int Dims>
void parallel_for(sycl::handler& handler, const LaunchRange& range, const sycl::kernel& kernel) {
  const auto make = [&](auto value) {
    if constexpr (Dims == 1) return sycl::range<1>(value(0));
    if constexpr (Dims == 2) return sycl::range<2>(value(0), value(1));
    if constexpr (Dims == 3) return sycl::range<3>(value(0), value(1), value(2));
  };
  handler.parallel_for(sycl::nd_range<Dims>(make([&](std::size_t d) { return range.groups[d] * range.group_size[d]; }),
                                            make([&](std::size_t d) { return range.group_size[d]; })),
                       kernel);
}

}  // namespace

void launch_bytes(const Queue& queue, const Kernel& kernel, const LaunchRange& range, const void* args,
                  std::size_t args_bytes, std::size_t local_bytes) {
  check_range(queue, kernel, range);
  for (int d = 0; d < range.dims; ++d) {
    if (range.groups[static_cast<std::size_t>(d)] == 0) return;
  }
  verbose(Topic::kExec, "{} {}{}", kernel.name, describe(range),
          local_bytes == 0 ? "" : fmt::format(", {} bytes of local memory", local_bytes));
  try {
    queue.native().submit([&](sycl::handler& handler) {
      const int next = set_struct(handler, args, args_bytes, kernel);
      if (local_bytes != 0) {
        handler.set_arg(next, sycl::local_accessor<LocalUnit, 1>(div_up(local_bytes, sizeof(LocalUnit)), handler));
      }
      if (range.dims == 1) {
        parallel_for<1>(handler, range, *kernel.native);
      } else if (range.dims == 2) {
        parallel_for<2>(handler, range, *kernel.native);
      } else {
        parallel_for<3>(handler, range, *kernel.native);
      }
    });
  } catch (const sycl::exception& error) {
    throw translate(error,
                    fmt::format("kernel {}, {}, {} bytes of local memory", kernel.name, describe(range), local_bytes));
  }
}

}  // namespace dcn::runtime
