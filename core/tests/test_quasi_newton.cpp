// The search for theta, where the optimum is known, at boundaries and when it is stopped; and the Hessian.
#include <algorithm>

#include "check.hpp"
#include "criterion/differences.hpp"
#include "reference_pls.hpp"
#include "search/quadratic_model.hpp"
#include "search/quasi_newton.hpp"
#include "structures.hpp"

namespace {

constexpr auto kMl = mm::Likelihood::ml, kReml = mm::Likelihood::reml;

// `groups` of `size` rows with an intercept: optima in closed form.
struct OneWay {
  Structure s;
  double between = 0, within = 0;  // sums of squares

  OneWay(std::uint64_t seed, int groups, int size, double sd) {
    Random random(seed);
    Structure::Factor factor;
    factor.levels = groups;
    s.n = groups * size;
    for (int i = 0; i < s.n; ++i) factor.codes.push_back(i / size);
    structures::add_terms(random, s, std::move(factor), {1});
    s.x.push_back(std::vector<double>(s.n, 1.0));
    const std::vector<double> b = random.normals(groups);
    double total = 0;
    for (int i = 0; i < s.n; ++i) s.y.push_back(random.normal() + sd * b[i / size]), total += s.y.back();
    for (int g = 0; g < groups; ++g) {
      double mean = 0;
      for (int i = 0; i < size; ++i) mean += s.y[g * size + i] / size;
      between += size * (mean - total / s.n) * (mean - total / s.n);
      for (int i = 0; i < size; ++i) within += (s.y[g * size + i] - mean) * (s.y[g * size + i] - mean);
    }
  }

  double optimum(bool reml) const {
    const int groups = s.factors[0].levels, size = s.n / groups;
    const double variance = within / (s.n - groups), between_variance = between / (reml ? groups - 1 : groups);
    return std::sqrt(std::max(0.0, (between_variance / variance - 1) / size));
  }
};

// A search from `start`, or by moments when that is empty.
struct Found {
  Stages stages;
  mm::Criterion f;
  mm::SearchResult r;

  Found(const Structure& s, mm::Likelihood likelihood, std::vector<double> start = {}, mm::SearchSettings settings = {},
        const mm::Progress& progress = {})
      : stages(s),
        f(stages.model, mm::Likelihood::ml),
        r(mm::quasi_newton(f.use(likelihood), start.empty() ? f.start() : start, settings, progress)) {}
};

TEST(balanced_one_way_designs) {
  for (std::uint64_t seed = 0; seed < 20; ++seed)
    for (bool reml : {false, true})
      for (double start : {0.0, 0.05, 1.0, 20.0}) {
        check::at("seed " + std::to_string(seed) + " start " + std::to_string(start));
        const OneWay design(seed, 8, 5, 1.5);
        const Found found(design.s, reml ? kReml : kMl, start > 0 ? std::vector{start} : std::vector<double>{});
        CHECK(found.r.status == mm::SearchStatus::converged);
        // The criterion is flat to its rounding error, 1e-13 of 100, within 1e-6 of the optimum.
        CHECK_ERROR("theta", std::abs(found.r.theta[0] - design.optimum(reml)), 2e-5);
        CHECK_ERROR("gradient", std::abs(found.r.gradient[0]), 1e-3);
      }
}

TEST(an_optimum_at_zero_is_exactly_zero) {
  int zeros = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed)
    for (bool reml : {false, true}) {
      const OneWay design(seed, 8, 5, 0.0);
      if (design.optimum(reml) > 0) continue;
      ++zeros;
      check::at("seed " + std::to_string(seed));
      const Found found(design.s, reml ? kReml : kMl, {1.0});
      CHECK(found.r.status == mm::SearchStatus::converged && found.r.theta[0] == 0.0 && found.r.gradient[0] == 0.0);
    }
  CHECK(zeros >= 10);
}

TEST(small_and_large_variances_are_found) {
  for (double sd : {0.3, 1e2, 1e4}) {
    const OneWay design(3, 30, 20, sd);
    const Found found(design.s, kMl);
    CHECK(found.r.status == mm::SearchStatus::converged);
    CHECK_ERROR("theta, relative", check::relative(found.r.theta[0], design.optimum(false), 0.0), 2e-5);
  }
}

TEST(random_structures_end_at_a_stationary_point) {
  mm::SearchSettings settings;
  settings.decrement = 1e-10;  // a smaller predicted decrease is within rounding for some of these
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Structure s = structures::random(seed);
    if (s.q() > s.n) continue;  // more effects than rows: the scale may run to zero
    check::at("seed " + std::to_string(seed) + s.kind);
    for (mm::Likelihood likelihood : {kMl, kReml}) {
      double last = INFINITY;
      bool descends = true;
      Found found(s, likelihood, {}, settings, [&](int, double value, const std::vector<double>&) {
        descends = descends && value <= last + 1e-10 * std::abs(last);
        last = value;
        return true;
      });
      const mm::SearchResult& r = found.r;
      CHECK(descends && r.status == mm::SearchStatus::converged);
      CHECK(found.f.use(likelihood).value(r.theta.data()) == r.value);
      std::vector<double> gradient(r.theta.size());
      found.f.use(likelihood).gradient(gradient.data());
      for (std::size_t k = 0; k < gradient.size(); ++k) {
        CHECK_ERROR("gradient given", std::abs(gradient[k] - r.gradient[k]), 1e-7);
        CHECK_ERROR("gradient at the end", std::abs(gradient[k]), 0.05);
        const mm::ThetaEntry& e = found.f.entries()[k];
        CHECK(e.row != e.column || r.theta[k] >= 0);
      }
      Random random(seed);
      for (int i = 0; i < 20; ++i) {
        std::vector<double> near = r.theta;
        for (double& t : near) t += 0.01 * random.normal();
        CHECK(found.f.use(likelihood).value(near.data()) > r.value - 1e-6);
      }
    }
  }
}

TEST(stops_on_an_interrupt) {
  const Structure s = structures::crossed(5, 60, {{6, {3}}, {5, {2}}});
  mm::SearchSettings few;
  few.max_values = 3;
  const Found limited(s, kMl, {}, few);
  CHECK(limited.r.status == mm::SearchStatus::max_values && limited.f.n_value() <= 4);
  CHECK(std::isfinite(limited.r.value) && limited.r.gradient.size() == limited.r.theta.size());

  const Found stopped(s, kMl, {}, {}, [](int iteration, double, const std::vector<double>&) { return iteration < 2; });
  CHECK(stopped.r.status == mm::SearchStatus::interrupted && stopped.r.iterations == 2);

  const std::vector<double> overflow(s.entries().size(), 1e200);
  CHECK(Found(s, kMl, overflow).r.status == mm::SearchStatus::not_finite);
}

TEST(hessian_by_differences) {
  for (std::uint64_t seed : {1, 7, 12}) {
    const Structure s = structures::crossed(seed, 50, {{6, {2}}, {4, {1}}}, 2);
    Found found(s, kMl);
    Random random(seed);
    const std::vector<double> theta = structures::theta(random, s, structures::Point::interior);
    const auto m = theta.size();
    for (bool reml : {false, true}) {
      const mm::Likelihood likelihood = reml ? kReml : kMl;
      const std::vector<double> central = mm::difference_hessian(found.f.use(likelihood), theta, false);
      const std::vector<double> forward = mm::difference_hessian(found.f.use(likelihood), theta, true);
      double size = 0;
      for (double v : central) size = std::max(size, std::abs(v));
      for (std::size_t j = 0; j < m; ++j) {
        const auto slope = [&](double step) {
          std::vector<double> moved = theta;
          moved[j] += step;
          return reference::gradient(s, found.stages.basis.kept, moved, reml);
        };
        constexpr double step = 1e-3;
        const auto up = slope(step), up2 = slope(2 * step), down = slope(-step), down2 = slope(-2 * step);
        for (std::size_t i = 0; i < m; ++i) {
          const double expected = (8 * (up[i] - down[i]) - (up2[i] - down2[i])) / (12 * step);
          CHECK_ERROR("Hessian, central", std::abs(central[i + j * m] - expected) / size, 1e-6);
          CHECK_ERROR("Hessian, forward", std::abs(forward[i + j * m] - expected) / size, 2e-3);
          CHECK(central[i + j * m] == central[j + i * m] && forward[i + j * m] == forward[j + i * m]);
        }
      }
    }
  }
}

}  // namespace

// Where a criterion overflows, differences of it may leave finite entries of any size in the model.
TEST(a_model_with_entries_of_any_size_has_a_step) {
  for (double diagonal : {1e-300, 1.0, 1e300})
    for (double beside : {0.0, 1.0, 1e25, 1e200, 1e308}) {
      mm::QuadraticModel model(2);
      const double entries[] = {diagonal, beside, beside, diagonal};
      std::copy_n(entries, 4, model.data());
      std::vector<double> step(2);
      model.step({1.0, -2.0}, step);
      CHECK(std::isfinite(step[0]) && std::isfinite(step[1]) && step[0] - 2 * step[1] <= 0);
    }
}
