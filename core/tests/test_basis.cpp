// The orthogonal basis of the fixed-effects columns: rank, orthogonality, least squares.
#include <algorithm>

#include "check.hpp"
#include "dense.hpp"
#include "products/basis.hpp"
#include "random.hpp"
#include "reference_pls.hpp"
#include "structures.hpp"

namespace {

using Columns = std::vector<std::vector<double>>;

Structure fixed_only(Columns x, std::vector<double> y) {
  Structure s;
  s.n = static_cast<int>(y.size());
  s.x = std::move(x);
  s.y = std::move(y);
  return s;
}

std::vector<int> kept(Columns x, std::uint64_t seed = 9) {
  Random random(seed);
  const std::size_t n = x.front().size();
  const Structure s = fixed_only(std::move(x), random.normals(n));
  return mm::orthogonalize(s.rows()).kept;
}

std::vector<double> map(const std::vector<double>& x, double scale, double shift) {
  std::vector<double> out;
  for (double v : x) out.push_back(scale * v + shift);
  return out;
}

std::vector<double> sum(const std::vector<double>& a, const std::vector<double>& b, double factor) {
  std::vector<double> out(a);
  for (std::size_t i = 0; i < b.size(); ++i) out[i] += factor * b[i];
  return out;
}

std::vector<int> all(int p) {
  std::vector<int> out(p);
  for (int j = 0; j < p; ++j) out[j] = j;
  return out;
}

TEST(first_of_a_dependent_set_is_kept) {
  Random random(1);
  for (int n : {20, 3000}) {  // one block of rows, and several
    const std::vector<double> one(n, 1.0), a = random.normals(n), b = random.normals(n);
    CHECK((kept({one, a, b}) == std::vector<int>{0, 1, 2}));
    CHECK((kept({one, a, map(a, 2, 0), b}) == std::vector<int>{0, 1, 3}));
    CHECK((kept({one, a, map(a, 1e-7, 3e5), b}) == std::vector<int>{0, 1, 3}));
    CHECK((kept({a, b, sum(a, b, -0.7), one}) == std::vector<int>{0, 1, 3}));
    CHECK((kept({sum(a, b, 1e6), a, b, one}) == std::vector<int>{0, 1, 3}));
    CHECK((kept({one, std::vector<double>(n, 0.0), a}) == std::vector<int>{0, 2}));
    CHECK((kept({std::vector<double>(n, 0.0)}).empty()));
    CHECK((kept({one, one, one}) == std::vector<int>{0}));
  }
}

TEST(indicator_columns_of_a_factor_beside_the_intercept) {
  const int n = 60;
  Columns x{std::vector<double>(n, 1.0)};
  for (int level = 0; level < 4; ++level) {
    x.emplace_back(n, 0.0);
    for (int i = level; i < n; i += 4) x.back()[i] = 1;
  }
  CHECK((kept(x) == std::vector<int>{0, 1, 2, 3}));
}

TEST(a_column_is_not_dropped_for_its_offset_or_scale) {
  Random random(2);
  for (int n : {10, 40, 2000}) {
    const std::vector<double> one(n, 1.0), a = random.normals(n), b = random.normals(n), c = random.normals(n);
    for (double shift : {1e3, 1e6, 1e9, -1e9}) {
      CHECK(kept({one, map(a, 1, shift), b}) == all(3));
      CHECK(kept({map(a, 1, shift), one, b}) == all(3));
    }
    CHECK(kept({one, map(a, 1, 1e9), map(b, 1, 1e9), map(c, 1, -1e9)}) == all(4));
    for (double scale : {1e-6, 1e6, 1e-12, 1e12}) {
      CHECK(kept({one, map(a, scale, 0), map(b, 1 / scale, 0), c}) == all(4));
      CHECK(kept({map(a, scale, 0), one, c, map(a, 1 / scale, 0)}) == all(3));
    }
  }
}

TEST(a_polynomial_of_years_keeps_its_rank) {
  const int n = 200;
  std::vector<double> one(n, 1.0), year(n), square(n), cube(n);
  for (int i = 0; i < n; ++i) {
    year[i] = 1900 + i % 100;
    square[i] = year[i] * year[i];
    cube[i] = year[i] * square[i];
  }
  CHECK(kept({one, year, square}) == all(3));
  CHECK(kept({one, year, square, cube}) == all(4));
}

TEST(basis_is_orthonormal_and_spans_the_columns) {
  for (int n : {30, 700, 1500}) {
    for (int p : {0, 1, 5}) {
      Random random(n + p);
      Structure s = structures::crossed(n + p, n, {{3, {1}}}, p);
      for (int i = 0; i < n; ++i) s.w.push_back(random.uniform(0.1, 4));
      s.offset = random.normals(n);
      const mm::Rows rows = s.rows();
      const mm::OrthogonalBasis basis = mm::orthogonalize(rows);
      CHECK(basis.p() == p && !basis.fits_exactly);
      mm::BasisRows source(rows, basis, n);
      const double* block = source.block(0, n);
      dense::Matrix<double> Q(n, p), r(n, 1), R(p, p), X(n, p);
      for (int i = 0; i < n; ++i) {
        for (int j = 0; j < p; ++j) Q(i, j) = std::sqrt(s.w[i]) * block[i * (p + 1) + j];
        for (int j = 0; j < p; ++j) X(i, j) = std::sqrt(s.w[i]) * s.x[j][i];
        r(i, 0) = std::sqrt(s.w[i]) * block[i * (p + 1) + p];
      }
      R.a = basis.R;
      for (int j = 0; j < p; ++j) CHECK(R(j, j) > 0);
      CHECK_ERROR("Q'Q", dense::relative_difference(dense::transpose(Q) * Q, dense::identity<double>(p)), 1e-12);
      CHECK_ERROR("Q R", dense::relative_difference(Q * R, X), 1e-13);
      CHECK_ERROR("Q'r", dense::largest(dense::transpose(Q) * r) / basis.residual_norm, 1e-12);
      CHECK_ERROR("|r|", check::relative(basis.residual_norm, std::sqrt((dense::transpose(r) * r)(0, 0))), 1e-12);
      // Coefficients relative to least squares are zero at the least-squares fit, which the normal equations give.
      std::vector<double> zero(p, 0.0), beta(p);
      basis.to_original(zero.data(), beta.data());
      const auto xy = reference::fixed_and_response<long double>(s, all(p));
      for (int j = 0; j < p; ++j) {
        long double slope = 0;
        for (int i = 0; i < n; ++i) {
          long double e = xy(i, p);
          for (int l = 0; l < p; ++l) e -= xy(i, l) * beta[l];
          slope += xy(i, j) * e;
        }
        CHECK_ERROR("X'e", std::abs(static_cast<double>(slope)) / basis.response_norm, 1e-12);
      }
    }
  }
}

TEST(a_response_in_the_span_is_said_to_fit_exactly) {
  Random random(5);
  for (int n : {15, 1200})
    for (double scale : {1e-6, 1.0, 1e6}) {
      const std::vector<double> one(n, 1.0), a = random.normals(n), b = random.normals(n);
      std::vector<double> y = map(sum(a, b, -2), scale, 3 * scale);
      CHECK(mm::orthogonalize(fixed_only({one, a, b}, y).rows()).fits_exactly);
      CHECK(!mm::orthogonalize(fixed_only({one, a}, y).rows()).fits_exactly);
      CHECK(!mm::orthogonalize(fixed_only({}, y).rows()).fits_exactly);
      y = sum(y, random.normals(n), 1e-7 * scale);
      CHECK(!mm::orthogonalize(fixed_only({one, a, b}, y).rows()).fits_exactly);
    }
  CHECK(mm::orthogonalize(fixed_only({}, std::vector<double>(5, 0.0)).rows()).fits_exactly);
  CHECK(mm::orthogonalize(fixed_only({std::vector<double>(5, 1.0)}, std::vector<double>(5, 1e8)).rows()).fits_exactly);
}

TEST(more_columns_than_rows) {
  Random random(6);
  Columns x;
  for (int j = 0; j < 8; ++j) x.push_back(random.normals(5));
  CHECK(kept(x) == all(5));
}

}  // namespace
