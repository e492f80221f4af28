// Values of rows against the hat matrix made densely, and against fits without a row at the same theta.
#include "after/leverage.hpp"
#include "check.hpp"
#include "reference_pls.hpp"

namespace {

using dense::Matrix;
using Real = long double;

// I - W^-1/2 V^-1 [..] W^-1/2 from its definition: P = V^-1 - V^-1 X (X'V^-1X)^-1 X'V^-1 in units of weight one.
struct Truth {
  Matrix<Real> inverse, P, direction;
};

Truth truth_of(const Stages& stages, const std::vector<double>& theta) {
  const Structure& s = stages.structure;
  const std::vector<int>& kept = stages.basis.kept;
  const int p = static_cast<int>(kept.size());
  const Matrix<Real> xy = reference::fixed_and_response<Real>(s, kept);
  Matrix<Real> X(s.n, p);
  std::copy_n(xy.a.begin(), X.a.size(), X.a.begin());
  Truth out;
  out.inverse = dense::inverse_from_cholesky(
      dense::cholesky(reference::marginal(s, std::vector<Real>(theta.begin(), theta.end()))));
  out.P = out.inverse;
  if (p == 0) return out;
  const Matrix<Real> VX = out.inverse * X;
  out.direction = VX * dense::inverse_from_cholesky(dense::cholesky(dense::transpose(X) * VX));
  out.P = out.inverse - out.direction * dense::transpose(VX);
  return out;
}

TEST(random_structures) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Structure s = structures::random(seed);
    const Stages stages(s);
    mm::Criterion f(stages.model, mm::Likelihood::ml);
    Random random(seed + 500);
    for (structures::Point point : structures::kPoints) {
      const std::vector<double> theta = structures::theta(random, s, point);
      check::at("seed " + std::to_string(seed) + s.kind + " point " + std::to_string(static_cast<int>(point)));
      f.use(mm::Likelihood::ml).value(theta.data());
      const mm::RowValues found = mm::row_values(f.pls(), true);
      const Truth truth = truth_of(stages, theta);
      const Matrix<Real> xy = reference::fixed_and_response<Real>(s, stages.basis.kept);
      const Matrix<Real> U = reference::weighted_Z<Real>(s) * s.Lambda(std::vector<Real>(theta.begin(), theta.end()));
      const int p = stages.basis.p();
      for (int i = 0; i < s.n; ++i) {
        Real residual = 0, prior = 0;
        for (int j = 0; j < s.n; ++j) residual += truth.P(i, j) * xy(j, p);
        for (int j = 0; j < U.cols; ++j) prior += U(i, j) * U(i, j);
        const auto near = [](double a, Real b) { return std::abs(a - static_cast<double>(b)); };
        CHECK_ERROR("hat value", near(found.random[i] + found.fixed[i], 1 - truth.P(i, i)), 1e-12);
        CHECK_ERROR("random part", near(found.random[i], 1 - truth.inverse(i, i)), 1e-12);
        CHECK_ERROR("residual", near(found.residual[i], residual), 1e-11);
        CHECK_ERROR("prior variance", near(found.prior[i] * s.weight(i), prior) / (1 + static_cast<double>(prior)),
                    1e-13);
        // The row of the generalised inverse of X that the random effects leave.
        for (int j = 0; j < p; ++j)
          CHECK_ERROR("direction", near(found.direction[i * p + j], truth.direction(i, j)), 1e-11);
      }
    }
  }
}

TEST(threads_change_nothing) {
  const Structure s = structures::crossed(3, 30000, {{60, {2}}, {40, {1}}}, 3);
  const Stages stages(s);
  const std::vector<double> theta{0.7, -0.3, 0.5, 1.1};
  std::vector<double> first;
  for (int threads : {1, 2, 3}) {
    mm::Criterion f(stages.model, mm::Likelihood::ml, threads);
    f.use(mm::Likelihood::ml).value(theta.data());
    const mm::RowValues found = mm::row_values(f.pls(), false);
    if (threads == 1) first = found.fixed;
    double worst = 0;
    for (int i = 0; i < s.n; ++i) worst = std::max(worst, std::abs(found.fixed[i] - first[i]));
    CHECK_ERROR("threads", worst, 1e-15);
  }
}

}  // namespace
