// Purpose: dense matrices over any field of numbers, by the textbook; what the core's results are compared with.
// Instantiated for double, for long double (a truth with more digits) and for complex numbers (derivatives by a
// complex step: nothing here conjugates).
#pragma once

#include <cmath>
#include <complex>
#include <cstddef>
#include <vector>

namespace dense {

template <typename T>
struct Matrix {
  int rows = 0, cols = 0;
  std::vector<T> a;  // column-major

  Matrix() = default;
  Matrix(int r, int c) : rows(r), cols(c), a(static_cast<std::size_t>(r) * c, T(0)) {}

  T& operator()(int i, int j) { return a[i + static_cast<std::size_t>(j) * rows]; }
  const T& operator()(int i, int j) const { return a[i + static_cast<std::size_t>(j) * rows]; }
};

template <typename T>
Matrix<T> identity(int n) {
  Matrix<T> out(n, n);
  for (int i = 0; i < n; ++i) out(i, i) = T(1);
  return out;
}

template <typename T>
Matrix<T> transpose(const Matrix<T>& a) {
  Matrix<T> out(a.cols, a.rows);
  for (int j = 0; j < a.cols; ++j)
    for (int i = 0; i < a.rows; ++i) out(j, i) = a(i, j);
  return out;
}

template <typename T>
Matrix<T> operator*(const Matrix<T>& a, const Matrix<T>& b) {
  Matrix<T> out(a.rows, b.cols);
  for (int j = 0; j < b.cols; ++j)
    for (int l = 0; l < a.cols; ++l) {
      const T factor = b(l, j);
      if (factor == T(0)) continue;
      for (int i = 0; i < a.rows; ++i) out(i, j) += a(i, l) * factor;
    }
  return out;
}

template <typename T>
Matrix<T> operator+(Matrix<T> a, const Matrix<T>& b) {
  for (std::size_t i = 0; i < a.a.size(); ++i) a.a[i] += b.a[i];
  return a;
}

template <typename T>
Matrix<T> operator-(Matrix<T> a, const Matrix<T>& b) {
  for (std::size_t i = 0; i < a.a.size(); ++i) a.a[i] -= b.a[i];
  return a;
}

// Lower triangular L with L L' = a (the transpose, also of complex numbers).
template <typename T>
Matrix<T> cholesky(const Matrix<T>& a) {
  Matrix<T> L(a.rows, a.rows);
  for (int j = 0; j < a.rows; ++j)
    for (int i = j; i < a.rows; ++i) {
      T sum = a(i, j);
      for (int l = 0; l < j; ++l) sum -= L(i, l) * L(j, l);
      L(i, j) = i == j ? std::sqrt(sum) : sum / L(j, j);
    }
  return L;
}

template <typename T>
Matrix<T> solve_lower(const Matrix<T>& L, Matrix<T> b) {
  for (int j = 0; j < b.cols; ++j)
    for (int i = 0; i < L.rows; ++i) {
      for (int l = 0; l < i; ++l) b(i, j) -= L(i, l) * b(l, j);
      b(i, j) /= L(i, i);
    }
  return b;
}

template <typename T>
Matrix<T> solve_lower_transposed(const Matrix<T>& L, Matrix<T> b) {
  for (int j = 0; j < b.cols; ++j)
    for (int i = L.rows - 1; i >= 0; --i) {
      for (int l = i + 1; l < L.rows; ++l) b(i, j) -= L(l, i) * b(l, j);
      b(i, j) /= L(i, i);
    }
  return b;
}

template <typename T>
Matrix<T> inverse_from_cholesky(const Matrix<T>& L) {
  return solve_lower_transposed(L, solve_lower(L, identity<T>(L.rows)));
}

// log |L L'|
template <typename T>
T logdet_from_cholesky(const Matrix<T>& L) {
  T sum(0);
  for (int i = 0; i < L.rows; ++i) sum += T(2) * std::log(L(i, i));
  return sum;
}

template <typename T>
T trace_of_product(const Matrix<T>& a, const Matrix<T>& b) {
  T sum(0);
  for (int j = 0; j < a.cols; ++j)
    for (int i = 0; i < a.rows; ++i) sum += a(i, j) * b(j, i);
  return sum;
}

template <typename T>
double largest(const Matrix<T>& a) {
  double out = 0;
  for (const T& value : a.a) out = std::fmax(out, static_cast<double>(std::abs(value)));
  return out;
}

// Largest difference in units of the largest entry of the expected matrix.
template <typename T, typename U>
double relative_difference(const Matrix<T>& actual, const Matrix<U>& expected) {
  if (actual.rows != expected.rows || actual.cols != expected.cols) return INFINITY;
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < actual.a.size(); ++i) {
    const double e = static_cast<double>(expected.a[i]), d = std::abs(static_cast<double>(actual.a[i]) - e);
    if (!(d <= difference)) difference = d;
    size = std::fmax(size, std::abs(e));
  }
  return size > 0 ? difference / size : difference;
}

}  // namespace dense
