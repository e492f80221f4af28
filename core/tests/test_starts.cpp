// The start for theta against the moment equations written out with dense matrices.
#include <algorithm>

#include "check.hpp"
#include "criterion/starts.hpp"
#include "reference_pls.hpp"
#include "structures.hpp"

namespace {

using dense::Matrix;

// M = I - Q Q' for the weighted fixed-effects columns.
Matrix<double> residual_maker(const Structure& s, const std::vector<int>& kept) {
  const auto xy = reference::fixed_and_response<double>(s, kept);
  Matrix<double> X(s.n, xy.cols - 1);
  std::copy_n(xy.a.begin(), X.a.size(), X.a.begin());
  const auto Q = dense::transpose(dense::solve_lower(dense::cholesky(dense::transpose(X) * X), dense::transpose(X)));
  return dense::identity<double>(s.n) - Q * dense::transpose(Q);
}

// x of a x = b by elimination with pivots; nothing when one is small.
std::vector<double> solve(Matrix<double> a, Matrix<double> b) {
  const int n = a.rows;
  for (int k = 0; k < n; ++k) {
    int pivot = k;
    double size = 0;
    for (int i = 0; i < n; ++i) size = std::max(size, std::abs(a(i, k)));
    for (int i = k + 1; i < n; ++i)
      if (std::abs(a(i, k)) > std::abs(a(pivot, k))) pivot = i;
    if (!(std::abs(a(pivot, k)) > 1e-4 * size)) return {};
    for (int j = 0; j < n; ++j) std::swap(a(k, j), a(pivot, j));
    std::swap(b(k, 0), b(pivot, 0));
    for (int i = 0; i < n; ++i) {
      if (i == k) continue;
      const double factor = a(i, k) / a(k, k);
      for (int j = k; j < n; ++j) a(i, j) -= factor * a(k, j);
      b(i, 0) -= factor * b(k, 0);
    }
  }
  std::vector<double> x;
  for (int k = 0; k < n; ++k) x.push_back(b(k, 0) / a(k, k));
  return x;
}

// Of a factor, T unit lower triangular with T Z'Z T' diagonal, Z'Z summed over the levels.
Matrix<double> orthogonal_axes(const Structure& s, const Matrix<double>& Z, int factor, int first) {
  const int width = s.factors[factor].width();
  Matrix<double> sums(width, width);
  for (int l = 0; l < s.factors[factor].levels; ++l)
    for (int c = 0; c < width; ++c)
      for (int d = 0; d < width; ++d)
        for (int i = 0; i < s.n; ++i) sums(c, d) += Z(i, first + l * width + c) * Z(i, first + l * width + d);
  auto L = dense::cholesky(sums);
  for (int c = 0; c < width; ++c) {
    const double pivot = L(c, c);
    for (int r = 0; r < width; ++r) L(r, c) /= pivot;
  }
  return dense::solve_lower(L, dense::identity<double>(width));
}

struct Expected {
  std::vector<double> ratios;        // of the orthogonal columns, factor by factor; see below
  std::vector<Matrix<double>> axes;  // T of every factor
};

// Variances of the components over that of the residual, by E y'M Z_i w_i Z_i'M y = sum of tr(M Z_i w_i Z_i' M V_j) x_j
// with the residual last: first with all weights one, then with w = 1 / (1 + ratio Z_i'Z_i)^2 level by level. No ratios
// when the equations are nearly singular, NaN where the start is not plainly the root of the ratio.
Expected expected_moments(const Structure& s, const std::vector<int>& kept) {
  const auto M = residual_maker(s, kept), Z = reference::weighted_Z<double>(s);
  const auto xy = reference::fixed_and_response<double>(s, kept);
  Expected out;
  std::vector<Matrix<double>> columns, parts;
  std::vector<double> floors;
  int first = 0;
  for (int f = 0; f < static_cast<int>(s.factors.size()); ++f) {
    const int width = s.factors[f].width();
    out.axes.push_back(orthogonal_axes(s, Z, f, first));
    for (int row = 0; row < width; ++row) {
      Matrix<double> own(s.n, s.factors[f].levels);
      double total = 0;
      for (int l = 0; l < own.cols; ++l)
        for (int i = 0; i < s.n; ++i) {
          for (int c = 0; c < width; ++c) own(i, l) += out.axes[f](row, c) * Z(i, first + l * width + c);
          total += own(i, l) * own(i, l);
        }
      floors.push_back(0.25 * own.cols / total);
      const auto whole = own * dense::transpose(own);
      columns.push_back(own);
      parts.push_back(M * whole * M);
      if (dense::largest(parts.back()) < 1e-8 * dense::largest(whole)) return out;
    }
    first += s.factors[f].levels * width;
  }
  parts.push_back(M);
  const int c = static_cast<int>(parts.size());
  Matrix<double> y(s.n, 1);
  for (int i = 0; i < s.n; ++i) y(i, 0) = xy(i, xy.cols - 1);
  const auto My = M * y;
  std::vector<double> found(c - 1, 0.0);
  for (int round = 0; round < 2; ++round) {
    Matrix<double> system(c, c), right(c, 1);
    for (int i = 0; i < c; ++i) {
      Matrix<double> weighted = M;
      if (i + 1 < c) {
        Matrix<double> half = columns[i];
        for (int l = 0; l < half.cols; ++l) {
          double size = 0;
          for (int r = 0; r < s.n; ++r) size += half(r, l) * half(r, l);
          for (int r = 0; r < s.n; ++r) half(r, l) /= 1 + found[i] * size;
        }
        weighted = M * half * dense::transpose(half) * M;
      }
      for (int j = 0; j < c; ++j) system(i, j) = dense::trace_of_product(weighted, parts[j]);
      right(i, 0) = (dense::transpose(My) * weighted * My)(0, 0);
    }
    const std::vector<double> x = solve(system, right);
    if (x.empty()) return out;
    for (int i = 0; i + 1 < c; ++i) {
      // What would explain more than there is has a limit; below a floor and without a residual it is another start.
      const bool plain = x[i] * system(c - 1, i) < 0.999 * right(c - 1, 0) && x[c - 1] > 0;
      found[i] = plain ? std::max(x[i] / x[c - 1], floors[i]) : NAN;
    }
  }
  out.ratios = found;
  return out;
}

TEST(moment_equations) {
  int compared = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Structure s = structures::random(seed);
    check::at("seed " + std::to_string(seed) + s.kind);
    const Stages stages(s);
    const std::vector<double> start = mm::moment_starts(stages.A, s.entries())[0];
    for (std::size_t e = 0; e < start.size(); ++e) CHECK(s.entries()[e].row != s.entries()[e].column || start[e] > 0);
    const Expected expected = expected_moments(s, stages.basis.kept);
    if (expected.ratios.empty()) continue;
    // The covariance of each term's coefficients is its block of T' diag(ratios) T.
    const double* ratio = expected.ratios.data();
    std::vector<Matrix<double>> covariances;
    for (const Matrix<double>& T : expected.axes) {
      auto scaled = T;
      for (int r = 0; r < T.rows; ++r, ++ratio)
        for (int c = 0; c < T.cols; ++c) scaled(r, c) *= *ratio;
      covariances.push_back(dense::transpose(T) * scaled);
    }
    for (std::size_t e = 0; e < start.size();) {
      const mm::ThetaEntry corner = s.entries()[e];
      int width = 0;
      while (e + width < start.size() && s.entries()[e + width].factor == corner.factor &&
             s.entries()[e + width].column == corner.column)
        ++width;
      Matrix<double> block(width, width), L(width, width);
      for (int c = 0; c < width; ++c) {
        for (int r = 0; r < width; ++r) block(r, c) = covariances[corner.factor](corner.row + r, corner.row + c);
        for (int r = c; r < width; ++r) L(r, c) = start[e++];
      }
      if (!std::all_of(block.a.begin(), block.a.end(), [](double c) { return std::abs(c) < 1e6; })) continue;
      ++compared;
      CHECK_ERROR("start", dense::relative_difference(L * dense::transpose(L), block), 1e-7);
    }
  }
  CHECK(compared >= 10);
}

// A covariate far from zero whose slopes are a term of their own.
TEST(coupled_terms_get_two_starts) {
  Structure s = structures::crossed(1, 120, {{8, {1, 1}}});
  std::fill(s.factors[0].z[0].begin(), s.factors[0].z[0].end(), 1.0);
  const std::vector<double> x = s.factors[0].z[1];
  for (double shift : {0.0, 100.0}) {
    for (int i = 0; i < s.n; ++i) s.factors[0].z[1][i] = x[i] + shift;
    const Stages stages(s);
    const auto starts = mm::moment_starts(stages.A, s.entries());
    CHECK(starts.size() == (shift == 0 ? 1 : 2));
    if (shift > 0) CHECK(starts[1][1] < 0.1 * starts[0][1]);
  }
}

TEST(balanced_one_way_is_analysis_of_variance) {
  Random random(1);
  Structure s;
  s.n = 40;
  Structure::Factor factor;
  factor.levels = 8;
  for (int i = 0; i < s.n; ++i) factor.codes.push_back(i % 8);
  structures::add_terms(random, s, std::move(factor), {1});
  s.x.push_back(std::vector<double>(s.n, 1.0));
  const std::vector<double> b = random.normals(8);
  double total = 0, between = 0, within = 0;
  for (int i = 0; i < s.n; ++i) s.y.push_back(2 * b[i % 8] + random.normal()), total += s.y.back() / s.n;
  for (int l = 0; l < 8; ++l) {
    double mean = 0;
    for (int i = l; i < s.n; i += 8) mean += s.y[i] / 5;
    between += 5 * (mean - total) * (mean - total) / 7;
    for (int i = l; i < s.n; i += 8) within += (s.y[i] - mean) * (s.y[i] - mean) / 32;
  }
  const Stages stages(s);
  const double start = mm::moment_starts(stages.A, s.entries())[0][0];
  CHECK_ERROR("start", check::relative(start * start, (between / within - 1) / 5, 0.0), 1e-12);
}

// A grouping factor under two names, one that is constant, and one that is a column of X.
TEST(confounded_components) {
  Structure s = structures::crossed(1, 60, {{6, {1}}, {4, {2}}}, 2);
  Random random(7);
  Structure::Factor again = s.factors[0], constant = s.factors[0];
  for (auto& code : again.codes) code = 5 - code;
  for (auto& code : constant.codes) code = 0;
  constant.levels = 1;
  s.factors.push_back(again);
  s.factors.push_back(constant);
  const Stages stages(s);
  const std::vector<double> start = mm::moment_starts(stages.A, s.entries())[0];
  for (std::size_t e = 0; e < start.size(); ++e)
    CHECK(std::abs(start[e]) < 100 && (s.entries()[e].row != s.entries()[e].column || start[e] > 0.01));
}

// The residual is not estimated well beside effects so much larger, but the start says that they are large.
TEST(large_effects) {
  Structure s = structures::crossed(2, 300, {{20, {1}}}, 2);
  Random random(8);
  const std::vector<double> b = random.normals(20);
  for (double ratio : {1e2, 1e4}) {
    for (int i = 0; i < s.n; ++i) s.y[i] = random.normal() + ratio * b[s.factors[0].codes[i]];
    const Stages stages(s);
    const double start = mm::moment_starts(stages.A, s.entries())[0][0];
    CHECK(start >= 1 && start < 1e5);
  }
}

TEST(a_start_is_always_usable) {
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const Structure s = structures::random(seed);
    check::at("seed " + std::to_string(seed) + s.kind);
    const Stages stages(s);
    mm::Criterion f(stages.model, mm::Likelihood::ml);
    const std::vector<double> start = f.start();
    CHECK(std::isfinite(f.use(mm::Likelihood::reml).value(start.data())));
    for (std::size_t e = 0; e < start.size(); ++e)
      CHECK(std::abs(start[e]) < 1e3 && (s.entries()[e].row != s.entries()[e].column || start[e] > 0));
  }
}

}  // namespace
