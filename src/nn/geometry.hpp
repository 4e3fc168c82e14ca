/// \file geometry.hpp
/// What can be said of a network without a device: does it fit together, which sizes do its values have, how much
/// arithmetic is it.
#pragma once

#include <cstddef>
#include <vector>

#include "nn/network.hpp"
#include "nn/onednn.hpp"

namespace dcn::nn {

/// The number of a value as an index of a vector.
[[nodiscard]] constexpr std::size_t index(int value) { return static_cast<std::size_t>(value); }

/// \throws Error kInvalidArgument naming the first layer whose inputs, channels or weights do not fit.
void check_network(const Network& network);

/// Sizes of every value for an input picture of the given size.
/// \throws Error kInvalidArgument when a layer's output would be empty, or a residual has other sizes.
[[nodiscard]] std::vector<Sizes> value_sizes(const Network& network, const Sizes& input);

/// Weights and biases.
[[nodiscard]] std::int64_t parameters(const Layer& layer);

/// Multiplications and additions of the products; a deformable layer's sampling counts eight for each sampled value.
/// Comparisons and copies count nothing.
[[nodiscard]] double flops(const Layer& layer, const Sizes& input, const Sizes& output);

}  // namespace dcn::nn
