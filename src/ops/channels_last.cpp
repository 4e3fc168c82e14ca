#include "ops/channels_last.hpp"

#include <algorithm>
#include <utility>

#include "kernels/channels_last_args.hpp"
#include "ops/device_facts.hpp"
#include "runtime/launch.hpp"

namespace dcn::ops {

namespace {

std::size_t picture_bytes(const TensorView& view) {
  return static_cast<std::size_t>(view.sizes[1] * view.sizes[2] * view.sizes[3]) * size_of(view.type);
}

}  // namespace

std::int64_t staged_pictures(const TensorView& view, std::size_t bytes) {
  const std::size_t picture = picture_bytes(view);
  if (picture == 0) return 0;
  return std::min(view.sizes[0], static_cast<std::int64_t>(bytes / picture));
}

TensorView staged_view(const TensorView& view) {
  return TensorView::activation(nullptr, view.type, MemoryFormat::kNhwc, view.sizes[0], view.sizes[1], view.sizes[2],
                                view.sizes[3]);
}

ChannelsLast::ChannelsLast(Queue queue, const TensorView& view, std::int64_t pictures, IndexWidth index)
    : queue_(std::move(queue)),
      view_(view),
      kernel_(
          runtime::get_kernel(queue_, {.source = "channels_last.hpp",
                                       .entry = "channels_last",
                                       .macros = {{element_macro(view.type), "1"}, {"DCN_INDEX", to_macro(index)}}})),
      buffer_(queue_, static_cast<std::size_t>(pictures) * picture_bytes(view)) {}

void* ChannelsLast::run(const void* source, std::int64_t first, std::int64_t count) const {
  ChannelsLastArgs args{};
  args.source = source;
  args.destination = buffer_.data();
  std::copy(view_.strides.begin(), view_.strides.end(), args.source_stride);
  args.first_picture = first;
  args.channels = view_.sizes[1];
  args.height = view_.sizes[2];
  args.width = view_.sizes[3];
  constexpr std::size_t kRows = 8;
  const auto tiles = [](std::int64_t extent) {
    return runtime::div_up(static_cast<std::size_t>(extent), kTransposedTile);
  };
  const std::size_t local_bytes = std::size_t{kTransposedTile} * (kTransposedTile + 1) * size_of(view_.type);
  runtime::launch(queue_, kernel_,
                  runtime::range_3d(
                      {tiles(view_.sizes[1]), static_cast<std::size_t>(count), tiles(view_.sizes[2] * view_.sizes[3])},
                      {1, kRows, kTransposedTile}),
                  args, local_bytes);
  return buffer_.data();
}

}  // namespace dcn::ops
