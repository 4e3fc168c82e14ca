/// \file pickle.hpp
/// An interpreter for the pickles that torch.save writes (protocols 2 to 5). It builds inert objects and calls nothing:
/// a global is a row of an allow-list (pickle_globals.cpp), and one that is not there is an error that names it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/byte_reader.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/text.hpp"

namespace dcn::checkpoint {

/// What applying a global to arguments gives.
enum class GlobalRole : std::uint8_t {
  kDict,             ///< OrderedDict, defaultdict, ...: a dict
  kRebuildTensor,    ///< (storage, offset, sizes, strides, ...): a tensor
  kRebuildTensorV3,  ///< the same with the dtype as argument 6, over an untyped storage
  kFirstArgument,    ///< Parameter and its relatives: the tensor that is the first argument
  kRebuildFromType,  ///< (function, type, arguments, state): function(*arguments)
  kTuple,            ///< torch.Size
  kOpaque,           ///< something that a checkpoint may hold beside its tensors; its content is ignored
  kStorage,          ///< a typed storage class; only named in persistent ids
  kUntypedStorage,   ///< counted in bytes
  kDtype,            ///< torch.float32, ...
};

/// A row of the allow-list.
struct Global {
  std::string_view module;
  std::string_view name;
  GlobalRole role;
  std::optional<DataType> type;  ///< of the storages and kDtype; none: an element type that DataType lacks
  std::uint8_t other_bytes = 0;  ///< the element's bytes in a storage that has no DataType
};

/// Bytes of one element of a storage class.
std::size_t element_bytes(const Global& storage) noexcept;

/// The row of module.name, or nullptr.
const Global* find_global(std::string_view module, std::string_view name);

/// A storage that the pickle refers to by key; the bytes lie elsewhere in the file.
struct StorageRef {
  std::string_view key;
  const Global* type = nullptr;
  std::int64_t total = 0;  ///< elements (bytes if untyped) of the whole storage in the file
  std::int64_t first = 0;  ///< where this view of the storage begins, in elements
  std::int64_t count = 0;  ///< elements of this view
};

/// A tensor as the pickle describes it: nothing is checked against the storage yet.
struct TensorRef {
  std::size_t storage = 0;       ///< index into Heap::storages
  const Global* type = nullptr;  ///< of kDtype or kStorage
  std::int64_t offset = 0;       ///< elements
  std::vector<std::int64_t> sizes;
  std::vector<std::int64_t> strides;
};

/// An object is addressed by its index: cycles are harmless, and all go at once.
using Ref = std::uint32_t;

struct Object {
  enum class Kind : std::uint8_t {
    kNone,
    kBool,
    kInt,
    kBigInt,
    kFloat,
    kString,
    kBytes,
    kList,
    kTuple,
    kDict,
    kGlobal,
    kStorage,
    kTensor,
    kOpaque
  };
  explicit Object(Kind object_kind, std::int64_t number = 0) : kind(object_kind), integer(number) {}
  Object(Kind object_kind, std::string_view content) : kind(object_kind), text(content) {}
  Object(Kind object_kind, std::vector<Ref> content) : kind(object_kind), items(std::move(content)) {}
  explicit Object(const Global* known) : kind(Kind::kGlobal), global(known) {}

  Kind kind;
  bool latin1 = false;       ///< kString: written by Python 2 as bytes
  std::int64_t integer = 0;  ///< kBool, kInt; kStorage and kTensor: index into the heap's lists
  const Global* global = nullptr;
  std::string_view text;   ///< kString, kBytes, kBigInt (little-endian two's complement); points into the file
  std::vector<Ref> items;  ///< kList, kTuple; kDict: key, value, key, value, ...
};

/// Everything that the pickles of one file built.
struct Heap {
  explicit Heap(const LoadLimits& load_limits) : limits(load_limits) {}

  [[nodiscard]] const Object& operator[](Ref ref) const { return objects[ref]; }
  Ref add(Object object);
  /// Counts references that an instruction copies, so that no short pickle can make it copy a long list many times.
  void charge(std::size_t references);

  LoadLimits limits;
  std::uint64_t charged = 0;
  std::vector<Object> objects;
  std::vector<StorageRef> storages;
  std::vector<TensorRef> tensors;
};

/// Reads one pickle, up to and including its STOP. \returns the object it leaves. \throws Error kBadFile.
Ref read_pickle(ByteReader& reader, Heap& heap);

/// "a list", "a tensor": for messages.
std::string_view describe(Object::Kind kind);

}  // namespace dcn::checkpoint
