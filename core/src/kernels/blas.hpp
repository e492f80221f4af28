// Purpose: thin wrappers of the dense kernels of BLAS and LAPACK that take values instead of Fortran's pointers.
// All matrices are column-major. A call that would take long is made in pieces, and between them the caller may
// interrupt.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "kernels/blas_call.hpp"
#include "kernels/blas_table.hpp"
#include "kernels/interrupt.hpp"

namespace mixedmodels {

namespace blas {

// Most operations of one call of the library: a tenth of a second on a slow processor. Only tests change it.
inline double longest = 1e9;
// Rows and columns of a piece: no fewer, or the library would lose its speed.
constexpr int kPiece = 64;
// Operations below which a call of the library takes longer than loops.
constexpr double kFewOperations = 300;

namespace pieces {

// `count` things of `work` operations each in pieces that are not too long; call(first, count) for every piece.
template <typename Call>
void over(int count, double work, Call&& call) {
  const double fit = std::max(longest / work, static_cast<double>(kPiece));
  const int size = fit < count ? static_cast<int>(fit) : count;
  for (int first = 0; first < count; first += size) {
    const int some = std::min(size, count - first);
    check_interrupt(work * some);
    call(first, some);
  }
}

inline std::ptrdiff_t at(int row, int column, int lead) { return row + static_cast<std::ptrdiff_t>(column) * lead; }

// The first of two halves of a triangle.
inline int half(int n) { return std::max(kPiece, n / 2 / kPiece * kPiece); }

// trsm by loops: `size` unknowns for each of `others` right-hand sides.
inline void substitute(bool left, bool lower, bool transposed, int size, int others, const double* a, int lda,
                       double* b, int ldb) {
  const bool turned = transposed == left;  // X op(A) = B is op(A)'X' = B'
  const bool forward = lower != turned;
  const std::ptrdiff_t step = left ? 1 : ldb, next = left ? ldb : 1;
  for (int other = 0; other < others; ++other, b += next)
    for (int done = 0; done < size; ++done) {
      const int i = forward ? done : size - 1 - done;
      double rest = b[i * step];
      for (int k = forward ? 0 : i + 1; k < (forward ? i : size); ++k)
        rest -= a[turned ? at(k, i, lda) : at(i, k, lda)] * b[k * step];
      b[i * step] = rest / a[at(i, i, lda)];
    }
}

}  // namespace pieces

// C <- alpha op(A) op(B) + beta C, C is m x n.
inline void gemm(char ta, char tb, int m, int n, int k, double alpha, const double* a, int lda, const double* b,
                 int ldb, double beta, double* c, int ldc) {
  if (m == 0 || n == 0) return;
  const double work = 2.0 * m * n * std::max(k, 1);
  if (work <= longest || k == 0) {
    check_interrupt(work);
    LibraryCall()->dgemm(&ta, &tb, &m, &n, &k, &alpha, const_cast<double*>(a), &lda, const_cast<double*>(b), &ldb,
                         &beta, c, &ldc);
    return;
  }
  auto call = [&](int row, int rows, int column, int columns, int first, int some) {
    const double* from_a = a + (ta == 'N' ? pieces::at(row, first, lda) : pieces::at(first, row, lda));
    const double* from_b = b + (tb == 'N' ? pieces::at(first, column, ldb) : pieces::at(column, first, ldb));
    double scale = first == 0 ? beta : 1.0;
    LibraryCall()->dgemm(&ta, &tb, &rows, &columns, &some, &alpha, const_cast<double*>(from_a), &lda,
                         const_cast<double*>(from_b), &ldb, &scale, c + pieces::at(row, column, ldc), &ldc);
  };
  pieces::over(n, work / n, [&](int column, int columns) {
    pieces::over(m, work / n / m * columns, [&](int row, int rows) {
      pieces::over(k, 2.0 * rows * columns,
                   [&](int first, int some) { call(row, rows, column, columns, first, some); });
    });
  });
}

// C <- alpha A B + beta C with A symmetric (side 'L') of which only the triangle `uplo` is read.
inline void symm(char side, char uplo, int m, int n, double alpha, const double* a, int lda, const double* b, int ldb,
                 double beta, double* c, int ldc) {
  if (m == 0 || n == 0) return;
  const bool left = side == 'L';
  const int size = left ? m : n, others = left ? n : m;
  pieces::over(others, 2.0 * size * size, [&](int first, int some) {
    const std::ptrdiff_t in_b = left ? pieces::at(0, first, ldb) : first,
                         in_c = left ? pieces::at(0, first, ldc) : first;
    LibraryCall()->dsymm(&side, &uplo, left ? &m : &some, left ? &some : &n, &alpha, const_cast<double*>(a), &lda,
                         const_cast<double*>(b + in_b), &ldb, &beta, c + in_c, &ldc);
  });
}

// C <- alpha op(A) op(A)' + beta C on the triangle `uplo` of the n x n matrix C.
inline void syrk(char uplo, char trans, int n, int k, double alpha, const double* a, int lda, double beta, double* c,
                 int ldc) {
  if (n == 0) return;
  const double work = 1.0 * n * n * std::max(k, 1);
  if (work > longest && n > kPiece) {
    const int m = pieces::half(n);
    const double* below = a + (trans == 'N' ? m : pieces::at(0, m, lda));
    const char turned = trans == 'N' ? 'T' : 'N';
    syrk(uplo, trans, m, k, alpha, a, lda, beta, c, ldc);
    if (uplo == 'L')
      gemm(trans, turned, n - m, m, k, alpha, below, lda, a, lda, beta, c + m, ldc);
    else
      gemm(trans, turned, m, n - m, k, alpha, a, lda, below, lda, beta, c + pieces::at(0, m, ldc), ldc);
    syrk(uplo, trans, n - m, k, alpha, below, lda, beta, c + pieces::at(m, m, ldc), ldc);
    return;
  }
  if (k == 0) {
    LibraryCall()->dsyrk(&uplo, &trans, &n, &k, &alpha, const_cast<double*>(a), &lda, &beta, c, &ldc);
    return;
  }
  pieces::over(k, 1.0 * n * n, [&](int first, int some) {
    const double* from = a + (trans == 'N' ? pieces::at(0, first, lda) : first);
    double scale = first == 0 ? beta : 1.0;
    LibraryCall()->dsyrk(&uplo, &trans, &n, &some, &alpha, const_cast<double*>(from), &lda, &scale, c, &ldc);
  });
}

// B <- op(A)^-1 B (side 'L') or B op(A)^-1 (side 'R'), A triangular with a nonunit diagonal.
inline void trsm(char side, char uplo, char trans, int m, int n, const double* a, int lda, double* b, int ldb) {
  if (m == 0 || n == 0) return;
  const bool left = side == 'L';
  const int size = left ? m : n, others = left ? n : m;
  if (1.0 * size * size * others <= kFewOperations) {
    pieces::substitute(left, uplo == 'L', trans == 'T', size, others, a, lda, b, ldb);
    return;
  }
  if (1.0 * size * size * kPiece > longest && size > kPiece) {  // by halves of the triangle
    const int one = pieces::half(size), two = size - one;
    const double *second = a + pieces::at(one, one, lda),
                 *between = a + (uplo == 'L' ? pieces::at(one, 0, lda) : pieces::at(0, one, lda));
    double* later = b + (left ? one : pieces::at(0, one, ldb));
    // Whether the first half of the unknowns is found first, and the second from what it leaves.
    const bool forward = left == ((uplo == 'L') == (trans == 'N'));
    const bool rows_are_second = uplo == 'L';  // of `between`, two x one; else one x two
    const char straight = rows_are_second == forward ? 'N' : 'T';
    auto solve_half = [&](bool first) {
      if (left)
        trsm(side, uplo, trans, first ? one : two, n, first ? a : second, lda, first ? b : later, ldb);
      else
        trsm(side, uplo, trans, m, first ? one : two, first ? a : second, lda, first ? b : later, ldb);
    };
    solve_half(forward);
    double *from = forward ? b : later, *to = forward ? later : b;
    const int known = forward ? one : two, open = forward ? two : one;
    if (left)
      gemm(straight, 'N', open, n, known, -1.0, between, lda, from, ldb, 1.0, to, ldb);
    else
      gemm('N', straight == 'N' ? 'T' : 'N', m, open, known, -1.0, from, ldb, between, lda, 1.0, to, ldb);
    solve_half(!forward);
    return;
  }
  char diag = 'N';
  double one = 1.0;
  pieces::over(others, 1.0 * size * size, [&](int first, int some) {
    double* from = b + (left ? pieces::at(0, first, ldb) : first);
    LibraryCall()->dtrsm(&side, &uplo, &trans, &diag, left ? &m : &some, left ? &some : &n, &one,
                         const_cast<double*>(a), &lda, from, &ldb);
  });
}

// Cholesky factor in place; false when the matrix is not positive definite, or not finite: LAPACK takes an infinite
// pivot for a positive one.
inline bool potrf(char uplo, int n, double* a, int lda) {
  if (1.0 * n * n * n / 3 > longest && n > kPiece && uplo == 'L') {
    const int m = pieces::half(n);
    if (!potrf(uplo, m, a, lda)) return false;
    trsm('R', 'L', 'T', n - m, m, a, lda, a + m, lda);
    syrk('L', 'N', n - m, m, -1.0, a + m, lda, 1.0, a + pieces::at(m, m, lda), lda);
    return potrf(uplo, n - m, a + pieces::at(m, m, lda), lda);
  }
  check_interrupt(1.0 * n * n * n / 3);
  int info = 0;
  if (n > 0) LibraryCall()->dpotrf(&uplo, &n, a, &lda, &info);
  for (int i = 0; i < n; ++i)
    if (!std::isfinite(a[i + static_cast<std::ptrdiff_t>(i) * lda])) return false;
  return info == 0;
}

// Inverse from a Cholesky factor, in place on the triangle `uplo`; for small matrices.
inline bool potri(char uplo, int n, double* a, int lda) {
  check_interrupt(2.0 * n * n * n / 3);
  int info = 0;
  if (n > 0) LibraryCall()->dpotri(&uplo, &n, a, &lda, &info);
  return info == 0;
}

// Householder QR in place; R is the upper triangle afterwards, what is below it means nothing to the caller. `work`
// holds at least n doubles.
inline void geqrf(int m, int n, double* a, int lda, double* tau, double* work, int lwork) {
  if (m == 0 || n == 0) return;
  const double all = 2.0 * m * n * n;
  if (all <= longest) {
    check_interrupt(all);
    int info = 0;
    LibraryCall()->dgeqrf(&m, &n, a, &lda, tau, work, &lwork, &info);
    return;
  }
  std::vector<double> room(static_cast<std::size_t>(kPiece) * n);
  for (int first = 0; first < std::min(m, n); first += kPiece) {  // a panel, and what it does to the columns after it
    int rows = m - first, width = std::min(kPiece, n - first), info = 0;
    double* panel = a + pieces::at(first, first, lda);
    check_interrupt(2.0 * rows * width * width);
    LibraryCall()->dgeqrf(&rows, &width, panel, &lda, tau + first, work, &lwork, &info);
    char left = 'L', transposed = 'T';
    int reflectors = std::min(rows, width);
    pieces::over(n - first - width, 4.0 * rows * width, [&](int column, int columns) {
      int size = static_cast<int>(room.size());
      LibraryCall()->dormqr(&left, &transposed, &rows, &columns, &reflectors, panel, &lda, tau + first,
                            a + pieces::at(first, first + width + column, lda), &lda, room.data(), &size, &info);
    });
  }
}

}  // namespace blas
}  // namespace mixedmodels
