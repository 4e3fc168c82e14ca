#include "nn/weights.hpp"

#include <cstdint>

namespace dcn::nn {

DeviceBuffer upload(OneDnn& onednn, const std::vector<float>& values, DataType type) {
  const dnnl::memory::dims sizes{static_cast<std::int64_t>(values.size())};
  const dnnl::memory::desc given(sizes, dnnl::memory::data_type::f32, dnnl::memory::format_tag::a);
  const dnnl::memory::desc wanted(sizes, to_onednn(type), dnnl::memory::format_tag::a);
  DeviceBuffer staging(onednn.queue(), given.get_size());
  onednn.queue().copy(staging.data(), values.data(), given.get_size());
  if (type == DataType::kF32) {
    onednn.queue().wait();
    return staging;
  }
  DeviceBuffer result(onednn.queue(), wanted.get_size());
  onednn.reorder(onednn.memory(given, staging.data()), onednn.memory(wanted, result.data()));
  onednn.queue().wait();
  return result;
}

dnnl::memory WeightStore::pack(const std::vector<float>& values, const dnnl::memory::desc& given,
                               const dnnl::memory::desc& wanted) {
  for (const Entry& entry : entries_) {
    if (entry.host == values.data() && entry.memory.get_desc() == wanted) return entry.memory;
  }
  DeviceBuffer staging = upload(onednn_, values, DataType::kF32);
  Entry entry{values.data(), {}, {}};
  if (given == wanted) {
    entry.buffer = std::move(staging);
    entry.memory = onednn_.memory(wanted, entry.buffer.data());
  } else {
    entry.buffer = DeviceBuffer(onednn_.queue(), wanted.get_size());
    entry.memory = onednn_.memory(wanted, entry.buffer.data());
    onednn_.reorder(onednn_.memory(given, staging.data()), entry.memory);
    onednn_.queue().wait();
  }
  entries_.push_back(std::move(entry));
  return entries_.back().memory;
}

dnnl::memory WeightStore::weight(const Layer& layer, const dnnl::memory::desc& given,
                                 const dnnl::memory::desc& wanted) {
  return pack(layer.weight, given, wanted);
}

dnnl::memory WeightStore::bias(const Layer& layer) {
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
