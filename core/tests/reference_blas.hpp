// Purpose: the dense kernels that the core takes from BLAS and LAPACK, as plain loops over the definitions.
// Only what the core asks for: real, column-major, nonunit triangles. Nothing here allocates.
#pragma once

#include <cmath>
#include <cstddef>
#include <utility>

#include "kernels/blas.hpp"

namespace reference_blas {

// A matrix as BLAS sees it, with or without its transpose, of which only one triangle may be there.
struct View {
  double* a;
  int lead;
  bool transposed = false;
  double& operator()(int i, int j) const {
    return transposed ? a[j + static_cast<std::ptrdiff_t>(i) * lead] : a[i + static_cast<std::ptrdiff_t>(j) * lead];
  }
};

inline bool is_transposed(const char* trans) { return *trans == 'T' || *trans == 't'; }

// Sets the target to beta times itself; zero times anything is zero, as BLAS has it.
inline void scale(double& target, double beta) { target = beta == 0 ? 0.0 : beta * target; }

inline void dgemm(char* ta, char* tb, int* m, int* n, int* k, double* alpha, double* a, int* lda, double* b, int* ldb,
                  double* beta, double* c, int* ldc) {
  const View A{a, *lda, is_transposed(ta)}, B{b, *ldb, is_transposed(tb)}, C{c, *ldc};
  for (int j = 0; j < *n; ++j)
    for (int i = 0; i < *m; ++i) {
      double sum = 0;
      for (int l = 0; l < *k; ++l) sum += A(i, l) * B(l, j);
      scale(C(i, j), *beta);
      C(i, j) += *alpha * sum;
    }
}

inline void dsymm(char* side, char* uplo, int* m, int* n, double* alpha, double* a, int* lda, double* b, int* ldb,
                  double* beta, double* c, int* ldc) {
  const View A{a, *lda}, B{b, *ldb}, C{c, *ldc};
  auto symmetric = [&](int i, int j) { return (*uplo == 'L') == (i >= j) ? A(i, j) : A(j, i); };
  for (int j = 0; j < *n; ++j)
    for (int i = 0; i < *m; ++i) {
      double sum = 0;
      if (*side == 'L')
        for (int l = 0; l < *m; ++l) sum += symmetric(i, l) * B(l, j);
      else
        for (int l = 0; l < *n; ++l) sum += B(i, l) * symmetric(l, j);
      scale(C(i, j), *beta);
      C(i, j) += *alpha * sum;
    }
}

inline void dsyrk(char* uplo, char* trans, int* n, int* k, double* alpha, double* a, int* lda, double* beta, double* c,
                  int* ldc) {
  const View A{a, *lda, is_transposed(trans)}, C{c, *ldc};
  for (int j = 0; j < *n; ++j)
    for (int i = 0; i < *n; ++i) {
      if (*uplo == 'L' ? i < j : i > j) continue;
      double sum = 0;
      for (int l = 0; l < *k; ++l) sum += A(i, l) * A(j, l);
      scale(C(i, j), *beta);
      C(i, j) += *alpha * sum;
    }
}

// From the right, B op(A)^-1 = (op(A)'^-1 B')'.
inline void dtrsm(char* side, char* uplo, char* trans, char*, int* m, int* n, double* alpha, double* a, int* lda,
                  double* b, int* ldb) {
  const bool left = *side == 'L', transposed = is_transposed(trans) == left;
  const View A{a, *lda, transposed}, B{b, *ldb, !left};
  const int rows = left ? *m : *n, columns = left ? *n : *m;
  const bool forward = (*uplo == 'L') != transposed;
  for (int j = 0; j < columns; ++j) {
    for (int i = 0; i < rows; ++i) B(i, j) *= *alpha;
    for (int step = 0; step < rows; ++step) {
      const int i = forward ? step : rows - 1 - step;
      double sum = B(i, j);
      for (int l = forward ? 0 : i + 1; l < (forward ? i : rows); ++l) sum -= A(i, l) * B(l, j);
      B(i, j) = sum / A(i, i);
    }
  }
}

inline void dpotrf(char* uplo, int* n, double* a, int* lda, int* info) {
  const View L{a, *lda, *uplo != 'L'};
  *info = 0;
  for (int j = 0; j < *n; ++j) {
    double pivot = L(j, j);
    for (int l = 0; l < j; ++l) pivot -= L(j, l) * L(j, l);
    if (!(pivot > 0)) {
      *info = j + 1;
      return;
    }
    L(j, j) = std::sqrt(pivot);
    for (int i = j + 1; i < *n; ++i) {
      double sum = L(i, j);
      for (int l = 0; l < j; ++l) sum -= L(i, l) * L(j, l);
      L(i, j) = sum / L(j, j);
    }
  }
}

inline void dpotri(char* uplo, int* n, double* a, int* lda, int* info) {
  const View L{a, *lda, *uplo != 'L'};
  *info = 0;
  for (int j = 0; j < *n; ++j) {  // L^-1 in place
    L(j, j) = 1 / L(j, j);
    for (int i = j + 1; i < *n; ++i) {
      double sum = 0;
      for (int l = j; l < i; ++l) sum -= L(i, l) * L(l, j);
      L(i, j) = sum / L(i, i);
    }
  }
  for (int j = 0; j < *n; ++j)  // L'^-1 L^-1, rows above are not needed any more
    for (int i = j; i < *n; ++i) {
      double sum = 0;
      for (int l = i; l < *n; ++l) sum += L(l, i) * L(l, j);
      L(i, j) = sum;
    }
}

// Householder reflections with R's diagonal of either sign, as LAPACK leaves them.
inline void dgeqrf(int* m, int* n, double* a, int* lda, double* tau, double*, int*, int* info) {
  const View A{a, *lda};
  *info = 0;
  for (int k = 0; k < *n && k < *m; ++k) {
    double norm = 0;
    for (int i = k; i < *m; ++i) norm = std::hypot(norm, A(i, k));
    tau[k] = 0;
    if (norm == 0) continue;
    const double pivot = A(k, k), beta = pivot > 0 ? -norm : norm;
    tau[k] = (beta - pivot) / beta;
    for (int i = k + 1; i < *m; ++i) A(i, k) /= pivot - beta;
    A(k, k) = beta;
    for (int j = k + 1; j < *n; ++j) {
      double sum = A(k, j);
      for (int i = k + 1; i < *m; ++i) sum += A(i, k) * A(i, j);
      sum *= tau[k];
      A(k, j) -= sum;
      for (int i = k + 1; i < *m; ++i) A(i, j) -= sum * A(i, k);
    }
  }
}

// C <- Q'C for the reflections that dgeqrf has left in a; from the left and transposed only.
inline void dormqr(char*, char*, int* m, int* n, int* k, double* a, int* lda, double* tau, double* c, int* ldc, double*,
                   int*, int* info) {
  const View A{a, *lda}, C{c, *ldc};
  *info = 0;
  for (int l = 0; l < *k; ++l)
    for (int j = 0; j < *n; ++j) {
      double sum = C(l, j);
      for (int i = l + 1; i < *m; ++i) sum += A(i, l) * C(i, j);
      sum *= tau[l];
      C(l, j) -= sum;
      for (int i = l + 1; i < *m; ++i) C(i, j) -= sum * A(i, l);
    }
}

// Eigenvalues and vectors by Jacobi's rotations, of the matrix whose lower triangle is given.
inline void dsyevd(char*, char*, int* n, double* a, int* lda, double* values, double* work, int*, int*, int*,
                   int* info) {
  const View A{a, *lda}, V{work, *n};
  *info = 0;
  for (int j = 0; j < *n; ++j)
    for (int i = 0; i < *n; ++i) {
      if (i < j) A(i, j) = A(j, i);
      V(i, j) = i == j;
    }
  for (int sweep = 0; sweep < 60; ++sweep) {
    double off = 0, size = 0;
    for (int j = 0; j < *n; ++j)
      for (int i = 0; i < *n; ++i) (i == j ? size : off) += A(i, j) * A(i, j);
    if (off <= 1e-28 * (size + off)) break;
    for (int p = 0; p < *n; ++p)
      for (int q = p + 1; q < *n; ++q) {
        if (A(p, q) == 0) continue;
        const double ratio = (A(q, q) - A(p, p)) / (2 * A(p, q));
        const double t = (ratio >= 0 ? 1 : -1) / (std::abs(ratio) + std::sqrt(ratio * ratio + 1));
        const double c = 1 / std::sqrt(t * t + 1), s = t * c;
        const auto turn = [&](double& x, double& y) {
          const double before = x;
          x = c * before - s * y;
          y = s * before + c * y;
        };
        for (int i = 0; i < *n; ++i) turn(A(i, p), A(i, q));
        for (int i = 0; i < *n; ++i) turn(A(p, i), A(q, i)), turn(V(i, p), V(i, q));
      }
  }
  for (int j = 0; j < *n; ++j) {  // the smallest that is left comes next
    int least = j;
    for (int k = j + 1; k < *n; ++k)
      if (A(k, k) < A(least, least)) least = k;
    values[j] = A(least, least);
    A(least, least) = A(j, j);
    for (int i = 0; i < *n; ++i) std::swap(V(i, j), V(i, least));
  }
  for (int j = 0; j < *n; ++j)
    for (int i = 0; i < *n; ++i) A(i, j) = V(i, j);
}

inline void fill_table() {
  mixedmodels::BlasTable& table = mixedmodels::blas_table();
  table.dgemm = dgemm;
  table.dsymm = dsymm;
  table.dsyrk = dsyrk;
  table.dtrsm = dtrsm;
  table.dpotrf = dpotrf;
  table.dpotri = dpotri;
  table.dgeqrf = dgeqrf;
  table.dormqr = dormqr;
  table.dsyevd = dsyevd;
}

}  // namespace reference_blas
