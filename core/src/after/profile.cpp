#include "after/profile.hpp"

#include <algorithm>
#include <cmath>

#include "criterion/differences.hpp"
#include "kernels/small_dense.hpp"
#include "search/line_search.hpp"

namespace mixedmodels {

namespace {

// Predicted decrease at which a point is solved, and what may be left where rounding ends the search.
constexpr double kDecrement = 1e-11, kGoodEnough = 1e-7;
constexpr int kMostSteps = 200;
// Sizes of templates that a thorough search starts from, and decrease of the deviance by which another minimum counts.
constexpr double kSizes[] = {1, 0.1};
constexpr double kLower = 1e-7;

}  // namespace

ProfileCurve::ProfileCurve(const Model& model, std::vector<ProfileTerm> terms, ProfileParameter parameter,
                           const std::vector<double>& theta, int threads)
    : f_(model, std::move(terms), parameter, theta, threads), model_(f_.size()) {
  const auto k = static_cast<std::size_t>(f_.size());
  for (auto* v : {&gradient_, &step_, &trial_, &trial_gradient_, &change_, &direction_}) v->resize(k);
  solved_.push_back({f_.start_at(), f_.start(), {}});
  value_ = f_.value(f_.start(), f_.start_at());
  f_.gradient(gradient_);
  optimum_ = f_.point(true);
  learn_curvature();
}

// The Hessian of all variables and `at`, by differences of the gradient.
void ProfileCurve::learn_curvature() {
  const std::size_t k = direction_.size(), all = k + 1;
  std::vector<double> point = f_.start(), slope = gradient_, steps, cross(k);
  steps = difference_steps(point, std::vector<double>(k, 1.0));
  steps.push_back(kForward * f_.unit_for_differences());
  point.push_back(f_.start_at());
  slope.push_back(f_.slope());
  const auto gradient_at = [&](const std::vector<double>& at, std::vector<double>& out) {
    std::copy_n(at.begin(), k, trial_.begin());
    f_.value(trial_, at.back());
    f_.gradient(trial_gradient_);
    std::copy_n(trial_gradient_.begin(), k, out.begin());
    out.back() = f_.slope();
  };
  const std::vector<double> hessian = difference_hessian(gradient_at, point, steps, slope);
  for (std::size_t j = 0; j < k; ++j) {
    std::copy_n(hessian.begin() + j * all, k, model_.data() + j * k);
    cross[j] = hessian[j + k * all];
  }
  model_.step(cross, direction_);
  const double own = hessian.back() + small::dot(static_cast<int>(k), cross.data(), direction_.data());
  curvature_ = own / (f_.unit_at() * f_.unit_at());
  solved_[0].hessian = model_.hessian();
}

ProfilePoint ProfileCurve::solve(double outer, bool thorough) {
  const double at = f_.inner(outer);
  std::vector<double> free = predict(at);
  f_.leave_zeros(free);
  const Solved& close = nearest(at);
  std::copy(close.hessian.begin(), close.hessian.end(), model_.data());
  bool converged = descend(free, at);
  if (!converged) {
    // The prediction may have led astray: from the nearest point, with what is known of the optimum.
    free = nearest(at).free;
    f_.leave_zeros(free);
    std::copy(solved_[0].hessian.begin(), solved_[0].hessian.end(), model_.data());
    converged = descend(free, at);
  }
  if (thorough || !converged) return best_of_many(at, converged, std::move(free));
  ProfilePoint out = f_.point(converged);
  solved_.push_back({at, std::move(free), model_.hessian()});
  return out;
}

// The lowest of what was found and of descents from the optimum and from templates of several sizes: in small samples
// the deviance of the other parameters may have more than one minimum.
ProfilePoint ProfileCurve::best_of_many(double at, bool converged, std::vector<double> found) {
  ProfilePoint out = f_.point(converged);
  std::vector<double> hessian = model_.hessian();
  std::vector<std::vector<double>> starts{solved_[0].free, solved_[0].free};
  for (std::size_t i = 0; i < direction_.size(); ++i) starts.back()[i] += (at - solved_[0].at) * direction_[i];
  // The nearest points on either side may lie in different minima.
  for (double side : {-1.0, 1.0}) {
    const Solved* close = nullptr;
    for (const Solved& s : solved_)
      if (side * (s.at - at) > 0 && (!close || std::abs(s.at - at) < std::abs(close->at - at))) close = &s;
    if (close) starts.push_back(close->free);
  }
  for (double size : kSizes) {
    starts.push_back(solved_[0].free);
    f_.set_templates(starts.back(), size);
  }
  for (std::vector<double>& free : starts) {
    f_.leave_zeros(free);
    std::copy(solved_[0].hessian.begin(), solved_[0].hessian.end(), model_.data());
    if (!descend(free, at) || (out.converged && !(value_ < out.deviance - kLower))) continue;
    out = f_.point(true);
    found = std::move(free);
    hessian = model_.hessian();
  }
  if (out.converged) solved_.push_back({at, std::move(found), std::move(hessian)});
  return out;
}

// From `free` to where the deviance is least; the evaluator and slope_ are left there.
bool ProfileCurve::descend(std::vector<double>& free, double at) {
  const auto k = static_cast<int>(free.size());
  value_ = f_.value(free, at);
  if (!std::isfinite(value_)) return false;
  f_.gradient(gradient_);
  for (int steps = 0; steps < kMostSteps; ++steps) {
    model_.step(gradient_, step_);
    const double decrement = -0.5 * small::dot(k, step_.data(), gradient_.data());
    if (!(decrement > kDecrement)) return std::isfinite(decrement);
    limit_step(free, step_);
    const Line line{value_, small::dot(k, step_.data(), gradient_.data()), 1e-13 * (1 + std::abs(value_))};
    const auto [t, value] = lower_along(line, kMostTries, [&](double part) {
      for (int i = 0; i < k; ++i) trial_[i] = free[i] + part * step_[i];
      return f_.value(trial_, at);
    });
    if (t == 0) {
      f_.value(free, at);
      f_.gradient(gradient_);
      return decrement < kGoodEnough;
    }
    f_.gradient(trial_gradient_);
    for (int i = 0; i < k; ++i) {
      change_[i] = trial_[i] - free[i];
      step_[i] = trial_gradient_[i] - gradient_[i];
    }
    model_.learn(change_, step_);
    free = trial_;
    gradient_ = trial_gradient_;
    value_ = value;
  }
  return false;
}

const ProfileCurve::Solved& ProfileCurve::nearest(double at) const {
  return *std::min_element(solved_.begin(), solved_.end(), [at](const Solved& a, const Solved& b) {
    return std::abs(a.at - at) < std::abs(b.at - at);
  });
}

// Along the tangent at the optimum, then along a parabola through the nearest points.
std::vector<double> ProfileCurve::predict(double at) const {
  const auto k = direction_.size();
  std::vector<double> out(k);
  std::vector<const Solved*> by_distance;
  for (const Solved& s : solved_) by_distance.push_back(&s);
  std::sort(by_distance.begin(), by_distance.end(),
            [at](const Solved* a, const Solved* b) { return std::abs(a->at - at) < std::abs(b->at - at); });
  const Solved &near = *by_distance[0], &origin = solved_[0];
  if (near.at == at || solved_.size() == 1) {
    for (std::size_t i = 0; i < k; ++i) out[i] = near.free[i] + (at - near.at) * direction_[i];
    return out;
  }
  if (solved_.size() == 2) {
    const Solved& other = solved_[1];
    const double width = other.at - origin.at, t = (at - origin.at) / width;
    for (std::size_t i = 0; i < k; ++i) {
      const double tangent = width * direction_[i];
      out[i] = origin.free[i] + t * tangent + t * t * (other.free[i] - origin.free[i] - tangent);
    }
    return out;
  }
  const Solved &second = *by_distance[1], &third = *by_distance[2];
  const double a = near.at, b = second.at, c = third.at;
  for (std::size_t i = 0; i < k; ++i) {
    const double first = (second.free[i] - near.free[i]) / (b - a);
    const double bend = ((third.free[i] - near.free[i]) / (c - a) - first) / (c - b);
    out[i] = near.free[i] + (at - a) * (first + (at - b) * bend);
  }
  return out;
}

}  // namespace mixedmodels
