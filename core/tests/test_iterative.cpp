// The estimator against the factor: with a basis of the whole space nothing is estimated, so that every number must
// agree; with a smaller one, within the errors that it states.
#include <algorithm>
#include <cmath>

#include "check.hpp"
#include "iterative/estimator.hpp"
#include "reference_pls.hpp"

namespace {

using structures::Point;

constexpr mm::Likelihood kCriteria[] = {mm::Likelihood::ml, mm::Likelihood::reml};
constexpr int kWhole = 1 << 20;

double largest(const std::vector<double>& a) {
  double out = 0;
  for (double v : a) out = std::fmax(out, std::abs(v));
  return out;
}

double difference(const std::vector<double>& actual, const std::vector<double>& expected, double least = 1.0) {
  double out = actual.size() == expected.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < std::min(actual.size(), expected.size()); ++i) {
    const double d = std::abs(actual[i] - expected[i]);
    if (!(d <= out)) out = d;
  }
  return out / std::fmax(largest(expected), least);
}

std::vector<double> gradient_of(mm::Criterion& f, const std::vector<double>& theta, mm::Likelihood likelihood) {
  std::vector<double> out(theta.size());
  f.use(likelihood).value(theta.data());
  f.gradient(out.data());
  return out;
}

void compare_everything(const Stages& stages, const std::vector<double>& theta) {
  mm::Criterion exact(stages.model, mm::Likelihood::ml);
  mm::Estimator found(stages.A, stages.model.entries, 1, 1);
  CHECK(found.prepare(theta.data(), {kWhole, 2}));
  CHECK(found.update(theta.data()));
  for (mm::Likelihood likelihood : kCriteria) {
    const double value = exact.use(likelihood).value(theta.data());
    CHECK_ERROR("value", std::abs(found.criterion(likelihood) - value), 1e-7 * std::abs(value) + 1e-7);
    std::vector<double> slope(theta.size());
    found.gradient(likelihood, slope.data());
    CHECK_ERROR("gradient", difference(slope, gradient_of(exact, theta, likelihood)), 1e-7);
  }
  exact.value(theta.data());
  CHECK_ERROR("standard error", found.standard_error(), 1e-6);
  CHECK_ERROR("beta", difference(found.beta(), exact.pls().beta()), 1e-8);
  CHECK_ERROR("u", difference(found.u(), exact.pls().u()), 1e-7);
  CHECK_ERROR("b", difference(found.b(), exact.pls().b()), 1e-7);
  CHECK_ERROR("pwrss", check::relative(found.pwrss(), exact.pls().pwrss()), 1e-9);
  const std::size_t p = stages.A.p;
  std::vector<double> fixed(theta.size() * p * p), expected(fixed);
  found.fixed_derivatives(fixed.data());
  exact.pls().fixed_derivatives(expected.data());
  CHECK_ERROR("derivatives of X'V^-1X", difference(fixed, expected), 1e-7);
  exact.pls().ensure_inverse();
  for (std::size_t f = 0; f < stages.A.factors.size(); ++f) {
    std::vector<double> mine(stages.A.factors[f].diagonal.size()), theirs(mine);
    found.conditional_covariance(static_cast<int>(f), mine.data());
    exact.pls().conditional_covariance(static_cast<int>(f), theirs.data());
    CHECK_ERROR("conditional covariances", difference(mine, theirs, 1e-3), 1e-7);
  }
}

TEST(a_basis_of_the_whole_space_leaves_nothing_to_estimate) {
  for (std::uint64_t seed = 0; seed < 80; ++seed) {
    const Structure s = structures::random(seed);
    const Stages stages(s);
    Random random(seed + 500);
    for (Point point : structures::kPoints) {
      check::at("seed " + std::to_string(seed) + s.kind + " point " + std::to_string(static_cast<int>(point)));
      compare_everything(stages, structures::theta(random, s, point));
    }
  }
}

}  // namespace
