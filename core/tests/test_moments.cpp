// The start for theta against the moment equations written out with dense matrices.
#include <algorithm>

#include "check.hpp"
#include "mixedmodels/moments.hpp"
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

// Variances of the components over that of the residual, by E y'M Z_i w_i Z_i'M y = sum of tr(M Z_i w_i Z_i' M V_j) x_j
// with the residual last: first with all weights one, then with w = 1 / (1 + ratio Z_i'Z_i)^2 level by level. Nothing
// when the equations are nearly singular, NaN where the start is not plainly the root of the ratio.
std::vector<double> ratios(const Structure& s, const std::vector<int>& kept) {
  const auto M = residual_maker(s, kept), Z = reference::weighted_Z<double>(s);
  const auto xy = reference::fixed_and_response<double>(s, kept);
  std::vector<Matrix<double>> columns, parts;
  std::vector<double> floors;
  for (const mm::ThetaEntry& e : s.entries()) {
    if (e.row != e.column) continue;
    Matrix<double> own(s.n, s.factors[e.factor].levels);
    int first = 0;
    for (int f = 0; f < e.factor; ++f) first += s.factors[f].levels * s.factors[f].width();
    double total = 0;
    for (int l = 0; l < own.cols; ++l)
      for (int i = 0; i < s.n; ++i) {
        own(i, l) = Z(i, first + l * s.factors[e.factor].width() + e.row);
        total += own(i, l) * own(i, l);
      }
    floors.push_back(0.25 * own.cols / total);
    const auto whole = own * dense::transpose(own);
    columns.push_back(own);
    parts.push_back(M * whole * M);
    if (dense::largest(parts.back()) < 1e-8 * dense::largest(whole)) return {};
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
    if (x.empty()) return {};
    for (int i = 0; i + 1 < c; ++i) {
      // What would explain more than there is has a limit; below a floor and without a residual it is another start.
      const bool plain = x[i] * system(c - 1, i) < 0.999 * right(c - 1, 0) && x[c - 1] > 0;
      found[i] = plain ? std::max(x[i] / x[c - 1], floors[i]) : NAN;
    }
  }
  return found;
}

TEST(moment_equations) {
  int compared = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Structure s = structures::random(seed);
    check::at("seed " + std::to_string(seed) + s.kind);
    const Stages stages(s);
    const std::vector<double> start = mm::moment_start(stages.A, s.entries());
    const std::vector<double> expected = ratios(s, stages.basis.kept);
    std::size_t component = 0;
    for (std::size_t e = 0; e < start.size() && !expected.empty(); ++e) {
      if (s.entries()[e].row != s.entries()[e].column) {
        CHECK(start[e] == 0);
        continue;
      }
      const double ratio = expected[component++];
      CHECK(start[e] > 0);
      if (!(ratio > 0.5)) continue;
      ++compared;
      CHECK_ERROR("start", check::relative(start[e], std::sqrt(ratio), 0.0), 1e-8);
    }
  }
  CHECK(compared >= 10);
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
  const double start = mm::moment_start(stages.A, s.entries())[0];
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
  const std::vector<double> start = mm::moment_start(stages.A, s.entries());
  for (std::size_t e = 0; e < start.size(); ++e)
    CHECK(s.entries()[e].row == s.entries()[e].column ? start[e] > 0.01 && start[e] < 100 : start[e] == 0);
}

// The residual is not estimated well beside effects so much larger, but the start says that they are large.
TEST(large_effects) {
  Structure s = structures::crossed(2, 300, {{20, {1}}}, 2);
  Random random(8);
  const std::vector<double> b = random.normals(20);
  for (double ratio : {1e2, 1e4}) {
    for (int i = 0; i < s.n; ++i) s.y[i] = random.normal() + ratio * b[s.factors[0].codes[i]];
    const Stages stages(s);
    const double start = mm::moment_start(stages.A, s.entries())[0];
    CHECK(start >= 1 && start < 1e5);
  }
}

TEST(a_start_is_always_usable) {
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const Structure s = structures::random(seed);
    check::at("seed " + std::to_string(seed) + s.kind);
    const Stages stages(s);
    mm::Evaluator f(stages.rows, stages.basis, stages.A, stages.symbolic, s.entries());
    const std::vector<double> start = f.start();
    CHECK(std::isfinite(f.value(start.data(), mm::Criterion::reml)));
    for (double t : start) CHECK(t >= 0 && t < 1e3);
  }
}

}  // namespace
