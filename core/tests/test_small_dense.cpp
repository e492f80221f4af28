// The dense kernels for small blocks against dense matrices.
#include <algorithm>

#include "check.hpp"
#include "dense.hpp"
#include "kernels/small_dense.hpp"
#include "random.hpp"

namespace {

using Matrix = dense::Matrix<double>;
namespace small = mixedmodels::small;

constexpr double kTolerance = 1e-12;

Matrix random_matrix(Random& random, int rows, int cols) {
  Matrix out(rows, cols);
  out.a = random.normals(out.a.size());
  return out;
}

Matrix lower(Matrix a) {
  for (int j = 0; j < a.cols; ++j)
    for (int i = 0; i < std::min(j, a.rows); ++i) a(i, j) = 0;
  return a;
}

Matrix top(const Matrix& a, int rows) {
  Matrix out(rows, a.cols);
  for (int j = 0; j < a.cols; ++j)
    for (int i = 0; i < rows; ++i) out(i, j) = a(i, j);
  return out;
}

Matrix bottom(const Matrix& a, int first) {
  Matrix out(a.rows - first, a.cols);
  for (int j = 0; j < a.cols; ++j)
    for (int i = first; i < a.rows; ++i) out(i - first, j) = a(i, j);
  return out;
}

// A panel of w columns whose top is positive definite.
Matrix random_panel(Random& random, int w, int rows) {
  Matrix panel = random_matrix(random, rows, w);
  const Matrix g = random_matrix(random, w, w + 4), square = g * dense::transpose(g);
  for (int j = 0; j < w; ++j)
    for (int i = 0; i < w; ++i) panel(i, j) = square(i, j);
  return panel;
}

TEST(elimination_of_a_panel) {
  Random random(1);
  for (int w = 1; w <= 14; ++w) {
    const Matrix panel = random_panel(random, w, w + 5);
    Matrix out = panel;
    CHECK(small::eliminate(w, out.rows, out.a.data()));
    const Matrix L = dense::cholesky(top(panel, w));
    CHECK_ERROR("eliminate, top", dense::relative_difference(lower(top(out, w)), L), kTolerance);
    CHECK_ERROR("eliminate, below", dense::relative_difference(bottom(out, w) * dense::transpose(L), bottom(panel, w)),
                kTolerance);
  }
  double indefinite[] = {1, 2, 2, 1}, nan[] = {NAN}, infinite[] = {INFINITY};
  CHECK(!small::eliminate(2, 2, indefinite) && !small::eliminate(1, 1, nan) && !small::eliminate(1, 1, infinite));
}

TEST(solves_and_inverse) {
  Random random(2);
  for (int w = 1; w <= 14; ++w) {
    const int ld = w + 3;
    Matrix panel = random_panel(random, w, ld);
    CHECK(small::eliminate(w, ld, panel.a.data()));
    const Matrix L = lower(top(panel, w));
    for (int k : {1, 3}) {
      const Matrix b = random_matrix(random, w, k);
      Matrix rows = dense::transpose(b);  // row-major w x k
      small::solve_lower(w, ld, panel.a.data(), rows.a.data(), k);
      CHECK_ERROR("solve_lower", dense::relative_difference(dense::transpose(rows), dense::solve_lower(L, b)),
                  kTolerance);
      rows = dense::transpose(b);
      small::solve_upper(w, ld, panel.a.data(), rows.a.data(), k);
      CHECK_ERROR("solve_upper",
                  dense::relative_difference(dense::transpose(rows), dense::solve_lower_transposed(L, b)), kTolerance);
    }
    Matrix divided = panel;
    small::divide_lower(w, ld, divided.a.data(), 3);
    CHECK_ERROR("divide_lower", dense::relative_difference(bottom(divided, w) * L, bottom(panel, w)), kTolerance);
    Matrix inverse = panel;
    small::invert_from_factor(w, ld, inverse.a.data());
    CHECK_ERROR("invert_from_factor",
                dense::relative_difference(lower(top(inverse, w)), lower(dense::inverse_from_cholesky(L))), kTolerance);
  }
}

}  // namespace
