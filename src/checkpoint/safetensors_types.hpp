/// \file safetensors_types.hpp
/// The element types' names in safetensors, for reader and writer.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "dcn/tensor.hpp"

namespace dcn::checkpoint {

inline constexpr std::array<std::pair<DataType, std::string_view>, 10> kSafetensorsTypes{{
    {DataType::kF32, "F32"},
    {DataType::kF16, "F16"},
    {DataType::kBf16, "BF16"},
    {DataType::kF64, "F64"},
    {DataType::kI64, "I64"},
    {DataType::kI32, "I32"},
    {DataType::kI16, "I16"},
    {DataType::kI8, "I8"},
    {DataType::kU8, "U8"},
    {DataType::kBool, "BOOL"},
}};

inline std::optional<DataType> safetensors_type(std::string_view name) {
  for (const auto& [type, known] : kSafetensorsTypes) {
    if (known == name) return type;
  }
  return std::nullopt;
}

inline std::string_view safetensors_name(DataType type) {
  for (const auto& [known, name] : kSafetensorsTypes) {
    if (known == type) return name;
  }
  return {};
}

}  // namespace dcn::checkpoint
