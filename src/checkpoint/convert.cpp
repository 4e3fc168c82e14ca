#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/memory.hpp"
#include "checkpoint/text.hpp"
#include "dcn/status.hpp"

namespace dcn::checkpoint {
namespace {

/// Layout of a binary floating-point type narrower than double.
struct F16 {
  static constexpr int kExponentBits = 5;
  static constexpr int kMantissaBits = 10;
};
struct Bf16 {
  static constexpr int kExponentBits = 8;
  static constexpr int kMantissaBits = 7;
};

/// Rounds to nearest, ties to even, once: straight from double, which holds every source type exactly.
template <typename Format>
std::uint16_t narrow(double value) {
  constexpr int kDoubleMantissa = 52;
  constexpr int kDoubleBias = 1023;
  constexpr int kBias = (1 << (Format::kExponentBits - 1)) - 1;
  constexpr int kMinExponent = 1 - kBias;
  constexpr std::uint64_t kInfinity = std::uint64_t{(1 << Format::kExponentBits) - 1} << Format::kMantissaBits;

  const auto bits = std::bit_cast<std::uint64_t>(value);
  const auto sign = static_cast<std::uint64_t>(bits >> 63) << (Format::kExponentBits + Format::kMantissaBits);
  const int biased = static_cast<int>(bits >> kDoubleMantissa & 0x7ff);
  const std::uint64_t fraction = bits & ((std::uint64_t{1} << kDoubleMantissa) - 1);
  if (biased == 0x7ff) {  // infinity, or a quiet NaN
    const std::uint64_t quiet = fraction == 0 ? 0 : std::uint64_t{1} << (Format::kMantissaBits - 1);
    return static_cast<std::uint16_t>(sign | kInfinity | quiet);
  }
  if (biased == 0) return static_cast<std::uint16_t>(sign);  // double's subnormals are far below half of the smallest

  // The significand as an integer, shifted right so that its unit is the target's last place.
  const int exponent = biased - kDoubleBias;
  const int below = exponent < kMinExponent ? kMinExponent - exponent : 0;
  const int shift = kDoubleMantissa - Format::kMantissaBits + below;
  if (shift > kDoubleMantissa + 1) return static_cast<std::uint16_t>(sign);
  const std::uint64_t significand = fraction | std::uint64_t{1} << kDoubleMantissa;
  const std::uint64_t half = std::uint64_t{1} << (shift - 1);
  std::uint64_t result = significand >> shift;
  const std::uint64_t rest = significand & ((half << 1) - 1);
  if (rest > half || (rest == half && (result & 1) != 0)) ++result;
  // A carry out of the mantissa moves into the exponent as it should, up to infinity.
  if (below == 0) result += static_cast<std::uint64_t>(exponent - kMinExponent) << Format::kMantissaBits;
  return static_cast<std::uint16_t>(sign | std::min(result, kInfinity));
}

/// Without branches, so that loops over it become vector code.
float widen_f16(std::uint16_t bits) {
  constexpr float kRebias = 0x1p112F;  // f32's exponents are by 112 larger; a product mends subnormals as well
  const float magnitude = std::bit_cast<float>((bits & 0x7fffU) << 13) * kRebias;
  const std::uint32_t special = (bits & 0x7c00U) == 0x7c00U ? 0x7f800000U : 0U;  // infinity, NaN
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | special | (bits & 0x8000U) << 16);
}

float widen_bf16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

bool is_floating(DataType type) {
  return type == DataType::kF32 || type == DataType::kF16 || type == DataType::kBf16 || type == DataType::kF64;
}

/// Calls use(index, value) for the elements, read as T and widened by `widen`.
template <typename T, typename Widen, typename Use>
void for_each_as(const Tensor& tensor, Widen widen, Use& use) {
  const auto count = static_cast<std::size_t>(tensor.elements());
  for (std::size_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, tensor.data.get() + i * sizeof(T), sizeof(T));
    use(i, widen(value));
  }
}

/// Calls use(index, value) for each element of a floating-point tensor; the value is a float, or a double for f64.
template <typename Use>
void for_each_value(const Tensor& tensor, Use use) {
  switch (tensor.type) {
    case DataType::kF32:
      return for_each_as<float>(tensor, [](float value) { return value; }, use);
    case DataType::kF64:
      return for_each_as<double>(tensor, [](double value) { return value; }, use);
    case DataType::kF16:
      return for_each_as<std::uint16_t>(tensor, widen_f16, use);
    case DataType::kBf16:
      return for_each_as<std::uint16_t>(tensor, widen_bf16, use);
    default:
      throw Error(
          ErrorCode::kBadFile,
          fmt::format("element type {}, expected a floating-point one (f32, f16, bf16, f64)", to_string(tensor.type)));
  }
}

/// The values as Target (float, or the 16 bits of a narrower type), where a finite value must stay finite.
template <typename Target, typename Round>
std::shared_ptr<const std::byte[]> rounded(const Tensor& tensor, DataType type, Round round,
                                           std::uint64_t infinity_bits) {
  const auto count = static_cast<std::uint64_t>(tensor.elements());
  std::shared_ptr<std::byte[]> result = allocate_aligned(count * sizeof(Target), "a converted tensor");
  for_each_value(tensor, [&](std::size_t i, auto value) {
    const Target narrowed = round(value);
    std::uint64_t bits = 0;
    std::memcpy(&bits, &narrowed, sizeof(Target));
    constexpr std::uint64_t kMagnitude = (std::uint64_t{1} << (8 * sizeof(Target) - 1)) - 1;
    if ((bits & kMagnitude) == infinity_bits && std::isfinite(value)) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("the value {} is beyond the range of {}; convert to bf16 or f32 instead", value,
                              to_string(type)));
    }
    std::memcpy(result.get() + i * sizeof(Target), &narrowed, sizeof(Target));
  });
  return result;
}

Tensor converted(const Tensor& tensor, DataType type) {
  if (tensor.type == type) return tensor;  // tensors are immutable, so the memory is shared
  Tensor result{.type = type, .sizes = tensor.sizes, .data = nullptr};
  switch (type) {
    case DataType::kF32:
      result.data = rounded<float>(tensor, type, [](auto value) { return static_cast<float>(value); }, 0x7f800000);
      break;
    case DataType::kF16:
      result.data = rounded<std::uint16_t>(tensor, type, narrow<F16>, 0x7c00);
      break;
    case DataType::kBf16:
      result.data = rounded<std::uint16_t>(tensor, type, narrow<Bf16>, 0x7f80);
      break;
    default:
      break;  // convert() accepts no other
  }
  return result;
}

}  // namespace

std::vector<float> Tensor::to_f32() const {
  std::vector<float> values(static_cast<std::size_t>(elements()));
  if (type == DataType::kF32) {
    if (!values.empty()) std::memcpy(values.data(), data.get(), bytes());
    return values;
  }
  for_each_value(*this, [&](std::size_t i, auto value) { values[i] = static_cast<float>(value); });
  return values;
}

Checkpoint convert(const Checkpoint& checkpoint, DataType type) {
  if (type != DataType::kF32 && type != DataType::kF16 && type != DataType::kBf16) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("cannot convert to {}, expected f32, f16 or bf16", to_string(type)));
  }
  Checkpoint result{.tensors = {}, .metadata = checkpoint.metadata, .format = checkpoint.format};
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (name == "num_batches_tracked" || name.ends_with(".num_batches_tracked")) continue;
    if (!is_floating(tensor.type)) {
      result.tensors.emplace(name, tensor);
      continue;
    }
    try {
      result.tensors.emplace(name, converted(tensor, tensor.sizes.size() < 2 ? DataType::kF32 : type));
    } catch (const Error& error) {
      throw error.in(fmt::format("tensor {}", printable(name)));
    }
  }
  return result;
}

}  // namespace dcn::checkpoint
