#include "search/quasi_newton.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/small_dense.hpp"
#include "search/line_search.hpp"
#include "search/quadratic_model.hpp"
#include "search/variables.hpp"

namespace mixedmodels {

namespace {

// Fall of the criterion, over the predicted decrease, from which on the model counts as too stiff.
constexpr double kStiff = 1.5;
// A full step counts as a Hessian-vector product if the predicted decrease was at most kNear before it and at most
// kLeft of that remains.
constexpr double kNear = 1e-2, kLeft = 0.1;
// Bounds for criteria that carry parameters: iterations and shortened steps after which the search is given up, and
// the decrease that they may leave in what is carried.
constexpr int kMostForeseen = 16, kMostShortened = 3;
constexpr double kUnforeseen = 5;

// The search moves x of `Variables` and, after these, the other parameters; theta (all parameters) and its gradient are
// those of the point it stands at.
class Search {
 public:
  Search(Objective& f, const SearchSettings& settings)
      : f_(f),
        settings_(settings),
        scoring_(f),
        more_(f.more()),
        n_(scoring_.size() + more_),
        model_(n_),
        theta_(f.size()) {
    for (auto* v : {&x_, &gradient_, &trial_, &step_, &change_}) v->resize(n_);
    scored_.resize(static_cast<std::size_t>(n_) * n_);
  }

  SearchResult run(const std::vector<double>& start, const Progress& progress) {
    SearchResult r;
    r.theta = start;
    to_x(start);
    r.value = value_at(x_, 0);
    if (!std::isfinite(r.value)) {
      r.status = SearchStatus::not_finite;
      return r;
    }
    for (r.theta = theta_, find_gradient(r), find_slope(r.gradient, gradient_);; ++r.iterations) {
      if (progress && !progress(r.iterations, r.value, r.theta)) {
        r.status = SearchStatus::interrupted;
        break;
      }
      renew_model(!settings_.without.rotations);
      model_.step(gradient_, step_);
      const double predicted = r.decrement;
      r.decrement = -0.5 * small::dot(n_, step_.data(), gradient_.data());
      r.confirmed = confirms(predicted, r.decrement);
      if (r.decrement <= std::max(settings_.decrement, f_.attainable())) {
        r.status = SearchStatus::converged;
        break;
      }
      if (f_.n_value() >= settings_.max_values) {
        r.status = SearchStatus::max_values;
        break;
      }
      if (!settings_.without.step_limit) limit();
      if (unforeseen(r.iterations)) {
        r.status = SearchStatus::unforeseen;
        break;
      }
      if (!advance(r)) {
        const bool spent = f_.n_value() >= settings_.max_values;
        r.status = r.decrement <= noise(r) ? SearchStatus::converged
                   : spent                 ? SearchStatus::max_values
                   : has_second_phase()    ? SearchStatus::unforeseen
                                           : SearchStatus::stalled;
        break;
      }
    }
    value_at(x_, 0);
    find_gradient(r);
    hand_out(r);
    return r;
  }

  SearchResult stand(const std::vector<double>& theta) {
    SearchResult r;
    r.theta = theta;
    to_x(theta);
    r.value = value_at(x_, 0);
    r.status = std::isfinite(r.value) ? SearchStatus::converged : SearchStatus::not_finite;
    if (r.status == SearchStatus::not_finite) return r;
    r.theta = theta_;
    find_gradient(r);
    find_slope(r.gradient, gradient_);
    hand_out(r);
    return r;
  }

 private:
  // A step, and what the scoring Hessian missed of the gradient's change along it.
  using StepPair = std::pair<std::vector<double>, std::vector<double>>;

  // What the caller is to have of the point of the last gradient.
  void hand_out(SearchResult& r) {
    if (settings_.model) {
      renew_model(false);
      r.model = to_theta_hessian(model_.hessian());
    }
    try_zeros(r);
  }

  void to_x(const std::vector<double>& theta) {
    scoring_.from_parameters(theta.data(), x_.data());
    std::copy(theta.end() - more_, theta.end(), x_.end() - more_);
  }

  // The Hessian by theta and the others, from one by x and the others.
  std::vector<double> to_theta_hessian(const std::vector<double>& hessian) {
    if (more_ == 0) return scoring_.to_parameter_hessian(hessian);
    if (without_theta()) return hessian;
    const std::size_t n = n_, own = scoring_.size(), m = theta_.size(), m_own = m - more_;
    std::vector<double> part(own * own), out(m * m), column(m_own);
    for (std::size_t j = 0; j < own; ++j) std::copy_n(hessian.begin() + j * n, own, part.begin() + j * own);
    part = scoring_.to_parameter_hessian(part);
    for (std::size_t j = 0; j < m_own; ++j) std::copy_n(part.begin() + j * m_own, m_own, out.begin() + j * m);
    for (std::size_t j = 0; j < static_cast<std::size_t>(more_); ++j) {
      const double* from = hessian.data() + (own + j) * n;
      scoring_.to_parameter_slope(from, column.data());
      for (std::size_t i = 0; i < m_own; ++i) out[i + (m_own + j) * m] = out[m_own + j + i * m] = column[i];
      std::copy_n(from + own, more_, out.begin() + m_own + (m_own + j) * m);
    }
    return out;
  }

  // Turns x to be triangular. What the criterion carries stands in x afterwards. `part` is of the
  // step that was announced.
  double value_at(std::vector<double>& x, double part) {
    scoring_.make_triangular(x.data());
    scoring_.to_parameters(x.data(), theta_.data());
    std::copy(x.end() - more_, x.end(), theta_.end() - more_);
    const double value = f_.advance(theta_.data(), part);
    std::copy(theta_.end() - more_, theta_.end(), x.end() - more_);
    return value;
  }

  // At the point of the last value.
  void find_gradient(SearchResult& r) {
    r.gradient.resize(theta_.size());
    f_.gradient(r.gradient.data());
  }

  // `found` is the gradient by theta and the others.
  void find_slope(const std::vector<double>& found, std::vector<double>& out) {
    scoring_.gradient(f_, out.data());
    std::copy(found.end() - more_, found.end(), out.end() - more_);
  }

  // The scoring Hessian of theta, and with the others what the criterion has.
  void score(bool with_rotations) {
    if (more_ == 0) return scoring_.hessian(f_, x_.data(), with_rotations, scored_.data());
    if (without_theta()) return f_.model_of_others(scored_.data());
    const std::size_t n = n_, own = scoring_.size(), more = more_;
    std::vector<double> part(std::max(own * own, more * more));
    scoring_.hessian(f_, x_.data(), with_rotations, part.data());
    for (std::size_t j = 0; j < own; ++j) std::copy_n(part.begin() + j * own, own, scored_.begin() + j * n);
    f_.model_of_others(part.data());
    for (std::size_t j = 0; j < more; ++j) {
      double* column = scored_.data() + (own + j) * n;
      scoring_.cross(f_, static_cast<int>(j), column);
      for (std::size_t i = 0; i < own; ++i) scored_[own + j + i * n] = column[i];
      std::copy_n(part.begin() + j * more, more, column + own);
    }
  }

  void limit() {
    shorten(part_within(scoring_.size(), x_.data(), step_.data()));
    shorten(f_.part_allowed(step_.data() + scoring_.size()));
  }

  void shorten(double part) {
    if (part < 1)
      for (double& s : step_) s *= part;
  }

  // Announces the step, with what the updates of the model add for the others to the scoring Hessian.
  void announce(double decrement) {
    if (!f_.foresees()) return;
    std::vector<double> missed(static_cast<std::size_t>(more_), 0.0);
    const std::size_t n = n_, own = scoring_.size();
    for (std::size_t j = 0; j < n && !settings_.without.foreseen_updates; ++j)
      for (int i = 0; i < more_; ++i)
        missed[i] += (model_.hessian()[own + i + j * n] - scored_[own + i + j * n]) * step_[j];
    Templates change(f_.pls().lam());
    for (auto& square : change) std::fill(square.begin(), square.end(), 0.0);
    scoring_.to_templates(step_.data(), change);
    f_.foresee({change, step_.data() + own, missed.data(), decrement});
  }

  // The scoring Hessian of this point, corrected by what it has missed along the last steps.
  void renew_model(bool with_rotations) {
    const bool fresh = std::exchange(fresh_, false);
    if (without_theta() && has_model_) {
      if (fresh) correct_by(seen_.back());
      return;
    }
    score(with_rotations);
    if (settings_.without.scoring) level_model();
    if (fresh) add_product(-0.5, seen_.back().first, seen_.back().second);
    std::copy(scored_.begin(), scored_.end(), model_.data());
    has_model_ = true;
    for (const StepPair& pair : seen_) correct_by(pair);
  }

  void correct_by(const StepPair& pair) {
    change_ = pair.second;
    add_product(1, pair.first, change_);
    model_.learn(pair.first, change_);
  }

  // The model is then the same at every point: corrections are made in it as they come, and none is forgotten.
  bool without_theta() const { return more_ == n_; }

  // The mean of the diagonal for all variables.
  void level_model() {
    double sum = 0;
    for (int i = 0; i < n_; ++i) sum += scored_[i * (static_cast<std::size_t>(n_) + 1)];
    std::fill(scored_.begin(), scored_.end(), 0.0);
    for (int i = 0; i < n_; ++i) scored_[i * (static_cast<std::size_t>(n_) + 1)] = sum / n_;
  }

  // out += a H x, H the scoring Hessian; without theta steps correct the model itself, of which they miss nothing.
  void add_product(double a, const std::vector<double>& x, std::vector<double>& out) const {
    if (without_theta()) return;
    for (int j = 0; j < n_; ++j)
      small::axpy(n_, a * x[j], scored_.data() + static_cast<std::size_t>(j) * n_, out.data());
  }

  // A step and how the gradient changed along it, of which the scoring Hessians at both ends, the mean of the two, have
  // missed a part. Steps that start where the predicted decrease is large say little of the curvature here.
  void remember(double predicted, bool stiff) {
    if (settings_.without.updates) return;
    if (predicted > settings_.far && !settings_.without.distance && !(stiff && !settings_.forget_stiff))
      return seen_.clear();
    if (static_cast<int>(seen_.size()) == settings_.remembered) seen_.erase(seen_.begin());
    for (auto& [step, missed] : seen_) {
      scoring_.rotate(step.data());
      scoring_.rotate(missed.data());
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
  double noise(const SearchResult& r) const { return 1e-13 * (1 + std::abs(r.value)) + f_.rounding(); }

  bool has_second_phase() const { return f_.foresees() && !settings_.without.second_phase; }

  // Whether the criterion has not foreseen how what it carries moves: too many iterations or shortened steps, or much
  // left of the gradient by what is carried after a step.
  bool unforeseen(int iterations) const {
    if (!has_second_phase() || iterations == 0) return false;
    if (iterations >= kMostForeseen || shortened_ > most_shortened()) return true;
    double left = 0;
    for (int i = scoring_.size(); i < scoring_.size() + f_.carried(); ++i) {
      const double curvature = scored_[i * (static_cast<std::size_t>(n_) + 1)];
      if (curvature > 0) left += 0.5 * gradient_[i] * gradient_[i] / curvature;
    }
    return iterations > 1 && left > kUnforeseen;
  }

  // More steps may be shortened where parameters are neither of a covariance nor carried: the model is less accurate.
  int most_shortened() const { return kMostShortened * (1 + more_ - f_.carried()); }

  // Values that a line search may take.
  int most_tries() const {
    const int left = settings_.max_values - f_.n_value();
    return has_second_phase() ? std::min(left, most_shortened() + 2 - shortened_) : left;
  }

  // Moves along the step to a point of lower criterion, or says that there is none.
  bool advance(SearchResult& r) {
    const double slope_along = small::dot(n_, step_.data(), gradient_.data());
    const Line line{r.value, slope_along, noise(r)};
    announce(r.decrement);
    const int before = f_.n_value();
    const auto [t, value] = lower_along(line, most_tries(), [&](double part) {
      for (int i = 0; i < n_; ++i) trial_[i] = x_[i] + part * step_[i];
      return value_at(trial_, part);
    });
    shortened_ += std::max(f_.n_value() - before - 1, 0);
    if (t == 0 || trial_ == x_) return false;  // a step below the last digits of the point takes no evaluation
    find_gradient(r);
    const double fallen = r.value - value;
    r.theta = theta_;
    r.value = value;
    for (double& s : step_) s *= t;
    for (int i = n_ - more_; i < n_; ++i) step_[i] = trial_[i] - x_[i];  // the criterion has moved what it carries
    const bool stiff = !settings_.forget_stiff && fallen > kStiff * predicted_decrease();
    x_ = trial_;
    add_product(0.5, step_, gradient_);  // half of what the scoring Hessians say; the other half when the next is made
    scoring_.rotate(step_.data());
    scoring_.rotate(gradient_.data());
    find_slope(r.gradient, change_);
    for (int i = 0; i < n_; ++i) {
      std::swap(gradient_[i], change_[i]);
      change_[i] = gradient_[i] - change_[i];
    }
    full_ = t == 1 && more_ == 0;
    curvature_ = small::dot(n_, step_.data(), gradient_.data()) - t * slope_along;
    remember(-0.5 * slope_along, stiff);
    return true;
  }

  // Predicted decrease of the criterion along the step.
  double predicted_decrease() const {
    double curvature = 0;
    for (int j = 0; j < n_; ++j)
      curvature += step_[j] * small::dot(n_, model_.hessian().data() + static_cast<std::size_t>(j) * n_, step_.data());
    return -small::dot(n_, step_.data(), gradient_.data()) - 0.5 * curvature;
  }

  // Parameters next to a turning point, of theta diagonal entries next to zero, are set there where the criterion does
  // not rise: all at once, or else the nearer half of them and then the others.
  void try_zeros(SearchResult& r) {
    if (settings_.without.zeros) return;
    std::vector<int> close;
    const auto distance = [&](int e) { return std::abs(r.theta[e] - f_.turning_point(e, r.theta[e])) / f_.unit()[e]; };
    for (std::size_t e = 0; e < f_.entries().size(); ++e)
      if (const double d = distance(e); d > 0 && d < settings_.zero) close.push_back(static_cast<int>(e));
    if (close.empty()) return;
    std::sort(close.begin(), close.end(), [&](int a, int b) { return distance(a) < distance(b); });
    zero(r, close.data(), close.size());
    r.value = f_.advance(r.theta.data(), 0);
    find_gradient(r);
  }

  void zero(SearchResult& r, const int* which, std::size_t count) {
    theta_ = r.theta;
    for (std::size_t i = 0; i < count; ++i) theta_[which[i]] = f_.turning_point(which[i], theta_[which[i]]);
    const double value = f_.advance(theta_.data(), 0);
    if (value <= r.value + 1e-9 + noise(r)) {
      r.theta = theta_;
      r.value = value;
    } else if (count > 1) {
      zero(r, which, count / 2);
      zero(r, which + count / 2, count - count / 2);
    }
  }

  Objective& f_;
  const SearchSettings& settings_;
  Variables scoring_;
  int more_, n_;  // variables beside theta, all variables
  QuadraticModel model_;
  std::vector<double> theta_, x_, gradient_, trial_, step_, change_;
  std::vector<double> scored_;  // n x n
  std::vector<StepPair> seen_;
  bool fresh_ = false;  // the last of these still lacks this point's half
  bool has_model_ = false;
  bool full_ = false;     // the last step was not shortened
  double curvature_ = 0;  // along it, times its length squared
  int shortened_ = 0;     // steps shortened so far
};

}  // namespace

SearchResult quasi_newton(Objective& f, std::vector<double> theta, const SearchSettings& settings,
                          const Progress& progress) {
  return Search(f, settings).run(theta, progress);
}

SearchResult stand_at(Objective& f, const std::vector<double>& theta, const SearchSettings& settings) {
  return Search(f, settings).stand(theta);
}

}  // namespace mixedmodels
