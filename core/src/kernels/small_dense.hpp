// Purpose: dense kernels for blocks too small for a call of BLAS to pay: a level's s x s block, a narrow supernode.
// All matrices are column-major; templates are lower triangular.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace mixedmodels::small {

inline void axpy(int n, double a, const double* x, double* y) {
  for (int i = 0; i < n; ++i) y[i] += a * x[i];
}

inline double dot(int n, const double* x, const double* y) {
  double sum = 0;
  for (int i = 0; i < n; ++i) sum += x[i] * y[i];
  return sum;
}

// Cholesky of the leading w x w triangle of a panel and division of the rows below by it.
inline bool eliminate(int w, int ld, double* P) {
  for (int k = 0; k < w; ++k) {
    double* pivot = P + std::int64_t{k} * ld;
    if (!(pivot[k] > 0) || !std::isfinite(pivot[k])) return false;
    const double root = std::sqrt(pivot[k]), inverse = 1 / root;
    pivot[k] = root;
    for (int i = k + 1; i < ld; ++i) pivot[i] *= inverse;
    for (int c = k + 1; c < w; ++c) {
      double* column = P + std::int64_t{c} * ld;
      const double factor = pivot[c];
      for (int i = c; i < ld; ++i) column[i] -= pivot[i] * factor;
    }
  }
  return true;
}

// B <- L^-1 B and B <- L'^-1 B, B of w rows of k numbers, row-major.
inline void solve_lower(int w, int ld, const double* L, double* b, int k) {
  for (int c = 0; c < w; ++c) {
    const double* column = L + std::int64_t{c} * ld;
    const double inverse = 1 / column[c];
    for (int j = 0; j < k; ++j) b[c * k + j] *= inverse;
    for (int r = c + 1; r < w; ++r) axpy(k, -column[r], b + c * k, b + r * k);
  }
}

inline void solve_upper(int w, int ld, const double* L, double* b, int k) {
  for (int c = w - 1; c >= 0; --c) {
    const double* column = L + std::int64_t{c} * ld;
    for (int r = c + 1; r < w; ++r) axpy(k, -column[r], b + r * k, b + c * k);
    const double inverse = 1 / column[c];
    for (int j = 0; j < k; ++j) b[c * k + j] *= inverse;
  }
}

// The m rows below a w x w triangle L of a panel are multiplied by L^-1 from the right.
inline void divide_lower(int w, int ld, double* P, int m) {
  for (int c = w - 1; c >= 0; --c) {
    double* column = P + std::int64_t{c} * ld;
    double* x = column + w;
    for (int r = c + 1; r < w; ++r) axpy(m, -column[r], P + std::int64_t{r} * ld + w, x);
    const double inverse = 1 / column[c];
    for (int i = 0; i < m; ++i) x[i] *= inverse;
  }
}

// L^-1 in place of a lower triangle.
inline void invert_lower(int w, int ld, double* L) {
  auto at = [&](int r, int c) -> double& { return L[r + std::int64_t{c} * ld]; };
  for (int c = 0; c < w; ++c) {
    at(c, c) = 1 / at(c, c);
    for (int r = c + 1; r < w; ++r) {
      double sum = 0;
      for (int i = c; i < r; ++i) sum += at(r, i) * at(i, c);
      at(r, c) = -sum / at(r, r);
    }
  }
}

// Lower triangle of (L L')^-1 in place of L.
inline void invert_from_factor(int w, int ld, double* L) {
  auto at = [&](int r, int c) -> double& { return L[r + std::int64_t{c} * ld]; };
  invert_lower(w, ld, L);
  for (int c = 0; c < w; ++c)  // L'^-1 L^-1
    for (int r = c; r < w; ++r) {
      double sum = 0;
      for (int i = r; i < w; ++i) sum += at(i, r) * at(i, c);
      at(r, c) = sum;
    }
}

// The entry (r, c) of a symmetric matrix of which the lower triangle is stored.
inline double symmetric_at(const double* lower, int lead, int r, int c) {
  return r >= c ? lower[r + std::int64_t{c} * lead] : lower[c + std::int64_t{r} * lead];
}

// out (s x k, row-major) = lam in, lam lower triangular.
inline void apply_template(int s, const double* lam, const double* in, double* out, int k) {
  for (int r = 0; r < s; ++r) {
    std::fill_n(out + std::int64_t{r} * k, k, 0.0);
    for (int c = 0; c <= r; ++c) axpy(k, lam[r + c * s], in + std::int64_t{c} * k, out + std::int64_t{r} * k);
  }
}

// A <- A Q lower triangular, Q a rotation; both w x w. What is not finite is left where it is.
inline void rotate_to_lower(int w, double* A, double* Q) {
  for (int c = 0; c < w; ++c)
    for (int r = 0; r < w; ++r) Q[r + c * w] = r == c;
  auto turn = [w](double* m, int i, int j, double cosine, double sine) {
    for (int r = 0; r < w; ++r) {
      const double u = m[r + i * w], v = m[r + j * w];
      m[r + i * w] = cosine * u + sine * v;
      m[r + j * w] = cosine * v - sine * u;
    }
  };
  for (int r = 0; r < w; ++r)
    for (int c = r + 1; c < w; ++c) {
      const double u = A[r + r * w], v = A[r + c * w], length = std::hypot(u, v);
      if (v == 0 || !std::isfinite(length)) continue;
      turn(A, r, c, u / length, v / length);
      turn(Q, r, c, u / length, v / length);
      A[r + c * w] = 0;
    }
}

// The same with no negative number on the diagonal.
inline void make_triangular(int w, double* A, double* Q) {
  rotate_to_lower(w, A, Q);
  for (int c = 0; c < w; ++c) {
    if (A[c * (w + 1)] >= 0) continue;
    for (int r = 0; r < w; ++r) A[r + c * w] = -A[r + c * w], Q[r + c * w] = -Q[r + c * w];
  }
}

}  // namespace mixedmodels::small
