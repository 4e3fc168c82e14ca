#include "checkpoint/state_dict.hpp"

#include <fmt/core.h>

#include <array>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "checkpoint/limits.hpp"
#include "dcn/status.hpp"

namespace dcn::checkpoint {
namespace {

using Kind = Object::Kind;

constexpr std::size_t kMaxTensorName = 512;

bool is_text(const Object& object) { return object.kind == Kind::kString || object.kind == Kind::kBytes; }

bool holds_tensors(const Heap& heap, const Object& dict) {
  if (dict.kind != Kind::kDict) return false;
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    if (is_text(heap[dict.items[i]]) && heap[dict.items[i + 1]].kind == Kind::kTensor) return true;
  }
  return false;
}

/// The last value under `key`, as in Python.
const Object* find(const Heap& heap, const Object& dict, std::string_view key) {
  for (std::size_t i = dict.items.size(); i >= 2; i -= 2) {
    const Object& candidate = heap[dict.items[i - 2]];
    if (is_text(candidate) && candidate.text == key) return &heap[dict.items[i - 1]];
  }
  return nullptr;
}

std::string first_keys(const Heap& heap, const Object& dict) {
  constexpr std::size_t kShown = 8;
  std::string keys;
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    if (i > 0) keys += ", ";
    if (i / 2 == kShown) return keys + "...";
    const Object& key = heap[dict.items[i]];
    keys += is_text(key) ? printable(key.text) : std::string(describe(key.kind));
  }
  return keys.empty() ? "nothing" : keys;
}

const Object& find_state_dict(const Heap& heap, Ref root_ref) {
  const Object& root = heap[root_ref];
  if (root.kind != Kind::kDict) {
    fail(
        fmt::format("the file holds {}, expected a state dict; save one in PyTorch: "
                    "torch.save(model.state_dict(), \"weights.pth\")",
                    describe(root.kind)));
  }
  if (const Object* inner = find(heap, root, "state_dict"); inner != nullptr && holds_tensors(heap, *inner)) {
    return *inner;
  }
  if (holds_tensors(heap, root)) return root;
  constexpr std::array<std::string_view, 4> kSynonyms{"model_state_dict", "model", "net", "network"};
  for (const std::string_view key : kSynonyms) {
    if (const Object* inner = find(heap, root, key); inner != nullptr && holds_tensors(heap, *inner)) return *inner;
  }
  fail(
      fmt::format("no tensors found: the file holds {}; expected a state dict or one under \"state_dict\"; save one in "
                  "PyTorch: torch.save({{\"state_dict\": model.state_dict()}}, \"weights.pth\")",
                  first_keys(heap, root)));
}

/// What DataParallel and torch.compile put in front of every name.
std::string_view strip_wrappers(std::string_view name) {
  for (;;) {
    if (name.starts_with("module.")) {
      name.remove_prefix(std::string_view("module.").size());
    } else if (name.starts_with("_orig_mod.")) {
      name.remove_prefix(std::string_view("_orig_mod.").size());
    } else {
      return name;
    }
  }
}

std::string tensor_name(const Object& key) {
  if (key.text.size() > kMaxTensorName) {
    fail(fmt::format("a tensor's name has {} bytes, at most {} are accepted", key.text.size(), kMaxTensorName));
  }
  std::string name = key.latin1 ? latin1_to_utf8(key.text) : std::string(key.text);
  if (!is_utf8(name)) fail(fmt::format("tensor name \"{}\" is not UTF-8", printable(name)));
  return name;
}

/// Sizes and strides without the dimensions of size 1, which need no stepping. Never empty.
std::vector<std::pair<std::int64_t, std::int64_t>> steps(const TensorRef& tensor) {
  std::vector<std::pair<std::int64_t, std::int64_t>> result;
  for (std::size_t d = 0; d < tensor.sizes.size(); ++d) {
    if (tensor.sizes[d] != 1) result.emplace_back(tensor.sizes[d], tensor.strides[d]);
  }
  if (result.empty()) result.emplace_back(1, 0);
  return result;
}

/// Copies a strided tensor dense, last dimension innermost.
template <std::size_t kBytes>
void copy_strided(const std::byte* source, std::byte* target, const TensorRef& tensor, std::int64_t elements) {
  const auto dims = steps(tensor);
  const auto [inner, inner_stride] = dims.back();
  std::vector<std::int64_t> index(dims.size(), 0);
  std::int64_t offset = 0;
  for (std::int64_t done = 0; done < elements; done += inner) {
    for (std::int64_t i = 0; i < inner; ++i) {
      std::memcpy(target, source + (offset + i * inner_stride) * static_cast<std::int64_t>(kBytes), kBytes);
      target += kBytes;
    }
    for (std::size_t d = dims.size() - 1; d-- > 0;) {
      const auto [size, stride] = dims[d];
      offset += stride;
      if (++index[d] < size) break;
      offset -= stride * size;
      index[d] = 0;
    }
  }
}

bool is_dense(const TensorRef& tensor) {
  std::int64_t expected = 1;
  for (std::size_t d = tensor.sizes.size(); d-- > 0;) {
    if (tensor.sizes[d] != 1 && tensor.strides[d] != expected) return false;
    expected *= tensor.sizes[d];
  }
  return true;
}

class TensorLoader {
 public:
  TensorLoader(const Heap& heap, StorageSource& source, MemoryBudget& budget)
      : heap_(heap), source_(source), budget_(budget) {}

  Tensor load(const TensorRef& ref, const std::string& name) {
    if (!ref.type->type) {
      fail(
          fmt::format("tensor {}: element type {}.{} is not supported; convert it in PyTorch, for example with "
                      ".float(), and save again",
                      printable(name), ref.type->module, ref.type->name));
    }
    Tensor tensor{.type = *ref.type->type, .sizes = ref.sizes, .data = nullptr};
    const std::size_t width = size_of(tensor.type);
    const std::int64_t elements = checked_elements(ref.sizes, width, name);
    if (elements == 0) {
      tensor.data = budget_.allocate(0, name);
      return tensor;
    }
    const StorageRef& storage = heap_.storages[ref.storage];
    check_inside(ref, storage, width, name);
    const std::shared_ptr<const std::byte[]>& bytes = storage_bytes(storage, name);
    const std::byte* first = bytes.get() + storage.first * static_cast<std::int64_t>(element_bytes(*storage.type)) +
                             ref.offset * static_cast<std::int64_t>(width);
    if (is_dense(ref)) {
      tensor.data = std::shared_ptr<const std::byte[]>(bytes, first);
      return tensor;
    }
    const std::shared_ptr<std::byte[]> dense = budget_.allocate(static_cast<std::uint64_t>(elements) * width, name);
    copy(first, dense.get(), ref, elements, width);
    tensor.data = dense;
    return tensor;
  }

 private:
  static void copy(const std::byte* source, std::byte* target, const TensorRef& ref, std::int64_t elements,
                   std::size_t width) {
    switch (width) {
      case 1:
        return copy_strided<1>(source, target, ref, elements);
      case 2:
        return copy_strided<2>(source, target, ref, elements);
      case 4:
        return copy_strided<4>(source, target, ref, elements);
      default:
        return copy_strided<8>(source, target, ref, elements);
    }
  }

  /// The last element that the strides reach lies in the view of the storage.
  static void check_inside(const TensorRef& ref, const StorageRef& storage, std::size_t width,
                           const std::string& name) {
    std::int64_t end = ref.offset;
    bool overflow = false;
    for (std::size_t d = 0; d < ref.sizes.size(); ++d) {
      std::int64_t reach = 0;
      overflow = overflow || __builtin_mul_overflow(ref.sizes[d] - 1, ref.strides[d], &reach) ||
                 __builtin_add_overflow(end, reach, &end);
    }
    std::int64_t available = 0;
    overflow =
        overflow || __builtin_add_overflow(end, 1, &end) ||
        __builtin_mul_overflow(end, static_cast<std::int64_t>(width), &end) ||
        __builtin_mul_overflow(storage.count, static_cast<std::int64_t>(element_bytes(*storage.type)), &available);
    if (overflow || end > available) {
      fail(fmt::format("tensor {}: sizes {}, strides {} and offset {} reach outside its storage of {} elements",
                       printable(name), bracketed(ref.sizes), bracketed(ref.strides), ref.offset, storage.count));
    }
  }

  const std::shared_ptr<const std::byte[]>& storage_bytes(const StorageRef& storage, const std::string& name) {
    std::int64_t bytes = 0;
    if (__builtin_mul_overflow(storage.total, static_cast<std::int64_t>(element_bytes(*storage.type)), &bytes)) {
      fail(fmt::format("tensor {}: a storage of {} elements", printable(name), storage.total));
    }
    auto& [known_bytes, data] = storages_[storage.key];
    if (data == nullptr) {
      try {
        data = source_.read(storage.key, static_cast<std::uint64_t>(bytes), budget_);
      } catch (const Error& error) {
        throw error.in(fmt::format("tensor {}", printable(name)));
      }
      known_bytes = bytes;
    } else if (known_bytes != bytes) {
      fail(fmt::format("tensor {}: storage {} has {} bytes here, {} elsewhere", printable(name), printable(storage.key),
                       bytes, known_bytes));
    }
    return data;
  }

  const Heap& heap_;
  StorageSource& source_;
  MemoryBudget& budget_;
  std::unordered_map<std::string_view, std::pair<std::int64_t, std::shared_ptr<const std::byte[]>>> storages_;
};

}  // namespace

Checkpoint read_state_dict(const Heap& heap, Ref root, StorageSource& source, MemoryBudget& budget) {
  const Object& dict = find_state_dict(heap, root);
  std::map<std::string, const TensorRef*> found;  // by full name; of equal keys the last counts, as in Python
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const Object& key = heap[dict.items[i]];
    const Object& value = heap[dict.items[i + 1]];
    if (!is_text(key) || value.kind != Kind::kTensor) continue;
    found.insert_or_assign(tensor_name(key), &heap.tensors[static_cast<std::size_t>(value.integer)]);
    if (found.size() > kMaxTensors) fail(fmt::format("more than {} tensors", kMaxTensors));
  }
  Checkpoint checkpoint;
  TensorLoader loader(heap, source, budget);
  for (const auto& [full_name, ref] : found) {
    std::string name(strip_wrappers(full_name));
    if (checkpoint.tensors.contains(name)) {
      fail(fmt::format("tensor {} occurs twice, once as {}", printable(name), printable(full_name)));
    }
    Tensor tensor = loader.load(*ref, name);
    checkpoint.tensors.emplace(std::move(name), std::move(tensor));
  }
  return checkpoint;
}

}  // namespace dcn::checkpoint
