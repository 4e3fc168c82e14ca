// The allow-list: what torch.save writes for state dicts, optimizers and the values that training scripts put beside
// them. Nothing here is ever called; a row says which inert object stands for the result.
#include <array>

#include "checkpoint/pickle.hpp"

namespace dcn::checkpoint {
namespace {

using enum GlobalRole;

constexpr Global kGlobals[] = {
    {"collections", "OrderedDict", kDict, {}},
    {"collections", "defaultdict", kDict, {}},
    {"collections", "Counter", kDict, {}},
    {"builtins", "dict", kDict, {}},

    {"torch._utils", "_rebuild_tensor", kRebuildTensor, {}},
    {"torch._utils", "_rebuild_tensor_v2", kRebuildTensor, {}},
    {"torch._utils", "_rebuild_tensor_v3", kRebuildTensorV3, {}},
    {"torch._utils", "_rebuild_parameter", kFirstArgument, {}},
    {"torch._utils", "_rebuild_parameter_with_state", kFirstArgument, {}},
    {"torch.nn.parameter", "Parameter", kFirstArgument, {}},
    {"torch.nn.parameter", "Buffer", kFirstArgument, {}},
    {"torch._tensor", "_rebuild_from_type_v2", kRebuildFromType, {}},
    {"torch", "Tensor", kOpaque, {}},
    {"torch", "Size", kTuple, {}},
    {"torch", "device", kOpaque, {}},
    {"torch.serialization", "_get_layout", kOpaque, {}},

    {"builtins", "set", kOpaque, {}},
    {"builtins", "frozenset", kOpaque, {}},
    {"builtins", "bytearray", kOpaque, {}},
    {"builtins", "complex", kOpaque, {}},
    {"builtins", "slice", kOpaque, {}},
    {"builtins", "range", kOpaque, {}},
    {"builtins", "object", kOpaque, {}},
    {"builtins", "list", kOpaque, {}},
    {"builtins", "int", kOpaque, {}},
    {"builtins", "float", kOpaque, {}},
    {"builtins", "bool", kOpaque, {}},
    {"builtins", "str", kOpaque, {}},
    {"copyreg", "_reconstructor", kOpaque, {}},
    {"_codecs", "encode", kOpaque, {}},
    {"argparse", "Namespace", kOpaque, {}},
    {"numpy", "dtype", kOpaque, {}},
    {"numpy", "ndarray", kOpaque, {}},
    {"numpy.core.multiarray", "scalar", kOpaque, {}},
    {"numpy.core.multiarray", "_reconstruct", kOpaque, {}},
    {"numpy._core.multiarray", "scalar", kOpaque, {}},
    {"numpy._core.multiarray", "_reconstruct", kOpaque, {}},

    {"torch", "FloatStorage", kStorage, DataType::kF32},
    {"torch", "HalfStorage", kStorage, DataType::kF16},
    {"torch", "BFloat16Storage", kStorage, DataType::kBf16},
    {"torch", "DoubleStorage", kStorage, DataType::kF64},
    {"torch", "LongStorage", kStorage, DataType::kI64},
    {"torch", "IntStorage", kStorage, DataType::kI32},
    {"torch", "ShortStorage", kStorage, DataType::kI16},
    {"torch", "CharStorage", kStorage, DataType::kI8},
    {"torch", "ByteStorage", kStorage, DataType::kU8},
    {"torch", "BoolStorage", kStorage, DataType::kBool},
    {"torch", "ComplexFloatStorage", kStorage, {}, 8},
    {"torch", "ComplexDoubleStorage", kStorage, {}, 16},
    {"torch", "QInt8Storage", kStorage, {}, 1},
    {"torch", "QUInt8Storage", kStorage, {}, 1},
    {"torch", "QInt32Storage", kStorage, {}, 4},
    {"torch.storage", "UntypedStorage", kUntypedStorage, DataType::kU8},
    {"torch", "UntypedStorage", kUntypedStorage, DataType::kU8},

    {"torch", "float32", kDtype, DataType::kF32},
    {"torch", "float16", kDtype, DataType::kF16},
    {"torch", "bfloat16", kDtype, DataType::kBf16},
    {"torch", "float64", kDtype, DataType::kF64},
    {"torch", "int64", kDtype, DataType::kI64},
    {"torch", "int32", kDtype, DataType::kI32},
    {"torch", "int16", kDtype, DataType::kI16},
    {"torch", "int8", kDtype, DataType::kI8},
    {"torch", "uint8", kDtype, DataType::kU8},
    {"torch", "bool", kDtype, DataType::kBool},
    {"torch", "uint16", kDtype, {}},
    {"torch", "uint32", kDtype, {}},
    {"torch", "uint64", kDtype, {}},
    {"torch", "complex64", kDtype, {}},
    {"torch", "complex128", kDtype, {}},
    {"torch", "float8_e4m3fn", kDtype, {}},
    {"torch", "float8_e5m2", kDtype, {}},
};

/// Python 3's name of a module that Python 2 called otherwise.
std::string_view canonical(std::string_view module) {
  if (module == "__builtin__") return "builtins";
  if (module == "copy_reg") return "copyreg";
  return module;
}

}  // namespace

const Global* find_global(std::string_view module, std::string_view name) {
  module = canonical(module);
  for (const Global& global : kGlobals) {
    if (global.name == name && global.module == module) return &global;
  }
  return nullptr;
}

std::size_t element_bytes(const Global& storage) noexcept {
  return storage.type ? size_of(*storage.type) : storage.other_bytes;
}

}  // namespace dcn::checkpoint
