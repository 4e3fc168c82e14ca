#include "checkpoint/pickle_apply.hpp"

#include "checkpoint/limits.hpp"

namespace dcn::checkpoint {
namespace {

using Kind = Object::Kind;

const Object& argument(const Heap& heap, const Object& arguments, std::size_t index, Kind kind, std::string_view what) {
  if (index >= arguments.items.size()) fail(fmt::format("{} is missing", what));
  const Object& object = heap[arguments.items[index]];
  if (object.kind != kind) fail(fmt::format("{} is {}, expected {}", what, describe(object.kind), describe(kind)));
  return object;
}

std::int64_t count_argument(const Heap& heap, const Object& arguments, std::size_t index, std::string_view what) {
  const std::int64_t value = argument(heap, arguments, index, Kind::kInt, what).integer;
  if (value < 0) fail(fmt::format("{} is {}, expected 0 or more", what, value));
  return value;
}

std::vector<std::int64_t> counts(Heap& heap, const Object& tuple, std::string_view what) {
  if (tuple.items.size() > kMaxRank) fail(fmt::format("{} of {} dimensions", what, tuple.items.size()));
  heap.charge(tuple.items.size());
  std::vector<std::int64_t> values;
  values.reserve(tuple.items.size());
  for (std::size_t i = 0; i < tuple.items.size(); ++i) values.push_back(count_argument(heap, tuple, i, what));
  return values;
}

Ref rebuild_tensor(Heap& heap, const Object& arguments, bool has_dtype) {
  const Object& storage = argument(heap, arguments, 0, Kind::kStorage, "a tensor's storage");
  TensorRef tensor;
  tensor.storage = static_cast<std::size_t>(storage.integer);
  tensor.type = heap.storages[tensor.storage].type;
  tensor.offset = count_argument(heap, arguments, 1, "a tensor's offset");
  tensor.sizes = counts(heap, argument(heap, arguments, 2, Kind::kTuple, "a tensor's size"), "a tensor's size");
  tensor.strides = counts(heap, argument(heap, arguments, 3, Kind::kTuple, "a tensor's stride"), "a tensor's stride");
  if (tensor.sizes.size() != tensor.strides.size()) {
    fail(fmt::format("a tensor of {} sizes and {} strides", tensor.sizes.size(), tensor.strides.size()));
  }
  if (has_dtype) {
    tensor.type = argument(heap, arguments, 6, Kind::kGlobal, "a tensor's dtype").global;
    if (tensor.type->role != GlobalRole::kDtype) fail("a tensor's dtype is not a dtype");
  }
  heap.tensors.push_back(std::move(tensor));
  return heap.add(Object(Kind::kTensor, static_cast<std::int64_t>(heap.tensors.size() - 1)));
}

/// OrderedDict() or, from Python 2, OrderedDict([[key, value], ...]). A defaultdict's factory is ignored.
Ref new_dict(Heap& heap, const Object& arguments) {
  Object dict(Kind::kDict);
  const auto append = [&](const std::vector<Ref>& items) {
    heap.charge(items.size());
    dict.items.insert(dict.items.end(), items.begin(), items.end());
  };
  if (!arguments.items.empty()) {
    const Object& source = heap[arguments.items[0]];
    if (source.kind == Kind::kList || source.kind == Kind::kTuple) {
      for (const Ref item : source.items) {
        const Object& pair = heap[item];
        if ((pair.kind != Kind::kList && pair.kind != Kind::kTuple) || pair.items.size() != 2) {
          fail("a dict is made of something else than pairs");
        }
        append(pair.items);
      }
    } else if (source.kind == Kind::kDict) {
      append(source.items);
    }
  }
  return heap.add(std::move(dict));
}

/// An Object& is only good until something is added to the heap, which each case does last.
Ref apply_global(Heap& heap, const Global& global, const Object& arguments) {
  switch (global.role) {
    case GlobalRole::kDict:
      return new_dict(heap, arguments);
    case GlobalRole::kRebuildTensor:
      return rebuild_tensor(heap, arguments, false);
    case GlobalRole::kRebuildTensorV3:
      return rebuild_tensor(heap, arguments, true);
    case GlobalRole::kFirstArgument:
      argument(heap, arguments, 0, Kind::kTensor, "a parameter's data");
      return arguments.items[0];
    case GlobalRole::kTuple:
      if (arguments.items.empty()) return heap.add(Object(Kind::kTuple));
      argument(heap, arguments, 0, Kind::kTuple, "a torch.Size's content");
      return arguments.items[0];
    case GlobalRole::kOpaque:
      return heap.add(Object(Kind::kOpaque));
    case GlobalRole::kRebuildFromType: {
      const Global& inner = *argument(heap, arguments, 0, Kind::kGlobal, "a tensor's function").global;
      argument(heap, arguments, 2, Kind::kTuple, "a tensor's arguments");
      if (inner.role != GlobalRole::kRebuildTensor && inner.role != GlobalRole::kRebuildTensorV3 &&
          inner.role != GlobalRole::kFirstArgument) {
        fail(fmt::format("\"{}.{}\" does not make a tensor", inner.module, inner.name));
      }
      return apply_global(heap, inner, heap[arguments.items[2]]);  // one level: inner is not kRebuildFromType
    }
    case GlobalRole::kStorage:
    case GlobalRole::kUntypedStorage:
    case GlobalRole::kDtype:
      break;
  }
  fail(fmt::format("\"{}.{}\" is called, which no state dict does", global.module, global.name));
}

}  // namespace

Ref apply(Heap& heap, Ref callee, Ref arguments) {
  if (heap[arguments].kind != Kind::kTuple) {
    fail(fmt::format("arguments are {}, expected a tuple", describe(heap[arguments].kind)));
  }
  if (heap[callee].kind != Kind::kGlobal) fail(fmt::format("{} is called", describe(heap[callee].kind)));
  return apply_global(heap, *heap[callee].global, heap[arguments]);
}

Ref storage_of_id(Heap& heap, Ref id) {
  const Object& fields = heap[id];
  if (fields.kind != Kind::kTuple || fields.items.empty()) fail("a persistent id that is not a tuple");
  const Object& tag = heap[fields.items[0]];
  if ((tag.kind != Kind::kString && tag.kind != Kind::kBytes) || tag.text != "storage") {
    fail("a persistent id that is not a storage");
  }
  StorageRef storage;
  storage.type = argument(heap, fields, 1, Kind::kGlobal, "a storage's class").global;
  if (storage.type->role != GlobalRole::kStorage && storage.type->role != GlobalRole::kUntypedStorage) {
    fail(fmt::format("\"{}.{}\" is not a storage class", storage.type->module, storage.type->name));
  }
  storage.key = argument(heap, fields, 2, Kind::kString, "a storage's key").text;
  storage.total = count_argument(heap, fields, 4, "a storage's size");
  storage.count = storage.total;
  // The format before PyTorch 1.6 lets a storage be a window of another: (key, first, count).
  if (fields.items.size() > 5 && heap[fields.items[5]].kind != Kind::kNone) {
    const Object& view = argument(heap, fields, 5, Kind::kTuple, "a storage's view");
    storage.first = count_argument(heap, view, 1, "a storage view's offset");
    storage.count = count_argument(heap, view, 2, "a storage view's size");
    if (storage.first > storage.total || storage.count > storage.total - storage.first) {
      fail(fmt::format("a view of elements {} + {} of a storage of {}", storage.first, storage.count, storage.total));
    }
  }
  heap.storages.push_back(storage);
  return heap.add(Object(Kind::kStorage, static_cast<std::int64_t>(heap.storages.size() - 1)));
}

}  // namespace dcn::checkpoint
