/// \file device_tensor.hpp
/// A tensor on the device in any memory layout, with everything around its elements poisoned and watched.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cases/deform_conv2d_case.hpp"
#include "dcn/device.hpp"
#include "dcn/tensor.hpp"

namespace dcn::test {

/// The queue that all tests of a process share.
[[nodiscard]] Queue& test_queue();

/// Row-major values in logical order, kept as double, with the sizes.
struct HostTensor {
  std::vector<std::int64_t> sizes;
  std::vector<double> values;

  HostTensor() = default;
  explicit HostTensor(std::vector<std::int64_t> shape);
  [[nodiscard]] std::int64_t size(std::size_t dim) const { return sizes[dim]; }
  [[nodiscard]] double& at(std::int64_t n, std::int64_t c, std::int64_t y, std::int64_t x);
  [[nodiscard]] double at(std::int64_t n, std::int64_t c, std::int64_t y, std::int64_t x) const;
  /// Every value rounded to what `type` can hold.
  [[nodiscard]] HostTensor rounded(DataType type) const;
};

class DeviceTensor {
 public:
  /// Memory for the sizes, all of it (elements, gaps, and 4 KiB before and after) filled with a pattern that is NaN in
  /// each type.
  DeviceTensor(Queue queue, DataType type, std::vector<std::int64_t> sizes, Layout layout = Layout::kNchw);
  /// The same, with the elements written.
  DeviceTensor(Queue queue, DataType type, const HostTensor& values, Layout layout = Layout::kNchw);

  [[nodiscard]] const TensorView& view() const { return view_; }
  /// Waits and reads the elements back.
  [[nodiscard]] HostTensor read() const;
  /// Waits; empty when no byte outside of the elements has changed, else what has.
  [[nodiscard]] std::string damage() const;
  /// Elements that still hold the poison.
  [[nodiscard]] std::int64_t unwritten() const;

 private:
  void lay_out(Layout layout);
  [[nodiscard]] std::vector<unsigned char> fetch() const;
  template <typename Visit>
  void for_each(Visit&& visit) const;

  Queue queue_;
  TensorView view_;
  std::int64_t first_ = 0;  ///< byte of element 0 in the memory
  DeviceBuffer memory_;
};

}  // namespace dcn::test
