#include "reference.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

namespace dcn::test {

namespace {

using nn::Layer;
using nn::LayerKind;

std::int64_t extent(std::int64_t size, std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                    std::int64_t dilation) {
  return (size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
}

HostTensor like_conv(const Layer& layer, const HostTensor& in) {
  return {in.n, layer.out_channels, extent(in.h, layer.kernel_h, layer.stride_h, layer.padding_h, layer.dilation_h),
          extent(in.w, layer.kernel_w, layer.stride_w, layer.padding_w, layer.dilation_w)};
}

/// Bilinear interpolation at (y, x); corners outside count zero.
double sample(const HostTensor& in, std::int64_t n, std::int64_t c, double y, double x) {
  const double y0 = std::floor(y);
  const double x0 = std::floor(x);
  const double dy = y - y0;
  const double dx = x - x0;
  const auto iy = static_cast<std::int64_t>(y0);
  const auto ix = static_cast<std::int64_t>(x0);
  return (1 - dy) * ((1 - dx) * in.padded(n, c, iy, ix) + dx * in.padded(n, c, iy, ix + 1)) +
         dy * ((1 - dx) * in.padded(n, c, iy + 1, ix) + dx * in.padded(n, c, iy + 1, ix + 1));
}

/// What tap (ky, kx) of output (y, x) sees of input channel c: the picture itself, or, when there are offsets, what
/// lies at the shifted position, times the mask (arXiv:1811.11168, equation 1).
double seen(const Layer& layer, const HostTensor& in, const HostTensor* offset_mask, std::int64_t n, std::int64_t c,
            std::int64_t y, std::int64_t x, std::int64_t ky, std::int64_t kx) {
  const std::int64_t at_y = y * layer.stride_h - layer.padding_h + ky * layer.dilation_h;
  const std::int64_t at_x = x * layer.stride_w - layer.padding_w + kx * layer.dilation_w;
  if (offset_mask == nullptr) return in.padded(n, c, at_y, at_x);
  const std::int64_t taps = layer.kernel_h * layer.kernel_w;
  const std::int64_t deformable_group = c / (layer.in_channels / layer.deformable_groups);
  const std::int64_t tap = deformable_group * taps + ky * layer.kernel_w + kx;
  const double dy = offset_mask->at(n, 2 * tap, y, x);
  const double dx = offset_mask->at(n, 2 * tap + 1, y, x);
  const double logit = offset_mask->at(n, 2 * layer.deformable_groups * taps + tap, y, x);
  return sample(in, n, c, static_cast<double>(at_y) + dy, static_cast<double>(at_x) + dx) / (1 + std::exp(-logit));
}

/// Convolution, or deformable convolution when there are offsets.
HostTensor convolve(const Layer& layer, const HostTensor& in, const HostTensor* offset_mask, const Rounding& rounding) {
  HostTensor out = like_conv(layer, in);
  std::vector<double> weights;
  for (const float weight : layer.weight) weights.push_back(rounding(static_cast<double>(weight)));
  const std::int64_t group_in = layer.in_channels / layer.groups;
  const std::int64_t group_out = layer.out_channels / layer.groups;
  const std::int64_t size = group_in * layer.kernel_h * layer.kernel_w;
  std::vector<double> column(static_cast<std::size_t>(layer.in_channels / group_in * size));
  for (std::int64_t n = 0; n < out.n; ++n) {
    for (std::int64_t y = 0; y < out.h; ++y) {
      for (std::int64_t x = 0; x < out.w; ++x) {
        std::size_t k = 0;
        for (std::int64_t c = 0; c < layer.in_channels; ++c) {
          for (std::int64_t ky = 0; ky < layer.kernel_h; ++ky) {
            for (std::int64_t kx = 0; kx < layer.kernel_w; ++kx) {
              column[k++] = seen(layer, in, offset_mask, n, c, y, x, ky, kx);
            }
          }
        }
        for (std::int64_t o = 0; o < out.c; ++o) {
          const double* part = column.data() + o / group_out * size;
          const double* weight = weights.data() + o * size;
          out.at(n, o, y, x) = std::inner_product(part, part + size, weight, 0.0);
        }
      }
    }
  }
  return out;
}

HostTensor transpose_convolve(const Layer& layer, const HostTensor& in, const Rounding& rounding) {
  HostTensor out(in.n, layer.out_channels, (in.h - 1) * layer.stride_h - 2 * layer.padding_h + layer.kernel_h,
                 (in.w - 1) * layer.stride_w - 2 * layer.padding_w + layer.kernel_w);
  const std::int64_t group_in = layer.in_channels / layer.groups;
  const std::int64_t group_out = layer.out_channels / layer.groups;
  const auto weight = [&](std::int64_t c, std::int64_t o, std::int64_t ky, std::int64_t kx) {
    const auto at = ((c * group_out + o) * layer.kernel_h + ky) * layer.kernel_w + kx;
    return rounding(static_cast<double>(layer.weight.at(static_cast<std::size_t>(at))));
  };
  for (std::int64_t n = 0; n < in.n; ++n) {
    for (std::int64_t c = 0; c < in.c; ++c) {
      for (std::int64_t y = 0; y < in.h; ++y) {
        for (std::int64_t x = 0; x < in.w; ++x) {
          for (std::int64_t o = 0; o < group_out; ++o) {
            for (std::int64_t ky = 0; ky < layer.kernel_h; ++ky) {
              for (std::int64_t kx = 0; kx < layer.kernel_w; ++kx) {
                const std::int64_t to_y = y * layer.stride_h - layer.padding_h + ky;
                const std::int64_t to_x = x * layer.stride_w - layer.padding_w + kx;
                if (to_y < 0 || to_x < 0 || to_y >= out.h || to_x >= out.w) continue;
                out.at(n, c / group_in * group_out + o, to_y, to_x) += in.at(n, c, y, x) * weight(c, o, ky, kx);
              }
            }
          }
        }
      }
    }
  }
  return out;
}

HostTensor max_pool(const Layer& layer, const HostTensor& in) {
  HostTensor out = like_conv(layer, in);
  for (std::int64_t n = 0; n < out.n; ++n) {
    for (std::int64_t c = 0; c < out.c; ++c) {
      for (std::int64_t y = 0; y < out.h; ++y) {
        for (std::int64_t x = 0; x < out.w; ++x) {
          double largest = -std::numeric_limits<double>::infinity();
          for (std::int64_t ky = 0; ky < layer.kernel_h; ++ky) {
            for (std::int64_t kx = 0; kx < layer.kernel_w; ++kx) {
              const std::int64_t at_y = y * layer.stride_h - layer.padding_h + ky;
              const std::int64_t at_x = x * layer.stride_w - layer.padding_w + kx;
              if (at_y < 0 || at_x < 0 || at_y >= in.h || at_x >= in.w) continue;
              largest = std::max(largest, in.at(n, c, at_y, at_x));
            }
          }
          out.at(n, c, y, x) = largest;
        }
      }
    }
  }
  return out;
}

HostTensor concatenate(const Layer& layer, const std::vector<const HostTensor*>& inputs) {
  HostTensor out(inputs[0]->n, layer.out_channels, inputs[0]->h, inputs[0]->w);
  for (std::int64_t n = 0; n < out.n; ++n) {
    std::int64_t first = 0;
    for (const HostTensor* input : inputs) {
      for (std::int64_t c = 0; c < input->c; ++c) {
        for (std::int64_t y = 0; y < out.h; ++y) {
          for (std::int64_t x = 0; x < out.w; ++x) out.at(n, first + c, y, x) = input->at(n, c, y, x);
        }
      }
      first += input->c;
    }
  }
  return out;
}

HostTensor run_layer(const Layer& layer, const std::vector<const HostTensor*>& inputs, const Rounding& rounding) {
  switch (layer.kind) {
    case LayerKind::kConv:
      return convolve(layer, *inputs[0], nullptr, rounding);
    case LayerKind::kDeformConv:
      return convolve(layer, *inputs[0], inputs[1], rounding);
    case LayerKind::kDeconv:
      return transpose_convolve(layer, *inputs[0], rounding);
    case LayerKind::kMaxPool:
      return max_pool(layer, *inputs[0]);
    case LayerKind::kConcat:
      return concatenate(layer, inputs);
  }
  throw std::logic_error("a kind of layer without a reference");
}

}  // namespace

double exact(double value) { return value; }

double to_bf16(double value) {
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
  const std::uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16U) & 1U)) & 0xFFFF0000U;
  return static_cast<double>(std::bit_cast<float>(rounded));
}

std::vector<HostTensor> run_reference(const nn::Network& network, const HostTensor& picture, const Rounding& rounding) {
  std::vector<HostTensor> values(static_cast<std::size_t>(network.value_count));
  values[0] = picture;
  for (double& value : values[0].values) value = rounding(value);
  for (const Layer& layer : network.layers) {
    std::vector<const HostTensor*> inputs;
    for (const int input : layer.inputs) inputs.push_back(&values.at(static_cast<std::size_t>(input)));
    HostTensor out = run_layer(layer, inputs, rounding);
    const HostTensor* residual = layer.residual < 0 ? nullptr : &values.at(static_cast<std::size_t>(layer.residual));
    const auto plane = static_cast<std::size_t>(out.h * out.w);
    for (std::size_t i = 0; i < out.values.size(); ++i) {
      double value = out.values[i];
      if (!layer.bias.empty()) {
        value += rounding(static_cast<double>(layer.bias[i / plane % static_cast<std::size_t>(out.c)]));
      }
      if (residual != nullptr) value += residual->values[i];
      if (layer.activation == Activation::kRelu) value = std::max(value, 0.0);
      out.values[i] = rounding(value);
    }
    values[static_cast<std::size_t>(layer.output)] = std::move(out);
  }
  return values;
}

}  // namespace dcn::test
