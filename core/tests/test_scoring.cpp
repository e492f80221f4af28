// Coordinates of the search: the way to theta and back, and the gradient there against differences of the criterion.
#include <algorithm>
#include <cmath>

#include "check.hpp"
#include "mixedmodels/evaluator.hpp"
#include "mixedmodels/scoring.hpp"
#include "structures.hpp"

namespace {

using structures::Point;

constexpr mm::Criterion kCriteria[] = {mm::Criterion::ml, mm::Criterion::reml};

TEST(theta_goes_there_and_back) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    check::at("seed " + std::to_string(seed));
    const Structure s = structures::random(seed);
    const Stages stages(s);
    mm::Scoring scoring(stages.A, s.entries());
    Random random(seed);
    const std::vector<double> theta = structures::theta(random, s, Point::interior);
    std::vector<double> x(scoring.size()), Q(scoring.size()), back(theta.size());
    scoring.from_theta(theta.data(), x.data());
    scoring.to_theta(x.data(), back.data());
    for (std::size_t i = 0; i < theta.size(); ++i) CHECK_ERROR("theta", check::relative(back[i], theta[i]), 1e-9);
    // Triangular already, up to the signs of columns.
    scoring.make_triangular(x.data(), Q.data());
    scoring.to_theta(x.data(), back.data());
    for (std::size_t i = 0; i < theta.size(); ++i)
      CHECK_ERROR("size", check::relative(std::abs(back[i]), std::abs(theta[i])), 1e-9);
  }
}

// Steps are full squares: a direction that leaves the triangle is rotated back into it.
TEST(gradient_in_every_direction) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Structure s = structures::random(seed);
    if (s.q() > s.n) continue;
    check::at("seed " + std::to_string(seed) + s.kind);
    const Stages stages(s);
    mm::Evaluator f(stages.rows, stages.basis, stages.A, stages.symbolic, s.entries());
    mm::Scoring scoring(stages.A, s.entries());
    Random random(seed);
    const std::vector<double> theta = structures::theta(random, s, Point::interior);
    const int n = scoring.size();
    std::vector<double> x(n), Q(n), slope(n), direction(n), gradient(theta.size());
    scoring.from_theta(theta.data(), x.data());
    for (mm::Criterion criterion : kCriteria) {
      f.value(theta.data(), criterion);
      f.gradient(criterion, gradient.data());
      scoring.gradient(f.pls(), criterion, slope.data());
      double size = 0, expected = 0;
      for (double v : x) size = std::max(size, std::abs(v));
      for (int i = 0; i < n; ++i) direction[i] = random.normal(), expected += slope[i] * direction[i];
      auto value = [&](double h) {
        std::vector<double> moved(x), at(theta.size());
        for (int i = 0; i < n; ++i) moved[i] += h * direction[i];
        scoring.make_triangular(moved.data(), Q.data());
        scoring.to_theta(moved.data(), at.data());
        return f.value(at.data(), criterion);
      };
      const double h = 1e-4 * size, found = (value(h) - value(-h)) / (2 * h);
      double scale = 0;
      for (int i = 0; i < n; ++i) scale += std::abs(slope[i] * direction[i]);
      CHECK_ERROR("slope", std::abs(found - expected) / (scale + 1), 1e-4);
    }
  }
}

}  // namespace
