#include "after/profile.hpp"

#include <algorithm>
#include <cmath>

#include "after/descent.hpp"
#include "criterion/differences.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

// Sizes of templates that a thorough search starts from, and decrease of the deviance by which another minimum counts.
constexpr double kSizes[] = {1, 0.1};
constexpr double kSmall = 0.05, kNearZero = 1e-4;
constexpr std::size_t kMostVaried = 4;
constexpr double kLower = 1e-7;
// Decrease below the optimum of the fit at which a descent is given up: the criterion falls without bound there, or far
// from the fit.
constexpr double kFallen = 100;

// The criterion of the free variables with `at` held.
struct AtOne {
  HeldFunction& f;
  double at, floor;
  double last = 0;

  double value(const std::vector<double>& x) { return last = f.value(x, at); }
  void gradient(std::vector<double>& out) { f.gradient(out); }
  double rounding() const { return f.rounding(); }
  bool is_accurate() const { return f.is_accurate() && !(last < floor); }
};

// The criterion of the free variables and, last, of `at` in units of its own.
struct Together {
  HeldFunction& f;
  double unit;
  std::vector<double> free = {};

  std::vector<double> start() const {
    std::vector<double> out(f.start());
    out.push_back(f.start_at() / unit);
    return out;
  }
  double value(const std::vector<double>& x) {
    free.assign(x.begin(), x.end() - 1);
    return f.value(free, unit * x.back());
  }
  void gradient(std::vector<double>& out) {
    f.gradient(free);
    std::copy(free.begin(), free.end(), out.begin());
    out.back() = unit * f.slope();
  }
  double rounding() const { return f.rounding(); }
  bool is_accurate() const { return f.is_accurate(); }
  // At the point of the last value, of which the gradient is given; the evaluator ends at another one.
  std::vector<double> hessian(const std::vector<double>& x, const std::vector<double>& slope) {
    std::vector<double> steps = difference_steps({x.begin(), x.end() - 1}, std::vector<double>(x.size() - 1, 1.0));
    steps.push_back(kForward);
    const auto gradient_at = [this](const std::vector<double>& at, std::vector<double>& out) {
      value(at);
      gradient(out);
    };
    return difference_hessian(gradient_at, x, steps, slope);
  }
};

}  // namespace

ProfileCurve::ProfileCurve(std::unique_ptr<HeldFunction> f) : f_(std::move(f)), model_(f_->size()) {
  if (f_->is_dense()) find_optimum();
  direction_.resize(f_->start().size());
  solved_.push_back({f_->start_at(), f_->start(), {}});
  learn_curvature();
}

// The fit's search, in units of sigma, may have come to an end where sigma is small: from there with nothing held.
void ProfileCurve::find_optimum() {
  f_->value(f_->start(), f_->start_at());
  Together all{*f_, f_->unit_for_differences()};
  std::vector<double> x = all.start(), slope(x.size());
  all.value(x);
  all.gradient(slope);
  QuadraticModel model(static_cast<int>(x.size()));
  const std::vector<double> hessian = all.hessian(x, slope);
  std::copy(hessian.begin(), hessian.end(), model.data());
  double value = 0;
  descend(all, model, x, value);
  f_->start_from(x, all.unit);
}

// The Hessian of all variables and `at`, by differences of the gradient where it is not known.
void ProfileCurve::learn_curvature() {
  const std::size_t k = direction_.size(), all = k + 1;
  f_->value(f_->start(), f_->start_at());
  Together f{*f_, f_->unit_for_differences(), f_->start()};
  const std::vector<double> x = f.start();
  std::vector<double> slope(all), cross(k);
  f.gradient(slope);
  optimum_ = f_->point(true);
  std::vector<double> hessian = f_->hessian_at_start(f.unit);
  if (hessian.empty()) hessian = f.hessian(x, slope);
  for (std::size_t j = 0; j < k; ++j) {
    std::copy_n(hessian.begin() + j * all, k, model_.data() + j * k);
    cross[j] = hessian[j + k * all] / f.unit;
  }
  model_.step(cross, direction_);
  const double own = hessian.back() / (f.unit * f.unit);
  curvature_ = own + small::dot(static_cast<int>(k), cross.data(), direction_.data());
  curvature_ /= f_->unit_at() * f_->unit_at();
  solved_[0].hessian = model_.hessian();
}

// From `free` to where the deviance is least; the evaluator and slope_ are left there.
bool ProfileCurve::lowest(std::vector<double>& free, double at) {
  AtOne held{*f_, at, optimum_.deviance - kFallen};
  return descend(held, model_, free, value_);
}

ProfilePoint ProfileCurve::solve(double outer, bool thorough) {
  const double at = f_->inner(outer);
  std::vector<double> free = predict(at);
  f_->leave_zeros(free);
  const Solved& close = nearest(at);
  std::copy(close.hessian.begin(), close.hessian.end(), model_.data());
  bool converged = lowest(free, at);
  if (!converged) {
    // The prediction may have led astray: from the nearest point, with what is known of the optimum.
    free = nearest(at).free;
    f_->leave_zeros(free);
    std::copy(solved_[0].hessian.begin(), solved_[0].hessian.end(), model_.data());
    converged = lowest(free, at);
  }
  if (thorough || !converged) return best_of_many(at, converged, std::move(free));
  ProfilePoint out = f_->point(converged);
  solved_.push_back({at, std::move(free), model_.hessian()});
  return out;
}

// The optimum, the nearest points, and templates of several sizes where these matter; with few rows all large and small
// ones.
std::vector<std::vector<double>> ProfileCurve::other_starts(double at) const {
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
    if (!f_->has_sizes()) break;
    starts.push_back(solved_[0].free);
    f_->set_templates(starts.back(), std::vector<double>(f_->terms(), size));
  }
  if (f_->is_scarce()) add_subsets(kSmall, starts);
  for (std::vector<double>& free : starts) f_->leave_zeros(free);
  // A minimum next to a sigma of zero may be so narrow that leaving zero leads out of it.
  if (f_->is_dense()) {
    const std::size_t before = starts.size();
    add_subsets(kNearZero, starts);
    for (std::size_t i = before; i < starts.size(); ++i) f_->set_sigma(starts[i], kNearZero);
    starts.push_back(predict(at));
    starts.push_back(nearest(at).free);
  }
  return starts;
}

// Large templates of every set of terms, the others of size `least`.
void ProfileCurve::add_subsets(double least, std::vector<std::vector<double>>& starts) const {
  const std::size_t terms = f_->terms(), varied = std::min(terms, kMostVaried);
  for (unsigned which = 1; which < 1U << varied; ++which) {
    std::vector<double> sizes(terms, 1.0);
    for (std::size_t t = 0; t < varied; ++t) sizes[t] = which >> t & 1U ? 1.0 : least;
    starts.push_back(solved_[0].free);
    f_->set_templates(starts.back(), sizes);
  }
}

// The lowest of what was found and of descents from other starts: in small samples the deviance of the other parameters
// may have more than one minimum.
ProfilePoint ProfileCurve::best_of_many(double at, bool converged, std::vector<double> found) {
  ProfilePoint out = f_->point(converged);
  std::vector<double> hessian = model_.hessian();
  std::vector<std::vector<double>> starts = other_starts(at);
  for (std::vector<double>& free : starts) {
    std::copy(solved_[0].hessian.begin(), solved_[0].hessian.end(), model_.data());
    if (!lowest(free, at) || (out.converged && !(value_ < out.deviance - kLower))) {
      if (!out.converged && value_ < out.deviance) out = f_->point(false);
      continue;
    }
    out = f_->point(true);
    found = std::move(free);
    hessian = model_.hessian();
  }
  if (out.converged) solved_.push_back({at, std::move(found), std::move(hessian)});
  return out;
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
