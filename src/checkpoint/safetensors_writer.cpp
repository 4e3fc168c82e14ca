#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "checkpoint/atomic_file.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/safetensors_types.hpp"
#include "checkpoint/text.hpp"
#include "dcn/status.hpp"

namespace dcn::checkpoint {
namespace {

using NamedTensor = std::pair<const std::string, Tensor>;

constexpr std::size_t kHeaderAlignment = 8;

[[noreturn]] void reject(const std::string& message) { throw Error(ErrorCode::kInvalidArgument, message); }

/// Wide elements first, so that every tensor is aligned to its elements; then by name.
std::vector<const NamedTensor*> in_file_order(const Checkpoint& checkpoint) {
  std::vector<const NamedTensor*> order;
  order.reserve(checkpoint.tensors.size());
  for (const NamedTensor& item : checkpoint.tensors) order.push_back(&item);
  std::sort(order.begin(), order.end(), [](const NamedTensor* a, const NamedTensor* b) {
    const std::size_t width_a = size_of(a->second.type);
    const std::size_t width_b = size_of(b->second.type);
    return width_a != width_b ? width_a > width_b : a->first < b->first;
  });
  return order;
}

std::string header_of(const Checkpoint& checkpoint, const std::vector<const NamedTensor*>& order) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!checkpoint.metadata.empty()) {
    for (const auto& [key, value] : checkpoint.metadata) {
      if (!is_utf8(key) || !is_utf8(value)) reject(fmt::format("metadata {}: not UTF-8", printable(key)));
    }
    header["__metadata__"] = checkpoint.metadata;
  }
  std::size_t offset = 0;
  for (const NamedTensor* item : order) {
    const auto& [name, tensor] = *item;
    if (!is_utf8(name) || name == "__metadata__") {
      reject(fmt::format("tensor {}: this name cannot be stored in a safetensors file", printable(name)));
    }
    if (tensor.data == nullptr && tensor.elements() != 0) reject(fmt::format("tensor {}: no data", printable(name)));
    const std::size_t end = offset + tensor.bytes();
    header[name] = {{"dtype", safetensors_name(tensor.type)}, {"shape", tensor.sizes}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.append((kHeaderAlignment - text.size() % kHeaderAlignment) % kHeaderAlignment, ' ');
  return text;
}

}  // namespace

void save_safetensors(const std::filesystem::path& file, const Checkpoint& checkpoint) {
  const std::vector<const NamedTensor*> order = in_file_order(checkpoint);
  const std::string header = header_of(checkpoint, order);
  const std::uint64_t header_bytes = header.size();

  AtomicFile out(file);
  out.write(std::as_bytes(std::span(&header_bytes, 1)));
  out.write(std::as_bytes(std::span(header)));
  for (const NamedTensor* item : order) out.write({item->second.data.get(), item->second.bytes()});
  out.commit();
}

}  // namespace dcn::checkpoint
