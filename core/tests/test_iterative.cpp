// The estimator against the factor: with a basis of the whole space nothing is estimated, so that every number must
// agree; with a smaller one, within the errors that it states.
#include <algorithm>
#include <cmath>

#include "check.hpp"
#include "iterative/costs.hpp"
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

// Two or three factors that cross at random, and columns that vary within levels.
const std::vector<std::pair<int, std::vector<int>>> kTwo{{120, {1}}, {60, {1}}};
const std::vector<std::pair<int, std::vector<int>>> kThree{{100, {1}}, {50, {1}}, {20, {1}}};
const std::vector<std::pair<int, std::vector<int>>> kWide{{60, {2}}, {30, {1, 1}}, {15, {3}}};

struct Found {
  double value = 0, error = 0;
  std::vector<double> gradient, errors;
};

Found estimate(const Stages& stages, const std::vector<double>& theta, std::uint64_t seed, mm::Effort effort,
               mm::Likelihood likelihood, int threads = 1) {
  mm::Estimator f(stages.A, stages.model.entries, seed, threads);
  Found out;
  CHECK(f.prepare(theta.data(), effort) && f.update(theta.data()));
  out.value = f.criterion(likelihood);
  out.error = f.standard_error();
  out.gradient.resize(theta.size());
  f.gradient(likelihood, out.gradient.data());
  for (std::size_t e = 0; e < theta.size(); ++e)
    out.errors.push_back(std::sqrt(f.gradient_covariance()[e * (theta.size() + 1)]));
  return out;
}

// How many of the estimates by 20 choices of probes are further off than two and than five of their standard errors.
struct Misses {
  int two = 0, five = 0, all = 0;
  void add(double error, double standard) {
    ++all;
    two += std::abs(error) > 2 * standard;
    five += std::abs(error) > 5 * standard;
  }
};

TEST(stated_errors_are_honest_for_any_basis) {
  int design = 0;
  for (const auto& shapes : {kTwo, kThree, kWide}) {
    const Structure s = structures::crossed(7 + design++, 3000, shapes);
    const Stages stages(s);
    Random random(5);
    const std::vector<double> theta = structures::theta(random, s, Point::interior);
    mm::Criterion exact(stages.model, mm::Likelihood::ml);
    for (const int basis : {-1, 1, 6})  // none, less than outliers, more
      for (mm::Likelihood likelihood : kCriteria) {
        check::at("design " + std::to_string(design) + " basis " + std::to_string(basis));
        const std::vector<double> slope = gradient_of(exact, theta, likelihood);
        const double value = exact.use(likelihood).value(theta.data());
        Misses values, slopes;
        for (std::uint64_t seed = 0; seed < 20; ++seed) {
          const Found found = estimate(stages, theta, seed, {basis, 12}, likelihood);
          values.add(found.value - value, found.error);
          for (std::size_t e = 0; e < theta.size(); ++e)
            slopes.add(found.gradient[e] - slope[e], found.errors[e] + 1e-9 * std::abs(slope[e]));
        }
        CHECK(values.two <= 4 && values.five == 0);
        CHECK(slopes.two <= 0.2 * slopes.all && slopes.five <= 0.05 * slopes.all);  // one seed of twenty
      }
  }
}

TEST(a_larger_basis_lowers_the_error_and_effort_follows_from_it) {
  const Structure s = structures::crossed(3, 4000, kTwo);
  const Stages stages(s);
  const std::vector<double> theta{0.6, 0.8};
  const Found none = estimate(stages, theta, 1, {-1, 12}, mm::Likelihood::ml),
              one = estimate(stages, theta, 1, {1, 12}, mm::Likelihood::ml);
  CHECK(one.error < 0.2 * none.error);
  mm::Estimator f(stages.A, stages.model.entries, 1, 1);
  CHECK(f.prepare(theta.data()) && f.update(theta.data()));
  CHECK(f.standard_error() <= 0.05);
  CHECK(f.effort().probes >= 8 && f.effort().probes <= 128);
}

TEST(numbers_are_the_same_to_the_last_bit_for_any_number_of_threads) {
  const Structure s = structures::crossed(11, 30000, {{700, {1}}, {500, {1}}, {40, {2}}});
  const Stages stages(s);
  Random random(2);
  const std::vector<double> theta = structures::theta(random, s, Point::interior);
  const Found one = estimate(stages, theta, 1, {4, 8}, mm::Likelihood::reml, 1),
              three = estimate(stages, theta, 1, {4, 8}, mm::Likelihood::reml, 3);
  CHECK(one.value == three.value);
  CHECK(one.gradient == three.gradient);
  CHECK(one.error == three.error);
}

// The estimate is a smooth function of theta while basis and probes stay.
TEST(probes_stay_until_they_are_chosen_anew) {
  const Structure s = structures::crossed(5, 3000, kThree);
  const Stages stages(s);
  mm::Estimator f(stages.A, stages.model.entries, 9, 1);
  std::vector<double> theta{0.5, 0.6, 0.7};
  auto value = [&](double step) {
    const std::vector<double> at{theta[0] + step, theta[1], theta[2]};
    CHECK(f.update(at.data()));
    return f.criterion(mm::Likelihood::ml);
  };
  CHECK(f.prepare(theta.data()));
  const double here = value(0), there = value(1e-3), back = value(-1e-3);
  CHECK(value(0) == here);
  std::vector<double> slope(3);
  f.gradient(mm::Likelihood::ml, slope.data());
  CHECK_ERROR("slope of the value", check::relative((there - back) / 2e-3, slope[0], 10), 0.2);
}

TEST(levels_that_meet_each_other_are_refused) {
  const Structure s = structures::crossed(5, 200, kTwo);
  const Stages stages(s);
  mm::CrossProducts tied =
      mm::on_pattern(stages.A, std::make_shared<mm::Pattern>(mm::with_ties(*stages.A.pattern, 0, {{0, 1}})));
  CHECK(check::refuses([&] { mm::Estimator(tied, stages.model.entries, 1, 1); }));
}

TEST(costs_are_bounds_for_small_roots_and_counted_for_sparse_ones) {
  struct Graph {
    const mm::LevelGraph* graph;
    int asked = 0;
  };
  auto ask = [](void* owner) -> const mm::LevelGraph& {
    ++static_cast<Graph*>(owner)->asked;
    return *static_cast<Graph*>(owner)->graph;
  };
  const Structure dense = structures::crossed(5, 4000, {{300, {1}}, {150, {1}}});
  const Stages of_dense(dense);
  Graph graph{&of_dense.graph};
  mm::Outlook found = mm::predict_costs(of_dense.A, 1e12, 1e12, ask, &graph);
  CHECK(!found.counted && graph.asked == 0);
  CHECK(found.root == 150);
  CHECK(found.exact_flops >= 3 * of_dense.symbolic.elimination.fill.flops);
  // Too many flops for so dense a root: known from a sample, without the graph of the levels.
  found = mm::predict_costs(of_dense.A, 0.05 * found.exact_flops, 1e12, ask, &graph);
  CHECK(!found.counted && graph.asked == 0);
  // A sparse root is counted.
  const Structure sparse = structures::partially_crossed(5, 3000, 800, 3, 1);
  const Stages of_sparse(sparse);
  Graph other{&of_sparse.graph};
  found = mm::predict_costs(of_sparse.A, 1e8, 1e12, ask, &other);
  CHECK(found.counted && other.asked == 1);
  CHECK(found.exact_flops < 1e8);
  CHECK(found.elimination != nullptr);
}

}  // namespace
