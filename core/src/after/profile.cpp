#include "after/profile.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "criterion/differences.hpp"
#include "kernels/small_dense.hpp"
#include "search/line_search.hpp"
#include "search/quadratic_model.hpp"
#include "search/quasi_newton.hpp"

namespace mixedmodels {

namespace {

// Sizes of templates that a thorough search starts from, and decrease of the deviance by which another minimum counts.
constexpr double kSizes[] = {1, 0.1};
constexpr double kSmall = 0.05, kNearZero = 1e-4;
constexpr std::size_t kMostVaried = 4;
constexpr double kLower = 1e-7;
// Decrease below the optimum of the fit at which a descent is given up: the criterion falls without bound there, or far
// from the fit.
constexpr double kFallen = 100, kInfinity = std::numeric_limits<double>::infinity();
// Distance of two points, over that to a third, below which they tell no more of it than one.
constexpr double kApart = 1e-3;
// Predicted decrease that a search which rounding has ended may leave, and evaluations that it may take.
constexpr double kGoodEnough = 1e-7;
constexpr int kMostValues = 220;

// The criterion as the search has it: its parameters are the free variables and, where that is not held, last `at` in
// units of its own.
class Free : public Objective {
 public:
  // `unit_at` is zero where `at` is held. `hessian` is the model of second derivatives wherever the search goes; the
  // search corrects it.
  Free(HeldFunction& f, double at, double unit_at, std::vector<double> hessian)
      : f_(f),
        at_(at),
        unit_at_(unit_at),
        unit_(static_cast<std::size_t>(f.size()) + (unit_at != 0), 1.0),
        hessian_(std::move(hessian)),
        par_(unit_.size()),
        gradient_(unit_.size()) {}

  const Pls& pls() const override { return f_.pls(); }
  const std::vector<ThetaEntry>& entries() const override { return no_entries_; }
  int more() const override { return static_cast<int>(unit_.size()); }
  int carried() const override { return 0; }
  const std::vector<double>& unit() const override { return unit_; }

  double value(const double* par) override {
    if (has_value_ && std::equal(par_.begin(), par_.end(), par)) return value_;
    std::copy_n(par, par_.size(), par_.begin());
    has_value_ = true;
    ++n_value_;
    has_gradient_ = false;
    free_.assign(par, par + f_.size());
    return value_ = f_.value(free_, moves_at() ? unit_at_ * par_.back() : at_);
  }
  void gradient(double* out) override {
    if (!has_gradient_) {
      f_.gradient(free_);
      std::copy(free_.begin(), free_.end(), gradient_.begin());
      if (moves_at()) gradient_.back() = unit_at_ * f_.slope();
      ++n_gradient_;
      has_gradient_ = true;
      from_ = par_;
    }
    std::copy(gradient_.begin(), gradient_.end(), out);
  }
  double rounding() const override { return f_.rounding(); }
  bool is_accurate() const { return f_.is_accurate(); }
  int n_value() const override { return n_value_; }
  int n_gradient() const override { return n_gradient_; }
  void reset_counts() override { n_value_ = n_gradient_ = 0; }

  Scores scores() const override { return {no_modes_}; }
  void slope_block(const EffectsBlock&, double*) const override {}
  void model_of_others(double* out) override { std::copy(hessian_.begin(), hessian_.end(), out); }
  double part_allowed(const double* step) const override { return part_within(more(), from_.data(), step); }

  std::vector<double> start() const {
    std::vector<double> out(f_.start());
    if (moves_at()) out.push_back(f_.start_at() / unit_at_);
    return out;
  }
  // Value and gradient at the start.
  void stand() {
    value(start().data());
    gradient(std::vector<double>(par_.size()).data());
  }
  // The Hessian by differences there; the function ends at another point.
  const std::vector<double>& learn() {
    std::vector<double> steps = difference_steps({from_.begin(), from_.end() - 1}, {unit_.begin(), unit_.end() - 1});
    steps.push_back(kForward);
    const auto gradient_at = [this](const std::vector<double>& at, std::vector<double>& out) {
      value(at.data());
      gradient(out.data());
    };
    return hessian_ =
               difference_hessian(gradient_at, std::vector<double>(from_), steps, std::vector<double>(gradient_));
  }

 private:
  bool moves_at() const { return unit_at_ != 0; }

  HeldFunction& f_;
  double at_, unit_at_;
  std::vector<double> unit_, hessian_;
  std::vector<double> par_, free_, gradient_, from_;  // from_: of the last gradient
  double value_ = 0;
  bool has_value_ = false, has_gradient_ = false;
  int n_value_ = 0, n_gradient_ = 0;
  const std::vector<ThetaEntry> no_entries_;
  const std::vector<double> no_modes_;
};

// The one search, given up where the criterion is below `floor` or has lost its digits.
SearchResult search(Free& f, std::vector<double> start, double floor) {
  SearchSettings settings;
  settings.max_values = kMostValues;
  settings.far = kInfinity;
  return quasi_newton(f, std::move(start), settings, [&](int, double value, const std::vector<double>&) {
    return f.is_accurate() && !(value < floor);
  });
}

}  // namespace

ProfileCurve::ProfileCurve(std::unique_ptr<HeldFunction> f) : f_(std::move(f)) {
  if (f_->is_dense()) find_optimum();
  direction_.resize(f_->start().size());
  solved_.push_back({f_->start_at(), f_->start(), {}});
  learn_curvature();
}

// Of differences, where nothing is held.
double ProfileCurve::unit_of_at() {
  f_->value(f_->start(), f_->start_at());
  return f_->unit_for_differences();
}

// The fit's search, in units of sigma, may have come to an end where sigma is small: from there with nothing held.
void ProfileCurve::find_optimum() {
  const double unit = unit_of_at();
  Free all(*f_, 0, unit, {});
  all.stand();
  all.learn();
  f_->start_from(search(all, all.start(), -kInfinity).theta, unit);
}

// The Hessian of all variables and `at`, by differences of the gradient where it is not known.
void ProfileCurve::learn_curvature() {
  const std::size_t k = direction_.size(), all = k + 1;
  const double unit = unit_of_at();
  Free f(*f_, 0, unit, {});
  f.stand();
  optimum_ = f_->point(true);
  std::vector<double> hessian = f_->hessian_at_start(unit);
  if (hessian.empty()) hessian = f.learn();
  QuadraticModel model(static_cast<int>(k));
  std::vector<double> cross(k);
  for (std::size_t j = 0; j < k; ++j) {
    std::copy_n(hessian.begin() + j * all, k, model.data() + j * k);
    cross[j] = hessian[j + k * all] / unit;
  }
  model.step(cross, direction_);
  curvature_ = hessian.back() / (unit * unit) + small::dot(static_cast<int>(k), cross.data(), direction_.data());
  curvature_ /= f_->unit_at() * f_->unit_at();
  solved_[0].hessian = model.hessian();
}

// From `free` to where the deviance is least; the evaluator and slope_ are left there.
bool ProfileCurve::lowest(std::vector<double>& free, double at) {
  Free held(*f_, at, 0, std::move(hessian_));
  const double floor = optimum_.deviance - kFallen;
  SearchResult found = search(held, free, floor);
  free = std::move(found.theta);
  hessian_ = std::move(found.model);
  value_ = found.value;
  fell_ = fell_ || value_ < floor;
  return found.status == SearchStatus::converged ||
         (found.status == SearchStatus::stalled && found.decrement < kGoodEnough + f_->rounding());
}

ProfilePoint ProfileCurve::solve(double outer, bool thorough) {
  fell_ = false;
  ProfilePoint out = lowest_at(outer, thorough);
  out.fell = fell_;
  return out;
}

ProfilePoint ProfileCurve::lowest_at(double outer, bool thorough) {
  const double at = f_->inner(outer);
  std::vector<double> free = predict(at);
  f_->leave_zeros(free);
  hessian_ = nearest(at).hessian;
  bool converged = lowest(free, at);
  if (!converged) {
    // The prediction may have led astray: from the nearest point, with what is known of the optimum.
    free = nearest(at).free;
    f_->leave_zeros(free);
    hessian_ = solved_[0].hessian;
    converged = lowest(free, at);
  }
  if (thorough || !converged) return best_of_many(at, converged, std::move(free));
  ProfilePoint out = f_->point(converged);
  solved_.push_back({at, std::move(free), hessian_});
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
  std::vector<double> hessian = hessian_;
  std::vector<std::vector<double>> starts = other_starts(at);
  for (std::vector<double>& free : starts) {
    hessian_ = solved_[0].hessian;
    if (!lowest(free, at) || (out.converged && !(value_ < out.deviance - kLower))) {
      if (!out.converged && value_ < out.deviance) out = f_->point(false);
      continue;
    }
    out = f_->point(true);
    found = std::move(free);
    hessian = hessian_;
  }
  if (out.converged) solved_.push_back({at, std::move(found), std::move(hessian)});
  return out;
}

const ProfileCurve::Solved& ProfileCurve::nearest(double at) const {
  return *std::min_element(solved_.begin(), solved_.end(), [at](const Solved& a, const Solved& b) {
    return std::abs(a.at - at) < std::abs(b.at - at);
  });
}

// Of points next to each other, seen from `at`, one: a curve through both would have the rounding of their difference.
std::vector<const ProfileCurve::Solved*> ProfileCurve::by_distance(double at) const {
  std::vector<const Solved*> all, out;
  for (const Solved& s : solved_) all.push_back(&s);
  const auto distance = [at](const Solved* s) { return std::abs(s->at - at); };
  std::stable_sort(all.begin(), all.end(), [&](const Solved* a, const Solved* b) { return distance(a) < distance(b); });
  for (const Solved* s : all)
    if (std::none_of(out.begin(), out.end(),
                     [&](const Solved* o) { return std::abs(o->at - s->at) < kApart * distance(s); }))
      out.push_back(s);
  return out;
}

// Along the tangent at the optimum, then along a parabola through the nearest points.
std::vector<double> ProfileCurve::predict(double at) const {
  const auto k = direction_.size();
  std::vector<double> out(k);
  const std::vector<const Solved*> points = by_distance(at);
  const Solved& near = *points[0];
  if (near.at == at || points.size() == 1) {
    for (std::size_t i = 0; i < k; ++i) out[i] = near.free[i] + (at - near.at) * direction_[i];
    return out;
  }
  if (points.size() == 2) {
    const double optimum = solved_[0].at;
    const bool first = std::abs(near.at - optimum) < std::abs(points[1]->at - optimum);
    const Solved &origin = *points[first ? 0 : 1], &other = *points[first ? 1 : 0];
    const double width = other.at - origin.at, t = (at - origin.at) / width;
    for (std::size_t i = 0; i < k; ++i) {
      const double tangent = width * direction_[i];
      out[i] = origin.free[i] + t * tangent + t * t * (other.free[i] - origin.free[i] - tangent);
    }
    return out;
  }
  const Solved &second = *points[1], &third = *points[2];
  const double a = near.at, b = second.at, c = third.at;
  for (std::size_t i = 0; i < k; ++i) {
    const double first = (second.free[i] - near.free[i]) / (b - a);
    const double bend = ((third.free[i] - near.free[i]) / (c - a) - first) / (c - b);
    out[i] = near.free[i] + (at - a) * (first + (at - b) * bend);
  }
  return out;
}

}  // namespace mixedmodels
