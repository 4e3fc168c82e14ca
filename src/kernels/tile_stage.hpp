/// \file tile_stage.hpp
/// What NVIDIA's matrix units take from local memory, and how a sum becomes that.
#pragma once

#include "deform_common.hpp"

#if defined(DCN_MMA) || defined(DCN_WARPGROUPS)

#if defined(DCN_T_F16)
using Stage = sycl::half;
DCN_INLINE Stage stage(float value) { return static_cast<sycl::half>(value); }
#elif defined(DCN_T_BF16)
using Stage = unsigned short;
DCN_INLINE Stage stage(float value) {
  unsigned short rounded;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(rounded) : "f"(value));
  return rounded;
}
#define DCN_STAGES_PAIRS
/// Two at once: the compiler (2026.2) does not find that instruction by itself.
DCN_INLINE unsigned stage_pair(float low, float high) {
  unsigned rounded;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(rounded) : "f"(high), "f"(low));
  return rounded;
}
#else
using Stage = float;
/// To the nearest tf32: what lies below its last bit is cut off by the units. Infinities and NaN stay what they are.
DCN_INLINE Stage stage(float value) {
  const unsigned bits = __builtin_bit_cast(unsigned, value);
  return (bits & 0x7f800000u) == 0x7f800000u ? value : __builtin_bit_cast(float, (bits + 0x1000u) & 0xffffe000u);
}
#endif

#endif
