/// \file csy.hpp
/// Runs migrated CUDA kernels with SYCL, host and device code in one file.
///
///     #include "csy.hpp"
///     template <typename T> void scale(T* x, T by, int n) {             // was: __global__
///       const int i = csy::group_id().x * csy::local_range().x + csy::local_id().x;
///       if (i < n) x[i] *= by;
///     }
///     csy::launch<&scale<float>>({(n + 255) / 256, 256}, x, 2.f, n);    // was: scale<float><<<blocks, 256>>>(...)
///
/// g++ compiles the file for the host and embeds its text; the SYCL runtime's own compiler compiles the kernels of that
/// text for the device when the first of them is launched. `icpx -fsycl` compiles both sides at once.
///
/// CSY_HOST is 1 where host code may stand, 0 while the run-time compiler reads the file.
/// Environment: CSY_DEVICE=auto|cpu|xpu|none chooses the device, CSY_VERBOSE=1 reports compilations on stderr.
#pragma once

#if defined(CSY_JIT)
#define CSY_HOST 0
#else
#define CSY_HOST 1
#endif
/// What CUDA_VERSION and CUDART_VERSION of the original become. The build gives the version that PyTorch was built
/// with.
#if CSY_HOST && !defined(CSY_CUDA_VERSION)
#define CSY_CUDA_VERSION 12000
#endif
#define CSY_TEXT_OF(value) #value
#define CSY_TEXT(value) CSY_TEXT_OF(value)

/// Embeds the text of a file in the object: a record of the section csy_text of this library.
#define CSY_EMBED(path)                                                                                             \
  __asm__(".pushsection csy_text,\"a\",@progbits\n.balign 8\n.quad 912f-911f\n.quad 913f-912f\n911: .ascii \"" path \
          "\"\n912: .incbin \"" path "\"\n913:\n.popsection\n");
#if defined(SYCL_LANGUAGE_VERSION) && defined(__INTEL_LLVM_COMPILER)
#define CSY_AOT 1  // icpx -fsycl: kernels are compiled with the file
#else
#define CSY_AOT 0
#endif
#if !CSY_HOST || CSY_AOT
#define CSY_SOURCE
#else
/// In a header that kernels need: gives its text to the run-time compiler.
#define CSY_SOURCE CSY_EMBED(__FILE__)
CSY_EMBED(__BASE_FILE__)
#endif
CSY_SOURCE
#include "csy_kernel.hpp"
#include "csy_types.hpp"

namespace csy::detail {
/// The arguments of a kernel, nested: the one form that both compilers lay out alike and take as a kernel argument.
template <typename... P>
struct arguments;
template <>
struct arguments<> {
  template <auto F>
  void apply() const {
    F();
  }
};
template <typename Head>
struct arguments<Head> {
  Head head;
  template <auto F, typename... Before>
  void apply(Before... before) const {
    F(before..., head);
  }
};
template <typename Head, typename... Tail>
struct arguments<Head, Tail...> {
  Head head;
  arguments<Tail...> tail;
  template <auto F, typename... Before>
  void apply(Before... before) const {
    tail.template apply<F>(before..., head);
  }
};
template <typename... P>
arguments<P...> arguments_of(void (*)(P...));
}  // namespace csy::detail

namespace csy::detail {
/// What the entry of every kernel leaves for the functions below it.
template <typename Accessor>
void enter([[maybe_unused]] block_shape shape, [[maybe_unused]] const Accessor& dynamic) {
#if CSY_ON_DEVICE
#if defined(CSY_FLAT)
  block().x = shape.x, block().y = shape.y, block().z = shape.z;
#endif
  dynamic_base().pointer = dynamic.template get_multi_ptr<sycl::access::decorated::yes>().get_decorated();
#endif
}
}  // namespace csy::detail
#if !CSY_HOST
#if defined(CSY_FLAT)
#define CSY_WARPS SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((csy::syclexp::sub_group_size<32>))
#else
#define CSY_WARPS
#endif
/// One instance of a kernel: a plain function with one plain struct, since the run-time compiler takes no parameters
/// whose types depend on template arguments.
#define CSY_ENTRY(index, ...)                                                                            \
  struct csy_arguments_##index {                                                                         \
    csy::detail::block_shape block;                                                                      \
    decltype(csy::detail::arguments_of(__VA_ARGS__)) list;                                               \
  };                                                                                                     \
  extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((csy::syclexp::nd_range_kernel<3>))                       \
      CSY_WARPS void csy_entry_##index(csy_arguments_##index a, sycl::local_accessor<char, 1> dynamic) { \
    csy::detail::enter(a.block, dynamic);                                                                \
    a.list.template apply<__VA_ARGS__>();                                                                \
  }
namespace csy::detail {
/// Tells the kernels of this text where a global variable lives.
template <auto* Global>
void place(void* where) {
  Global->place(where);
}
}  // namespace csy::detail
/// `__device__ T name = initial;` is CSY_GLOBAL(name, T, initial); kernels use name.get().
#define CSY_GLOBAL(name, type, ...)                                                          \
  csy::syclexp::device_global<std::type_identity_t<type>*> csy_##name;                       \
  struct csy_global_##name {                                                                 \
    std::type_identity_t<type>& get() const { return *csy_##name.get(); }                    \
    void place(void* where) const { csy_##name.get() = (std::type_identity_t<type>*)where; } \
  };                                                                                         \
  inline constexpr csy_global_##name name {}
#else
#include "csy_host.hpp"
#endif
