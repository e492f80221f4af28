// The plain loops that stand for BLAS in these tests, against the definitions by dense matrices.
#include <algorithm>
#include <vector>

#include "check.hpp"
#include "dense.hpp"
#include "random.hpp"

namespace {

using Matrix = dense::Matrix<double>;
namespace blas = mixedmodels::blas;

constexpr double kTolerance = 1e-13;  // sums of at most ten products of numbers near one

Matrix random_matrix(Random& random, int rows, int cols) {
  Matrix out(rows, cols);
  out.a = random.normals(out.a.size());
  return out;
}

Matrix op(char trans, const Matrix& a) { return trans == 'T' ? dense::transpose(a) : a; }

Matrix triangle(char uplo, Matrix a) {
  for (int j = 0; j < a.cols; ++j)
    for (int i = 0; i < a.rows; ++i)
      if (uplo == 'L' ? i < j : i > j) a(i, j) = 0;
  return a;
}

Matrix symmetric(char uplo, const Matrix& a) {
  Matrix out = triangle(uplo, a);
  for (int j = 0; j < a.cols; ++j)
    for (int i = 0; i < a.rows; ++i)
      if (uplo == 'L' ? i < j : i > j) out(i, j) = a(j, i);
  return out;
}

Matrix scaled(double factor, Matrix a) {
  for (double& v : a.a) v *= factor;
  return a;
}

// A triangle with a diagonal away from zero.
Matrix well_conditioned(Random& random, int n) {
  Matrix a = random_matrix(random, n, n);
  for (int i = 0; i < n; ++i) a(i, i) = 3 + std::abs(a(i, i));
  return a;
}

TEST(products) {
  Random random(1);
  const Matrix c = random_matrix(random, 5, 4);
  for (char ta : {'N', 'T'})
    for (char tb : {'N', 'T'}) {
      const Matrix a = ta == 'T' ? random_matrix(random, 3, 5) : random_matrix(random, 5, 3);
      const Matrix b = tb == 'T' ? random_matrix(random, 4, 3) : random_matrix(random, 3, 4);
      Matrix out = c;
      blas::gemm(ta, tb, 5, 4, 3, 0.7, a.a.data(), a.rows, b.a.data(), b.rows, -0.3, out.a.data(), 5);
      CHECK_ERROR("gemm", dense::relative_difference(out, scaled(0.7, op(ta, a) * op(tb, b)) + scaled(-0.3, c)),
                  kTolerance);
    }
}

TEST(symmetric_products) {
  Random random(2);
  for (char uplo : {'L', 'U'}) {
    const Matrix a = random_matrix(random, 4, 4);
    for (char side : {'L', 'R'}) {
      const Matrix b = side == 'L' ? random_matrix(random, 4, 3) : random_matrix(random, 3, 4);
      Matrix out = b;
      const Matrix expected = side == 'L' ? symmetric(uplo, a) * b : b * symmetric(uplo, a);
      blas::symm(side, uplo, b.rows, b.cols, 2.0, a.a.data(), 4, b.a.data(), b.rows, -1.0, out.a.data(), b.rows);
      CHECK_ERROR("symm", dense::relative_difference(out, scaled(2, expected) - b), kTolerance);
    }
    for (char trans : {'N', 'T'}) {
      const Matrix b = trans == 'N' ? random_matrix(random, 4, 3) : random_matrix(random, 3, 4);
      Matrix out = a;
      blas::syrk(uplo, trans, 4, 3, -1.0, b.a.data(), b.rows, 1.0, out.a.data(), 4);
      const Matrix full = a - op(trans, b) * op(trans == 'T' ? 'N' : 'T', b);
      CHECK_ERROR("syrk", dense::relative_difference(triangle(uplo, out), triangle(uplo, full)), kTolerance);
      const char other = uplo == 'L' ? 'U' : 'L';
      Matrix untouched = triangle(other, out) - triangle(other, a);
      for (int i = 0; i < 4; ++i) untouched(i, i) = 0;
      CHECK(dense::largest(untouched) == 0);
    }
  }
}

TEST(triangular_solves) {
  Random random(3);
  for (char side : {'L', 'R'})
    for (char uplo : {'L', 'U'})
      for (char trans : {'N', 'T'}) {
        const Matrix a = well_conditioned(random, 4);
        const Matrix b = side == 'L' ? random_matrix(random, 4, 3) : random_matrix(random, 3, 4);
        Matrix x = b;
        blas::trsm(side, uplo, trans, b.rows, b.cols, a.a.data(), 4, x.a.data(), b.rows);
        const Matrix full = op(trans, triangle(uplo, a));
        CHECK_ERROR("trsm", dense::relative_difference(side == 'L' ? full * x : x * full, b), kTolerance);
      }
}

TEST(cholesky_and_inverse) {
  Random random(4);
  for (char uplo : {'L', 'U'}) {
    const Matrix g = random_matrix(random, 5, 9), a = g * dense::transpose(g);
    Matrix factor = a;
    CHECK(blas::potrf(uplo, 5, factor.a.data(), 5));
    const Matrix L = op(uplo == 'L' ? 'N' : 'T', triangle(uplo, factor));
    CHECK_ERROR("potrf", dense::relative_difference(L * dense::transpose(L), a), kTolerance);
    CHECK(blas::potri(uplo, 5, factor.a.data(), 5));
    CHECK_ERROR("potri", dense::relative_difference(symmetric(uplo, factor) * a, dense::identity<double>(5)), 1e-12);
  }
  Matrix indefinite = dense::identity<double>(3);
  indefinite(1, 1) = -1;
  CHECK(!blas::potrf('L', 3, indefinite.a.data(), 3));
}

TEST(orthogonal_triangle) {
  Random random(5);
  for (int m : {7, 4, 2}) {
    const Matrix a = random_matrix(random, m, 4);
    Matrix qr = a;
    std::vector<double> tau(4), work(4);
    blas::geqrf(m, 4, qr.a.data(), m, tau.data(), work.data(), 4);
    Matrix R(std::min(m, 4), 4);
    for (int j = 0; j < 4; ++j)
      for (int i = 0; i < R.rows && i <= j; ++i) R(i, j) = qr(i, j);
    CHECK_ERROR("geqrf", dense::relative_difference(dense::transpose(R) * R, dense::transpose(a) * a), kTolerance);
  }
}

// A call that would take long, in pieces, against the same call in one.
struct InPieces {
  InPieces() { blas::longest = 1e4; }
  ~InPieces() { blas::longest = 1e9; }
};

constexpr double kRounding = 1e-11;  // sums of a few hundred products in another order, through a triangular solve

template <typename Call>
void check_pieces(const char* name, const Matrix& start, Call&& call) {
  Matrix whole = start, pieces = start;
  call(whole);
  {
    const InPieces in_pieces;
    call(pieces);
  }
  CHECK_ERROR(name, dense::relative_difference(pieces, whole), kRounding);
}

TEST(products_in_pieces) {
  Random random(11);
  const int m = 150, n = 131, k = 170;
  const Matrix c = random_matrix(random, m, n);
  for (char ta : {'N', 'T'})
    for (char tb : {'N', 'T'}) {
      const Matrix a = ta == 'T' ? random_matrix(random, k, m) : random_matrix(random, m, k);
      const Matrix b = tb == 'T' ? random_matrix(random, n, k) : random_matrix(random, k, n);
      check_pieces("gemm in pieces", c, [&](Matrix& out) {
        blas::gemm(ta, tb, m, n, k, 0.7, a.a.data(), a.rows, b.a.data(), b.rows, -0.3, out.a.data(), m);
      });
    }
  const Matrix wide = random_matrix(random, n, n);
  for (char uplo : {'L', 'U'}) {
    for (char side : {'L', 'R'}) {
      const Matrix b = side == 'L' ? random_matrix(random, n, m) : random_matrix(random, m, n);
      check_pieces("symm in pieces", b, [&](Matrix& out) {
        blas::symm(side, uplo, b.rows, b.cols, 2.0, wide.a.data(), n, b.a.data(), b.rows, -1.0, out.a.data(), b.rows);
      });
    }
    for (char trans : {'N', 'T'}) {
      const Matrix b = trans == 'N' ? random_matrix(random, n, k) : random_matrix(random, k, n);
      check_pieces("syrk in pieces", wide,
                   [&](Matrix& out) { blas::syrk(uplo, trans, n, k, -1.0, b.a.data(), b.rows, 0.5, out.a.data(), n); });
    }
  }
}

TEST(solves_in_pieces) {
  Random random(12);
  const int size = 200, others = 70;
  Matrix a = random_matrix(random, size, size);
  for (int i = 0; i < size; ++i) a(i, i) = 40 + std::abs(a(i, i));
  for (char side : {'L', 'R'})
    for (char uplo : {'L', 'U'})
      for (char trans : {'N', 'T'}) {
        const Matrix b = side == 'L' ? random_matrix(random, size, others) : random_matrix(random, others, size);
        check_pieces("trsm in pieces", b, [&](Matrix& out) {
          blas::trsm(side, uplo, trans, out.rows, out.cols, a.a.data(), size, out.a.data(), out.rows);
        });
      }
}

TEST(factors_in_pieces) {
  Random random(13);
  const int n = 210, m = 400;
  const Matrix b = random_matrix(random, n, n + 50);
  Matrix a = b * dense::transpose(b);
  check_pieces("potrf in pieces", triangle('L', a), [&](Matrix& out) { CHECK(blas::potrf('L', n, out.a.data(), n)); });
  a(150, 150) = -1;
  {
    const InPieces in_pieces;
    CHECK(!blas::potrf('L', n, a.a.data(), n));
  }
  Matrix whole = random_matrix(random, m, n), pieces = whole;
  std::vector<double> tau(n), work(64 * n);
  blas::geqrf(m, n, whole.a.data(), m, tau.data(), work.data(), static_cast<int>(work.size()));
  {
    const InPieces in_pieces;
    blas::geqrf(m, n, pieces.a.data(), m, tau.data(), work.data(), static_cast<int>(work.size()));
  }
  double worst = 0;
  for (int j = 0; j < n; ++j)
    for (int i = 0; i <= j; ++i) worst = std::max(worst, std::abs(std::abs(whole(i, j)) - std::abs(pieces(i, j))));
  CHECK_ERROR("geqrf in pieces", worst, kRounding);
}

}  // namespace
