/// \file csy_types.hpp
/// Numbers of 16 bits, vectors, and PyTorch's types as kernels see them: the run-time compiler reads no PyTorch header.
/// Names, layouts and conversions are PyTorch's. Included by csy.hpp.
#pragma once
CSY_SOURCE

#if !CSY_HOST
namespace csy {
/// PyTorch's Half and BFloat16, and CUDA's bfloat16: distinct types, since a file may overload functions for all of
/// them; each computes in float and rounds after every operation. SYCL's own bfloat16 is left alone: the runtime's
/// cache of compiled kernels crashes on the image that its conversions bring along.
template <bool Brain, bool Torch>
struct alignas(2) sixteen_bits {
  struct nothing {};
  using cuda = std::conditional_t<!Torch, nothing, std::conditional_t<Brain, sixteen_bits<true, false>, half>>;
  struct from_bits_t {};
  static constexpr from_bits_t from_bits() { return {}; }
  unsigned short x;
  sixteen_bits() = default;
  constexpr sixteen_bits(unsigned short bits, from_bits_t) : x(bits) {}
  sixteen_bits(float value) : x(rounded(value)) {}
  sixteen_bits(cuda value) : x(detail::bits<unsigned short>(value)) {}
  operator float() const {
    if constexpr (Brain)
      return detail::bits<float>(unsigned(x) << 16);
    else
      return detail::bits<half>(x);
  }
  operator cuda() const { return detail::bits<cuda>(x); }
  sixteen_bits operator-() const { return -float(*this); }

 private:
  static unsigned short rounded(float value) {
    if constexpr (!Brain) return detail::bits<unsigned short>(half(value));
    const unsigned all = detail::bits<unsigned>(value);
    return value != value ? 0x7FC0 : (unsigned short)((all + 0x7FFF + (all >> 16 & 1)) >> 16);  // ties to even
  }
};
/// What an operation of a 16-bit number and a T gives: itself with integers and its like, T with float and double.
template <typename N, typename T>
using joined = std::conditional_t<std::is_floating_point_v<T>, T, N>;
#define CSY_SIXTEEN_BITS(op)                                                                  \
  template <bool B, bool P>                                                                   \
  sixteen_bits<B, P> operator op(sixteen_bits<B, P> a, sixteen_bits<B, P> b) {                \
    return float(a) op float(b);                                                              \
  }                                                                                           \
  template <bool B, bool P, typename T, typename = std::enable_if_t<std::is_arithmetic_v<T>>> \
  joined<sixteen_bits<B, P>, T> operator op(sixteen_bits<B, P> a, T b) {                      \
    return joined<sixteen_bits<B, P>, T>(float(a)) op joined<sixteen_bits<B, P>, T>(b);       \
  }                                                                                           \
  template <bool B, bool P, typename T, typename = std::enable_if_t<std::is_arithmetic_v<T>>> \
  joined<sixteen_bits<B, P>, T> operator op(T a, sixteen_bits<B, P> b) {                      \
    return joined<sixteen_bits<B, P>, T>(a) op joined<sixteen_bits<B, P>, T>(float(b));       \
  }                                                                                           \
  template <bool B, bool P, typename T>                                                       \
  sixteen_bits<B, P>& operator op##=(sixteen_bits<B, P>& a, T b) {                            \
    return a = sixteen_bits<B, P>(float(a) op float(b));                                      \
  }
CSY_SIXTEEN_BITS(+)
CSY_SIXTEEN_BITS(-)
CSY_SIXTEEN_BITS(*)
CSY_SIXTEEN_BITS(/)
#undef CSY_SIXTEEN_BITS
using bfloat16 = sixteen_bits<true, false>;
}  // namespace csy
namespace c10 {
using Half = csy::sixteen_bits<false, true>;
using BFloat16 = csy::sixteen_bits<true, true>;
}  // namespace c10
/// Constants of the 16-bit types, given by their bits.
#define CSY_LIMITS(T, highest, smallest, step, infinite, nan, significant, decimals)                     \
  template <>                                                                                            \
  struct std::numeric_limits<T> {                                                                        \
    static constexpr bool is_specialized = true, is_signed = true, is_integer = false, is_exact = false; \
    static constexpr bool has_infinity = true, has_quiet_NaN = true, is_iec559 = true;                   \
    static constexpr int digits = significant, digits10 = decimals, radix = 2;                           \
    static constexpr T at(unsigned short bits) { return {bits, T::from_bits()}; }                        \
    static constexpr T max() { return at(highest); }                                                     \
    static constexpr T lowest() { return at(highest | 0x8000); }                                         \
    static constexpr T min() { return at(smallest); }                                                    \
    static constexpr T epsilon() { return at(step); }                                                    \
    static constexpr T infinity() { return at(infinite); }                                               \
    static constexpr T quiet_NaN() { return at(nan); }                                                   \
  };
CSY_LIMITS(c10::Half, 0x7BFF, 0x0400, 0x1400, 0x7C00, 0x7E00, 11, 3)
CSY_LIMITS(csy::bfloat16, 0x7F7F, 0x0080, 0x3C00, 0x7F80, 0x7FC0, 8, 2)
CSY_LIMITS(c10::BFloat16, 0x7F7F, 0x0080, 0x3C00, 0x7F80, 0x7FC0, 8, 2)
#undef CSY_LIMITS
#else
namespace csy {
using sycl::ext::oneapi::bfloat16;
}
#endif

namespace csy {

// Vector types with CUDA's sizes and alignments.
#define CSY_VECTORS(T, name)                                                    \
  struct name##1 { T x; };                                                      \
  struct alignas(2 * sizeof(T)) name##2 { T x, y; };                            \
  struct name##3 { T x, y, z; };                                                \
  struct alignas(sizeof(T) < 4 ? 4 * sizeof(T) : 16) name##4 { T x, y, z, w; }; \
  constexpr name##1 make_##name##1(T x) { return {x}; }                         \
  constexpr name##2 make_##name##2(T x, T y) { return {x, y}; }                 \
  constexpr name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }         \
  constexpr name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; } \
  static_assert(true)
// clang-format off
CSY_VECTORS(signed char, char); CSY_VECTORS(unsigned char, uchar); CSY_VECTORS(short, short);
CSY_VECTORS(unsigned short, ushort); CSY_VECTORS(int, int); CSY_VECTORS(unsigned, uint); CSY_VECTORS(long, long);
CSY_VECTORS(unsigned long, ulong); CSY_VECTORS(long long, longlong);
CSY_VECTORS(unsigned long long, ulonglong); CSY_VECTORS(float, float); CSY_VECTORS(double, double);
// clang-format on
template <typename T>
struct alignas(4) two {
  T x, y;
  friend two operator+(two a, two b) { return {T(a.x + b.x), T(a.y + b.y)}; }
  friend two operator-(two a, two b) { return {T(a.x - b.x), T(a.y - b.y)}; }
  friend two operator*(two a, two b) { return {T(a.x * b.x), T(a.y * b.y)}; }
};
using half2 = two<half>;
using bfloat162 = two<bfloat16>;
inline half2 both(half x) { return {x, x}; }
inline float2 to_float2(half2 v) { return {float(v.x), float(v.y)}; }

}  // namespace csy

// ---- PyTorch's other types in kernels ----
#if CSY_HOST
#if !defined(__CUDACC__)  // PyTorch declares it for nvcc alone
namespace at {
template <typename T>
struct RestrictPtrTraits {
  using PtrType = T* __restrict__;
};
}  // namespace at
#endif
#else
namespace at {
using c10::BFloat16;
using c10::Half;
template <typename T>
struct DefaultPtrTraits {
  using PtrType = T*;
};
template <typename T>
struct RestrictPtrTraits {
  using PtrType = T* __restrict__;
};
template <typename T, std::size_t N, template <typename> class Traits = DefaultPtrTraits, typename I = std::int64_t>
struct TensorAccessor {
  typename Traits<T>::PtrType data_;
  const I* sizes_;
  const I* strides_;
  I size(I d) const { return sizes_[d]; }
  I stride(I d) const { return strides_[d]; }
  typename Traits<T>::PtrType data() const { return data_; }
  decltype(auto) operator[](I i) const {
    if constexpr (N == 1) {
      return static_cast<T&>(data_[strides_[0] * i]);
    } else {
      return TensorAccessor<T, N - 1, Traits, I>{data_ + strides_[0] * i, sizes_ + 1, strides_ + 1};
    }
  }
};
template <typename T, std::size_t N, template <typename> class Traits = DefaultPtrTraits, typename I = std::int64_t>
struct GenericPackedTensorAccessor {
  typename Traits<T>::PtrType data_;
  I sizes_[N], strides_[N];
  I size(I d) const { return sizes_[d]; }
  I stride(I d) const { return strides_[d]; }
  typename Traits<T>::PtrType data() const { return data_; }
  decltype(auto) operator[](I i) const { return TensorAccessor<T, N, Traits, I>{data_, sizes_, strides_}[i]; }
};
template <typename T, std::size_t N, template <typename> class Traits = DefaultPtrTraits, typename I = std::int64_t>
using PackedTensorAccessor = GenericPackedTensorAccessor<T, N, Traits, I>;
template <typename T, std::size_t N, template <typename> class Traits = DefaultPtrTraits>
using PackedTensorAccessor32 = GenericPackedTensorAccessor<T, N, Traits, std::int32_t>;
template <typename T, std::size_t N, template <typename> class Traits = DefaultPtrTraits>
using PackedTensorAccessor64 = GenericPackedTensorAccessor<T, N, Traits, std::int64_t>;
template <typename T>
using opmath_type = std::conditional_t<std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>, float, T>;
template <typename T, bool>
using acc_type = std::conditional_t<std::is_integral_v<T>, std::int64_t, opmath_type<T>>;
}  // namespace at
namespace torch {
using namespace at;
}
#endif
