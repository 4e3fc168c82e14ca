#include "ops/deform_conv2d_backward_plan.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "dcn/status.hpp"
#include "ops/channels_last.hpp"
#include "ops/deform_conv2d_plan.hpp"
#include "ops/rounding.hpp"
#include "ops/window_args.hpp"
#include "runtime/verbose.hpp"

namespace dcn::ops {

namespace {

using BackwardKernel = DeformConv2dBackwardVariant::Kernel;

constexpr int kWidestTile = 256;  // output channels

/// Best first; the last takes every call. A tiled variant is named by the output channels of its work-groups. The
/// register blocks of a fused one fill AVX-512 (fused_32) or AVX2 (fused_16).
constexpr std::array kBackwardVariants{
    DeformConv2dBackwardVariant{
        .name = "tiled_64", .kernel = BackwardKernel::kTiled, .panel = 64, .rows = 64, .out_rows = 64},
    DeformConv2dBackwardVariant{
        .name = "tiled_128", .kernel = BackwardKernel::kTiled, .panel = 64, .rows = 64, .out_rows = 128},
    DeformConv2dBackwardVariant{
        .name = "tiled_256", .kernel = BackwardKernel::kTiled, .panel = 64, .rows = 64, .out_rows = kWidestTile},
    DeformConv2dBackwardVariant{
        .name = "fused_32", .kernel = BackwardKernel::kFused, .panel = 32, .rows = 12, .out_rows = 8},
    DeformConv2dBackwardVariant{
        .name = "fused_16", .kernel = BackwardKernel::kFused, .panel = 16, .rows = 6, .out_rows = 6},
    DeformConv2dBackwardVariant{.name = "reference"},
};

constexpr std::int64_t kMebi = std::int64_t{1} << 20;
constexpr std::int64_t kPlaneScratch = 64 * kMebi;     // bytes; the reference's sums of grad_input
constexpr std::int64_t kPositionScratch = 16 * kMebi;  // bytes; the fused variants' sums of grad_offset and grad_mask
constexpr std::int64_t kStrandScratch = 256 * kMebi;   // bytes; more than one strand only while its sums fit
constexpr std::int64_t kLaunchScratch = 128 * kMebi;   // bytes; the tiled variants' sums of one launch
constexpr int kUnitGroups = 6;                         // work-groups of a tiled launch per compute unit
constexpr std::int64_t kLargestTile = 96;              // output pixels
constexpr int kBiasParts = 64;
constexpr std::size_t kAlignment = 64;  // of the parts of the scratch

/// Panels that the input channels are cut into: none holds channels of two groups or deformable groups.
std::int64_t count_slices(const DeformConv2dParams& params, std::int64_t channels, std::int64_t panel) {
  const std::int64_t group_channels = channels / params.groups;
  const std::int64_t deformable_channels = channels / params.deformable_groups;
  std::int64_t slices = 0;
  for (std::int64_t cut = 0; cut < channels;) {
    const std::int64_t end =
        std::min((cut / group_channels + 1) * group_channels, (cut / deformable_channels + 1) * deformable_channels);
    slices += div_up(end - cut, panel);
    cut = end;
  }
  return slices;
}

/// The matrix units that the tiled variants may use. They have no product over pixels through joint_matrix.
MatrixShape backward_matrix(const DeformConv2dBackwardDesc& desc, const DeviceFacts& device) {
  const MatrixShape matrix = matrix_shape(desc.tensors.input.type, desc.allow_tf32, device);
  return matrix.mma ? matrix : MatrixShape{};
}

/// Why the tiled variant cannot run the call at all; empty when it can.
std::string why_tiled_unable(const DeformConv2dBackwardVariant& variant, const DeformConv2dBackwardDesc& desc,
                             const DeviceFacts& device) {
  if (desc.deterministic) return "its sums are atomic, and the same bits are asked for";
  const auto vector = static_cast<int>(16 / size_of(desc.tensors.input.type));
  const int threads = kBackwardRowTeams * kBackwardColumnTeams * device.lanes;
  const int packs = variant.panel / vector;
  // Each work-item of the plain product has 4 x 4 sums or more, 16 of them side by side.
  if (threads < variant.rows || device.lanes % packs != 0 || variant.rows * packs % threads != 0 ||
      variant.out_rows * 4 % threads != 0) {
    return fmt::format("its tile of {} pixels cannot be shared by sub-groups of {}", variant.rows, device.lanes);
  }
  const DataType staged = staged_type(desc.tensors.input.type, backward_matrix(desc, device));
  const std::size_t local =
      backward_tiled_local_bytes(variant, IndexWidth::k64, tiled_depth(desc.tensors.input.type), staged);
  if (local > device.local_bytes) {
    return fmt::format("it needs {} bytes of local memory, the device has {}", local, device.local_bytes);
  }
  return {};
}

/// Why the variant cannot run the call at all; empty when it can.
std::string why_unable(const DeformConv2dBackwardVariant& variant, const DeformConv2dBackwardDesc& desc,
                       const DeviceFacts& device) {
  if (variant.kernel == BackwardKernel::kReference) return {};
  const DeformConv2dBackwardTensors& tensors = desc.tensors;
  if (tensors.input.type == DataType::kF64) return "it computes in f32, the tensors are f64";
  if (variant.kernel == BackwardKernel::kTiled) return why_tiled_unable(variant, desc, device);
  if (device.lanes > variant.panel || variant.panel % device.lanes != 0) {
    return fmt::format("its {} channels are no multiple of the device's sub-group of {}", variant.panel, device.lanes);
  }
  const std::int64_t outputs = round_up(tensors.weight.sizes[0] / desc.params.groups, variant.out_rows);
  const std::size_t smallest = backward_local_bytes(variant, device.lanes, IndexWidth::k64, variant.rows, outputs);
  if (smallest > device.local_bytes) {
    return fmt::format("it needs {} bytes of local memory, the device has {}", smallest, device.local_bytes);
  }
  return {};
}

std::string why_tiled_unsuited(const DeformConv2dBackwardVariant& variant, const DeformConv2dBackwardDesc& desc,
                               const DeviceFacts& device) {
  if (device.is_cpu) return "it is made for GPUs";
  const std::int64_t channels = desc.tensors.input.sizes[1];
  const std::int64_t outputs = desc.tensors.weight.sizes[0] / desc.params.groups;
  const std::int64_t padded = round_up(outputs, variant.out_rows);
  if (outputs > variant.out_rows && variant.out_rows < kWidestTile) {
    return fmt::format("it would read the input once per {} of {} outputs", variant.out_rows, outputs);
  }
  const std::int64_t padded_channels = count_slices(desc.params, channels, variant.panel) * variant.panel;
  if (outputs * channels * 16 < padded * padded_channels) {
    return fmt::format("{} channels would be padded to {}, and {} outputs per group to {}", channels, padded_channels,
                       outputs, padded);
  }
  return {};
}

/// Why another variant in the list will be faster; empty when this one suits.
std::string why_unsuited(const DeformConv2dBackwardVariant& variant, const DeformConv2dBackwardDesc& desc,
                         const DeviceFacts& device) {
  if (variant.kernel == BackwardKernel::kReference) return {};
  if (variant.kernel == BackwardKernel::kTiled) return why_tiled_unsuited(variant, desc, device);
  const int vectors = variant.panel / device.lanes;
  const int registers = variant.rows * vectors + vectors + 1;
  if (device.is_cpu && registers > device.vector_registers) {
    return fmt::format("its block takes {} registers, the device has {}", registers, device.vector_registers);
  }
  // With a handful of channels on both sides (depth-wise convolution) most lanes would hold padding.
  const std::int64_t channels = desc.tensors.input.sizes[1];
  const std::int64_t outputs = desc.tensors.weight.sizes[0] / desc.params.groups;
  const std::int64_t padded = count_slices(desc.params, channels, variant.panel) * variant.panel;
  if (outputs * channels * 2 < padded) {
    return fmt::format("{} channels would be padded to {}, for {} outputs per group", channels, padded, outputs);
  }
  return {};
}

const DeformConv2dBackwardVariant& choose_variant(const DeformConv2dBackwardDesc& desc, const DeviceFacts& device,
                                                  std::string_view force) {
  const auto is_forced = [&](const DeformConv2dBackwardVariant& variant) { return variant.name == force; };
  if (!force.empty() && std::none_of(kBackwardVariants.begin(), kBackwardVariants.end(), is_forced)) {
    std::vector<std::string_view> names;
    for (const auto& variant : kBackwardVariants) names.push_back(variant.name);
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("deform_conv2d_backward: forced variant '{}' does not exist: one of {}", force,
                            fmt::join(names, ", ")));
  }
  for (const DeformConv2dBackwardVariant& variant : kBackwardVariants) {
    if (!force.empty() && !is_forced(variant)) continue;
    std::string why = why_unable(variant, desc, device);
    if (!force.empty() && !why.empty()) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("deform_conv2d_backward: forced variant '{}' declines: {}", force, why));
    }
    if (force.empty() && why.empty()) why = why_unsuited(variant, desc, device);
    if (why.empty()) return variant;
    runtime::verbose(runtime::Topic::kDispatch, "deform_conv2d_backward: {} declines: {}", variant.name, why);
  }
  throw Error(ErrorCode::kInternal, "deform_conv2d_backward: the reference declined");
}

void fill_args(DeformConv2dBackwardArgs& args, const DeformConv2dBackwardDesc& desc) {
  const DeformConv2dParams& params = desc.params;
  const DeformConv2dBackwardTensors& tensors = desc.tensors;
  const auto copy_if = [](long long(&to)[4], const std::optional<TensorView>& view) {
    if (view) copy_strides(to, *view);
  };
  copy_strides(args.grad_output_stride, tensors.grad_output);
  copy_strides(args.input_stride, tensors.input);
  copy_strides(args.offset_stride, tensors.offset);
  copy_if(args.mask_stride, tensors.mask);
  copy_strides(args.weight_stride, tensors.weight);
  copy_if(args.grad_input_stride, tensors.grad_input);
  copy_if(args.grad_offset_stride, tensors.grad_offset);
  copy_if(args.grad_mask_stride, tensors.grad_mask);
  copy_if(args.grad_weight_stride, tensors.grad_weight);
  if (tensors.grad_bias) args.grad_bias_stride = tensors.grad_bias->strides[0];
  fill_window(args, params, tensors.input, tensors.grad_output);
  args.deformable_groups = static_cast<int>(params.deformable_groups);
  args.mask_is_logit = desc.mask_is_logit ? 1 : 0;
}

IndexWidth choose_index(const DeformConv2dBackwardDesc& desc, std::initializer_list<std::int64_t> counts) {
  if (desc.force_wide_index) return IndexWidth::k64;
  const DeformConv2dBackwardTensors& tensors = desc.tensors;
  const auto pointer = [](const std::optional<TensorView>& view) { return view ? &*view : nullptr; };
  return index_width({&tensors.grad_output, &tensors.input, &tensors.offset, pointer(tensors.mask), &tensors.weight,
                      pointer(tensors.grad_input), pointer(tensors.grad_offset), pointer(tensors.grad_mask),
                      pointer(tensors.grad_weight), pointer(tensors.grad_bias)},
                     counts);
}

std::size_t aligned(std::int64_t elements, std::size_t size) {
  return static_cast<std::size_t>(round_up(elements * static_cast<std::int64_t>(size), kAlignment));
}

/// The number of strands that fills the cores: the fewest that waste at most a tenth of them.
std::int64_t choose_strands(std::int64_t slices, std::int64_t cores, std::int64_t largest) {
  std::int64_t best = 1;
  double best_use = 0;
  for (std::int64_t strands = 1; strands <= largest; ++strands) {
    const std::int64_t groups = slices * strands;
    const double use = static_cast<double>(groups) / static_cast<double>(cores * div_up(groups, cores));
    if (use > best_use + 1e-9) {
      best = strands;
      best_use = use;
    }
    if (best_use >= 0.9) break;
  }
  return best;
}

void plan_reference(DeformConv2dBackwardSchedule& schedule, const DeformConv2dBackwardDesc& desc) {
  const DeformConv2dBackwardTensors& tensors = desc.tensors;
  schedule.index = choose_index(desc, {});
  if (!tensors.grad_input) return;
  const auto real = static_cast<std::int64_t>(tensors.input.type == DataType::kF64 ? sizeof(double) : sizeof(float));
  const std::int64_t plane = tensors.input.sizes[2] * tensors.input.sizes[3] * real;
  const std::int64_t planes = tensors.input.sizes[0] * tensors.input.sizes[1];
  schedule.planes = std::min(planes, std::max<std::int64_t>(1, kPlaneScratch / plane));
  schedule.input_bytes = static_cast<std::size_t>(schedule.planes * plane);
}

void plan_fused(DeformConv2dBackwardSchedule& schedule, const DeformConv2dBackwardDesc& desc,
                const DeviceFacts& device) {
  const DeformConv2dBackwardTensors& tensors = desc.tensors;
  const DeformConv2dBackwardVariant& variant = schedule.variant;
  const auto [batch, channels, height, width] = tensors.input.sizes;
  const std::int64_t pixels = tensors.grad_output.sizes[2] * tensors.grad_output.sizes[3];
  const std::int64_t taps = desc.params.kernel_h * desc.params.kernel_w;
  const std::int64_t outputs = tensors.weight.sizes[0] / desc.params.groups;
  const std::int64_t padded_outputs = round_up(outputs, variant.out_rows);
  const std::int64_t slices = count_slices(desc.params, channels, variant.panel);
  const std::int64_t input_elements = tensors.grad_input ? height * width * slices * variant.panel : 0;
  const std::int64_t weight_elements = tensors.grad_weight ? slices * taps * padded_outputs * variant.panel : 0;
  const bool direct = tensors.input.type == DataType::kF32 && tensors.grad_input && tensors.grad_input->strides[1] == 1;

  const std::int64_t per_strand =
      std::max<std::int64_t>(1, (input_elements + weight_elements) * std::int64_t{sizeof(float)});
  const std::int64_t most = std::clamp<std::int64_t>(kStrandScratch / per_strand, 1, 2 * device.compute_units);
  std::int64_t strands = choose_strands(slices, device.compute_units, most);
  schedule.pictures = std::clamp<std::int64_t>(strands, 1, std::max<std::int64_t>(batch, 1));
  const std::int64_t segments =
      std::clamp<std::int64_t>(div_up(strands, schedule.pictures), 1, div_up(pixels, variant.rows));
  strands = schedule.pictures * segments;
  schedule.direct_input = direct && segments == 1;
  const std::int64_t segment_pixels = div_up(pixels, segments);

  schedule.lanes = device.lanes;
  schedule.index = choose_index(desc, {strands * input_elements, strands * weight_elements, pixels + 1024,
                                       strands * slices * taps * 3 * segment_pixels});
  std::int64_t tile = variant.rows;
  while (tile + variant.rows <= std::min(kLargestTile, round_up(segment_pixels, variant.rows)) &&
         backward_local_bytes(variant, device.lanes, schedule.index, static_cast<int>(tile + variant.rows),
                              padded_outputs) <= device.local_bytes) {
    tile += variant.rows;
  }
  // As many tiles, but of even size.
  tile = round_up(div_up(segment_pixels, div_up(segment_pixels, tile)), variant.rows);
  const bool position = tensors.grad_offset || tensors.grad_mask;
  const std::int64_t position_elements = strands * slices * taps * 3;  // per output pixel of a segment
  std::int64_t round_pixels = segment_pixels;
  if (position) {
    const std::int64_t most_pixels = kPositionScratch / (position_elements * std::int64_t{sizeof(float)});
    round_pixels = std::min(segment_pixels, std::max<std::int64_t>(1, most_pixels / tile) * tile);
  }

  DeformConv2dBackwardFusedArgs& args = schedule.args;
  args.segment_pixels = segment_pixels;
  args.round_pixels = round_pixels;
  args.strands = static_cast<int>(strands);
  args.segments = static_cast<int>(segments);
  args.slices = static_cast<int>(slices);
  args.padded_outputs = static_cast<int>(padded_outputs);
  args.tile_pixels = static_cast<int>(tile);
  args.bias_parts = kBiasParts;
  schedule.local_bytes =
      backward_local_bytes(variant, device.lanes, schedule.index, static_cast<int>(tile), padded_outputs);
  if (!schedule.direct_input) schedule.input_bytes = aligned(strands * input_elements, sizeof(float));
  if (tensors.grad_input || position) {
    schedule.packed_bytes = aligned(slices * taps * outputs * variant.panel, sizeof(float));
  }
  schedule.weight_bytes = aligned(strands * weight_elements, sizeof(float));
  if (position) schedule.position_bytes = aligned(position_elements * round_pixels, sizeof(float));
  if (tensors.grad_bias) schedule.bias_bytes = aligned(kBiasParts * tensors.weight.sizes[0], sizeof(float));
  schedule.zero_bytes = aligned(variant.panel, size_of(tensors.input.type));
}

void plan_tiled(DeformConv2dBackwardSchedule& schedule, const DeformConv2dBackwardDesc& desc,
                const DeviceFacts& device) {
  const DeformConv2dBackwardTensors& tensors = desc.tensors;
  const DeformConv2dBackwardVariant& variant = schedule.variant;
  const DataType type = tensors.input.type;
  const auto [batch, channels, height, width] = tensors.input.sizes;
  const std::int64_t pixels = tensors.grad_output.sizes[2] * tensors.grad_output.sizes[3];
  const std::int64_t taps = desc.params.kernel_h * desc.params.kernel_w;
  const std::int64_t planes = desc.params.deformable_groups * taps;
  const std::int64_t outputs = tensors.weight.sizes[0] / desc.params.groups;
  const std::int64_t slices = count_slices(desc.params, channels, variant.panel);
  const std::int64_t output_slices = div_up(outputs, variant.out_rows);
  // In place only where all of grad_input can be cleared at once.
  const bool direct = type == DataType::kF32 && tensors.grad_input &&
                      tensors.grad_input->strides ==
                          std::array<std::int64_t, 4>{height * width * channels, 1, width * channels, channels};
  constexpr std::int64_t kFloat = sizeof(float);

  // What is not channels-last is copied, a launch's pictures at a time.
  const std::int64_t input_cut = std::gcd(
      std::gcd(channels / desc.params.groups, channels / desc.params.deformable_groups), std::int64_t{variant.panel});
  const std::int64_t output_cut = std::gcd(outputs, std::int64_t{variant.out_rows});
  std::int64_t staged = std::max<std::int64_t>(batch, 1);
  const auto wants_staging = [&](const TensorView& view, std::int64_t cut) {
    const bool wants = !is_wide(view, cut) && is_wide(staged_view(view), cut);
    if (wants) staged = std::min(staged, staged_pictures(view, desc.staging_bytes / 2));
    return wants;
  };
  schedule.stage_input = wants_staging(tensors.input, input_cut);
  schedule.stage_grad_output = wants_staging(tensors.grad_output, output_cut);
  const bool input_is_wide = schedule.stage_input || is_wide(tensors.input, input_cut);
  const bool grad_output_is_wide = schedule.stage_grad_output || is_wide(tensors.grad_output, output_cut);
  if (staged == 0 || !input_is_wide || !grad_output_is_wide) {
    schedule.stage_input = schedule.stage_grad_output = false;
    staged = std::max<std::int64_t>(batch, 1);
  }
  const auto restride = [](const TensorView& view, long long(&to)[4]) {
    const TensorView dense = staged_view(view);
    std::copy(dense.strides.begin(), dense.strides.end(), to);
  };
  if (schedule.stage_input) restride(tensors.input, schedule.args.call.input_stride);
  if (schedule.stage_grad_output) restride(tensors.grad_output, schedule.args.call.grad_output_stride);
  schedule.wide = (schedule.stage_input || is_wide(tensors.input, input_cut)) &&
                  (schedule.stage_grad_output || is_wide(tensors.grad_output, output_cut));

  // As many pictures, then slices, of a launch as the bound of the scratch allows for.
  const std::int64_t position_bytes = tensors.grad_offset || tensors.grad_mask ? pixels * planes * 3 * kFloat : 0;
  const std::int64_t slice_bytes = tensors.grad_input && !direct ? height * width * variant.panel * kFloat : 0;
  const std::int64_t room = std::max<std::int64_t>(kLaunchScratch - position_bytes, 0);
  const std::int64_t launch_slices =
      slice_bytes == 0 ? slices : std::clamp<std::int64_t>(room / slice_bytes, 1, slices);
  const std::int64_t picture_bytes = std::max<std::int64_t>(1, position_bytes + launch_slices * slice_bytes);
  const std::int64_t most_pictures = std::clamp<std::int64_t>(kLaunchScratch / picture_bytes, 1, staged);
  // As many launches, but of even size.
  const std::int64_t pictures = batch == 0 ? 1 : div_up(batch, div_up(batch, most_pictures));

  const std::int64_t cells = slices * output_slices * taps;
  const std::int64_t weight_elements = cells * variant.out_rows * variant.panel;
  const std::int64_t input_elements = pictures * height * width * launch_slices * variant.panel;
  schedule.matrix = backward_matrix(desc, device);
  schedule.ptx = device.ptx;
  const DataType packed_type = staged_type(type, schedule.matrix);
  schedule.depth = tiled_depth(desc.tensors.input.type);
  schedule.lanes = device.lanes;
  schedule.index = choose_index(
      desc, {weight_elements, slice_bytes == 0 ? 0 : input_elements, (pictures * pixels + variant.rows) * planes * 3});
  schedule.local_bytes = backward_tiled_local_bytes(variant, schedule.index, schedule.depth, packed_type);

  const std::int64_t tiles = div_up(pictures * pixels, variant.rows);
  const std::int64_t shares = launch_slices * output_slices * taps;
  const std::int64_t wanted = std::clamp<std::int64_t>(kUnitGroups * device.compute_units / shares, 1,
                                                       std::clamp<std::int64_t>(tiles, 1, 65535));
  DeformConv2dBackwardTiledArgs& args = schedule.tiled;
  args.range_tiles = std::max<std::int64_t>(1, div_up(tiles, wanted));
  schedule.ranges = static_cast<std::size_t>(div_up(tiles, args.range_tiles));
  args.pictures = pictures;
  args.slices = static_cast<int>(launch_slices);
  args.all_slices = static_cast<int>(slices);
  args.output_slices = static_cast<int>(output_slices);
  args.direct_input = direct ? 1 : 0;
  if (direct) {
    args.input_sum_step[0] = tensors.grad_input->strides[0];
    args.input_sum_step[1] = tensors.grad_input->strides[2];
    args.input_sum_step[2] = tensors.grad_input->strides[3];
  } else {
    args.input_sum_step[2] = launch_slices * variant.panel;
    args.input_sum_step[1] = width * args.input_sum_step[2];
    args.input_sum_step[0] = height * args.input_sum_step[1];
    if (tensors.grad_input) schedule.input_bytes = aligned(input_elements, sizeof(float));
  }
  const bool position = position_bytes != 0;
  if (tensors.grad_input || position) schedule.packed_bytes = aligned(weight_elements, size_of(packed_type));
  if (tensors.grad_weight) schedule.weight_bytes = aligned(weight_elements, sizeof(float));
  if (position) schedule.position_bytes = aligned(pictures * pixels * planes * 3, sizeof(float));
  if (tensors.grad_bias) schedule.bias_bytes = aligned(tensors.weight.sizes[0], sizeof(float));
  schedule.zero_bytes = kAlignment;
}

}  // namespace

std::span<const DeformConv2dBackwardVariant> deform_conv2d_backward_variant_list() noexcept {
  return kBackwardVariants;
}

std::size_t backward_local_bytes(const DeformConv2dBackwardVariant& variant, int lanes, IndexWidth index,
                                 int tile_pixels, std::int64_t padded_outputs) {
  const auto rows = static_cast<std::size_t>(round_up(tile_pixels, variant.rows));
  const auto pixels = static_cast<std::size_t>(round_up(tile_pixels, lanes));
  const auto panel = static_cast<std::size_t>(variant.panel);
  const auto pitch = static_cast<std::size_t>(round_up(padded_outputs, 32) + 16);
  const std::size_t index_bytes = index == IndexWidth::k32 ? 4 : 8;
  const std::size_t floats =
      rows * pitch + 2 * rows * panel + panel + pixels * static_cast<std::size_t>(lanes) + 10 * pixels;
  return kAlignment + floats * sizeof(float) + pixels * (8 * sizeof(void*) + 3 * index_bytes);
}

std::size_t backward_tiled_local_bytes(const DeformConv2dBackwardVariant& variant, IndexWidth index, int depth,
                                       DataType staged) {
  const auto pixels = static_cast<std::size_t>(variant.rows);
  const auto channels = static_cast<std::size_t>(variant.panel);
  const auto outputs = static_cast<std::size_t>(variant.out_rows);
  const std::size_t steps = outputs / static_cast<std::size_t>(depth);
  const std::size_t index_bytes = index == IndexWidth::k32 ? 4 : 8;
  const std::size_t places = 8 * index_bytes + 2 * 16;
  const std::size_t gradient = (channels + 4) * sizeof(float);
  constexpr std::size_t kPad = 16;  // bytes of each row of staged elements
  const std::size_t sample = channels * size_of(staged) + kPad;
  const std::size_t grad_output = outputs * size_of(staged) + steps * kPad;
  return pixels * (places + gradient + sample + grad_output + index_bytes);
}

DeformConv2dBackwardSchedule plan_deform_conv2d_backward(const DeformConv2dBackwardDesc& desc,
                                                         const DeviceFacts& device, std::string_view force) {
  expect_supported(desc.tensors.input.type, device);
  DeformConv2dBackwardSchedule schedule;
  schedule.variant = choose_variant(desc, device, force);
  fill_args(schedule.args.call, desc);
  switch (schedule.variant.kernel) {
    case BackwardKernel::kReference:
      plan_reference(schedule, desc);
      break;
    case BackwardKernel::kFused:
      plan_fused(schedule, desc, device);
      break;
    case BackwardKernel::kTiled:
      plan_tiled(schedule, desc, device);
      break;
  }
  return schedule;
}

}  // namespace dcn::ops
