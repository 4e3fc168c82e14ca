#include "ops/deform_conv2d_backward_run.hpp"

#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <optional>
#include <random>

#include "dcn/deform_conv2d_backward.hpp"
#include "ops/deform_conv2d_backward_plan.hpp"
#include "ops/device_facts.hpp"
#include "ops/half.hpp"

namespace dcn::test {

namespace {

/// Bilinear interpolation at a position: corners, their weights and the derivatives of the weights.
template <typename Real>
struct Position {
  struct Corner {
    std::int64_t y, x;
    Real weight, by_y, by_x;
  };
  std::array<Corner, 4> corners{};
  int count = 0;

  Position(const DeformConv2dCase& c, Real y, Real x) {
    if (!std::isfinite(y) || !std::isfinite(x)) return;
    if (y <= -1 || y >= static_cast<Real>(c.height) || x <= -1 || x >= static_cast<Real>(c.width)) return;
    const Real top = std::floor(y);
    const Real left = std::floor(x);
    for (int i = 0; i < 2; ++i) {
      for (int j = 0; j < 2; ++j) {
        const auto row = static_cast<std::int64_t>(top) + i;
        const auto column = static_cast<std::int64_t>(left) + j;
        if (row < 0 || row >= c.height || column < 0 || column >= c.width) continue;
        const Real wy = i == 0 ? 1 - (y - top) : y - top;
        const Real wx = j == 0 ? 1 - (x - left) : x - left;
        corners[static_cast<std::size_t>(count++)] = {row, column, wy * wx, i == 0 ? -wx : wx, j == 0 ? -wy : wy};
      }
    }
  }
};

/// \param hold  what becomes of a sample before it is multiplied.
template <typename Real, typename Hold>
Gradients compute(const DeformConv2dCase& c, const DeformConv2dInputs& inputs, const HostTensor& grad_output,
                  Hold hold) {
  const DeformConv2dParams params = c.params();
  const std::int64_t out_height = params.output_h(c.height);
  const std::int64_t out_width = params.output_w(c.width);
  const std::int64_t taps = c.kernel_h * c.kernel_w;
  const std::int64_t group_channels = c.in_channels / c.groups;
  const std::int64_t group_outputs = c.out_channels / c.groups;
  const std::int64_t offset_channels = c.in_channels / c.deformable_groups;
  const std::int64_t depth = group_channels * taps;
  Gradients result;
  auto& [grad_input, grad_offset, grad_mask, grad_weight, grad_bias] = result.of;
  grad_input = HostTensor(inputs.input.sizes);
  grad_offset = HostTensor(inputs.offset.sizes);
  grad_mask = HostTensor(inputs.mask.sizes);
  grad_weight = HostTensor(inputs.weight.sizes);
  grad_bias = HostTensor(inputs.bias.sizes);
  std::vector<Real> input_sums(grad_input.values.size());
  std::vector<Real> weight_sums(grad_weight.values.size());
  std::vector<Real> bias_sums(grad_bias.values.size());
  std::vector<Real> weight(inputs.weight.values.begin(), inputs.weight.values.end());
  std::vector<Real> column(static_cast<std::size_t>(c.in_channels * taps));   // gradient of the sampled values
  std::vector<Real> sampled(static_cast<std::size_t>(c.in_channels * taps));  // with the mask
  for (std::int64_t n = 0; n < c.batch; ++n) {
    for (std::int64_t y = 0; y < out_height; ++y) {
      for (std::int64_t x = 0; x < out_width; ++x) {
        std::fill(column.begin(), column.end(), Real(0));
        for (std::int64_t o = 0; o < c.out_channels; ++o) {
          const auto value = static_cast<Real>(grad_output.at(n, o, y, x));
          bias_sums[static_cast<std::size_t>(o)] += value;
          const Real* row = &weight[static_cast<std::size_t>(o * depth)];
          Real* sums = &column[static_cast<std::size_t>(o / group_outputs * depth)];
          for (std::int64_t k = 0; k < depth; ++k) sums[k] += value * row[k];
        }
        for (std::int64_t g = 0; g < c.deformable_groups; ++g) {
          for (std::int64_t tap = 0; tap < taps; ++tap) {
            const std::int64_t at = g * taps + tap;
            Real factor = 1;
            if (c.mask) {
              const double mask = inputs.mask.at(n, at, y, x);
              factor = static_cast<Real>(c.logit ? 1.0 / (1.0 + std::exp(-mask)) : mask);
            }
            const Position<Real> position(
                c,
                static_cast<Real>(y * c.stride_h - c.padding_h + tap / c.kernel_w * c.dilation_h) +
                    static_cast<Real>(inputs.offset.at(n, 2 * at, y, x)),
                static_cast<Real>(x * c.stride_w - c.padding_w + tap % c.kernel_w * c.dilation_w) +
                    static_cast<Real>(inputs.offset.at(n, 2 * at + 1, y, x)));
            Real by_y = 0;
            Real by_x = 0;
            Real by_factor = 0;
            for (std::int64_t channel = g * offset_channels; channel < (g + 1) * offset_channels; ++channel) {
              const auto k = static_cast<std::size_t>(channel * taps + tap);
              Real value = 0;
              Real slope_y = 0;
              Real slope_x = 0;
              for (int i = 0; i < position.count; ++i) {
                const auto& corner = position.corners[static_cast<std::size_t>(i)];
                const auto pixel = static_cast<Real>(inputs.input.at(n, channel, corner.y, corner.x));
                value += corner.weight * pixel;
                slope_y += corner.by_y * pixel;
                slope_x += corner.by_x * pixel;
                const std::int64_t index = ((n * c.in_channels + channel) * c.height + corner.y) * c.width + corner.x;
                input_sums[static_cast<std::size_t>(index)] += corner.weight * factor * column[k];
              }
              sampled[k] = hold(value * factor);
              by_factor += column[k] * value;
              by_y += column[k] * slope_y;
              by_x += column[k] * slope_x;
            }
            grad_offset.at(n, 2 * at, y, x) = static_cast<double>(by_y * factor);
            grad_offset.at(n, 2 * at + 1, y, x) = static_cast<double>(by_x * factor);
            if (position.count != 0) {
              grad_mask.at(n, at, y, x) = static_cast<double>(c.logit ? by_factor * factor * (1 - factor) : by_factor);
            }
          }
        }
        for (std::int64_t o = 0; o < c.out_channels; ++o) {
          const auto value = static_cast<Real>(grad_output.at(n, o, y, x));
          Real* sums = &weight_sums[static_cast<std::size_t>(o * depth)];
          const Real* columns = &sampled[static_cast<std::size_t>(o / group_outputs * depth)];
          for (std::int64_t k = 0; k < depth; ++k) sums[k] += value * columns[k];
        }
      }
    }
  }
  std::copy(input_sums.begin(), input_sums.end(), grad_input.values.begin());
  std::copy(weight_sums.begin(), weight_sums.end(), grad_weight.values.begin());
  std::copy(bias_sums.begin(), bias_sums.end(), grad_bias.values.begin());
  return result;
}

}  // namespace

Gradients Gradients::rounded(DataType type) const {
  Gradients result;
  for (std::size_t i = 0; i < of.size(); ++i) result.of[i] = of[i].rounded(type);
  return result;
}

HostTensor make_grad_output(const DeformConv2dCase& c) {
  const DeformConv2dParams params = c.params();
  HostTensor tensor({c.batch, c.out_channels, params.output_h(c.height), params.output_w(c.width)});
  std::mt19937 generator(static_cast<unsigned>(c.seed) + 77);
  std::normal_distribution<double> normal;
  for (double& value : tensor.values) value = normal(generator);
  return tensor;
}

Gradients reference_gradients(const DeformConv2dCase& c, const DeformConv2dInputs& inputs,
                              const HostTensor& grad_output) {
  return compute<double>(c, inputs, grad_output, [](double value) { return value; });
}

Gradients plain_f32_gradients(const DeformConv2dCase& c, const DeformConv2dInputs& inputs,
                              const HostTensor& grad_output, DataType type, bool samples_in_type) {
  return compute<float>(
             c, inputs, grad_output,
             [&](float value) {
               if (!samples_in_type) return value;
               return static_cast<float>(type == DataType::kF16 ? from_f16(to_f16(value)) : from_bf16(to_bf16(value)));
             })
      .rounded(type);
}

std::vector<std::string> test_backward_variants(bool halves) {
  using Kernel = ops::DeformConv2dBackwardVariant::Kernel;
  std::vector<std::string> names;
  const ops::DeviceFacts device = ops::device_facts(test_queue());
  for (const ops::DeformConv2dBackwardVariant& variant : ops::deform_conv2d_backward_variant_list()) {
    if (variant.kernel == Kernel::kTiled && device.is_cpu && variant.name != "tiled_64") continue;
    if (variant.kernel == Kernel::kFused && variant.panel % device.lanes != 0) continue;
    if (halves && (variant.kernel == Kernel::kReference || variant.name == "fused_16")) continue;
    names.emplace_back(variant.name);
  }
  return names;
}

BackwardResult run_backward(const DeformConv2dCase& c, const DeformConv2dInputs& inputs, const HostTensor& grad_output,
                            const BackwardOptions& options) {
  Queue& queue = test_queue();
  const DataType type = options.type;
  const DeviceTensor input(queue, type, inputs.input, c.layout);
  const DeviceTensor offset(queue, type, inputs.offset, c.offset_layout);
  const DeviceTensor mask(queue, type, inputs.mask, c.offset_layout);
  const DeviceTensor weight(queue, type, inputs.weight, options.weight_layout);
  const DeviceTensor output(queue, type, grad_output, c.output_layout);
  DeformConv2dBackwardDesc desc;
  desc.params = c.params();
  desc.tensors = {
      .grad_output = output.view(), .input = input.view(), .offset = offset.view(), .weight = weight.view()};
  if (c.mask) desc.tensors.mask = mask.view();
  desc.mask_is_logit = c.logit;
  desc.deterministic = options.deterministic;
  desc.force_variant = options.variant;
  desc.force_wide_index = options.wide;
  desc.staging_bytes = few_staging_bytes(c, type);

  GradientSet wanted = options.wanted;
  wanted[2] = wanted[2] && c.mask;
  wanted[4] = wanted[4] && c.bias;
  const std::array<const HostTensor*, 5> like{&inputs.input, &inputs.offset, &inputs.mask, &inputs.weight,
                                              &inputs.bias};
  const std::array<Layout, 5> layouts{c.layout, c.offset_layout, c.offset_layout, options.weight_layout, Layout::kNchw};
  const std::array<std::optional<TensorView>*, 5> slots{&desc.tensors.grad_input, &desc.tensors.grad_offset,
                                                        &desc.tensors.grad_mask, &desc.tensors.grad_weight,
                                                        &desc.tensors.grad_bias};
  std::array<std::unique_ptr<DeviceTensor>, 5> gradients;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (!wanted[i]) continue;
    gradients[i] = std::make_unique<DeviceTensor>(queue, type, like[i]->sizes, layouts[i]);
    *slots[i] = gradients[i]->view();
  }
  DeformConv2dBackwardPlan plan(queue, desc);
  plan.run(desc.tensors);
  queue.wait();

  BackwardResult result;
  result.variant = plan.variant();
  result.scratch_bytes = plan.scratch_bytes();
  for (const auto& [name, tensor] : {std::pair{"input", &input},
                                     {"offset", &offset},
                                     {"mask", &mask},
                                     {"weight", &weight},
                                     {"grad_output", &output}}) {
    const std::string damage = tensor->damage();
    if (!damage.empty()) result.damage += fmt::format("{}: {} ", name, damage);
  }
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i]) continue;
    const std::string damage = gradients[i]->damage();
    if (!damage.empty()) result.damage += fmt::format("{}: {} ", kGradientNames[i], damage);
    const std::int64_t unwritten = gradients[i]->unwritten();
    if (unwritten != 0) result.damage += fmt::format("{}: {} elements unwritten ", kGradientNames[i], unwritten);
    result.gradients.of[i] = gradients[i]->read();
  }
  return result;
}

}  // namespace dcn::test
