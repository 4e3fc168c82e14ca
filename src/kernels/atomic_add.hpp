/// \file atomic_add.hpp
/// f32 sums in global memory that several work-groups add to.
///
/// Macro: DCN_PTX  the device takes PTX: its own instruction. What atomic_ref becomes there keeps denormals, by a loop
/// of
///                 compare-and-swap.
#pragma once

#include <sycl/atomic_ref.hpp>

#include "deform_common.hpp"

DCN_INLINE void atomic_add(float* to, float value) {
#if defined(DCN_PTX)
  asm volatile("{ .reg .u64 at; cvta.to.global.u64 at, %0; red.relaxed.gpu.global.add.f32 [at], %1; }"
               :
               : "l"(to), "f"(value));
#else
  sycl::atomic_ref<float, sycl::memory_order::relaxed, sycl::memory_scope::device,
                   sycl::access::address_space::global_space>(*to)
      .fetch_add(value);
#endif
}
