// Purpose: the dense kernels of BLAS and LAPACK that the core uses, as a table of function pointers.
// Precondition: `blas_table()` is filled once (by the bindings from SciPy, by the core tests from plain
// loops) before any other function of the core runs.
// Here are thin wrappers that take values instead of Fortran's pointers; all matrices are column-major.
#pragma once

#include <cmath>
#include <cstddef>

namespace mixedmodels {

struct BlasTable {
  void (*dgemm)(char*, char*, int*, int*, int*, double*, double*, int*, double*, int*, double*, double*, int*);
  void (*dsymm)(char*, char*, int*, int*, double*, double*, int*, double*, int*, double*, double*, int*);
  void (*dsyrk)(char*, char*, int*, int*, double*, double*, int*, double*, double*, int*);
  void (*dtrsm)(char*, char*, char*, char*, int*, int*, double*, double*, int*, double*, int*);
  void (*dpotrf)(char*, int*, double*, int*, int*);
  void (*dpotri)(char*, int*, double*, int*, int*);
  void (*dgeqrf)(int*, int*, double*, int*, double*, double*, int*, int*);
  // The library's own threads; null when it has no such switch.
  int (*get_threads)();
  void (*set_threads)(int);
};

inline BlasTable& blas_table() {
  static BlasTable table{};
  return table;
}

namespace blas {

// C <- alpha op(A) op(B) + beta C, C is m x n.
inline void gemm(char ta, char tb, int m, int n, int k, double alpha, const double* a, int lda, const double* b,
                 int ldb, double beta, double* c, int ldc) {
  if (m == 0 || n == 0) return;
  blas_table().dgemm(&ta, &tb, &m, &n, &k, &alpha, const_cast<double*>(a), &lda, const_cast<double*>(b), &ldb, &beta, c,
                     &ldc);
}

// C <- alpha A B + beta C with A symmetric (side 'L') of which only the triangle `uplo` is read.
inline void symm(char side, char uplo, int m, int n, double alpha, const double* a, int lda, const double* b, int ldb,
                 double beta, double* c, int ldc) {
  if (m == 0 || n == 0) return;
  blas_table().dsymm(&side, &uplo, &m, &n, &alpha, const_cast<double*>(a), &lda, const_cast<double*>(b), &ldb, &beta, c,
                     &ldc);
}

// C <- alpha op(A) op(A)' + beta C on the triangle `uplo` of the n x n matrix C.
inline void syrk(char uplo, char trans, int n, int k, double alpha, const double* a, int lda, double beta, double* c,
                 int ldc) {
  if (n == 0) return;
  blas_table().dsyrk(&uplo, &trans, &n, &k, &alpha, const_cast<double*>(a), &lda, &beta, c, &ldc);
}

// B <- op(A)^-1 B (side 'L') or B op(A)^-1 (side 'R'), A triangular with a nonunit diagonal.
inline void trsm(char side, char uplo, char trans, int m, int n, const double* a, int lda, double* b, int ldb) {
  if (m == 0 || n == 0) return;
  char diag = 'N';
  double one = 1.0;
  blas_table().dtrsm(&side, &uplo, &trans, &diag, &m, &n, &one, const_cast<double*>(a), &lda, b, &ldb);
}

// Cholesky factor in place; false when the matrix is not positive definite, or not finite: LAPACK takes an infinite
// pivot for a positive one.
inline bool potrf(char uplo, int n, double* a, int lda) {
  int info = 0;
  if (n > 0) blas_table().dpotrf(&uplo, &n, a, &lda, &info);
  for (int i = 0; i < n; ++i)
    if (!std::isfinite(a[i + static_cast<std::ptrdiff_t>(i) * lda])) return false;
  return info == 0;
}

// Inverse from a Cholesky factor, in place on the triangle `uplo`.
inline bool potri(char uplo, int n, double* a, int lda) {
  int info = 0;
  if (n > 0) blas_table().dpotri(&uplo, &n, a, &lda, &info);
  return info == 0;
}

// Householder QR in place; R is the upper triangle afterwards. `work` holds at least n doubles.
inline void geqrf(int m, int n, double* a, int lda, double* tau, double* work, int lwork) {
  int info = 0;
  if (m > 0 && n > 0) blas_table().dgeqrf(&m, &n, a, &lda, tau, work, &lwork, &info);
}

}  // namespace blas
}  // namespace mixedmodels
