// Purpose: from a predicted point to a minimum of a criterion with one parameter held, by BFGS from a model of its
// Hessian. Steps are those of the one search (quadratic_model.hpp, line_search.hpp); starts, zeros and saddles, which
// its driver adds to them, a profile has settled before (profile.hpp).
#pragma once

#include <cmath>
#include <vector>

#include "kernels/small_dense.hpp"
#include "search/line_search.hpp"
#include "search/quadratic_model.hpp"

namespace mixedmodels {

// Predicted decrease at which a point is a minimum, and what may be left where rounding ends the search.
constexpr double kDecrement = 1e-11, kGoodEnough = 1e-7;

// A function has value(x), gradient(out) at the x of the last value, rounding() of a difference of values there, and
// is_accurate(), without which the search ends. Returns whether it ended at a minimum; the function is left there, and
// `model` keeps its updates.
template <typename Function>
bool descend(Function& f, QuadraticModel& model, std::vector<double>& x, double& value) {
  constexpr int kMostSteps = 200;
  const auto k = static_cast<int>(x.size());
  std::vector<double> gradient(x.size()), step(x.size()), trial(x.size()), slope(x.size()), change(x.size());
  value = f.value(x);
  if (!std::isfinite(value) || !f.is_accurate()) return false;
  f.gradient(gradient);
  for (int steps = 0; steps < kMostSteps; ++steps) {
    model.step(gradient, step);
    const double along = small::dot(k, step.data(), gradient.data()), decrement = -0.5 * along;
    if (!(decrement > kDecrement)) return std::isfinite(decrement);
    limit_step(x, step);
    const Line line{value, small::dot(k, step.data(), gradient.data()), f.rounding()};
    const auto [t, lower] = lower_along(line, kMostTries, [&](double part) {
      for (int i = 0; i < k; ++i) trial[i] = x[i] + part * step[i];
      return f.value(trial);
    });
    if (t == 0) {
      f.value(x);
      f.gradient(gradient);
      return decrement < kGoodEnough + f.rounding();
    }
    f.gradient(slope);
    for (int i = 0; i < k; ++i) {
      change[i] = trial[i] - x[i];
      step[i] = slope[i] - gradient[i];
    }
    model.learn(change, step);
    std::swap(x, trial);
    std::swap(gradient, slope);
    value = lower;
    if (!f.is_accurate()) return false;
  }
  return false;
}

}  // namespace mixedmodels
