/// \file csy_aten.hpp
/// What stands for cuBLAS, for thrust's and cub's algorithms on device memory and for PyTorch's old THC interface in
/// migrated host code. Included by files that need it. Host code only: kernels never see it.
///
/// Sums, sorting, scans and filling of numbers are PyTorch's operators on the memory as it lies; everything else
/// (functors of the program's own, types that PyTorch does not have) is done by the C++ library on a copy on the host.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <vector>

#include "csy.hpp"

namespace csy {

// ---- Memory as tensors ----
namespace detail {

template <typename T>
inline constexpr bool number = std::is_arithmetic_v<T> || std::is_same_v<T, c10::Half> || std::is_same_v<T, half> ||
                               std::is_same_v<T, c10::BFloat16> || std::is_same_v<T, bfloat16>;

/// PyTorch's type of T's size. Unsigned integers are looked at as signed ones, which add alike; sorting turns their top
/// bit.
template <typename T>
constexpr c10::ScalarType scalar_type() {
  if constexpr (std::is_same_v<T, double>) return c10::kDouble;
  if constexpr (std::is_same_v<T, float>) return c10::kFloat;
  if constexpr (std::is_same_v<T, bool>) return c10::kBool;
  if constexpr (std::is_same_v<T, c10::BFloat16> || std::is_same_v<T, bfloat16>) return c10::kBFloat16;
  if constexpr (std::is_same_v<T, unsigned char>) return c10::kByte;
  if constexpr (std::is_integral_v<T>)
    return sizeof(T) == 1 ? c10::kChar : sizeof(T) == 2 ? c10::kShort : sizeof(T) == 4 ? c10::kInt : c10::kLong;
  return c10::kHalf;
}
template <typename T>
inline constexpr bool flipped = std::is_unsigned_v<T> && (sizeof(T) > 1) && !std::is_same_v<T, bool>;

template <typename T>
at::Tensor over(const T* data, int64_t count) {
  return at::from_blob(const_cast<T*>(data), {count},
                       at::TensorOptions(csy::device_type()).dtype(scalar_type<std::remove_const_t<T>>()));
}
/// Numbers that compare as T does.
template <typename T>
at::Tensor ordered(const at::Tensor& x) {
  if constexpr (flipped<T>) return x.bitwise_xor(int64_t(std::numeric_limits<std::make_signed_t<T>>::min()));
  return x;
}

template <typename T>
std::vector<T> fetch(const T* from, int64_t count) {
  static_assert(!std::is_same_v<T, bool>, "use unsigned char");
  std::vector<T> out(static_cast<std::size_t>(count));
  csy::memcpy(out.data(), from, out.size() * sizeof(T));
  return out;
}
template <typename T>
T* store(const std::vector<T>& values, T* to) {
  csy::memcpy(to, values.data(), values.size() * sizeof(T));
  return to + values.size();
}

// ---- Matrices: column-major with a leading dimension, as BLAS has them; on the device that kernels run on, or the CPU
// ----
template <typename T>
at::Tensor matrix(c10::DeviceType where, const T* data, int64_t rows, int64_t columns, int64_t leading) {
  return at::from_blob(const_cast<T*>(data), {rows, columns}, {1, leading},
                       at::TensorOptions(where).dtype(scalar_type<T>()));
}
/// rows x columns after the operation: 'n' takes the matrix as it is, anything else transposes.
template <typename T>
at::Tensor operand(c10::DeviceType where, char op, const T* data, int64_t rows, int64_t columns, int64_t leading) {
  const bool plain = op == 'n' || op == 'N';
  return plain ? matrix(where, data, rows, columns, leading) : matrix(where, data, columns, rows, leading).t();
}
inline error finish(at::Tensor target, const at::Tensor& product, double alpha, double beta) {
  // Where beta is zero the old content must not count, not even when it is not a number.
  if (beta == 0)
    target.copy_(product * alpha);
  else
    target.mul_(beta).add_(product, alpha);
  return success;
}
template <typename T>
error gemm(c10::DeviceType where, char op_a, char op_b, int64_t m, int64_t n, int64_t k, double alpha, const T* a,
           int64_t lda, const T* b, int64_t ldb, double beta, T* c, int64_t ldc) {
  const auto product = at::mm(operand(where, op_a, a, m, k, lda), operand(where, op_b, b, k, n, ldb));
  return finish(matrix(where, c, m, n, ldc), product, alpha, beta);
}
template <typename T>
error gemv(c10::DeviceType where, char op_a, int64_t m, int64_t n, double alpha, const T* a, int64_t lda, const T* x,
           int64_t incx, double beta, T* y, int64_t incy) {
  const bool plain = op_a == 'n' || op_a == 'N';
  const int64_t rows = plain ? m : n, columns = plain ? n : m;
  const auto product =
      at::mv(operand(where, op_a, a, rows, columns, lda), matrix(where, x, 1, columns, incx).select(0, 0));
  return finish(matrix(where, y, 1, rows, incy).select(0, 0), product, alpha, beta);
}
}  // namespace detail

// ---- THFloatBlas, THDoubleBlas: memory of the host, wherever kernels run ----
namespace th {
template <typename T>
error gemm(char op_a, char op_b, int64_t m, int64_t n, int64_t k, double alpha, const T* a, int64_t lda, const T* b,
           int64_t ldb, double beta, T* c, int64_t ldc) {
  return detail::gemm(c10::DeviceType::CPU, op_a, op_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
template <typename T>
error gemv(char op_a, int64_t m, int64_t n, double alpha, const T* a, int64_t lda, const T* x, int64_t incx,
           double beta, T* y, int64_t incy) {
  return detail::gemv(c10::DeviceType::CPU, op_a, m, n, alpha, a, lda, x, incx, beta, y, incy);
}
}  // namespace th

// ---- cuBLAS, at::cuda::blas, THCudaBlas ----
namespace blas {

struct handle {};
inline constexpr char n = 'n', t = 't', c = 'c';  ///< cublasOperation_t; of real numbers 'c' is 't'
template <typename... Any>
error ignore(const Any&...) {
  return success;
}

/// c = alpha * op(a) op(b) + beta * c, with c of m x n and k columns in op(a).
template <typename T>
error gemm(char op_a, char op_b, int64_t m, int64_t n, int64_t k, double alpha, const T* a, int64_t lda, const T* b,
           int64_t ldb, double beta, T* c, int64_t ldc) {
  return detail::gemm(csy::device_type(), op_a, op_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
/// y = alpha * op(a) x + beta * y, with a of m x n before the operation.
template <typename T>
error gemv(char op_a, int64_t m, int64_t n, double alpha, const T* a, int64_t lda, const T* x, int64_t incx,
           double beta, T* y, int64_t incy) {
  return detail::gemv(csy::device_type(), op_a, m, n, alpha, a, lda, x, incx, beta, y, incy);
}
/// Matrices that follow each other at fixed distances.
template <typename T>
error gemm_strided(char op_a, char op_b, int64_t m, int64_t n, int64_t k, double alpha, const T* a, int64_t lda,
                   int64_t stride_a, const T* b, int64_t ldb, int64_t stride_b, double beta, T* c, int64_t ldc,
                   int64_t stride_c, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    gemm(op_a, op_b, m, n, k, alpha, a + i * stride_a, lda, b + i * stride_b, ldb, beta, c + i * stride_c, ldc);
  return success;
}
/// Matrices whose addresses lie in arrays on the device.
template <typename T>
error gemm_batched(char op_a, char op_b, int64_t m, int64_t n, int64_t k, double alpha, const T* const* a, int64_t lda,
                   const T* const* b, int64_t ldb, double beta, T* const* c, int64_t ldc, int64_t count) {
  const auto as = detail::fetch(a, count), bs = detail::fetch(b, count);
  const auto cs = detail::fetch(c, count);
  for (std::size_t i = 0; i < as.size(); ++i)
    gemm(op_a, op_b, m, n, k, alpha, as[i], lda, bs[i], ldb, beta, cs[i], ldc);
  return success;
}
/// cuBLAS has a handle first, and its factors in memory of the host.
template <typename T>
error gemm(handle, char op_a, char op_b, int64_t m, int64_t n, int64_t k, const T* alpha, const T* a, int64_t lda,
           const T* b, int64_t ldb, const T* beta, T* c, int64_t ldc) {
  return gemm(op_a, op_b, m, n, k, double(*alpha), a, lda, b, ldb, double(*beta), c, ldc);
}
template <typename T>
error gemv(handle, char op_a, int64_t m, int64_t n, const T* alpha, const T* a, int64_t lda, const T* x, int64_t incx,
           const T* beta, T* y, int64_t incy) {
  return gemv(op_a, m, n, double(*alpha), a, lda, x, incx, double(*beta), y, incy);
}
template <typename T>
error gemm_strided(handle, char op_a, char op_b, int64_t m, int64_t n, int64_t k, const T* alpha, const T* a,
                   int64_t lda, int64_t stride_a, const T* b, int64_t ldb, int64_t stride_b, const T* beta, T* c,
                   int64_t ldc, int64_t stride_c, int64_t count) {
  return gemm_strided(op_a, op_b, m, n, k, double(*alpha), a, lda, stride_a, b, ldb, stride_b, double(*beta), c, ldc,
                      stride_c, count);
}

}  // namespace blas

namespace thc {
/// Memory of the device that kernels run on.
inline void* malloc(std::size_t bytes) {
  void* pointer = nullptr;
  csy::malloc(&pointer, bytes);
  return pointer;
}
}  // namespace thc

// ---- thrust: algorithms on pointers to device memory, with or without a policy before them ----
namespace thrust {

struct policy {
  policy operator()() const { return {}; }
  template <typename Allocator>
  policy operator()(const Allocator&) const {
    return {};
  }
  /// The algorithms run on the current stream: what the other one was given comes first.
  policy on(stream s) const { return stream_synchronize(s), policy(); }
};
inline constexpr policy device, host;
namespace cuda {
inline constexpr policy par, par_nosync;
}
struct allocator {};
template <typename T>
using device_ptr = T*;
template <typename T>
T* device_pointer_cast(T* p) {
  return p;
}
template <typename T>
T* raw_pointer_cast(T* p) {
  return p;
}
template <typename T = void>
using plus = std::plus<T>;
template <typename T = void>
using multiplies = std::multiplies<T>;
template <typename T = void>
using greater = std::greater<T>;
template <typename T = void>
using less = std::less<T>;
template <typename T>
struct maximum {
  T operator()(const T& a, const T& b) const { return a < b ? b : a; }
};
template <typename T>
struct minimum {
  T operator()(const T& a, const T& b) const { return b < a ? b : a; }
};
namespace detail {
template <typename Op, template <typename> class Known, typename T>
inline constexpr bool is = std::is_same_v<Op, Known<T>> || std::is_same_v<Op, Known<void>>;
template <typename Op, typename T>
inline constexpr bool sums = csy::detail::number<T> && is<Op, std::plus, T>;
}  // namespace detail

template <typename T, typename V>
void fill(T* first, T* last, const V& v) {
  if constexpr (csy::detail::number<T> && std::is_integral_v<T>)
    csy::detail::over(first, last - first).fill_(int64_t(T(v)));
  else if constexpr (csy::detail::number<T>)
    csy::detail::over(first, last - first).fill_(double(T(v)));
  else
    csy::detail::store(std::vector<T>(std::size_t(last - first), T(v)), first);
}
template <typename T, typename I, typename V>
T* fill_n(T* first, I count, const V& v) {
  return fill(first, first + count, v), first + count;
}
template <typename T>
void sequence(T* first, T* last, T from = T(0), T step = T(1)) {
  std::vector<T> values(std::size_t(last - first));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = T(from + T(i) * step);
  csy::detail::store(values, first);
}
template <typename T, typename U>
U* copy(const T* first, const T* last, U* out) {
  if constexpr (std::is_same_v<T, U>) {
    csy::memcpy(out, first, std::size_t(last - first) * sizeof(T));
    return out + (last - first);
  } else {
    const auto values = csy::detail::fetch(first, last - first);
    return csy::detail::store(std::vector<U>(values.begin(), values.end()), out);
  }
}
template <typename T, typename S = T, typename Op = std::plus<S>>
S reduce(const T* first, const T* last, S initial = S(0), Op op = {}) {
  if constexpr (detail::sums<Op, S> && csy::detail::number<T> && std::is_integral_v<T> == std::is_integral_v<S>) {
    const auto sum = csy::detail::over(first, last - first).sum(csy::detail::scalar_type<S>());
    if constexpr (std::is_integral_v<S>)
      return S(initial + S(sum.template item<int64_t>()));
    else
      return S(initial + S(sum.template item<double>()));
  } else {
    const auto values = csy::detail::fetch(first, last - first);
    return std::accumulate(values.begin(), values.end(), initial, op);
  }
}
template <typename T, typename Order = std::less<T>>
void stable_sort(T* first, T* last, Order order = {}) {
  constexpr bool down = detail::is<Order, std::greater, T>;
  if constexpr (csy::detail::number<T> && (down || detail::is<Order, std::less, T>)) {
    const auto data = csy::detail::over(first, last - first), keys = csy::detail::ordered<T>(data);
    data.copy_(csy::detail::ordered<T>(std::get<0>(keys.sort(/*stable=*/true, 0, down))));
  } else {
    auto values = csy::detail::fetch(first, last - first);
    std::stable_sort(values.begin(), values.end(), order);
    csy::detail::store(values, first);
  }
}
template <typename T, typename V, typename Order = std::less<T>>
void stable_sort_by_key(T* first, T* last, V* with, Order order = {}) {
  auto keys = csy::detail::fetch<T>(first, last - first);
  auto values = csy::detail::fetch<V>(with, last - first);
  std::vector<int64_t> index(keys.size());
  constexpr bool down = detail::is<Order, std::greater, T>;
  if constexpr (csy::detail::number<T> && (down || detail::is<Order, std::less, T>)) {
    const auto order_of = csy::detail::ordered<T>(csy::detail::over(first, last - first));
    const auto sorted = std::get<1>(order_of.sort(/*stable=*/true, 0, down)).to(at::kCPU);
    std::copy_n(sorted.template data_ptr<int64_t>(), index.size(), index.begin());
  } else {
    std::iota(index.begin(), index.end(), int64_t(0));
    std::stable_sort(index.begin(), index.end(),
                     [&](int64_t a, int64_t b) { return order(keys[std::size_t(a)], keys[std::size_t(b)]); });
  }
  std::vector<T> new_keys;
  std::vector<V> new_values;
  for (const int64_t i : index) {
    new_keys.push_back(keys[std::size_t(i)]);
    new_values.push_back(values[std::size_t(i)]);
  }
  csy::detail::store(new_keys, first), csy::detail::store(new_values, with);
}
template <typename T, typename... Order>
void sort(T* first, T* last, Order... order) {
  stable_sort(first, last, order...);
}
template <typename T, typename V, typename... Order>
void sort_by_key(T* first, T* last, V* with, Order... order) {
  stable_sort_by_key(first, last, with, order...);
}
/// `initial` stands before the first; without it the scan is inclusive.
template <typename T, typename U, typename Op = std::plus<U>>
U* inclusive_scan(const T* first, const T* last, U* out, Op op = {}) {
  if constexpr (detail::sums<Op, U> && csy::detail::number<T>) {
    csy::detail::over(out, last - first)
        .copy_(csy::detail::over(first, last - first).cumsum(0, csy::detail::scalar_type<U>()));
    return out + (last - first);
  } else {
    const auto values = csy::detail::fetch(first, last - first);
    std::vector<U> sums(values.begin(), values.end());
    std::partial_sum(sums.begin(), sums.end(), sums.begin(), op);
    return csy::detail::store(sums, out);
  }
}
template <typename T, typename U, typename S = U, typename Op = std::plus<U>>
U* exclusive_scan(const T* first, const T* last, U* out, S initial = S(0), Op op = {}) {
  const auto values = csy::detail::fetch(first, last - first);
  std::vector<U> sums(values.size());
  U sum = U(initial);
  for (std::size_t i = 0; i < values.size(); ++i) {
    sums[i] = sum;
    sum = U(op(sum, U(values[i])));
  }
  return csy::detail::store(sums, out);
}
template <typename T, typename U, typename F>
U* transform(const T* first, const T* last, U* out, F f) {
  const auto values = csy::detail::fetch(first, last - first);
  std::vector<U> results(values.size());
  std::transform(values.begin(), values.end(), results.begin(), f);
  return csy::detail::store(results, out);
}
template <typename T, typename F>
T* copy_if(const T* first, const T* last, T* out, F f) {
  const auto values = csy::detail::fetch(first, last - first);
  std::vector<T> kept;
  std::copy_if(values.begin(), values.end(), std::back_inserter(kept), f);
  return csy::detail::store(kept, out);
}
template <typename T>
T* unique(T* first, T* last) {
  auto values = csy::detail::fetch<T>(first, last - first);
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return csy::detail::store(values, first);
}
template <typename T, typename V>
int64_t count(const T* first, const T* last, const V& v) {
  const auto values = csy::detail::fetch(first, last - first);
  return std::count(values.begin(), values.end(), v);
}
template <typename T>
T* max_element(T* first, T* last) {
  const auto values = csy::detail::fetch<std::remove_const_t<T>>(first, last - first);
  return first + (std::max_element(values.begin(), values.end()) - values.begin());
}
template <typename T>
T* min_element(T* first, T* last) {
  const auto values = csy::detail::fetch<std::remove_const_t<T>>(first, last - first);
  return first + (std::min_element(values.begin(), values.end()) - values.begin());
}
#define CSY_WITH_POLICY(name)                  \
  template <typename... A>                     \
  decltype(auto) name(const policy&, A... a) { \
    return name(a...);                         \
  }
// clang-format off
CSY_WITH_POLICY(fill) CSY_WITH_POLICY(fill_n) CSY_WITH_POLICY(sequence) CSY_WITH_POLICY(copy)
CSY_WITH_POLICY(reduce) CSY_WITH_POLICY(stable_sort) CSY_WITH_POLICY(stable_sort_by_key) CSY_WITH_POLICY(sort)
CSY_WITH_POLICY(sort_by_key) CSY_WITH_POLICY(inclusive_scan) CSY_WITH_POLICY(exclusive_scan) CSY_WITH_POLICY(transform)
CSY_WITH_POLICY(copy_if) CSY_WITH_POLICY(unique) CSY_WITH_POLICY(count) CSY_WITH_POLICY(max_element)
CSY_WITH_POLICY(min_element)
// clang-format on

}  // namespace thrust

// ---- cub's algorithms on device memory. The first call, with no temporary storage, asks for its size. ----
namespace cub {

#define CSY_ASKED \
  if (temporary == nullptr) return bytes = 1, success
struct DeviceReduce {
  template <typename T, typename U, typename Op, typename S>
  static error Reduce(void* temporary, std::size_t& bytes, const T* in, U* out, int64_t count, Op op, S initial,
                      stream s = nullptr) {
    CSY_ASKED;
    stream_synchronize(s);
    const auto values = detail::fetch(in, count);
    return detail::store(std::vector<U>{U(std::accumulate(values.begin(), values.end(), U(initial), op))}, out),
           success;
  }
  template <typename T, typename U>
  static error Sum(void* temporary, std::size_t& bytes, const T* in, U* out, int64_t count, stream s = nullptr) {
    CSY_ASKED;
    stream_synchronize(s);
    return detail::store(std::vector<U>{thrust::reduce(in, in + count, U(0))}, out), success;
  }
  template <typename T, typename U>
  static error Max(void* temporary, std::size_t& bytes, const T* in, U* out, int64_t count, stream s = nullptr) {
    CSY_ASKED;
    stream_synchronize(s);
    const auto values = detail::fetch(in, count);
    return detail::store(std::vector<U>{U(*std::max_element(values.begin(), values.end()))}, out), success;
  }
  template <typename T, typename U>
  static error Min(void* temporary, std::size_t& bytes, const T* in, U* out, int64_t count, stream s = nullptr) {
    CSY_ASKED;
    stream_synchronize(s);
    const auto values = detail::fetch(in, count);
    return detail::store(std::vector<U>{U(*std::min_element(values.begin(), values.end()))}, out), success;
  }
};
struct DeviceScan {
  template <typename T, typename U>
  static error InclusiveSum(void* temporary, std::size_t& bytes, const T* in, U* out, int64_t count,
                            stream s = nullptr) {
    CSY_ASKED;
    return stream_synchronize(s), thrust::inclusive_scan(in, in + count, out), success;
  }
  template <typename T, typename U>
  static error ExclusiveSum(void* temporary, std::size_t& bytes, const T* in, U* out, int64_t count,
                            stream s = nullptr) {
    CSY_ASKED;
    return stream_synchronize(s), thrust::exclusive_scan(in, in + count, out), success;
  }
};
/// Only the bits [first_bit, last_bit) count, as in cub.
struct DeviceRadixSort {
 private:
  template <typename T, typename V>
  static error sort(bool down, const T* keys, T* keys_out, const V* values, V* values_out, int64_t count, int first_bit,
                    int last_bit) {
    auto order = detail::ordered<T>(detail::over(keys, count));
    if constexpr (std::is_integral_v<T>)
      if (first_bit > 0 || last_bit < int(sizeof(T)) * 8) {
        // Without the top bit, what is cut out is not negative.
        const auto bits = uint64_t(-1) >> (64 - (last_bit - first_bit));
        order = detail::over(keys, count).to(at::kLong).bitwise_right_shift(first_bit).bitwise_and(int64_t(bits));
      }
    const auto index = std::get<1>(order.sort(/*stable=*/true, 0, down));
    detail::over(keys_out, count).copy_(detail::over(keys, count).index_select(0, index));
    if (values == nullptr) return success;
    if constexpr (detail::number<V>) {
      detail::over(values_out, count).copy_(detail::over(values, count).index_select(0, index));
    } else {
      const auto from = detail::fetch(values, count);
      const auto host = index.to(at::kCPU);
      std::vector<V> to;
      for (int64_t i = 0; i < count; ++i) to.push_back(from[std::size_t(host.template data_ptr<int64_t>()[i])]);
      detail::store(to, values_out);
    }
    return success;
  }

 public:
#define CSY_SORT(pairs, keys, down)                                                                             \
  template <typename T, typename V>                                                                             \
  static error pairs(void* temporary, std::size_t& bytes, const T* in, T* out, const V* values, V* values_out,  \
                     int64_t count, int first_bit = 0, int last_bit = int(sizeof(T)) * 8, stream s = nullptr) { \
    CSY_ASKED;                                                                                                  \
    return stream_synchronize(s), sort(down, in, out, values, values_out, count, first_bit, last_bit);          \
  }                                                                                                             \
  template <typename T>                                                                                         \
  static error keys(void* temporary, std::size_t& bytes, const T* in, T* out, int64_t count, int first_bit = 0, \
                    int last_bit = int(sizeof(T)) * 8, stream s = nullptr) {                                    \
    CSY_ASKED;                                                                                                  \
    return stream_synchronize(s), sort<T, char>(down, in, out, nullptr, nullptr, count, first_bit, last_bit);   \
  }
  CSY_SORT(SortPairs, SortKeys, false)
  CSY_SORT(SortPairsDescending, SortKeysDescending, true)
};

}  // namespace cub
}  // namespace csy
