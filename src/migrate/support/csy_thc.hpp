/// \file csy_thc.hpp
/// What is left of PyTorch's old THC interface in migrated code: memory, and matrix products by ATen. Host code only.
/// Matrices are column-major with a leading dimension, as BLAS has them; 'n' takes one as it is, 't' transposed.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "csy.hpp"

namespace csy::thc {

/// Memory of the device that kernels run on.
inline void* malloc(std::size_t bytes) {
  void* pointer = nullptr;
  csy::malloc(&pointer, bytes);
  return pointer;
}

namespace detail {

inline at::Tensor matrix(const float* data, int64_t rows, int64_t columns, int64_t leading) {
  return at::from_blob(const_cast<float*>(data), {rows, columns}, {1, leading},
                       at::TensorOptions(csy::device_type()).dtype(at::kFloat));
}

/// rows x columns after the operation.
inline at::Tensor operand(char operation, const float* data, int64_t rows, int64_t columns, int64_t leading) {
  const bool plain = operation == 'n' || operation == 'N';
  return plain ? matrix(data, rows, columns, leading) : matrix(data, columns, rows, leading).t();
}

inline void store(at::Tensor target, const at::Tensor& product, float alpha, float beta) {
  // Where beta is zero the old content must not count, not even when it is not a number.
  if (beta == 0.0f)
    target.copy_(product * alpha);
  else
    target.mul_(beta).add_(product, alpha);
}

}  // namespace detail

/// c = alpha * op(a) op(b) + beta * c, with c of m x n and k columns in op(a).
inline void sgemm(char op_a, char op_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a, int64_t lda,
                  const float* b, int64_t ldb, float beta, float* c, int64_t ldc) {
  detail::store(detail::matrix(c, m, n, ldc),
                at::mm(detail::operand(op_a, a, m, k, lda), detail::operand(op_b, b, k, n, ldb)), alpha, beta);
}

/// y = alpha * op(a) x + beta * y, with a of m x n before the operation.
inline void sgemv(char op_a, int64_t m, int64_t n, float alpha, const float* a, int64_t lda, const float* x,
                  int64_t incx, float beta, float* y, int64_t incy) {
  const bool plain = op_a == 'n' || op_a == 'N';
  const int64_t rows = plain ? m : n, columns = plain ? n : m;
  detail::store(
      detail::matrix(y, 1, rows, incy).view({rows}),
      at::mv(detail::operand(op_a, a, rows, columns, lda), detail::matrix(x, 1, columns, incx).view({columns})), alpha,
      beta);
}

/// `count` products of matrices whose addresses lie in arrays on the device.
inline void sgemm_batched(char op_a, char op_b, int64_t m, int64_t n, int64_t k, float alpha, const float* const* a,
                          int64_t lda, const float* const* b, int64_t ldb, float beta, float* const* c, int64_t ldc,
                          int64_t count) {
  std::vector<const float*> as(static_cast<std::size_t>(count)), bs(as.size());
  std::vector<float*> cs(as.size());
  csy::memcpy(as.data(), a, as.size() * sizeof(float*));
  csy::memcpy(bs.data(), b, bs.size() * sizeof(float*));
  csy::memcpy(cs.data(), c, cs.size() * sizeof(float*));
  for (std::size_t i = 0; i < as.size(); ++i)
    sgemm(op_a, op_b, m, n, k, alpha, as[i], lda, bs[i], ldb, beta, cs[i], ldc);
}

}  // namespace csy::thc
