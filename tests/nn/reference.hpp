/// \file reference.hpp
/// The layers of src/nn written from their formulas, in double on the host, one output element after the other.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "nn/network.hpp"

namespace dcn::test {

/// Dense N, C, H, W.
struct HostTensor {
  std::int64_t n = 0, c = 0, h = 0, w = 0;
  std::vector<double> values;

  HostTensor() = default;
  HostTensor(std::int64_t batch, std::int64_t channels, std::int64_t height, std::int64_t width)
      : n(batch),
        c(channels),
        h(height),
        w(width),
        values(static_cast<std::size_t>(batch * channels * height * width)) {}
  double& at(std::int64_t i, std::int64_t k, std::int64_t y, std::int64_t x) {
    return values[static_cast<std::size_t>(((i * c + k) * h + y) * w + x)];
  }
  [[nodiscard]] double at(std::int64_t i, std::int64_t k, std::int64_t y, std::int64_t x) const {
    return values[static_cast<std::size_t>(((i * c + k) * h + y) * w + x)];
  }
  /// 0 outside of the picture.
  [[nodiscard]] double padded(std::int64_t i, std::int64_t k, std::int64_t y, std::int64_t x) const {
    return y < 0 || x < 0 || y >= h || x >= w ? 0.0 : at(i, k, y, x);
  }
};

/// Applied to the picture, every weight, every bias and every layer's result: what a type does to a number.
using Rounding = std::function<double(double)>;
[[nodiscard]] double exact(double value);
/// To the nearest bf16, ties to even.
[[nodiscard]] double to_bf16(double value);

/// All values of the network, by number. Sums are exact (double) whatever the rounding.
[[nodiscard]] std::vector<HostTensor> run_reference(const nn::Network& network, const HostTensor& picture,
                                                    const Rounding& rounding = exact);

}  // namespace dcn::test
