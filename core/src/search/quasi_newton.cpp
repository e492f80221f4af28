#include "search/quasi_newton.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/small_dense.hpp"
#include "search/coordinates.hpp"
#include "search/line_search.hpp"
#include "search/quadratic_model.hpp"

namespace mixedmodels {

namespace {

// Number of step pairs kept for BFGS updates. Pairs that start where the predicted decrease is above kFar are dropped:
// the curvature there differs.
constexpr std::size_t kRemembered = 5;
constexpr double kFar = 3;
// A full step counts as a Hessian-vector product if the predicted decrease was at most kNear before it and at most
// kLeft of that remains.
constexpr double kNear = 1e-2, kLeft = 0.1;

// The search moves x of `Scoring`; theta and its gradient are those of the point it stands at.
class Search {
 public:
  Search(Criterion& f, const SearchSettings& settings)
      : f_(f),
        settings_(settings),
        scoring_(*f.model().A, f.entries()),
        n_(scoring_.size()),
        model_(n_),
        theta_(f.m()) {
    for (auto* v : {&x_, &gradient_, &trial_, &rotation_, &step_, &change_}) v->resize(n_);
    scored_.resize(static_cast<std::size_t>(n_) * n_);
  }

  SearchResult run(const std::vector<double>& start, const Progress& progress) {
    SearchResult r;
    r.theta = start;
    scoring_.from_theta(start.data(), x_.data());
    r.value = value_at(x_);
    if (!std::isfinite(r.value)) {
      r.status = SearchStatus::not_finite;
      return r;
    }
    for (r.theta = theta_, find_gradient(r), find_slope(gradient_);; ++r.iterations) {
      if (progress && !progress(r.iterations, r.value, r.theta)) {
        r.status = SearchStatus::interrupted;
        break;
      }
      renew_model(!settings_.without.rotations);
      model_.step(gradient_, step_);
      const double predicted = r.decrement;
      r.decrement = -0.5 * small::dot(n_, step_.data(), gradient_.data());
      r.confirmed = confirms(predicted, r.decrement);
      if (r.decrement <= settings_.decrement) {
        r.status = SearchStatus::converged;
        break;
      }
      if (f_.n_value() >= settings_.max_values) {
        r.status = SearchStatus::max_values;
        break;
      }
      if (!settings_.without.step_limit) limit_step(x_, step_);
      if (!advance(r)) {
        const bool spent = f_.n_value() >= settings_.max_values;
        r.status = r.decrement <= noise(r) ? SearchStatus::converged
                   : spent                 ? SearchStatus::max_values
                                           : SearchStatus::stalled;
        break;
      }
    }
    value_at(x_);
    find_gradient(r);
    hand_out(r);
    return r;
  }

  SearchResult stand(const std::vector<double>& theta) {
    SearchResult r;
    r.theta = theta;
    scoring_.from_theta(theta.data(), x_.data());
    r.value = value_at(x_);
    r.status = std::isfinite(r.value) ? SearchStatus::converged : SearchStatus::not_finite;
    if (r.status == SearchStatus::not_finite) return r;
    r.theta = theta_;
    find_gradient(r);
    find_slope(gradient_);
    hand_out(r);
    return r;
  }

 private:
  // What the caller is to have of the point of the last gradient.
  void hand_out(SearchResult& r) {
    if (settings_.model) {
      renew_model(false);
      r.model = scoring_.to_theta_hessian(model_.hessian());
    }
    try_zeros(r);
  }

  // Turns x to be triangular; `rotation_` says how.
  double value_at(std::vector<double>& x) {
    scoring_.make_triangular(x.data(), rotation_.data());
    scoring_.to_theta(x.data(), theta_.data());
    return f_.value(theta_.data());
  }

  // At the point of the last value.
  void find_gradient(SearchResult& r) {
    r.gradient.resize(theta_.size());
    f_.gradient(r.gradient.data());
  }

  void find_slope(std::vector<double>& out) { scoring_.gradient(f_.pls(), f_.likelihood(), out.data()); }

  // The scoring Hessian of this point, corrected by what it has missed along the last steps.
  void renew_model(bool with_rotations) {
    scoring_.hessian(f_.pls(), f_.likelihood(), x_.data(), with_rotations, scored_.data());
    if (settings_.without.scoring) level_model();
    if (fresh_) add_product(-0.5, seen_.back().first, seen_.back().second);
    fresh_ = false;
    std::copy(scored_.begin(), scored_.end(), model_.data());
    for (const auto& [step, missed] : seen_) {
      change_ = missed;
      add_product(1, step, change_);
      model_.learn(step, change_);
    }
  }

  // The mean of the diagonal for all variables.
  void level_model() {
    double sum = 0;
    for (int i = 0; i < n_; ++i) sum += scored_[i * (static_cast<std::size_t>(n_) + 1)];
    std::fill(scored_.begin(), scored_.end(), 0.0);
    for (int i = 0; i < n_; ++i) scored_[i * (static_cast<std::size_t>(n_) + 1)] = sum / n_;
  }

  // out += a H x, H the scoring Hessian.
  void add_product(double a, const std::vector<double>& x, std::vector<double>& out) const {
    for (int j = 0; j < n_; ++j)
      small::axpy(n_, a * x[j], scored_.data() + static_cast<std::size_t>(j) * n_, out.data());
  }

  // A step and how the gradient changed along it, of which the scoring Hessians at both ends, the mean of the two, have
  // missed a part. Steps that start where the predicted decrease is large say little of the curvature here.
  void remember(double predicted) {
    if (settings_.without.updates) return;
    if (predicted > kFar && !settings_.without.distance) return seen_.clear();
    if (seen_.size() == kRemembered) seen_.erase(seen_.begin());
    for (auto& [step, missed] : seen_) {
      scoring_.rotate(rotation_.data(), step.data());
      scoring_.rotate(rotation_.data(), missed.data());
    }
    seen_.emplace_back(step_, change_);
    fresh_ = true;
  }

  // Whether the last step was a full one from a small predicted decrease and has confirmed the predicted curvature: a
  // product of the exact Hessian with the Newton direction.
  bool confirms(double predicted, double left) const {
    return !settings_.without.confirmed && full_ && predicted <= kNear && left <= kLeft * predicted &&
           std::abs(curvature_ - 2 * predicted) <= predicted;
  }

  // Rounding error of a difference of two values of the criterion.
  double noise(const SearchResult& r) const {
    return 1e-13 * (1 + std::abs(r.value)) + f_.pls().rounding(f_.likelihood());
  }

  // Moves along the step to a point of lower criterion, or says that there is none.
  bool advance(SearchResult& r) {
    const double slope_along = small::dot(n_, step_.data(), gradient_.data());
    const Line line{r.value, slope_along, noise(r)};
    const auto [t, value] = lower_along(line, settings_.max_values - f_.n_value(), [&](double part) {
      for (int i = 0; i < n_; ++i) trial_[i] = x_[i] + part * step_[i];
      return value_at(trial_);
    });
    if (t == 0) return false;
    find_gradient(r);
    r.theta = theta_;
    r.value = value;
    x_ = trial_;
    for (double& s : step_) s *= t;
    add_product(0.5, step_, gradient_);  // half of what the scoring Hessians say; the other half when the next is made
    scoring_.rotate(rotation_.data(), step_.data());
    scoring_.rotate(rotation_.data(), gradient_.data());
    find_slope(change_);
    for (int i = 0; i < n_; ++i) {
      std::swap(gradient_[i], change_[i]);
      change_[i] = gradient_[i] - change_[i];
    }
    full_ = t == 1;
    curvature_ = small::dot(n_, step_.data(), gradient_.data()) - t * slope_along;
    remember(-0.5 * slope_along);
    return true;
  }

  // Small diagonal entries are set to zero where the criterion does not mind: all at once, or else the smaller
  // half of them and then the others.
  void try_zeros(SearchResult& r) {
    if (settings_.without.zeros) return;
    std::vector<int> small_entries;
    for (int e = 0; e < f_.m(); ++e)
      if (f_.entries()[e].row == f_.entries()[e].column && r.theta[e] != 0 &&
          std::abs(r.theta[e]) < settings_.zero * f_.unit()[e])
        small_entries.push_back(e);
    if (small_entries.empty()) return;
    std::sort(small_entries.begin(), small_entries.end(),
              [&](int a, int b) { return r.theta[a] / f_.unit()[a] < r.theta[b] / f_.unit()[b]; });
    zero(r, small_entries.data(), small_entries.size());
    r.value = f_.value(r.theta.data());
    find_gradient(r);
  }

  void zero(SearchResult& r, const int* entries, std::size_t count) {
    theta_ = r.theta;
    for (std::size_t i = 0; i < count; ++i) theta_[entries[i]] = 0;
    const double value = f_.value(theta_.data());
    if (value <= r.value + 1e-9 + noise(r)) {
      r.theta = theta_;
      r.value = value;
    } else if (count > 1) {
      zero(r, entries, count / 2);
      zero(r, entries + count / 2, count - count / 2);
    }
  }

  Criterion& f_;
  const SearchSettings& settings_;
  Coordinates scoring_;
  int n_;
  QuadraticModel model_;
  std::vector<double> theta_, x_, gradient_, trial_, rotation_, step_, change_;
  std::vector<double> scored_;                                             // n x n
  std::vector<std::pair<std::vector<double>, std::vector<double>>> seen_;  // steps, and what the scoring Hessian missed
  bool fresh_ = false;    // the last of these still lacks this point's half
  bool full_ = false;     // the last step was not shortened
  double curvature_ = 0;  // along it, times its length squared
};

}  // namespace

SearchResult quasi_newton(Criterion& f, std::vector<double> theta, const SearchSettings& settings,
                          const Progress& progress) {
  return Search(f, settings).run(theta, progress);
}

SearchResult stand_at(Criterion& f, const std::vector<double>& theta, const SearchSettings& settings) {
  return Search(f, settings).stand(theta);
}

}  // namespace mixedmodels
