// Cross-products in blocks, and products with a reference point, against dense matrices.
#include <algorithm>

#include "check.hpp"
#include "reference_pls.hpp"
#include "structures.hpp"

namespace {

using dense::Matrix;
using Real = long double;

// sqrt(W) [X R^-1, y - X beta_ls] with more digits, from the basis's own R and c.
Matrix<Real> basis_and_residual(const Structure& s, const mm::OrthogonalBasis& basis) {
  const int p = basis.p();
  const auto xy = reference::fixed_and_response<Real>(s, basis.kept);
  Matrix<Real> out(s.n, p + 1);
  for (int i = 0; i < s.n; ++i) {
    out(i, p) = xy(i, p);
    for (int j = 0; j < p; ++j) {
      Real value = xy(i, j);
      for (int l = 0; l < j; ++l) value -= out(i, l) * basis.R[l + j * p];
      out(i, j) = value / basis.R[j + j * p];
      out(i, p) -= out(i, j) * basis.c[j];
    }
  }
  return out;
}

// Z'WZ (q x q) put together from the blocks.
Matrix<double> assembled(const mm::CrossProducts& A) {
  const int q = static_cast<int>(A.q);
  Matrix<double> out(q, q);
  for (const mm::FactorBlock& f : A.factors)
    for (int l = 0; l < f.levels; ++l)
      for (int c = 0; c < f.width; ++c)
        for (int r = 0; r < f.width; ++r) {
          const int at = static_cast<int>(f.offset) + l * f.width;
          out(at + r, at + c) = f.diagonal[(l * f.width + c) * f.width + r];
        }
  for (const mm::PairBlock& pair : A.pairs) {
    const mm::FactorBlock &a = A.factors[pair.a], &b = A.factors[pair.b];
    for (int l = 0; l < a.levels; ++l)
      for (std::int64_t t = pair.start[l]; t < pair.start[l + 1]; ++t)
        for (int c = 0; c < a.width; ++c)
          for (int r = 0; r < b.width; ++r) {
            const int row = static_cast<int>(b.offset) + pair.level_b[t] * b.width + r;
            const int column = static_cast<int>(a.offset) + l * a.width + c;
            out(row, column) = out(column, row) = pair.values[(t * a.width + c) * b.width + r];
          }
  }
  return out;
}

void check_structure(const Structure& s) {
  const Stages stages(s);
  const mm::CrossProducts& A = stages.A;
  const int p = A.p, k = A.k();
  const auto Z = reference::weighted_Z<Real>(s);
  const auto xy = basis_and_residual(s, stages.basis);
  CHECK(A.n == s.n && A.q == s.q() && p == stages.basis.p());
  CHECK_ERROR("Z'WZ", dense::relative_difference(assembled(A), dense::transpose(Z) * Z), 1e-13);
  Matrix<double> ZtX(static_cast<int>(A.q), k), XtX(k, k);
  for (int i = 0; i < ZtX.rows; ++i)
    for (int j = 0; j < k; ++j) ZtX(i, j) = A.ZtX[static_cast<std::size_t>(i) * k + j];
  XtX.a = A.XtX;
  CHECK_ERROR("Z'W[X y]", dense::relative_difference(ZtX, dense::transpose(Z) * xy), 1e-12);
  CHECK_ERROR("[X y]'W[X y]", dense::relative_difference(XtX, dense::transpose(xy) * xy), 1e-12);
  double log_weights = 0, logdet = 0;
  for (int i = 0; i < s.n; ++i) log_weights += std::log(s.weight(i));
  for (int j = 0; j < p; ++j) logdet += 2 * std::log(stages.basis.R[j * (p + 1)]);
  CHECK_ERROR("sum of log weights", check::relative(A.sum_log_weights, log_weights), 1e-13);
  CHECK_ERROR("log |R|^2", check::relative(A.logdet_R2, logdet), 1e-13);
  for (const mm::PairBlock& pair : A.pairs)
    for (int l = 0; l < A.factors[pair.a].levels; ++l)
      for (std::int64_t t = pair.start[l] + 1; t < pair.start[l + 1]; ++t) CHECK(pair.level_b[t - 1] < pair.level_b[t]);
}

TEST(random_structures) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    check::at("seed " + std::to_string(seed));
    check_structure(structures::random(seed));
  }
}

TEST(several_blocks_of_rows) {
  check_structure(structures::crossed(1, 1100, {{40, {2}}, {9, {1, 1}}, {5, {3}}}, 3));
  check_structure(structures::nested(2, 1024, {{60, {1}}, {8, {2}}}, 0));
}

// Enough rows for several ranges of them.
TEST(ranges_of_rows_and_threads) {
  const Structure s = structures::crossed(5, 210000, {{50, {1}}, {20, {2}}}, 3);
  const mm::Rows rows = s.rows();
  const mm::OrthogonalBasis basis = mm::orthogonalize(rows);
  const mm::CrossProducts A = mm::cross_products(rows, basis);
  for (int threads : {2, 3}) {
    const mm::OrthogonalBasis other = mm::orthogonalize(rows, threads);
    CHECK(other.R == basis.R && other.c == basis.c && other.residual_norm == basis.residual_norm);
    const mm::CrossProducts B = mm::cross_products(rows, basis, threads);
    CHECK(B.XtX == A.XtX && B.ZtX == A.ZtX && B.sum_log_weights == A.sum_log_weights);
    for (int f = 0; f < 2; ++f) CHECK(B.factors[f].diagonal == A.factors[f].diagonal);
    CHECK(std::ranges::equal(B.pairs[0].start, A.pairs[0].start));
    CHECK(std::ranges::equal(B.pairs[0].level_b, A.pairs[0].level_b));
    CHECK(B.pairs[0].values == A.pairs[0].values);
  }
  std::vector<Real> cells(50 * 20 * 2, 0), zy(50, 0);
  mm::BasisRows source(rows, basis, 1);
  for (int i = 0; i < s.n; ++i) {
    for (int c = 0; c < 2; ++c) cells[(s.factors[0].codes[i] * 20 + s.factors[1].codes[i]) * 2 + c] += s.z(1, c, i);
    const double* row = source.block(i, 1);
    zy[s.factors[0].codes[i]] += row[3];
  }
  double worst = 0;
  for (int l = 0; l < 50; ++l)
    for (std::int64_t t = A.pairs[0].start[l]; t < A.pairs[0].start[l + 1]; ++t)
      for (int c = 0; c < 2; ++c)
        worst = std::max(worst, std::abs(A.pairs[0].values[t * 2 + c] -
                                         static_cast<double>(cells[(l * 20 + A.pairs[0].level_b[t]) * 2 + c])));
  CHECK_ERROR("pairs over ranges", worst, 1e-10);
  worst = 0;
  for (int l = 0; l < 50; ++l) worst = std::max(worst, std::abs(A.ZtX[l * 4 + 3] - static_cast<double>(zy[l])));
  CHECK_ERROR("Z'y over ranges", worst, 1e-9);
}

TEST(another_response) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    check::at("seed " + std::to_string(seed));
    const Structure s = structures::random(seed);
    Structure other = s;
    Random random(seed + 77);
    for (double& y : other.y) y = 100 * (seed % 3) + random.normal();
    const Stages stages(s), expected(other);
    mm::OrthogonalBasis basis = stages.basis;
    mm::CrossProducts A = stages.A;
    mm::renew_response(expected.rows, basis, A);
    CHECK(basis.kept == expected.basis.kept && basis.R == expected.basis.R);
    auto difference = [](const std::vector<double>& a, const std::vector<double>& b) {
      double worst = 0;
      for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, check::relative(a[i], b[i]));
      return worst;
    };
    CHECK_ERROR("renewed c", difference(basis.c, expected.basis.c), 1e-12);
    CHECK_ERROR("renewed Z'W[X y]", difference(A.ZtX, expected.A.ZtX), 1e-10);
    CHECK_ERROR("renewed [X y]'W[X y]", difference(A.XtX, expected.A.XtX), 1e-10);
  }
}

TEST(pairs_are_those_that_occur) {
  const Structure s = structures::partially_crossed(3, 40, 10, 3, 2);
  const Stages stages(s);
  for (const mm::PairBlock& pair : stages.A.pairs) {
    std::vector<bool> seen(s.factors[pair.a].levels * s.factors[pair.b].levels, false);
    std::int64_t count = 0;
    for (int i = 0; i < s.n; ++i) {
      auto cell = seen[s.factors[pair.a].codes[i] * s.factors[pair.b].levels + s.factors[pair.b].codes[i]];
      if (!cell) ++count;
      cell = true;
    }
    CHECK(static_cast<std::int64_t>(pair.level_b.size()) == count && pair.start.back() == count);
  }
}

TEST(products_with_a_reference_point) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    check::at("seed " + std::to_string(seed));
    const Structure s = structures::random(seed);
    const Stages stages(s);
    const int p = stages.A.p, q = s.q();
    Random random(seed + 1000);
    const std::vector<double> b = random.normals(q), beta = random.normals(p);
    const mm::ReferencePoint point = mm::reference_point(stages.rows, stages.basis, stages.A, b.data(), beta.data());
    const auto Z = reference::weighted_Z<Real>(s);
    const auto xy = basis_and_residual(s, stages.basis);
    Matrix<Real> r(s.n, 1), X(s.n, p);
    for (int i = 0; i < s.n; ++i) {
      r(i, 0) = xy(i, p);
      for (int j = 0; j < p; ++j) r(i, 0) -= (X(i, j) = xy(i, j)) * beta[j];
      for (int j = 0; j < q; ++j) r(i, 0) -= Z(i, j) * b[j];
    }
    Matrix<double> Ztr(q, 1), Xtr(p, 1), rtr(1, 1);
    Ztr.a = point.Ztr;
    Xtr.a = point.Xtr;
    rtr.a = {point.rtr};
    CHECK(point.b == b && point.beta == beta);
    CHECK_ERROR("Z'Wr", dense::relative_difference(Ztr, dense::transpose(Z) * r), 1e-12);
    CHECK_ERROR("X'Wr", dense::relative_difference(Xtr, dense::transpose(X) * r), 1e-12);
    CHECK_ERROR("r'Wr", dense::relative_difference(rtr, dense::transpose(r) * r), 1e-12);
  }
}

TEST(multiplication_by_the_products) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const Structure s = structures::random(seed);
    const Stages stages(s);
    const int q = s.q();
    for (int k : {1, 3}) {
      Random random(seed);
      const std::vector<double> in = random.normals(static_cast<std::size_t>(q) * k);
      std::vector<double> out(in.size(), NAN);
      mm::multiply_products(stages.A, in.data(), out.data(), k);
      Matrix<double> rows(q, k), actual(q, k);
      for (int i = 0; i < q; ++i)
        for (int j = 0; j < k; ++j) rows(i, j) = in[i * k + j], actual(i, j) = out[i * k + j];
      CHECK_ERROR("Z'WZ v", dense::relative_difference(actual, assembled(stages.A) * rows), 1e-13);
    }
  }
}

}  // namespace
