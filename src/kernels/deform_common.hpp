/// \file deform_common.hpp
/// Element types and bilinear corners, shared by the deformable operators.
///
/// DCN_T_F32, DCN_T_F16, DCN_T_BF16 or DCN_T_F64 says what the tensors hold. Coordinates and sums are `Real`: float,
/// and double for f64. DCN_INDEX is the type of element indices, int or long long.
#pragma once

#include <sycl/ext/oneapi/free_function_queries.hpp>
#include <sycl/ext/oneapi/kernel_properties/properties.hpp>
#include <sycl/half_type.hpp>

using Index = DCN_INDEX;

/// For functions whose arguments must not go through memory. Compilers for GPUs do not inline large ones by themselves.
#define DCN_INLINE inline __attribute__((always_inline))

#if defined(DCN_T_F64)
using Element = double;
using Real = double;
#else
using Real = float;
#endif

#if defined(DCN_T_F32)
using Element = float;
#elif defined(DCN_T_F16)
using Element = sycl::half;
#elif defined(DCN_T_BF16)
using Element = unsigned short;
#endif

/// bf16 is the upper half of an f32. Written out, because the library's conversions are calls into a support library
/// that do not vectorise.
inline Real load(Element value) {
#if defined(DCN_T_BF16)
  return __builtin_bit_cast(float, static_cast<unsigned>(value) << 16);
#else
  return static_cast<Real>(value);
#endif
}

/// Rounds to nearest even. NaN stays NaN.
inline Element store(Real value) {
#if defined(DCN_T_BF16)
  const unsigned bits = __builtin_bit_cast(unsigned, value);
  const unsigned rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return static_cast<unsigned short>(value != value ? 0x7fc0u : rounded);
#else
  return static_cast<Element>(value);
#endif
}
