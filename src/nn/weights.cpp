#include "nn/weights.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <utility>

#include "dcn/status.hpp"

namespace dcn::nn {

namespace {

/// To the nearest, ties to even; NaN stays NaN. bf16 is the upper half of an f32.
std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return 0x7fc0;
  return static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16U & 1U)) >> 16U);
}

DeviceBuffer upload_bytes(const Queue& queue, const void* data, std::size_t bytes) {
  DeviceBuffer buffer(queue, bytes);
  queue.copy(buffer.data(), data, bytes);
  queue.wait();
  return buffer;
}

}  // namespace

DeviceBuffer upload(const Queue& queue, const std::vector<float>& values, DataType type) {
  switch (type) {
    case DataType::kF32:
      return upload_bytes(queue, values.data(), values.size() * sizeof(float));
    case DataType::kBf16: {
      std::vector<std::uint16_t> rounded(values.size());
      std::transform(values.begin(), values.end(), rounded.begin(), to_bf16);
      return upload_bytes(queue, rounded.data(), rounded.size() * sizeof(std::uint16_t));
    }
    default:
      throw Error(ErrorCode::kInternal, fmt::format("{} weights are not planned", to_string(type)));
  }
}

Weights WeightStore::pack(const std::vector<float>& values, const dnnl::memory::desc& given,
                          const dnnl::memory::desc& wanted) {
  for (const Entry& entry : entries_) {
    if (entry.host == values.data() && entry.desc == wanted) return {entry.buffer.data(), entry.desc};
  }
  DeviceBuffer staging = upload(backend_.queue(), values, DataType::kF32);
  Entry entry{values.data(), {}, wanted};
  if (given == wanted) {
    entry.buffer = std::move(staging);
  } else {
    entry.buffer = DeviceBuffer(backend_.queue(), wanted.get_size());
    backend_.reorder(given, staging.data(), wanted, entry.buffer.data());
    backend_.queue().wait();
  }
  entries_.push_back(std::move(entry));
  return {entries_.back().buffer.data(), wanted};
}

Weights WeightStore::weight(const Layer& layer, const dnnl::memory::desc& given, const dnnl::memory::desc& wanted) {
  return pack(layer.weight, given, wanted);
}

Weights WeightStore::bias(const Layer& layer) {
  const dnnl::memory::desc desc({layer.out_channels}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::a);
  return pack(layer.bias, desc, desc);
}

const Layer& WeightStore::with_output_channels(const Layer& layer, std::int64_t channels) {
  const auto [entry, is_new] = padded_.try_emplace(&layer, layer);
  Layer& padded = entry->second;
  if (is_new) {
    padded.weight.resize(layer.weight.size() / static_cast<std::size_t>(layer.out_channels) *
                         static_cast<std::size_t>(channels));
    if (!layer.bias.empty()) padded.bias.resize(static_cast<std::size_t>(channels));
    padded.out_channels = channels;
  }
  return padded;
}

std::size_t WeightStore::bytes() const noexcept {
  std::size_t total = 0;
  for (const Entry& entry : entries_) total += entry.buffer.bytes();
  return total;
}

}  // namespace dcn::nn
