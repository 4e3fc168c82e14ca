#include "ops/copy.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <numeric>
#include <utility>

#include "dcn/status.hpp"
#include "ops/check.hpp"
#include "ops/device_facts.hpp"
#include "ops/index_width.hpp"
#include "runtime/launch.hpp"

namespace dcn::ops {

CopyPlan::CopyPlan(Queue queue, const TensorView& source, const TensorView& destination)
    : queue_(std::move(queue)), elements_(static_cast<std::size_t>(destination.elements())) {
  expect_view("source", source, 4, "[N, C, H, W]");
  expect_view("destination", destination, 4, "[N, C, H, W]");
  if (source.sizes != destination.sizes) {
    throw invalid("source: {}, expected the sizes of the destination, {}", source.describe(), destination.describe());
  }
  const bool converts = source.type != destination.type;
  if (converts && source.type != DataType::kF32 && destination.type != DataType::kF32) {
    throw Error(ErrorCode::kUnsupported, fmt::format("a copy from {} to {}: one of them must be f32",
                                                     to_string(source.type), to_string(destination.type)));
  }
  // Work-items side by side write side by side.
  std::array<std::size_t, 4> order{};
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return destination.strides.at(a) > destination.strides.at(b); });
  for (std::size_t d = 0; d < order.size(); ++d) {
    args_.size[d] = source.sizes.at(order.at(d));
    args_.source_stride[d] = source.strides.at(order.at(d));
    args_.destination_stride[d] = destination.strides.at(order.at(d));
  }
  const bool from_f32 = converts && source.type == DataType::kF32;
  const bool to_f32 = converts && destination.type == DataType::kF32;
  constexpr std::int64_t kPast = 1024;  // work-items count past the last element
  const IndexWidth index = index_width({&source, &destination}, {destination.elements() + kPast});
  kernel_ = runtime::get_kernel(queue_, {.source = "copy.hpp",
                                         .entry = "copy",
                                         .macros = {{element_macro(from_f32 ? destination.type : source.type), "1"},
                                                    {"DCN_INDEX", to_macro(index)},
                                                    {"DCN_FROM_F32", from_f32 ? "1" : "0"},
                                                    {"DCN_TO_F32", to_f32 ? "1" : "0"}}});
}

void CopyPlan::run(const void* source, void* destination) const {
  CopyArgs args = args_;
  args.source = source;
  args.destination = destination;
  runtime::launch(queue_, kernel_, runtime::range_elements(elements_), args);
}

}  // namespace dcn::ops
