// Products of the small blocks of levels with the templates, against dense matrices.
#include "check.hpp"
#include "dense.hpp"
#include "kernels/level_blocks.hpp"
#include "random.hpp"

namespace {

using Matrix = dense::Matrix<double>;
namespace blocks = mixedmodels::blocks;

constexpr double kTolerance = 1e-13;

Matrix random_matrix(Random& random, int rows, int cols) {
  Matrix out(rows, cols);
  out.a = random.normals(out.a.size());
  return out;
}

// A template, with numbers above its diagonal that must not be read.
Matrix random_template(Random& random, int s) {
  Matrix out = random_matrix(random, s, s);
  for (int c = 0; c < s; ++c)
    for (int r = 0; r < c; ++r) out(r, c) = NAN;
  return out;
}

Matrix lower(Matrix a) {
  for (int c = 0; c < a.cols; ++c)
    for (int r = 0; r < c; ++r) a(r, c) = 0;
  return a;
}

template <typename Check>
void each_size(Check&& check) {
  Random random(1);
  for (int s = 1; s <= 9; ++s)
    for (int t : {1, 2, 3, 4, 5, 8}) {
      check::at(std::to_string(s) + " and " + std::to_string(t));
      check(random, s, t);
    }
}

TEST(template_from_the_left) {
  each_size([](Random& random, int s, int columns) {
    const Matrix lam = random_template(random, s), value = random_matrix(random, s, columns);
    Matrix out(s, columns), turned(s, columns);
    blocks::left(s, lam.a.data(), columns, value.a.data(), out.a.data());
    blocks::left_transposed(s, lam.a.data(), columns, dense::transpose(value).a.data(), turned.a.data());
    const Matrix expected = dense::transpose(lower(lam)) * value;
    CHECK_ERROR("left", dense::relative_difference(out, expected), kTolerance);
    CHECK_ERROR("left_transposed", dense::relative_difference(turned, expected), kTolerance);
  });
}

TEST(template_from_the_right) {
  each_size([](Random& random, int s, int rows) {
    const int lead = rows + 3;
    const Matrix lam = random_template(random, s), value = random_matrix(random, rows, s);
    const Matrix before = random_matrix(random, lead, s), product = value * lower(lam);
    Matrix out = before, expected = before;
    for (int c = 0; c < s; ++c)
      for (int r = 0; r < rows; ++r) expected(r, c) += product(r, c);
    blocks::add_right(rows, s, value.a.data(), lam.a.data(), out.a.data(), lead);
    CHECK_ERROR("add_right", dense::relative_difference(out, expected), kTolerance);
  });
}

TEST(products_are_added) {
  each_size([](Random& random, int s, int t) {
    const int inner = 4;
    const Matrix a = random_matrix(random, inner, s), b = random_matrix(random, inner, t);
    const Matrix before = random_matrix(random, s, t);
    Matrix out = before;
    blocks::add_transposed_product(inner, s, t, a.a.data(), b.a.data(), out.a.data());
    CHECK_ERROR("add_transposed_product", dense::relative_difference(out, before + dense::transpose(a) * b),
                kTolerance);
    out = before;
    blocks::add_product(s, inner, t, dense::transpose(a).a.data(), b.a.data(), out.a.data());
    CHECK_ERROR("add_product", dense::relative_difference(out, before + dense::transpose(a) * b), kTolerance);
  });
}

}  // namespace
