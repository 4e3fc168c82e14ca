#include "ops/deform_conv2d_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>

#include "ops/deform_conv2d_plan.hpp"
#include "ops/device_facts.hpp"

namespace dcn::test {

namespace {

double sigmoid(double value) { return 1.0 / (1.0 + std::exp(-value)); }

/// Bilinear value at (y, x): the sampling rule, word by word.
template <typename Real>
Real sample(const HostTensor& input, std::int64_t n, std::int64_t c, Real y, Real x) {
  const std::int64_t height = input.size(2);
  const std::int64_t width = input.size(3);
  if (!std::isfinite(y) || !std::isfinite(x)) return 0;
  if (y <= -1 || y >= static_cast<Real>(height) || x <= -1 || x >= static_cast<Real>(width)) return 0;
  const auto top = static_cast<std::int64_t>(std::floor(y));
  const auto left = static_cast<std::int64_t>(std::floor(x));
  const Real fraction_y = y - static_cast<Real>(top);
  const Real fraction_x = x - static_cast<Real>(left);
  const auto corner = [&](std::int64_t row, std::int64_t column) -> Real {
    if (row < 0 || row >= height || column < 0 || column >= width) return 0;
    return static_cast<Real>(input.at(n, c, row, column));
  };
  return (1 - fraction_y) * (1 - fraction_x) * corner(top, left) +
         (1 - fraction_y) * fraction_x * corner(top, left + 1) + fraction_y * (1 - fraction_x) * corner(top + 1, left) +
         fraction_y * fraction_x * corner(top + 1, left + 1);
}

template <typename Real>
HostTensor compute(const DeformConv2dCase& c, const DeformConv2dInputs& inputs) {
  const DeformConv2dParams params = c.params();
  const std::int64_t out_height = params.output_h(c.height);
  const std::int64_t out_width = params.output_w(c.width);
  const std::int64_t taps = c.kernel_h * c.kernel_w;
  const std::int64_t channels_per_group = c.in_channels / c.groups;
  const std::int64_t outputs_per_group = c.out_channels / c.groups;
  const std::int64_t channels_per_offset = c.in_channels / c.deformable_groups;
  HostTensor output({c.batch, c.out_channels, out_height, out_width});
  const std::int64_t depth = channels_per_group * taps;
  std::vector<Real> columns(static_cast<std::size_t>(c.in_channels * taps));
  std::vector<Real> sums(static_cast<std::size_t>(outputs_per_group));
  // [groups][depth][outputs_per_group]: side by side what the innermost loop reads.
  std::vector<Real> weights(static_cast<std::size_t>(c.out_channels * depth));
  for (std::int64_t o = 0; o < c.out_channels; ++o) {
    for (std::int64_t k = 0; k < depth; ++k) {
      const std::int64_t at = (o / outputs_per_group * depth + k) * outputs_per_group + o % outputs_per_group;
      weights[static_cast<std::size_t>(at)] =
          static_cast<Real>(inputs.weight.values[static_cast<std::size_t>(o * depth + k)]);
    }
  }
  for (std::int64_t n = 0; n < c.batch; ++n) {
    for (std::int64_t y = 0; y < out_height; ++y) {
      for (std::int64_t x = 0; x < out_width; ++x) {
        for (std::int64_t channel = 0; channel < c.in_channels; ++channel) {
          for (std::int64_t tap = 0; tap < taps; ++tap) {
            const std::int64_t at = channel / channels_per_offset * taps + tap;
            const Real position_y = static_cast<Real>(y * c.stride_h - c.padding_h + tap / c.kernel_w * c.dilation_h) +
                                    static_cast<Real>(inputs.offset.at(n, 2 * at, y, x));
            const Real position_x = static_cast<Real>(x * c.stride_w - c.padding_w + tap % c.kernel_w * c.dilation_w) +
                                    static_cast<Real>(inputs.offset.at(n, 2 * at + 1, y, x));
            Real value = sample<Real>(inputs.input, n, channel, position_y, position_x);
            if (c.mask) {
              const double mask = inputs.mask.at(n, at, y, x);
              value *= static_cast<Real>(c.logit ? sigmoid(mask) : mask);
            }
            columns[static_cast<std::size_t>(channel * taps + tap)] = value;
          }
        }
        for (std::int64_t group = 0; group < c.groups; ++group) {
          const Real* column = &columns[static_cast<std::size_t>(group * depth)];
          const Real* weight = &weights[static_cast<std::size_t>(group * depth * outputs_per_group)];
          for (std::int64_t o = 0; o < outputs_per_group; ++o) {
            const auto at = static_cast<std::size_t>(group * outputs_per_group + o);
            sums[static_cast<std::size_t>(o)] = c.bias ? static_cast<Real>(inputs.bias.values[at]) : Real(0);
          }
          for (std::int64_t k = 0; k < depth; ++k) {
            for (std::int64_t o = 0; o < outputs_per_group; ++o) {
              sums[static_cast<std::size_t>(o)] += column[k] * weight[k * outputs_per_group + o];
            }
          }
          for (std::int64_t o = 0; o < outputs_per_group; ++o) {
            const Real sum = sums[static_cast<std::size_t>(o)];
            output.at(n, group * outputs_per_group + o, y, x) = c.relu && sum < 0 ? 0 : static_cast<double>(sum);
          }
        }
      }
    }
  }
  return output;
}

}  // namespace

DeformConv2dInputs DeformConv2dInputs::rounded(DataType type) const {
  return {input.rounded(type), offset.rounded(type), mask.rounded(type), weight.rounded(type), bias.rounded(type)};
}

DeformConv2dInputs make_inputs(const DeformConv2dCase& c) {
  const DeformConv2dParams params = c.params();
  const std::int64_t out_height = params.output_h(c.height);
  const std::int64_t out_width = params.output_w(c.width);
  const std::int64_t taps = c.kernel_h * c.kernel_w;
  std::mt19937 generator(static_cast<unsigned>(c.seed));
  std::normal_distribution<double> normal;
  const auto fill = [&](std::vector<std::int64_t> sizes, double scale) {
    HostTensor tensor(std::move(sizes));
    for (double& value : tensor.values) value = scale * normal(generator);
    return tensor;
  };
  DeformConv2dInputs inputs;
  inputs.input = fill({c.batch, c.in_channels, c.height, c.width}, 1.0);
  inputs.weight = fill({c.out_channels, c.in_channels / c.groups, c.kernel_h, c.kernel_w},
                       1.0 / std::sqrt(static_cast<double>(c.in_channels / c.groups * taps)));
  inputs.bias = fill({c.out_channels}, 1.0);
  inputs.mask = fill({c.batch, c.deformable_groups * taps, out_height, out_width}, 1.0);
  if (!c.logit) {
    for (double& value : inputs.mask.values) value = sigmoid(value);
  }
  inputs.offset = fill({c.batch, c.deformable_groups * 2 * taps, out_height, out_width}, 1.0);
  HostTensor& offset = inputs.offset;
  if (c.offsets == "zero") {
    std::fill(offset.values.begin(), offset.values.end(), 0.0);
  } else if (c.offsets == "integer") {
    for (double& value : offset.values) value = std::nearbyint(2 * value);
  } else if (c.offsets == "half") {
    for (double& value : offset.values) value = std::nearbyint(4 * value) / 2;
  } else if (c.offsets == "far") {
    for (double& value : offset.values) value *= 1000.0;
  } else if (c.offsets == "wild") {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    constexpr std::array kWild{std::numeric_limits<double>::quiet_NaN(), kInfinity, -kInfinity, 1e30, -1e30, 3e9, -3e9};
    for (std::size_t i = 0; i < offset.values.size(); i += 3) offset.values[i] = kWild[i / 3 % kWild.size()];
  } else if (c.offsets == "border") {
    // Positions on the borders and a little to either side of them.
    const double e = std::ldexp(1.0, -6);
    std::size_t pick = 0;
    for (std::int64_t n = 0; n < c.batch; ++n) {
      for (std::int64_t at = 0; at < offset.size(1); ++at) {
        const std::int64_t tap = at / 2 % taps;
        const bool is_y = at % 2 == 0;
        const auto last = static_cast<double>((is_y ? c.height : c.width) - 1);
        const std::array<double, 12> targets{-1 - e,   -1,   -1 + e,     -0.5,         0,        e,
                                             last - e, last, last + 0.5, last + 1 - e, last + 1, last + 1 + e};
        for (std::int64_t y = 0; y < out_height; ++y) {
          for (std::int64_t x = 0; x < out_width; ++x) {
            const std::int64_t base = is_y ? y * c.stride_h - c.padding_h + tap / c.kernel_w * c.dilation_h
                                           : x * c.stride_w - c.padding_w + tap % c.kernel_w * c.dilation_w;
            offset.at(n, at, y, x) = targets[(pick = pick * 5 + 7) % targets.size()] - static_cast<double>(base);
          }
        }
      }
    }
  } else if (c.offsets != "normal") {
    throw std::runtime_error("offsets '" + c.offsets + "'");
  }
  return inputs;
}

HostTensor reference(const DeformConv2dCase& c, const DeformConv2dInputs& inputs) { return compute<double>(c, inputs); }

HostTensor plain_f32(const DeformConv2dCase& c, const DeformConv2dInputs& inputs, DataType type) {
  return compute<float>(c, inputs).rounded(type);
}

DeformConv2dResult run_on_device(const DeformConv2dCase& c, const DeformConv2dInputs& inputs, DataType type,
                                 const std::string& variant, bool wide) {
  Queue& queue = test_queue();
  const DeformConv2dParams params = c.params();
  const DeviceTensor input(queue, type, inputs.input, c.layout);
  const DeviceTensor offset(queue, type, inputs.offset, c.offset_layout);
  const DeviceTensor mask(queue, type, inputs.mask, c.offset_layout);
  const DeviceTensor weight(queue, type, inputs.weight);
  const DeviceTensor bias(queue, type, inputs.bias);
  const DeviceTensor output(queue, type, {c.batch, c.out_channels, params.output_h(c.height), params.output_w(c.width)},
                            c.output_layout);
  DeformConv2dDesc desc;
  desc.params = params;
  desc.tensors = {.input = input.view(), .offset = offset.view(), .weight = weight.view(), .output = output.view()};
  if (c.mask) desc.tensors.mask = mask.view();
  if (c.bias) desc.tensors.bias = bias.view();
  desc.mask_is_logit = c.logit;
  desc.activation = c.relu ? Activation::kRelu : Activation::kNone;
  desc.force_variant = variant;
  desc.force_wide_index = wide;
  desc.force_splits = static_cast<int>(c.seed % 4);
  desc.staging_bytes = few_staging_bytes(c, type);
  DeformConv2dPlan plan(queue, desc);
  plan.set_weights(desc.tensors.weight, desc.tensors.bias);
  plan.run(desc.tensors);
  if (desc.force_splits > 1) plan.run(desc.tensors);  // finds what the first run has left
  queue.wait();
  std::string damage = output.damage();
  for (const auto& [name, tensor] : {std::pair{"input", &input}, {"offset", &offset}, {"mask", &mask}}) {
    const std::string other = tensor->damage();
    if (!other.empty()) damage += fmt::format(" {}: {}", name, other);
  }
  return {output.read(), plan.variant(), damage, output.unwritten()};
}

std::size_t few_staging_bytes(const DeformConv2dCase& c, DataType type) {
  const std::int64_t input = c.in_channels * c.height * c.width;
  const std::int64_t output = c.out_channels * c.params().output_h(c.height) * c.params().output_w(c.width);
  const std::size_t picture = static_cast<std::size_t>(std::max(input, output)) * size_of(type);
  switch (c.seed % 3) {
    case 0:
      return std::size_t{64} << 20U;
    case 1:
      return 2 * picture;  // the gradients share it between two tensors
    default:
      return 0;
  }
}

double largest_difference(const HostTensor& a, const HostTensor& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const double x = a.values[i];
    const double y = b.values[i];
    if (std::isnan(x) != std::isnan(y)) return std::numeric_limits<double>::infinity();
    if (!std::isnan(x) && x != y) largest = std::max(largest, std::abs(x - y));
  }
  return largest;
}

double largest_magnitude(const HostTensor& a) {
  double largest = 0;
  for (const double value : a.values) largest = std::max(largest, std::abs(value));
  return largest;
}

std::vector<std::string> test_variants() {
  std::vector<std::string> names;
  const ops::DeviceFacts device = ops::device_facts(test_queue());
  for (const ops::DeformConv2dVariant& variant : ops::deform_conv2d_variant_list()) {
    using Kernel = ops::DeformConv2dVariant::Kernel;
    if (variant.kernel == Kernel::kTiled && device.is_cpu && variant.name != "tiled_64x64") continue;
    if (variant.kernel == Kernel::kFused && variant.panel % device.lanes != 0) continue;
    names.emplace_back(variant.name);
  }
  return names;
}

}  // namespace dcn::test
