#include "mixedmodels/quasi_newton.hpp"

#include <algorithm>
#include <cmath>

#include "mixedmodels/quadratic_model.hpp"
#include "mixedmodels/small.hpp"

namespace mixedmodels {

namespace {

// A step may not much more than double the largest entry: beyond that the model knows nothing. Twice the entry would
// be the way to its mirror image, where an even function is the same, and half of that to zero, where it is flat.
void limit_step(const std::vector<double>& theta, std::vector<double>& step) {
  double size = 0.1, longest = 0;
  for (double t : theta) size = std::max(size, std::abs(t));
  for (double d : step) longest = std::max(longest, std::abs(d));
  if (longest > 1.5 * size)
    for (double& d : step) d *= 1.5 * size / longest;
}

// The search runs in the natural units of theta: `theta`, `gradient` and `model` of a result are in these until it is
// handed out.
class Search {
 public:
  Search(Evaluator& f, Criterion criterion, const SearchSettings& settings)
      : f_(f),
        criterion_(criterion),
        settings_(settings),
        unit_(f.unit()),
        m_(f.m()),
        model_(m_),
        trial_(m_),
        step_(m_),
        change_(m_),
        slope_(m_),
        at_(m_) {}

  SearchResult run(std::vector<double> theta, const Progress& progress) {
    SearchResult r;
    r.theta = std::move(theta);
    r.gradient.resize(m_);
    for (int i = 0; i < m_; ++i) r.theta[i] /= unit_[i];
    r.value = value_at(r.theta);
    if (!std::isfinite(r.value)) {
      r.status = SearchStatus::not_finite;
      r.theta = at_;
      return r;
    }
    gradient_at(r.gradient);
    f_.pls().information(criterion_, model_.data());
    model_.rescale(unit_);
    for (;; ++r.iterations) {
      if (progress && !progress(r.iterations, r.value, in_theta(r.theta))) {
        r.status = SearchStatus::interrupted;
        break;
      }
      model_.step(r.gradient, step_);
      r.decrement = -0.5 * small::dot(m_, step_.data(), r.gradient.data());
      if (r.decrement <= settings_.decrement) {
        r.status = SearchStatus::converged;
        break;
      }
      if (f_.n_value() >= settings_.max_values) {
        r.status = SearchStatus::max_values;
        break;
      }
      limit_step(r.theta, step_);
      if (!advance(r)) {
        r.status = f_.n_value() >= settings_.max_values ? SearchStatus::max_values : SearchStatus::stalled;
        break;
      }
    }
    try_zeros(r);
    for (int i = 0; i < m_; ++i) at_[i] = 1 / unit_[i];
    model_.rescale(at_);
    r.model = model_.hessian();
    for (int i = 0; i < m_; ++i) r.gradient[i] /= unit_[i];
    r.theta = in_theta(r.theta);
    turn_columns(r);
    return r;
  }

 private:
  const std::vector<double>& in_theta(const std::vector<double>& x) {
    for (int i = 0; i < m_; ++i) at_[i] = x[i] * unit_[i];
    return at_;
  }

  double value_at(const std::vector<double>& x) { return f_.value(in_theta(x).data(), criterion_); }

  // At the point of the last value.
  void gradient_at(std::vector<double>& out) {
    f_.gradient(criterion_, out.data());
    for (int i = 0; i < m_; ++i) out[i] *= unit_[i];
  }

  // Rounding error of a difference of two values of the criterion.
  double noise(const SearchResult& r) const { return 1e-13 * (1 + std::abs(r.value)) + f_.pls().rounding(criterion_); }

  // Moves along the step to a point of lower criterion, or says that there is none.
  bool advance(SearchResult& r) {
    const double slope = small::dot(m_, step_.data(), r.gradient.data());
    double t = 1, value = 0;
    for (int halvings = 0;; ++halvings) {
      for (int i = 0; i < m_; ++i) trial_[i] = r.theta[i] + t * step_[i];
      value = value_at(trial_);
      if (value <= r.value + 1e-4 * t * slope + noise(r)) break;
      if (halvings == 30 || f_.n_value() >= settings_.max_values) return false;
      const double curve = value - r.value - t * slope;
      const double best = std::isfinite(curve) && curve > 0 ? -0.5 * slope * t * t / curve : 0.0;
      t = std::clamp(best, 0.1 * t, 0.5 * t);
    }
    gradient_at(slope_);
    for (int i = 0; i < m_; ++i) {
      change_[i] = trial_[i] - r.theta[i];
      std::swap(slope_[i], r.gradient[i]);
      slope_[i] = r.gradient[i] - slope_[i];
    }
    model_.learn(change_, slope_);
    r.theta = trial_;
    r.value = value;
    return true;
  }

  // Small diagonal entries are set to zero where the criterion does not mind, smallest first.
  void try_zeros(SearchResult& r) {
    std::vector<int> small_entries;
    for (int e = 0; e < m_; ++e)
      if (f_.entries()[e].row == f_.entries()[e].column && r.theta[e] != 0 && std::abs(r.theta[e]) < settings_.zero)
        small_entries.push_back(e);
    std::sort(small_entries.begin(), small_entries.end(),
              [&](int a, int b) { return std::abs(r.theta[a]) < std::abs(r.theta[b]); });
    bool moved = false;
    for (int e : small_entries) {
      trial_ = r.theta;
      trial_[e] = 0;
      const double value = value_at(trial_);
      moved = true;
      if (!(value <= r.value + 1e-9 + noise(r))) continue;
      r.theta = trial_;
      r.value = value;
    }
    if (!moved) return;
    r.value = value_at(r.theta);
    gradient_at(r.gradient);
  }

  // Changes the sign of every column of a template whose diagonal entry is negative.
  void turn_columns(SearchResult& r) const {
    for (const ThetaEntry& diagonal : f_.entries()) {
      if (diagonal.row != diagonal.column) continue;
      const auto is_of_column = [&](const ThetaEntry& e) {
        return e.factor == diagonal.factor && e.column == diagonal.column;
      };
      if (!(r.theta[&diagonal - f_.entries().data()] < 0)) continue;
      for (int e = 0; e < m_; ++e) {
        if (!is_of_column(f_.entries()[e])) continue;
        r.theta[e] = -r.theta[e];
        r.gradient[e] = -r.gradient[e];
        for (int i = 0; i < m_; ++i) {
          r.model[i + e * m_] = -r.model[i + e * m_];
          r.model[e + i * m_] = -r.model[e + i * m_];
        }
      }
    }
  }

  Evaluator& f_;
  Criterion criterion_;
  const SearchSettings& settings_;
  const std::vector<double>& unit_;
  int m_;
  QuadraticModel model_;
  std::vector<double> trial_, step_, change_, slope_, at_;
};

}  // namespace

SearchResult quasi_newton(Evaluator& f, Criterion criterion, std::vector<double> theta, const SearchSettings& settings,
                          const Progress& progress) {
  return Search(f, criterion, settings).run(std::move(theta), progress);
}

std::vector<double> difference_hessian(Evaluator& f, Criterion criterion, std::vector<double> theta,
                                       const std::vector<double>& gradient, const std::vector<double>& h) {
  const auto m = theta.size();
  std::vector<double> out(m * m), up(m), down(gradient);
  down.resize(m);
  for (std::size_t j = 0; j < m; ++j) {
    const double centre = theta[j];
    theta[j] = centre + h[j];
    f.value(theta.data(), criterion);
    f.gradient(criterion, up.data());
    double width = h[j];
    if (gradient.empty()) {
      theta[j] = centre - h[j];
      f.value(theta.data(), criterion);
      f.gradient(criterion, down.data());
      width = 2 * h[j];
    }
    theta[j] = centre;
    for (std::size_t i = 0; i < m; ++i) out[i + j * m] = (up[i] - down[i]) / width;
  }
  for (std::size_t j = 0; j < m; ++j)
    for (std::size_t i = 0; i < j; ++i) out[i + j * m] = out[j + i * m] = 0.5 * (out[i + j * m] + out[j + i * m]);
  return out;
}

}  // namespace mixedmodels
