// For builds with AddressSanitizer only: SciPy's BLAS is not instrumented, so that it may read and write past the end
// of an array unnoticed. The kernels here check every array that they are given, and then call those of SciPy.
#pragma once

#if defined(__SANITIZE_ADDRESS__)

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include "kernels/blas.hpp"

namespace checked_blas {

using mixedmodels::BlasTable;

inline BlasTable& unchecked() {
  static BlasTable table{};
  return table;
}

[[noreturn]] inline void fail(const char* kernel, const char* what) {
  std::fprintf(stderr, "ERROR: AddressSanitizer: %s: %s\n", kernel, what);
  __sanitizer_print_stack_trace();
  std::abort();
}

inline void vector(const char* kernel, double* a, std::ptrdiff_t size) {
  if (size <= 0) return;
  void* bad = __asan_region_is_poisoned(a, static_cast<std::size_t>(size) * sizeof(double));
  if (!bad) return;
  __asan_describe_address(bad);
  fail(kernel, "an array is shorter than the call says");
}

inline void matrix(const char* kernel, double* a, int rows, int columns, int lead) {
  if (rows < 0 || columns < 0 || lead < std::max(rows, 1)) fail(kernel, "a size is invalid");
  for (int j = 0; j < columns; ++j) vector(kernel, a + static_cast<std::ptrdiff_t>(j) * lead, rows);
}

inline void triangle(const char* kernel, char uplo, double* a, int n, int lead) {
  if (n < 0 || lead < std::max(n, 1)) fail(kernel, "a size is invalid");
  for (int j = 0; j < n; ++j) {
    const int first = uplo == 'L' ? j : 0, last = uplo == 'L' ? n : j + 1;
    vector(kernel, a + first + static_cast<std::ptrdiff_t>(j) * lead, last - first);
  }
}

// op(A) is rows x columns.
inline void turned(const char* kernel, char trans, double* a, int rows, int columns, int lead) {
  matrix(kernel, a, trans == 'N' ? rows : columns, trans == 'N' ? columns : rows, lead);
}

inline void dgemm(char* ta, char* tb, int* m, int* n, int* k, double* alpha, double* a, int* lda, double* b, int* ldb,
                  double* beta, double* c, int* ldc) {
  turned("dgemm", *ta, a, *m, *k, *lda);
  turned("dgemm", *tb, b, *k, *n, *ldb);
  matrix("dgemm", c, *m, *n, *ldc);
  unchecked().dgemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

inline void dsymm(char* side, char* uplo, int* m, int* n, double* alpha, double* a, int* lda, double* b, int* ldb,
                  double* beta, double* c, int* ldc) {
  triangle("dsymm", *uplo, a, *side == 'L' ? *m : *n, *lda);
  matrix("dsymm", b, *m, *n, *ldb);
  matrix("dsymm", c, *m, *n, *ldc);
  unchecked().dsymm(side, uplo, m, n, alpha, a, lda, b, ldb, beta, c, ldc);
}

inline void dsyrk(char* uplo, char* trans, int* n, int* k, double* alpha, double* a, int* lda, double* beta, double* c,
                  int* ldc) {
  turned("dsyrk", *trans, a, *n, *k, *lda);
  triangle("dsyrk", *uplo, c, *n, *ldc);
  unchecked().dsyrk(uplo, trans, n, k, alpha, a, lda, beta, c, ldc);
}

inline void dtrsm(char* side, char* uplo, char* trans, char* diag, int* m, int* n, double* alpha, double* a, int* lda,
                  double* b, int* ldb) {
  triangle("dtrsm", *uplo, a, *side == 'L' ? *m : *n, *lda);
  matrix("dtrsm", b, *m, *n, *ldb);
  unchecked().dtrsm(side, uplo, trans, diag, m, n, alpha, a, lda, b, ldb);
}

inline void dpotrf(char* uplo, int* n, double* a, int* lda, int* info) {
  triangle("dpotrf", *uplo, a, *n, *lda);
  unchecked().dpotrf(uplo, n, a, lda, info);
}

inline void dpotri(char* uplo, int* n, double* a, int* lda, int* info) {
  triangle("dpotri", *uplo, a, *n, *lda);
  unchecked().dpotri(uplo, n, a, lda, info);
}

inline void dgeqrf(int* m, int* n, double* a, int* lda, double* tau, double* work, int* lwork, int* info) {
  matrix("dgeqrf", a, *m, *n, *lda);
  vector("dgeqrf", tau, std::min(*m, *n));
  if (*lwork < std::max(*n, 1)) fail("dgeqrf", "a size is invalid");
  vector("dgeqrf", work, *lwork);
  unchecked().dgeqrf(m, n, a, lda, tau, work, lwork, info);
}

inline void dormqr(char* side, char* trans, int* m, int* n, int* k, double* a, int* lda, double* tau, double* c,
                   int* ldc, double* work, int* lwork, int* info) {
  matrix("dormqr", a, *side == 'L' ? *m : *n, *k, *lda);
  vector("dormqr", tau, *k);
  matrix("dormqr", c, *m, *n, *ldc);
  if (*lwork < std::max(*side == 'L' ? *n : *m, 1)) fail("dormqr", "a size is invalid");
  vector("dormqr", work, *lwork);
  unchecked().dormqr(side, trans, m, n, k, a, lda, tau, c, ldc, work, lwork, info);
}

inline void dsyevd(char* job, char* uplo, int* n, double* a, int* lda, double* values, double* work, int* lwork,
                   int* iwork, int* liwork, int* info) {
  matrix("dsyevd", a, *n, *n, *lda);
  vector("dsyevd", values, *n);
  if (*lwork < 1 + 6 * *n + 2 * *n * *n || *liwork < 3 + 5 * *n) fail("dsyevd", "a size is invalid");
  vector("dsyevd", work, *lwork);
  unchecked().dsyevd(job, uplo, n, a, lda, values, work, lwork, iwork, liwork, info);
}

// Puts the checks before the kernels of a filled table.
inline void install(BlasTable& table) {
  unchecked() = table;
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

}  // namespace checked_blas

#endif
