/// \file csy_kernel.hpp
/// What migrated CUDA kernels are written with: indices, shared memory, warps, atomics, mathematics.
/// Included by csy.hpp; README.md lists the CUDA construct that each name stands for.
///
/// On the device these are SYCL. On the host they compile, and compute where that has a meaning, so that a function may
/// serve both sides. CSY_ON_DEVICE tells the sides apart.
#pragma once
CSY_SOURCE

#include <cassert>
#include <cfloat>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <limits>
#include <type_traits>
#include <utility>
#if !CSY_HOST  // the run-time compiler: every header costs time at the first launch
#include <sycl/accessor.hpp>
#include <sycl/atomic_fence.hpp>
#include <sycl/atomic_ref.hpp>
#include <sycl/builtins.hpp>
#include <sycl/ext/oneapi/device_global/device_global.hpp>
#include <sycl/ext/oneapi/experimental/builtins.hpp>
#include <sycl/ext/oneapi/free_function_queries.hpp>
#include <sycl/ext/oneapi/kernel_properties/properties.hpp>
#include <sycl/ext/oneapi/work_group_static.hpp>
#include <sycl/group_algorithm.hpp>
#include <sycl/group_barrier.hpp>
#include <sycl/half_type.hpp>
#else
#define SYCL_DISABLE_FSYCL_SYCLHPP_WARNING  // g++ compiles no device code here
#include <sycl/sycl.hpp>
#endif
#if defined(__SYCL_DEVICE_ONLY__)
#define CSY_ON_DEVICE 1
#else
#define CSY_ON_DEVICE 0
#endif

namespace csy {

namespace syclexp = sycl::ext::oneapi::experimental;
using sycl::half;

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

inline constexpr int warp_size = 32;

namespace detail {
struct block_shape {
  unsigned x, y, z;
};
}  // namespace detail
#if CSY_ON_DEVICE
#define CSY_DEVICE_OR_HOST(device, host) device
namespace detail {
/// The block's shape in kernels that run in flat groups, which makes sub-groups of 32 the warps of any block.
inline block_shape& block() {
  static syclexp::work_group_static<block_shape> shape;
  return shape;
}
using local_pointer = decltype(std::declval<sycl::local_accessor<char, 1>&>()
                                   .template get_multi_ptr<sycl::access::decorated::yes>()
                                   .get_decorated());
struct local_base {
  local_pointer pointer;
};
inline local_base& dynamic_base() {
  static syclexp::work_group_static<local_base> base;
  return base;
}
inline auto item() { return sycl::ext::oneapi::this_work_item::get_nd_item<3>(); }
inline auto group() { return sycl::ext::oneapi::this_work_item::get_work_group<3>(); }
inline auto warp() { return sycl::ext::oneapi::this_work_item::get_sub_group(); }
}  // namespace detail
#if defined(CSY_FLAT)
inline dim3 local_range() { return {detail::block().x, detail::block().y, detail::block().z}; }
inline dim3 local_id() {
  const unsigned i = unsigned(detail::item().get_local_id(2));
  const dim3 b = local_range();
  return {i % b.x, i / b.x % b.y, i / b.x / b.y};
}
#else
inline dim3 local_range() {
  const auto item = detail::item();
  return {unsigned(item.get_local_range(2)), unsigned(item.get_local_range(1)), unsigned(item.get_local_range(0))};
}
inline dim3 local_id() {
  const auto item = detail::item();
  return {unsigned(item.get_local_id(2)), unsigned(item.get_local_id(1)), unsigned(item.get_local_id(0))};
}
#endif
inline dim3 group_id() {
  const auto item = detail::item();
  return {unsigned(item.get_group(2)), unsigned(item.get_group(1)), unsigned(item.get_group(0))};
}
inline dim3 group_range() {
  const auto item = detail::item();
  return {unsigned(item.get_group_range(2)), unsigned(item.get_group_range(1)), unsigned(item.get_group_range(0))};
}
namespace detail {
/// CUDA takes types in shared memory whose constructors are written out and do nothing; SYCL takes bytes for them.
template <typename T>
struct alignas(T) shared_bytes {
  unsigned char bytes[sizeof(T)];
};
template <typename T>
using shared_storage = std::conditional_t<std::is_trivially_constructible_v<T>, T, shared_bytes<T>>;
}  // namespace detail
/// `__shared__ T name[N];` is CSY_SHARED(name, T[N]);
#define CSY_SHARED(name, ...)                                                                  \
  static csy::syclexp::work_group_static<csy::detail::shared_storage<__VA_ARGS__>> csy_##name; \
  auto& name = reinterpret_cast<std::add_lvalue_reference_t<__VA_ARGS__>>(                     \
      static_cast<csy::detail::shared_storage<__VA_ARGS__>&>(csy_##name))
using syclexp::printf;
#else
#define CSY_DEVICE_OR_HOST(device, host) host
inline dim3 local_range() { return {}; }
inline dim3 local_id() { return {0, 0, 0}; }
inline dim3 group_id() { return {0, 0, 0}; }
inline dim3 group_range() { return {}; }
#define CSY_SHARED(name, ...)                           \
  static std::type_identity_t<__VA_ARGS__>* csy_##name; \
  auto& name = *csy_##name
using std::printf;
#endif

/// `extern __shared__ T name[];` is T* name = csy::dynamic_shared<T>();
template <typename T>
T* dynamic_shared() {
  return CSY_DEVICE_OR_HOST((T*)detail::dynamic_base().pointer, nullptr);
}
/// T (&name)[] = csy::dynamic_shared<T[]>(); where the kernel uses it as an array: its address, references to it.
template <typename T>
  requires std::is_unbounded_array_v<T>
T& dynamic_shared() {
  return *(T*)dynamic_shared<std::remove_extent_t<T>>();
}

// Synchronisation. Every work-item of the group (of the warp) must arrive.
inline void barrier() { CSY_DEVICE_OR_HOST(sycl::group_barrier(detail::group()), void()); }
inline int barrier_count(int v) {
  return CSY_DEVICE_OR_HOST(sycl::reduce_over_group(detail::group(), int(v != 0), sycl::plus<int>()), v != 0);
}
inline int barrier_and(int v) { return CSY_DEVICE_OR_HOST(sycl::all_of_group(detail::group(), v != 0), v != 0); }
inline int barrier_or(int v) { return CSY_DEVICE_OR_HOST(sycl::any_of_group(detail::group(), v != 0), v != 0); }
enum class scope { block, device, system };
template <scope S = scope::device>
void fence() {
#if CSY_ON_DEVICE
  sycl::atomic_fence(sycl::memory_order::acq_rel, S == scope::block    ? sycl::memory_scope::work_group
                                                  : S == scope::device ? sycl::memory_scope::device
                                                                       : sycl::memory_scope::system);
#endif
}

// Warps: sub-groups of 32. `width` splits them as in CUDA. The mask is ignored: lanes that call take part.
namespace detail {
template <typename T>
T from_lane(T value, [[maybe_unused]] unsigned lane) {
  return CSY_DEVICE_OR_HOST(sycl::select_from_group(warp(), value, lane), value);
}
}  // namespace detail
inline unsigned warp_lane() { return CSY_DEVICE_OR_HOST(unsigned(detail::warp().get_local_id()[0]), 0); }
inline void warp_barrier(unsigned = ~0u) { CSY_DEVICE_OR_HOST(sycl::group_barrier(detail::warp()), void()); }
template <typename T>
T warp_shfl(unsigned, T v, int lane, int width = 32) {
  return detail::from_lane(v, (warp_lane() & ~unsigned(width - 1)) + (unsigned(lane) & unsigned(width - 1)));
}
template <typename T>
T warp_shfl_up(unsigned, T v, unsigned delta, int width = 32) {
  const unsigned at = warp_lane();
  return detail::from_lane(v, (at & unsigned(width - 1)) < delta ? at : at - delta);
}
template <typename T>
T warp_shfl_down(unsigned, T v, unsigned delta, int width = 32) {
  const unsigned at = warp_lane();
  return detail::from_lane(v, (at & unsigned(width - 1)) + delta >= unsigned(width) ? at : at + delta);
}
template <typename T>
T warp_shfl_xor(unsigned, T v, int mask, int width = 32) {
  const unsigned at = warp_lane(), to = at ^ unsigned(mask), size = unsigned(width);
  return detail::from_lane(v, to / size > at / size ? at : to);
}
inline bool warp_any(unsigned, int v) { return CSY_DEVICE_OR_HOST(sycl::any_of_group(detail::warp(), v != 0), v != 0); }
inline bool warp_all(unsigned, int v) { return CSY_DEVICE_OR_HOST(sycl::all_of_group(detail::warp(), v != 0), v != 0); }
inline unsigned warp_ballot(unsigned, int v) {
  const unsigned bit = v != 0 ? 1u << warp_lane() : 0u;
  return CSY_DEVICE_OR_HOST(sycl::reduce_over_group(detail::warp(), bit, sycl::bit_or<unsigned>()), bit);
}
inline unsigned warp_active_mask() { return warp_ballot(~0u, 1); }

// Atomics: relaxed, in device scope unless told otherwise; each returns the old value. The value converts to the type
// that the pointer points to (through float where there is no other way: PyTorch's Half to csy::half). Types without an
// atomic of their own go through compare-and-exchange of a word.
namespace detail {
template <typename T, typename V>
T converted(const V& v) {
  if constexpr (std::is_convertible_v<V, T>)
    return v;
  else
    return T(float(v));
}
template <typename To, typename From>
To bits(const From& from) {
  return __builtin_bit_cast(To, from);
}
#if CSY_ON_DEVICE
template <scope S, typename T>
auto atomic(T* p) {
  return sycl::atomic_ref < T, sycl::memory_order::relaxed,
         S == scope::block    ? sycl::memory_scope::work_group
         : S == scope::device ? sycl::memory_scope::device
                              : sycl::memory_scope::system > (*p);
}
template <typename T>
inline constexpr bool native = (std::is_integral_v<T> || std::is_floating_point_v<T>) && sizeof(T) >= 4;
#endif
template <scope S, typename T, typename Next>
T update(T* p, Next next) {
#if !CSY_ON_DEVICE
  return std::exchange(*p, next(*p));
#else
  if constexpr (sizeof(T) < 4) {
    const auto address = reinterpret_cast<std::uintptr_t>(p);
    const unsigned shift = unsigned(address & 3) * 8, mask = ((1u << (sizeof(T) * 8)) - 1) << shift;
    using raw = std::conditional_t<sizeof(T) == 1, std::uint8_t, std::uint16_t>;
    auto word = atomic<S>(reinterpret_cast<unsigned*>(address & ~std::uintptr_t(3)));
    unsigned was = word.load();
    while (true) {
      const T value = bits<T>(raw((was & mask) >> shift));
      const unsigned want = (was & ~mask) | (unsigned(bits<raw>(T(next(value)))) << shift);
      if (word.compare_exchange_strong(was, want)) return value;
    }
  } else {
    using raw = std::conditional_t<sizeof(T) == 4, unsigned, unsigned long long>;
    auto word = atomic<S>(reinterpret_cast<raw*>(p));
    raw was = word.load();
    while (!word.compare_exchange_strong(was, bits<raw>(T(next(bits<T>(was)))))) {
    }
    return bits<T>(was);
  }
#endif
}
}  // namespace detail
#if CSY_ON_DEVICE
#define CSY_NATIVE(condition, call) \
  if constexpr (condition) return detail::atomic<S>(p).call;
#else
#define CSY_NATIVE(condition, call)
#endif
#define CSY_ATOMIC(name, condition, call, next)                                   \
  template <scope S = scope::device, typename T, typename V>                      \
  T name(T* p, const V& value) {                                                  \
    const T v = detail::converted<T>(value);                                      \
    CSY_NATIVE(condition, call)                                                   \
    return detail::update<S>(p, [v]([[maybe_unused]] T old) { return T(next); }); \
  }
CSY_ATOMIC(atomic_add, detail::native<T>, fetch_add(v), old + v)
CSY_ATOMIC(atomic_sub, detail::native<T>, fetch_sub(v), old - v)
CSY_ATOMIC(atomic_min, detail::native<T>, fetch_min(v), v < old ? v : old)
CSY_ATOMIC(atomic_max, detail::native<T>, fetch_max(v), old < v ? v : old)
CSY_ATOMIC(atomic_exchange, detail::native<T>, exchange(v), v)
CSY_ATOMIC(atomic_and, detail::native<T>&& std::is_integral_v<T>, fetch_and(v), old& v)
CSY_ATOMIC(atomic_or, detail::native<T>&& std::is_integral_v<T>, fetch_or(v), old | v)
CSY_ATOMIC(atomic_xor, detail::native<T>&& std::is_integral_v<T>, fetch_xor(v), old ^ v)
CSY_ATOMIC(atomic_inc, false, load(), old >= v ? T(0) : T(old + 1))
CSY_ATOMIC(atomic_dec, false, load(), old == T(0) || old > v ? v : T(old - 1))
CSY_ATOMIC(atomic_mul, false, load(), old* v)
/// Stores `value` where the old value has the same bits as `expected`.
template <scope S = scope::device, typename T, typename E, typename V>
T atomic_cas(T* p, const E& expected, const V& value) {
  const T was = detail::converted<T>(expected), becomes = detail::converted<T>(value);
  return detail::update<S>(p, [=](T old) { return old == was ? becomes : old; });
}

// Mathematics: float for float and 16-bit types, double for double and integers; name<float>(x) forces the type.
namespace detail {
template <typename T>
using promoted = std::conditional_t<std::is_same_v<T, double> || std::is_integral_v<T>, double, float>;
template <typename R, typename... A>
using float_of =
    typename std::conditional_t<std::is_void_v<R>, std::common_type<promoted<A>...>, std::type_identity<R>>::type;
template <typename... A>
inline constexpr bool floating = !(std::is_integral_v<A> && ...);
template <typename... A>
using common = typename std::conditional_t<(std::is_arithmetic_v<A> && ...), std::common_type<A...>,
                                           std::conditional<(std::is_same_v<A, double> || ...), double, float>>::type;
}  // namespace detail
#define CSY_MATH(name, device, host)                             \
  template <typename R = void, typename A>                       \
  auto name(A a_) {                                              \
    const detail::float_of<R, A> a = detail::float_of<R, A>(a_); \
    return CSY_DEVICE_OR_HOST(device, host);                     \
  }                                                              \
  static_assert(true)
#define CSY_MATH1(name) CSY_MATH(name, sycl::name(a), std::name(a))
#define CSY_MATH2(name)                                                       \
  template <typename R = void, typename A, typename B>                        \
  auto name(A a, B b) {                                                       \
    using T = detail::float_of<R, A, B>;                                      \
    return CSY_DEVICE_OR_HOST(sycl::name(T(a), T(b)), std::name(T(a), T(b))); \
  }                                                                           \
  static_assert(true)
// clang-format off
CSY_MATH1(exp); CSY_MATH1(exp2); CSY_MATH1(expm1); CSY_MATH1(log); CSY_MATH1(log2); CSY_MATH1(log10); CSY_MATH1(log1p);
CSY_MATH1(sqrt); CSY_MATH1(cbrt); CSY_MATH1(sin); CSY_MATH1(cos); CSY_MATH1(tan); CSY_MATH1(asin); CSY_MATH1(acos);
CSY_MATH1(atan); CSY_MATH1(sinh); CSY_MATH1(cosh); CSY_MATH1(tanh); CSY_MATH1(asinh); CSY_MATH1(acosh); CSY_MATH1(atanh);
CSY_MATH1(floor); CSY_MATH1(ceil); CSY_MATH1(round); CSY_MATH1(trunc); CSY_MATH1(rint); CSY_MATH1(fabs); CSY_MATH1(erf);
CSY_MATH1(erfc); CSY_MATH1(tgamma); CSY_MATH1(lgamma); CSY_MATH2(pow); CSY_MATH2(atan2); CSY_MATH2(fmod); CSY_MATH2(hypot);
CSY_MATH2(copysign); CSY_MATH2(fmin); CSY_MATH2(fmax); CSY_MATH2(fdim); CSY_MATH2(remainder); CSY_MATH2(nextafter);
CSY_MATH(rsqrt, sycl::rsqrt(a), 1 / std::sqrt(a));
CSY_MATH(exp10, sycl::exp10(a), std::pow(decltype(a + 0)(10), a));
CSY_MATH(isnan, bool(sycl::isnan(a)), std::isnan(a));
CSY_MATH(isinf, bool(sycl::isinf(a)), std::isinf(a));
CSY_MATH(isfinite, bool(sycl::isfinite(a)), std::isfinite(a));
CSY_MATH(saturate, sycl::clamp(a, 0.f, 1.f), a < 0 ? 0 : a > 1 ? 1 : a);
// clang-format on
template <typename R = void, typename A, typename B, typename C>
auto fma(A a, B b, C c) {
  using T = detail::float_of<R, A, B, C>;
  return CSY_DEVICE_OR_HOST(sycl::fma(T(a), T(b), T(c)), std::fma(T(a), T(b), T(c)));
}
CSY_MATH(sinpi, sycl::sinpi(a), std::sin(a* decltype(a + 0)(3.14159265358979323846)));
CSY_MATH(cospi, sycl::cospi(a), std::cos(a* decltype(a + 0)(3.14159265358979323846)));
template <typename R = void, typename A>
auto rcbrt(A a) {
  return 1 / cbrt<R>(a);
}
template <typename R = void, typename A>
auto normcdf(A a) {
  const detail::float_of<R, A> v = detail::float_of<R, A>(a);
  return erfc(v * decltype(v + 0)(-0.70710678118654752440)) / 2;
}
template <typename R = void, typename A, typename B>
auto rhypot(A a, B b) {
  return 1 / hypot<R>(a, b);
}
/// The length of a vector of 3 or 4; hypot keeps its squares from overflowing.
template <typename R = void, typename A, typename B, typename C>
auto norm3d(A a, B b, C c) {
  return hypot<R>(hypot<R>(a, b), c);
}
template <typename R = void, typename A, typename B, typename C>
auto rnorm3d(A a, B b, C c) {
  return 1 / norm3d<R>(a, b, c);
}
template <typename R = void, typename A, typename B, typename C, typename D>
auto norm4d(A a, B b, C c, D d) {
  return hypot<R>(hypot<R>(a, b), hypot<R>(c, d));
}
template <typename R = void, typename A, typename B, typename C, typename D>
auto rnorm4d(A a, B b, C c, D d) {
  return 1 / norm4d<R>(a, b, c, d);
}
template <typename R = void, typename A, typename B>
auto fdivide(A a, B b) {
  return detail::float_of<R, A, B>(a) / detail::float_of<R, A, B>(b);
}
template <typename A, typename T>
void sincos(A a, T* s, T* c) {
  *s = T(sin<T>(a)), *c = T(cos<T>(a));
}
template <typename A, typename T>
void sincospi(A a, T* s, T* c) {
  *s = T(sinpi<T>(a)), *c = T(cospi<T>(a));
}
template <typename A>
auto abs(A a) {
  if constexpr (std::is_integral_v<A>)
    return a < 0 ? -a : a;
  else
    return fabs(a);
}
template <typename A, typename B>
constexpr auto min(A a, B b) {
  if constexpr (detail::floating<A, B>)
    return fmin<detail::common<A, B>>(a, b);
  else
    return std::common_type_t<A, B>(a) < std::common_type_t<A, B>(b) ? std::common_type_t<A, B>(a)
                                                                     : std::common_type_t<A, B>(b);
}
template <typename A, typename B>
constexpr auto max(A a, B b) {
  if constexpr (detail::floating<A, B>)
    return fmax<detail::common<A, B>>(a, b);
  else
    return std::common_type_t<A, B>(a) < std::common_type_t<A, B>(b) ? std::common_type_t<A, B>(b)
                                                                     : std::common_type_t<A, B>(a);
}
/// std::min({a, b, c}), and of a list.
template <typename T>
constexpr T min(std::initializer_list<T> list) {
  T least = *list.begin();
  for (const T& one : list) least = one < least ? one : least;
  return least;
}
template <typename T>
constexpr T max(std::initializer_list<T> list) {
  T most = *list.begin();
  for (const T& one : list) most = most < one ? one : most;
  return most;
}

// Integers and bits.
template <typename To, typename From>
To bit_cast(const From& from) {
  return detail::bits<To>(from);
}
template <typename T>
T ldg(const T* p) {
  return *p;
}
template <typename T>
int popc(T x) {
  return __builtin_popcountll(std::make_unsigned_t<T>(x));
}
template <typename T>
int clz(T x) {
  return x == 0 ? int(sizeof(T)) * 8 : __builtin_clzll(std::make_unsigned_t<T>(x)) - 64 + int(sizeof(T)) * 8;
}
template <typename T>
int ffs(T x) {
  return x == 0 ? 0 : __builtin_ctzll(std::make_unsigned_t<T>(x)) + 1;
}
template <typename T>
T brev(T x) {
  T r = 0;
  for (unsigned i = 0; i < sizeof(T) * 8; ++i, x >>= 1) r = T(r << 1) | T(x & 1);
  return r;
}
template <typename T>
T mulhi(T a, T b) {
  using wide = std::conditional_t<std::is_signed_v<T>, long long, unsigned long long>;
  static_assert(sizeof(T) == 4, "32-bit integers");
  return T((wide(a) * wide(b)) >> 32);
}
template <typename A, typename B>
constexpr auto ceil_div(A a, B b) {
  return (a + b - 1) / b;
}
/// `for (T i = ...; i < n; ...)` over the whole grid.
#define CSY_KERNEL_LOOP_TYPE(i, n, T)                                                        \
  for (T i = T(csy::group_id().x) * T(csy::local_range().x) + T(csy::local_id().x); i < (n); \
       i += T(csy::local_range().x) * T(csy::group_range().x))
#define CSY_KERNEL_LOOP(i, n) CSY_KERNEL_LOOP_TYPE(i, n, int)

}  // namespace csy
