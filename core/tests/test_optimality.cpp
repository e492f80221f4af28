// The second-order check at minima, saddles and points on the way.
#include <algorithm>

#include "check.hpp"
#include "criterion/differences.hpp"
#include "search/optimality.hpp"
#include "search/quasi_newton.hpp"
#include "search/search.hpp"
#include "structures.hpp"

namespace {

constexpr auto kMl = mm::Likelihood::ml;

struct Subject {
  Stages stages;
  mm::Criterion f;
  explicit Subject(const Structure& s) : stages(s), f(stages.model, mm::Likelihood::ml) {}
};

mm::Optimality exactly(mm::Criterion& f, const std::vector<double>& theta) {
  const std::vector<double> hessian = mm::difference_hessian(f.use(kMl), theta, false);
  return mm::check_optimum(f.use(kMl), theta, hessian, true);
}

TEST(minima_are_recognised) {
  int regular = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Structure s = structures::random(seed);
    if (s.q() > s.n) continue;
    check::at("seed " + std::to_string(seed) + s.kind);
    Subject subject(s);
    const mm::SearchResult found = mm::quasi_newton(subject.f.use(kMl), subject.f.start(), {}, {});
    const mm::Optimality v = mm::check_optimum(subject.f.use(kMl), found.theta, found.model, found.confirmed);
    CHECK_ERROR("criterion", check::relative(v.value, found.value), 1e-13);
    if (std::any_of(found.theta.begin(), found.theta.end(), [](double t) { return t == 0; })) continue;
    ++regular;
    CHECK(v.downhill.empty());
    CHECK_ERROR("decrement at a minimum", v.decrement, 1e-7);
  }
  CHECK(regular >= 5);
}

TEST(a_zero_that_is_a_saddle_shows_the_way_down) {
  const Structure s = structures::crossed(1, 120, {{12, {1}}, {8, {2}}});  // effects in every column
  Subject subject(s);
  const mm::Optimality v = exactly(subject.f, std::vector<double>(4, 0.0));
  CHECK(v.max_gradient == 0 && v.decrement == 0 && v.downhill.size() == 4);
  double lowest = INFINITY;
  for (double length : {0.3, 0.1, 0.03}) {
    std::vector<double> moved;
    for (double d : v.downhill) moved.push_back(length * d);
    lowest = std::min(lowest, subject.f.use(kMl).value(moved.data()));
  }
  CHECK(lowest < v.value);
  // A model without the zero columns does not hide it.
  std::vector<double> learnt(16, 0.0);
  for (int i = 0; i < 4; ++i) learnt[i * 5] = 1;
  CHECK(!mm::check_optimum(subject.f.use(kMl), std::vector<double>(4, 0.0), learnt, false).downhill.empty());
  // The driver leaves it, for the optimum that a search from elsewhere finds.
  const mm::Fit found = mm::settle(subject.f.use(kMl), std::vector<double>(4, 0.0), false, {}, nullptr, {});
  const mm::Fit best = mm::fit(subject.f.use(kMl), {subject.f.start()}, {}, nullptr, {});
  CHECK_ERROR("criterion", check::relative(found.optimality.value, best.optimality.value), 1e-9);
  CHECK(found.optimality.downhill.empty() && best.ended == mm::SearchStatus::converged);
}

// A search that was given up may have no model. The points it ended at are judged as with one.
TEST(a_point_without_a_model_is_judged) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const Structure s = structures::random(seed);
    if (s.q() > s.n) continue;
    check::at("seed " + std::to_string(seed) + s.kind);
    Subject subject(s);
    const std::vector<double> start = subject.f.start(),
                              best = mm::quasi_newton(subject.f.use(kMl), start, {}, {}).theta;
    const std::size_t m = start.size();
    for (const std::vector<double>& model : {std::vector<double>(), std::vector<double>(m * m, NAN)}) {
      const mm::Optimality there = mm::check_optimum(subject.f.use(kMl), best, model, true);
      CHECK(there.hessian.size() == m * m && std::isfinite(there.decrement));
      CHECK_ERROR("decrement at a minimum", there.decrement, 1e-6);
      const mm::Optimality away = mm::check_optimum(subject.f.use(kMl), start, model, true);
      CHECK(std::isfinite(away.decrement) && (away.value - there.value < 1e-6 || away.decrement > 1e-6));
    }
  }
}

TEST(the_predicted_decrease_is_larger_away_from_the_optimum) {
  const Structure s = structures::crossed(2, 120, {{12, {2}}});
  Subject subject(s);
  const mm::SearchResult found = mm::quasi_newton(subject.f.use(kMl), subject.f.start(), {}, {});
  std::vector<double> near = found.theta;
  for (double& t : near) t *= 1.02;
  const mm::Optimality v = exactly(subject.f, near);
  // Near the optimum the predicted decrease is that of the criterion.
  CHECK_ERROR("predicted decrease", check::relative(v.decrement, v.value - found.value, 0.0), 0.1);
}

// A model that is wrong by one factor: one product with the exact Hessian predicts the same decrease.
TEST(a_hessian_product_corrects_the_predicted_decrease) {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    check::at("seed " + std::to_string(seed));
    const Structure s = structures::crossed(seed, 150, {{12, {2}}, {9, {1}}});
    Subject subject(s);
    std::vector<double> near = mm::quasi_newton(subject.f.use(kMl), subject.f.start(), {}, {}).theta;
    if (std::any_of(near.begin(), near.end(), [](double t) { return t == 0; })) continue;
    for (double& t : near) t *= 1.01;
    const mm::Optimality exact = exactly(subject.f, near);
    if (!exact.downhill.empty()) continue;
    std::vector<double> wrong(exact.hessian);
    for (double& entry : wrong) entry *= 3;
    const mm::Optimality v = mm::check_optimum(subject.f.use(kMl), near, wrong, false);
    CHECK(v.hessian == wrong);
    CHECK_ERROR("promise", check::relative(v.decrement, exact.decrement), 0.01);
  }
}

// Where the last step of a search has confirmed its model, the first product has been made: no evaluation more, and the
// predicted decrease is that of the exact Hessian.
TEST(a_confirmed_step_is_a_product) {
  int confirmed = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Structure s = structures::random(seed);
    if (s.q() > s.n) continue;
    check::at("seed " + std::to_string(seed) + s.kind);
    Subject subject(s);
    mm::SearchSettings settings;
    settings.decrement = 1e-5;  // stops early, so that a decrease is left
    const mm::SearchResult found = mm::quasi_newton(subject.f.use(kMl), subject.f.start(), settings, {});
    const bool zero = std::any_of(found.theta.begin(), found.theta.end(), [](double t) { return t == 0; });
    if (!found.confirmed || zero) continue;
    ++confirmed;
    const int values = subject.f.n_value(), gradients = subject.f.n_gradient();
    const mm::Optimality v = mm::check_optimum(subject.f.use(kMl), found.theta, found.model, true);
    CHECK(subject.f.n_value() == values && subject.f.n_gradient() == gradients);
    CHECK(v.downhill.empty());
    const mm::Optimality exact = exactly(subject.f, found.theta);
    CHECK(exact.downhill.empty());
    CHECK(exact.decrement <= 10 * settings.decrement);
    CHECK_ERROR("promise", std::abs(std::log2((v.decrement + 1e-9) / (exact.decrement + 1e-9))), 2.0);
  }
  CHECK(confirmed >= 10);
}

TEST(a_product_shows_a_direction_that_curves_down) {
  const Structure s = structures::crossed(1, 120, {{12, {1}}, {8, {1}}});
  Subject subject(s);
  const std::vector<double> theta(2, 0.05);  // beside a saddle at zero
  const std::vector<double> learnt = {1, 0, 0, 1};
  const mm::Optimality v = mm::check_optimum(subject.f.use(kMl), theta, learnt, false);
  CHECK(v.downhill.size() == 2);
  std::vector<double> moved;
  for (int i = 0; i < 2; ++i) moved.push_back(theta[i] + 0.1 * v.downhill[i]);
  CHECK(subject.f.use(kMl).value(moved.data()) < v.value);
}

// The same model with a covariate on another scale: the same verdict, in its units.
TEST(scales_of_covariates_change_nothing) {
  const Structure s = structures::crossed(3, 150, {{15, {2}}});
  for (double scale : {1e-6, 1e6}) {
    Structure scaled = s;
    for (double& z : scaled.factors[0].z[1]) z *= scale;
    Subject one(s), other(scaled);
    CHECK_ERROR("unit", check::relative(other.f.unit()[2] * scale, one.f.unit()[2]), 1e-12);
    const mm::SearchResult a = mm::quasi_newton(one.f.use(kMl), one.f.start(), {}, {});
    const mm::SearchResult b = mm::quasi_newton(other.f.use(kMl), other.f.start(), {}, {});
    CHECK(a.status == mm::SearchStatus::converged && b.status == a.status && b.iterations == a.iterations);
    CHECK_ERROR("criterion", check::relative(b.value, a.value), 1e-12);
    for (int k = 0; k < 3; ++k)
      CHECK_ERROR("theta", check::relative(b.theta[k] * (k == 0 ? 1 : scale), a.theta[k]), 1e-6);
    const mm::Optimality v = exactly(one.f, a.theta), w = exactly(other.f, b.theta);
    CHECK(v.downhill.empty() && w.downhill.empty());
    CHECK_ERROR("Hessian", check::relative(w.hessian[8] / (scale * scale), v.hessian[8]), 1e-4);
  }
}

}  // namespace
