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

// Variances of the components over that of the residual, by tr(M V_i M V_j) x = y'M V_i M y with the residual last.
// Nothing when the equations are nearly singular, NaN where the start is not plainly the root of the ratio.
std::vector<double> ratios(const Structure& s, const std::vector<int>& kept) {
  const auto M = residual_maker(s, kept), Z = reference::weighted_Z<double>(s);
  const auto xy = reference::fixed_and_response<double>(s, kept);
  std::vector<Matrix<double>> parts;
  for (const mm::ThetaEntry& e : s.entries()) {
    if (e.row != e.column) continue;
    Matrix<double> columns(s.n, s.factors[e.factor].levels);
    int first = 0;
    for (int f = 0; f < e.factor; ++f) first += s.factors[f].levels * s.factors[f].width();
    for (int l = 0; l < columns.cols; ++l)
      for (int i = 0; i < s.n; ++i) columns(i, l) = Z(i, first + l * s.factors[e.factor].width() + e.row);
    const auto whole = columns * dense::transpose(columns);
    parts.push_back(M * whole * M);
    if (dense::largest(parts.back()) < 1e-8 * dense::largest(whole)) return {};
  }
  parts.push_back(M);
  const int c = static_cast<int>(parts.size());
  Matrix<double> system(c, c), right(c, 1), y(s.n, 1);
  for (int i = 0; i < s.n; ++i) y(i, 0) = xy(i, xy.cols - 1);
  const auto My = M * y;
  for (int i = 0; i < c; ++i) {
    for (int j = 0; j < c; ++j) system(i, j) = dense::trace_of_product(parts[i], parts[j]);
    right(i, 0) = (dense::transpose(My) * parts[i] * My)(0, 0);
  }
  const auto L = dense::cholesky(system);
  for (int i = 0; i < c; ++i)
    if (!(L(i, i) * L(i, i) > 1e-4 * system(i, i))) return {};
  const auto x = dense::solve_lower_transposed(L, dense::solve_lower(L, right));
  std::vector<double> out;
  for (int i = 0; i + 1 < c; ++i) {
    // What would explain more than there is has a limit; below a floor and without a residual it is another start.
    const bool plain = x(i, 0) * system(i, c - 1) < 0.999 * right(c - 1, 0) && x(c - 1, 0) > 0;
    out.push_back(plain ? x(i, 0) / x(c - 1, 0) : NAN);
  }
  return out;
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
