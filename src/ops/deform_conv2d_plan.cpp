#include "ops/deform_conv2d_plan.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <optional>
#include <vector>

#include "dcn/status.hpp"
#include "ops/channels_last.hpp"
#include "ops/rounding.hpp"
#include "ops/window_args.hpp"
#include "runtime/verbose.hpp"

namespace dcn::ops {

namespace {

using Kernel = DeformConv2dVariant::Kernel;

/// Best first. A fused variant is named by the output channels of its register block; the rows make the block fill the
/// registers of AVX-512 (fused_64: 6 x 4 vectors, fused_32: 12 x 2) or AVX2 (fused_16: 6 x 2).
constexpr std::array kUntiled{
    DeformConv2dVariant{"fused_64", Kernel::kFused, 64, 6},
    DeformConv2dVariant{"fused_32", Kernel::kFused, 32, 12},
    DeformConv2dVariant{"fused_16", Kernel::kFused, 16, 6},
    DeformConv2dVariant{"reference"},
};

/// The tiled ones, of which choose_conv_tile() takes the best, then the others.
constexpr auto kVariants = [] {
  std::array<DeformConv2dVariant, kConvTiles.size() + kUntiled.size()> all{};
  std::size_t count = 0;
  for (const ConvTile& tile : kConvTiles) all[count++] = {tile.name, Kernel::kTiled, 0, 0, tile};
  for (const DeformConv2dVariant& variant : kUntiled) all[count++] = variant;
  return all;
}();

constexpr std::int64_t kSlack = 1024;  // work-items count past the last element
constexpr int kChunk = 64;             // channels sampled at a time

std::int64_t outputs_per_group(const DeformConv2dDesc& desc) {
  return desc.tensors.weight.sizes[0] / desc.params.groups;
}

MatrixShape matrix_shape(const DeformConv2dDesc& desc, const DeviceFacts& device) {
  return matrix_shape(desc.tensors.input.type, desc.allow_tf32, device);
}

/// What the sampler keeps of a tap and pixel: four corners and their weights.
std::size_t position_bytes(IndexWidth index) { return 4 * ((index == IndexWidth::k32 ? 4 : 8) + sizeof(float)); }

struct TiledSteps {
  std::int64_t most = 0;    ///< of a group. All groups have the same number only if their cuts are alike
  std::int64_t chunks = 0;  ///< of the smallest cut
};

/// \param depth  channels of one step.
TiledSteps count_steps(const DeformConv2dDesc& desc, int depth) {
  const DeformConv2dParams& params = desc.params;
  const std::int64_t channels = desc.tensors.input.sizes[1];
  const std::int64_t width = channels / params.deformable_groups;
  TiledSteps steps;
  for (std::int64_t group = 0; group < params.groups; ++group) {
    std::int64_t sum = 0;
    const std::int64_t last = (group + 1) * (channels / params.groups);
    for (std::int64_t cut = last - channels / params.groups; cut < last;) {
      const std::int64_t end = std::min((cut / width + 1) * width, last);
      const std::int64_t chunks = div_up(end - cut, std::int64_t{depth});
      steps.chunks = steps.chunks == 0 ? chunks : std::min(steps.chunks, chunks);
      sum += params.kernel_h * params.kernel_w * chunks;
      cut = end;
    }
    steps.most = std::max(steps.most, sum);
  }
  return steps;
}

TiledProblem tiled_problem(const DeformConv2dDesc& desc, const DeviceFacts& device) {
  const TensorView& output = desc.tensors.output;
  const TiledSteps steps = count_steps(desc, tiled_depth(desc.tensors.input.type));
  return {.type = desc.tensors.input.type,
          .matrix = matrix_shape(desc, device),
          .pixels = output.sizes[0] * output.sizes[2] * output.sizes[3],
          .groups = desc.params.groups,
          .outputs = outputs_per_group(desc),
          .steps = steps.most,
          .chunks = static_cast<int>(steps.chunks),
          .force_splits = desc.force_splits,
          .position_bytes = position_bytes(IndexWidth::k64),
          .sample_cost = 8.0};
}

/// Why the variant cannot run the call at all; empty when it can.
std::string why_unable(const DeformConv2dVariant& variant, const DeformConv2dDesc& desc, const DeviceFacts& device) {
  if (variant.kernel == Kernel::kReference) return {};
  if (desc.tensors.input.type == DataType::kF64) return "it computes in f32, the tensors are f64";
  if (variant.kernel == Kernel::kTiled) return why_unable(variant.tile, tiled_problem(desc, device), device);
  if (device.lanes > variant.panel || variant.panel % device.lanes != 0) {
    return fmt::format("its {} output channels are no multiple of the device's sub-group of {}", variant.panel,
                       device.lanes);
  }
  const std::size_t smallest = fused_local_bytes(variant, device.lanes, IndexWidth::k64, {variant.rows, 1});
  if (smallest > device.local_bytes) {
    return fmt::format("it needs {} bytes of local memory, the device has {}", smallest, device.local_bytes);
  }
  return {};
}

/// Why another variant in the list will be faster; empty when this one suits. Says nothing of the reference.
std::string why_unsuited(const DeformConv2dVariant& variant, const DeformConv2dDesc& desc, const DeviceFacts& device) {
  if (variant.kernel == Kernel::kReference) return {};
  if (variant.kernel == Kernel::kTiled) return device.is_cpu ? "it is made for GPUs" : "another tile will be faster";
  const int vectors = variant.panel / device.lanes;
  const int registers = variant.rows * vectors + vectors + 1;
  if (device.is_cpu && registers > device.vector_registers) {
    return fmt::format("its block takes {} registers, the device has {}", registers, device.vector_registers);
  }
  const std::int64_t outputs = outputs_per_group(desc);
  const std::int64_t padded = round_up(outputs, variant.panel);
  const std::int64_t narrower = round_up(outputs, std::max(variant.panel / 2, device.lanes));
  if (padded * 8 > narrower * 9) {
    return fmt::format("{} output channels per group would be padded to {}", outputs, padded);
  }
  // With a handful of channels on both sides (depth-wise convolution) most lanes would hold padding.
  const std::int64_t channels = desc.tensors.weight.sizes[1];
  if (outputs * channels * 8 < static_cast<std::int64_t>(variant.panel)) {
    return fmt::format("groups of {} input and {} output channels fill too few lanes", channels, outputs);
  }
  return {};
}

const DeformConv2dVariant& choose_variant(const DeformConv2dDesc& desc, const DeviceFacts& device,
                                          std::string_view force) {
  if (!force.empty()) {
    const auto* const found =
        std::find_if(kVariants.begin(), kVariants.end(), [&](const auto& variant) { return variant.name == force; });
    if (found == kVariants.end()) {
      std::vector<std::string_view> names;
      for (const auto& variant : kVariants) names.push_back(variant.name);
      throw Error(
          ErrorCode::kInvalidArgument,
          fmt::format("deform_conv2d: forced variant '{}' does not exist: one of {}", force, fmt::join(names, ", ")));
    }
    const std::string why = why_unable(*found, desc, device);
    if (!why.empty()) {
      throw Error(ErrorCode::kUnsupported, fmt::format("deform_conv2d: forced variant '{}' declines: {}", force, why));
    }
    return *found;
  }
  if (!device.is_cpu) {
    const bool is_f64 = desc.tensors.input.type == DataType::kF64;
    if (const ConvTile* const best = is_f64 ? nullptr : choose_conv_tile(tiled_problem(desc, device), device)) {
      return *std::find_if(kVariants.begin(), kVariants.end(),
                           [&](const auto& variant) { return variant.name == best->name; });
    }
  }
  for (const DeformConv2dVariant& variant : kVariants) {
    std::string why = why_unable(variant, desc, device);
    if (why.empty()) why = why_unsuited(variant, desc, device);
    if (why.empty()) return variant;
    runtime::verbose(runtime::Topic::kDispatch, "deform_conv2d: {} declines: {}", variant.name, why);
  }
  throw Error(ErrorCode::kInternal, "deform_conv2d: the reference declined");
}

void fill_args(DeformConv2dArgs& args, const DeformConv2dDesc& desc) {
  const DeformConv2dParams& params = desc.params;
  const DeformConv2dTensors& tensors = desc.tensors;
  copy_strides(args.input_stride, tensors.input);
  copy_strides(args.offset_stride, tensors.offset);
  if (tensors.mask) copy_strides(args.mask_stride, *tensors.mask);
  copy_strides(args.output_stride, tensors.output);
  fill_window(args, params, tensors.input, tensors.output);
  args.deformable_groups = static_cast<int>(params.deformable_groups);
  args.mask_is_logit = desc.mask_is_logit ? 1 : 0;
  args.relu = desc.activation == Activation::kRelu ? 1 : 0;
}

/// Channels of the smallest cut: the channels of a group, cut where the deformable group changes.
std::int64_t common_cut(const DeformConv2dParams& params, std::int64_t channels) {
  return std::gcd(channels / params.groups, channels / params.deformable_groups);
}

void plan_tiled(DeformConv2dSchedule& schedule, const DeformConv2dDesc& desc, const DeviceFacts& device,
                std::int64_t pixels) {
  const ConvTile& tile = schedule.variant.tile;
  const DeformConv2dParams& params = desc.params;
  const std::int64_t channels = desc.tensors.input.sizes[1];
  const std::int64_t outputs = outputs_per_group(desc);
  const int depth = tiled_depth(desc.tensors.input.type);
  const TiledProblem problem = tiled_problem(desc, device);
  schedule.matrix = problem.matrix;
  schedule.packed_type = staged_type(desc.tensors.input.type, schedule.matrix);
  const std::int64_t steps = problem.steps;
  const std::int64_t slices = div_up(outputs, std::int64_t{tile.outputs});
  const std::int64_t packed = params.groups * slices * steps * depth * tile.outputs;
  const TensorView* mask = desc.tensors.mask ? &*desc.tensors.mask : nullptr;
  schedule.index =
      index_width({&desc.tensors.input, &desc.tensors.offset, mask, &desc.tensors.weight, &desc.tensors.output},
                  {pixels + tile.pixels, packed + params.groups * slices * tile.outputs + kSlack});
  if (desc.force_wide_index) schedule.index = IndexWidth::k64;
  schedule.args.slices_per_group = static_cast<int>(slices);
  schedule.args.panels_per_group = static_cast<int>(slices);
  schedule.args.steps_per_group = static_cast<int>(steps);
  const TensorView& input = desc.tensors.input;
  const std::int64_t cut = common_cut(params, channels);
  schedule.args.wide_input = is_wide(input, cut) ? 1 : 0;
  if (schedule.args.wide_input == 0 && is_wide(staged_view(input), cut)) {
    schedule.staged_pictures = staged_pictures(input, desc.staging_bytes);
    if (schedule.staged_pictures != 0) {
      schedule.args.wide_input = 1;
      const TensorView staged = staged_view(input);
      std::copy(staged.strides.begin(), staged.strides.end(), schedule.args.input_stride);
    }
  }
  schedule.args.wide_output = is_wide(desc.tensors.output, std::gcd(outputs, std::int64_t{tile.outputs})) ? 1 : 0;
  schedule.lanes = device.lanes;
  schedule.chunk = depth;
  set_blocks(schedule.args, tile.pixels);
  schedule.args.splits = choose_splits(tile, problem, device);
  schedule.tiles = count_tiles(schedule.args, tile.pixels);
  schedule.ptx = device.ptx;
  schedule.whole_steps = cut % depth == 0;
  schedule.slices = static_cast<std::size_t>(params.groups * slices);
  schedule.local_bytes = tiled_local_bytes(tile, position_bytes(schedule.index), depth, schedule.matrix, input.type);
  schedule.packed_weight_elements = static_cast<std::size_t>(packed);
  schedule.packed_bias_elements = static_cast<std::size_t>(params.groups * slices * tile.outputs);
  schedule.zero_elements = static_cast<std::size_t>(round_up(channels, 8));  // at least one wide load
}

}  // namespace

std::span<const DeformConv2dVariant> deform_conv2d_variant_list() noexcept { return kVariants; }

std::size_t fused_local_bytes(const DeformConv2dVariant& variant, int lanes, IndexWidth index,
                              const DeformConv2dTile& tile) {
  const auto rows = static_cast<std::size_t>(round_up(tile.pixels, variant.rows));
  const auto pixels = static_cast<std::size_t>(round_up(tile.pixels, lanes));
  const std::size_t index_bytes = index == IndexWidth::k32 ? 4 : 8;
  const std::size_t column = rows * kChunk * sizeof(float);
  const std::size_t sum =
      static_cast<std::size_t>(tile.panels) * rows * static_cast<std::size_t>(variant.panel) * sizeof(float);
  const std::size_t per_pixel = 4 * sizeof(void*) + 4 * index_bytes + (4 + 2) * sizeof(float);
  return kFusedAlignment + column + sum + pixels * per_pixel;
}

DeformConv2dTile choose_tile(const DeformConv2dVariant& variant, const DeviceFacts& device, IndexWidth index,
                             std::int64_t pixels, std::int64_t groups, std::int64_t panels_per_group,
                             std::int64_t taps_channels) {
  // A GPU wants many small work-groups; a CPU few large ones, because each streams the weights once.
  const std::int64_t largest = device.is_cpu ? 192 : 32;
  // Cycles of one core, measured on AVX-512 and scaled to the width of the vectors.
  const double vectors = static_cast<double>(variant.panel) / device.lanes;
  const double multiply_cost = 0.55 * vectors;                          // per pixel, panel and K
  const double sample_cost = 8.0 / device.lanes;                        // per pixel and K
  const double weight_cost = 0.1 * static_cast<double>(variant.panel);  // per panel and K: 10 floats a cycle or so
  const auto depth = static_cast<double>(taps_channels);

  DeformConv2dTile best;
  double best_time = std::numeric_limits<double>::infinity();
  for (std::int64_t panels = 1; panels <= panels_per_group; ++panels) {
    const std::int64_t slices = groups * div_up(panels_per_group, panels);
    if (panels != div_up(panels_per_group, div_up(panels_per_group, panels))) continue;  // same slices, less even
    for (std::int64_t tile = variant.rows; tile <= largest; tile += variant.rows) {
      const DeformConv2dTile candidate{static_cast<int>(tile), static_cast<int>(panels)};
      if (fused_local_bytes(variant, device.lanes, index, candidate) > device.local_bytes) break;
      const std::int64_t work_groups = div_up(pixels, tile) * slices;
      const auto size = static_cast<double>(tile);
      const auto width = static_cast<double>(panels);
      const double share = depth * (size * sample_cost + width * (size * multiply_cost + weight_cost));
      const double time = share * static_cast<double>(div_up(work_groups, device.compute_units));
      if (time < best_time) {
        best_time = time;
        best = candidate;
      }
      if (tile >= pixels) break;
    }
  }
  return best;
}

DeformConv2dSchedule plan_deform_conv2d(const DeformConv2dDesc& desc, const DeviceFacts& device,
                                        std::string_view force) {
  const DeformConv2dTensors& tensors = desc.tensors;
  expect_supported(tensors.input.type, device);

  DeformConv2dSchedule schedule;
  schedule.variant = choose_variant(desc, device, force);
  fill_args(schedule.args, desc);
  const std::int64_t pixels = tensors.output.sizes[0] * tensors.output.sizes[2] * tensors.output.sizes[3];
  schedule.empty = pixels == 0;

  const TensorView* mask = tensors.mask ? &*tensors.mask : nullptr;
  const DeformConv2dVariant& variant = schedule.variant;
  if (variant.kernel == Kernel::kReference) {
    schedule.index = index_width({&tensors.input, &tensors.offset, mask, &tensors.output}, {tensors.weight.elements()});
    if (desc.force_wide_index) schedule.index = IndexWidth::k64;
    return schedule;
  }

  if (variant.kernel == Kernel::kTiled) {
    plan_tiled(schedule, desc, device, pixels);
    return schedule;
  }

  const std::int64_t groups = desc.params.groups;
  const std::int64_t panels_per_group = div_up(outputs_per_group(desc), variant.panel);
  const std::int64_t depth = tensors.weight.sizes[1] * tensors.weight.sizes[2] * tensors.weight.sizes[3];
  const std::int64_t packed = groups * panels_per_group * variant.panel * depth;
  schedule.index = index_width({&tensors.input, &tensors.offset, mask, &tensors.output}, {pixels + kSlack, packed});
  if (desc.force_wide_index) schedule.index = IndexWidth::k64;

  const DeformConv2dTile tile = choose_tile(variant, device, schedule.index, pixels, groups, panels_per_group, depth);
  schedule.args.tile_pixels = tile.pixels;
  schedule.args.slice_panels = tile.panels;
  schedule.args.panels_per_group = static_cast<int>(panels_per_group);
  schedule.args.slices_per_group = static_cast<int>(div_up(panels_per_group, tile.panels));
  schedule.lanes = device.lanes;
  schedule.chunk = kChunk;
  schedule.tiles = static_cast<std::size_t>(div_up(pixels, tile.pixels));
  schedule.slices = static_cast<std::size_t>(groups * schedule.args.slices_per_group);
  schedule.local_bytes = fused_local_bytes(variant, device.lanes, schedule.index, tile);
  schedule.packed_weight_elements = static_cast<std::size_t>(packed);
  schedule.packed_bias_elements = static_cast<std::size_t>(groups * panels_per_group * variant.panel);
  schedule.zero_elements = static_cast<std::size_t>(tensors.input.sizes[1]);
  return schedule;
}

}  // namespace dcn::ops
