#include "mixedmodels/profile.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "mixedmodels/blas.hpp"
#include "mixedmodels/small.hpp"

namespace mixedmodels {

namespace {

constexpr Criterion kMl = Criterion::ml;
// The model's promise at which a point is solved, and what may be left where rounding ends the search.
constexpr double kDecrement = 1e-11, kGoodEnough = 1e-7;
constexpr int kMostSteps = 200;
// A column of a template below the first is held at zero by symmetry alone, and is started at the second.
constexpr double kZero = 1e-3, kAway = 0.03;
constexpr double kDifference = 1e-4;
// Sizes of templates that a thorough search starts from, and by how much another minimum must be lower to count.
constexpr double kSizes[] = {1, 0.1};
constexpr double kLower = 1e-7;

std::vector<ThetaEntry> squares(const std::vector<ProfileTerm>& terms) {
  std::vector<ThetaEntry> out;
  for (const ProfileTerm& t : terms)
    for (int c = 0; c < t.size; ++c)
      for (int r = 0; r < t.size; ++r) out.push_back({t.factor, t.offset + r, t.offset + c});
  return out;
}

std::vector<int> starts(const std::vector<ProfileTerm>& terms) {
  std::vector<int> out{0};
  for (const ProfileTerm& t : terms) out.push_back(out.back() + t.size * t.size);
  return out;
}

int variables(const std::vector<ProfileTerm>& terms, Held kind) {
  int m = 0;
  for (const ProfileTerm& t : terms) m += t.size * (t.size + 1) / 2;
  return kind == Held::correlation ? m - 1 : m;
}

// out = a b for n x n matrices, column-major.
void multiply(int n, const double* a, const double* b, double* out) {
  std::fill_n(out, n * n, 0.0);
  for (int c = 0; c < n; ++c)
    for (int i = 0; i < n; ++i) small::axpy(n, b[i + c * n], a + i * n, out + c * n);
}

double largest(const std::vector<double>& v) {
  double out = 0;
  for (double x : v) out = std::max(out, std::abs(x));
  return out;
}

}  // namespace

ProfileCurve::ProfileCurve(const Rows& rows, const OrthogonalBasis& basis, const CrossProducts& A,
                           const Symbolic& symbolic, std::vector<ProfileTerm> terms, ProfileParameter parameter,
                           const std::vector<double>& theta, int threads)
    : basis_(basis),
      A_(A),
      terms_(std::move(terms)),
      parameter_(parameter),
      first_(starts(terms_)),
      f_(rows, basis, A, symbolic, squares(terms_), threads),
      templates_(static_cast<std::size_t>(first_.back())),
      theta_(templates_.size()),
      entry_gradient_(templates_.size()),
      model_(variables(terms_, parameter.kind)) {
  if (has_extra()) turn_effects();
  if (parameter_.kind == Held::sigma) shift_at_ = std::log(A.unit);
  if (parameter_.kind == Held::sd || parameter_.kind == Held::coefficient) unit_at_ *= A.unit;
  choose_variables();
  set_optimum(theta);
  learn_curvature();
}

// Orthonormal rows q of which the effects held are combinations, the first q_0, the second c q_0 + d q_1: the turned
// template has the effects over their lengths, then the other q.
void ProfileCurve::turn_effects() {
  const ProfileTerm& term = terms_[parameter_.term];
  const FactorBlock& block = A_.factors[term.factor];
  const int s = term.size, held = parameter_.kind == Held::correlation ? 2 : 1;
  const auto size = static_cast<std::size_t>(s) * s;
  rotation_.resize(size);
  turn_.assign(size, 0.0);
  turn_back_.assign(size, 0.0);
  std::vector<double> q(size, 0.0), row(s);  // q row by row
  double along = 0, beside = 1;
  for (int i = 0, next = 0; i < s; ++next) {
    std::fill(row.begin(), row.end(), 0.0);
    const int effect = next == 0 ? parameter_.first : parameter_.second;
    if (next >= held)
      row[next - held] = 1;
    else if (block.T.empty())
      row[effect] = 1;
    else
      for (int c = 0; c <= effect; ++c)
        row[c] = block.T[term.offset + effect + static_cast<std::size_t>(term.offset + c) * block.width];
    const double length = std::sqrt(small::dot(s, row.data(), row.data()));
    for (double& entry : row) entry /= length;
    if (next == 0) unit_at_ = length;
    if (next == 1 && held == 2) along = small::dot(s, q.data(), row.data());
    for (int pass = 0; pass < 2; ++pass)
      for (int j = 0; j < i; ++j)
        small::axpy(s, -small::dot(s, q.data() + j * s, row.data()), q.data() + j * s, row.data());
    const double rest = std::sqrt(small::dot(s, row.data(), row.data()));
    if (next >= held && rest < 0.5 / std::sqrt(static_cast<double>(s))) continue;  // another axis has more of its own
    if (next == 1 && held == 2) beside = rest;
    for (int c = 0; c < s; ++c) q[i * s + c] = row[c] / rest;
    ++i;
  }
  if (held == 1) unit_at_ = std::max(unit_at_, std::numeric_limits<double>::min());
  for (int i = 0; i < s; ++i)
    for (int c = 0; c < s; ++c) {
      turn_[i + c * s] = q[i * s + c];
      turn_back_[c + i * s] = q[i * s + c];
    }
  for (int c = 0; c < s && held == 2; ++c) {
    turn_[1 + c * s] = along * q[c] + beside * q[s + c];
    turn_back_[c] = q[c] - along / beside * q[s + c];
    turn_back_[c + s] = q[s + c] / beside;
  }
  if (held == 2) unit_at_ = 1;
}

// The entries of the templates that are free, then log sigma, or the roots of the entry (0, 0) and of the length of
// row 1: squares of these keep the two from changing sign, which would turn the correlation's.
void ProfileCurve::choose_variables() {
  const bool turned = has_extra();
  for (int t = 0; t < static_cast<int>(terms_.size()); ++t)
    for (int c = 0; c < terms_[t].size; ++c)
      for (int r = c; r < terms_[t].size; ++r) {
        const bool special = turned && t == parameter_.term;
        if (special && parameter_.kind == Held::sd && r == 0) continue;
        if (special && parameter_.kind == Held::correlation && (r == 1 || (r == 0 && c == 0))) continue;
        slot_.push_back(place(t, r, c));
        unit_.push_back(f_.unit()[place(t, r, c)]);
      }
  if (parameter_.kind == Held::sd) unit_.push_back(1);
  if (parameter_.kind == Held::correlation)
    for (int i : {0, 1}) unit_.push_back(f_.unit()[place(parameter_.term, i, 0)]);
  const std::size_t k = unit_.size();
  for (auto* v : {&gradient_, &step_, &trial_, &trial_gradient_, &change_, &direction_}) v->resize(k);
  if (parameter_.kind != Held::coefficient) return;
  // beta_j = e_j' R^-1 (c + basis coefficients).
  const int p = basis_.p();
  held_row_.assign(static_cast<std::size_t>(p), 0.0);
  held_row_[parameter_.first] = 1;
  blas::trsm('L', 'U', 'T', p, 1, basis_.R.data(), p, held_row_.data(), p);
  held_offset_ = small::dot(p, held_row_.data(), basis_.c.data());
}

void ProfileCurve::set_optimum(const std::vector<double>& theta) {
  std::size_t next = 0;
  for (int t = 0; t < static_cast<int>(terms_.size()); ++t)
    for (int c = 0; c < terms_[t].size; ++c)
      for (int r = c; r < terms_[t].size; ++r) theta_[place(t, r, c)] = theta[next++];
  value_ = f_.value(theta_.data(), kMl);
  const double variance = f_.pls().pwrss() / static_cast<double>(A_.n);
  sigma_ = std::sqrt(variance);
  reference_ = sigma_;
  templates_ = theta_;
  if (has_extra()) {
    const int s = terms_[parameter_.term].size;
    double* T = templates_.data() + first_[parameter_.term];
    multiply(s, turn_.data(), theta_.data() + first_[parameter_.term], T);
    small::rotate_to_lower(s, T, rotation_.data());
    for (int c = 0; c < s; ++c)
      if (T[c * (s + 1)] < 0)
        for (int i = c; i < s; ++i) T[i + c * s] = -T[i + c * s];
  }
  std::vector<double> free(unit_.size());
  for (std::size_t i = 0; i < slot_.size(); ++i) free[i] = templates_[slot_[i]] / unit_[i];
  switch (parameter_.kind) {
    case Held::sigma:
      at_ = std::log(sigma_);
      break;
    case Held::sd:
      at_ = sigma_ * templates_[place(parameter_.term, 0, 0)];
      free.back() = std::log(sigma_);
      break;
    case Held::correlation: {
      const double x = templates_[place(parameter_.term, 1, 0)], y = templates_[place(parameter_.term, 1, 1)];
      at_ = std::atan2(x, y);
      const std::size_t k = unit_.size();
      free[k - 2] = std::sqrt(templates_[place(parameter_.term, 0, 0)] / unit_[k - 2]);
      free[k - 1] = std::sqrt(std::hypot(x, y) / unit_[k - 1]);
      break;
    }
    case Held::coefficient: {
      std::vector<double> beta(f_.pls().beta());
      basis_.to_original(f_.pls().beta().data(), beta.data());
      at_ = beta[parameter_.first] / A_.unit;
      break;
    }
  }
  solved_.push_back({at_, std::move(free), {}});
  value_ = deviance(solved_[0].free, at_);
  gradient(gradient_);
  optimum_ = point(at_, true);
}

// The Hessian of all variables and `at`, by differences of the gradient.
void ProfileCurve::learn_curvature() {
  const auto k = static_cast<int>(unit_.size());
  std::vector<double> free = solved_[0].free;
  const double at = at_, sigma = sigma_;
  const double size = std::max(largest(free), 0.1), slope = slope_;
  std::vector<double> hessian(static_cast<std::size_t>(k) * k), cross(k);
  for (int j = 0; j < k; ++j) {
    const double h = kDifference * std::max(std::abs(free[j]), 0.1 * size), before = free[j];
    free[j] += h;
    deviance(free, at);
    gradient(trial_gradient_);
    free[j] = before;
    for (int i = 0; i < k; ++i) hessian[i + j * k] = (trial_gradient_[i] - gradient_[i]) / h;
  }
  double unit = 1;
  if (parameter_.kind == Held::sd) unit = std::max(at, 0.1 * sigma * f_.unit()[place(parameter_.term, 0, 0)]);
  if (parameter_.kind == Held::coefficient) unit = sigma * std::sqrt(f_.pls().held_variance());
  const double h = kDifference * unit;
  deviance(free, at + h);
  gradient(trial_gradient_);
  const double own = (slope_ - slope) / h;
  for (int i = 0; i < k; ++i) cross[i] = (trial_gradient_[i] - gradient_[i]) / h;
  for (int j = 0; j < k; ++j)
    for (int i = 0; i < k; ++i) model_.data()[i + j * k] = 0.5 * (hessian[i + j * k] + hessian[j + i * k]);
  model_.step(cross, direction_);
  curvature_ = (own + small::dot(k, cross.data(), direction_.data())) / (unit_at_ * unit_at_);
  solved_[0].hessian = model_.hessian();
}

void ProfileCurve::fill_templates(const std::vector<double>& free, double at) {
  if (parameter_.kind == Held::sigma) sigma_ = std::exp(at);
  if (parameter_.kind == Held::sd) {
    sigma_ = std::exp(free.back());
    templates_[place(parameter_.term, 0, 0)] = at / sigma_;
  }
  const double scale = in_residuals();
  for (std::size_t i = 0; i < slot_.size(); ++i) templates_[slot_[i]] = free[i] * unit_[i] * scale;
  if (parameter_.kind == Held::correlation) {
    const std::size_t k = unit_.size();
    roots_[0] = free[k - 2];
    roots_[1] = free[k - 1];
    const double b = roots_[1] * roots_[1] * unit_[k - 1];
    templates_[place(parameter_.term, 0, 0)] = roots_[0] * roots_[0] * unit_[k - 2];
    templates_[place(parameter_.term, 1, 0)] = b * std::sin(at);
    templates_[place(parameter_.term, 1, 1)] = b * std::cos(at);
  }
  theta_ = templates_;
  if (!has_extra()) return;
  const int s = terms_[parameter_.term].size;
  double* L = theta_.data() + first_[parameter_.term];
  multiply(s, turn_back_.data(), templates_.data() + first_[parameter_.term], L);
  small::rotate_to_lower(s, L, rotation_.data());
}

double ProfileCurve::deviance(const std::vector<double>& free, double at) {
  at_ = at;
  fill_templates(free, at);
  if (parameter_.kind == Held::coefficient) f_.hold_coefficients(held_row_, at - held_offset_);
  const double profiled = f_.value(theta_.data(), kMl);
  const auto n = static_cast<double>(A_.n);
  if (!explicit_sigma()) {
    sigma_ = std::sqrt(f_.pls().pwrss() / n);
    return profiled;
  }
  const double variance = sigma_ * sigma_;
  if (!std::isfinite(profiled)) return profiled;
  return f_.pls().logdet_L2() + n * (std::log(2 * std::numbers::pi * variance) + 2 * std::log(A_.unit)) +
         f_.pls().pwrss() / variance - A_.sum_log_weights;
}

// By the variables, and by `at` into slope_; at the point of the last `deviance`.
void ProfileCurve::gradient(std::vector<double>& out) {
  const double variance = sigma_ * sigma_;
  f_.pls().gradient_at_scale(1 / variance, entry_gradient_.data());
  if (has_extra()) {
    // By the entries of the turned template: those of L times the rotation's transpose, then the turn's on the left.
    const int s = terms_[parameter_.term].size;
    std::vector<double> turned(static_cast<std::size_t>(s) * s, 0.0);
    double* g = entry_gradient_.data() + first_[parameter_.term];
    for (int i = 0; i < s; ++i)
      for (int c = 0; c < s; ++c)
        for (int j = 0; j < s; ++j) turned[i + c * s] += g[i + j * s] * rotation_[c + j * s];
    for (int c = 0; c < s; ++c)
      for (int i = 0; i < s; ++i) g[i + c * s] = small::dot(s, turn_back_.data() + i * s, turned.data() + c * s);
  }
  const double scale = in_residuals();
  for (std::size_t i = 0; i < slot_.size(); ++i) out[i] = entry_gradient_[slot_[i]] * unit_[i] * scale;
  double by_log_sigma = 2 * static_cast<double>(A_.n) - 2 * f_.pls().pwrss() / variance;
  if (explicit_sigma())
    for (int slot : slot_) by_log_sigma -= entry_gradient_[slot] * templates_[slot];
  switch (parameter_.kind) {
    case Held::sigma:
      slope_ = by_log_sigma;
      break;
    case Held::sd: {
      const double by_entry = entry_gradient_[place(parameter_.term, 0, 0)];
      slope_ = by_entry / sigma_;
      out.back() = by_log_sigma - by_entry * at_ / sigma_;
      break;
    }
    case Held::correlation: {
      const double x = entry_gradient_[place(parameter_.term, 1, 0)], y = entry_gradient_[place(parameter_.term, 1, 1)];
      const double sine = std::sin(at_), cosine = std::cos(at_);
      const double b =
          sine * templates_[place(parameter_.term, 1, 0)] + cosine * templates_[place(parameter_.term, 1, 1)];
      slope_ = b * (cosine * x - sine * y);
      const std::size_t k = unit_.size();
      out[k - 2] = 2 * roots_[0] * entry_gradient_[place(parameter_.term, 0, 0)] * unit_[k - 2];
      out[k - 1] = 2 * roots_[1] * (sine * x + cosine * y) * unit_[k - 1];
      break;
    }
    case Held::coefficient:
      slope_ = 2 * f_.pls().multiplier() / variance;
      break;
  }
}

ProfilePoint ProfileCurve::solve(double outer, bool thorough) {
  const double at = (outer - shift_at_) / unit_at_;
  std::vector<double> free = predict(at);
  leave_zeros(free);
  const Solved& close = nearest(at);
  std::copy(close.hessian.begin(), close.hessian.end(), model_.data());
  bool converged = descend(free, at);
  if (!converged) {
    // The prediction may have led astray: from the nearest point, with what is known of the optimum.
    free = nearest(at).free;
    leave_zeros(free);
    std::copy(solved_[0].hessian.begin(), solved_[0].hessian.end(), model_.data());
    converged = descend(free, at);
  }
  if (thorough || !converged) return best_of_many(at, converged, std::move(free));
  ProfilePoint out = point(at, converged);
  solved_.push_back({at, std::move(free), model_.hessian()});
  return out;
}

// The lowest of what was found and of descents from the optimum and from templates of several sizes: in small samples
// the deviance of the other parameters may have more than one minimum.
ProfilePoint ProfileCurve::best_of_many(double at, bool converged, std::vector<double> found) {
  ProfilePoint out = point(at, converged);
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
    set_templates(starts.back(), size);
  }
  for (std::vector<double>& free : starts) {
    leave_zeros(free);
    std::copy(solved_[0].hessian.begin(), solved_[0].hessian.end(), model_.data());
    if (!descend(free, at) || (out.converged && !(value_ < out.deviance - kLower))) continue;
    out = point(at, true);
    found = std::move(free);
    hessian = model_.hessian();
  }
  if (out.converged) solved_.push_back({at, std::move(found), std::move(hessian)});
  return out;
}

// Diagonal templates of one size in their natural units.
void ProfileCurve::set_templates(std::vector<double>& free, double size) const {
  for (int t = 0; t < static_cast<int>(terms_.size()); ++t)
    for (int c = 0; c < terms_[t].size; ++c)
      for (int r = c; r < terms_[t].size; ++r)
        for (std::size_t i = 0; i < slot_.size(); ++i)
          if (slot_[i] == place(t, r, c)) free[i] = r == c ? size : 0;
  if (parameter_.kind == Held::correlation)
    for (std::size_t i = free.size() - 2; i < free.size(); ++i) free[i] = std::sqrt(size);
}

// From `free` to where the deviance is least; the evaluator and slope_ are left there.
bool ProfileCurve::descend(std::vector<double>& free, double at) {
  const auto k = static_cast<int>(free.size());
  value_ = deviance(free, at);
  if (!std::isfinite(value_)) return false;
  gradient(gradient_);
  for (int steps = 0; steps < kMostSteps; ++steps) {
    model_.step(gradient_, step_);
    const double decrement = -0.5 * small::dot(k, step_.data(), gradient_.data());
    if (!(decrement > kDecrement)) return std::isfinite(decrement);
    const double size = 1.5 * std::max(largest(free), 0.1), longest = largest(step_);
    if (longest > size)
      for (double& d : step_) d *= size / longest;
    const double value = search_line(free, at, small::dot(k, step_.data(), gradient_.data()));
    if (!std::isfinite(value)) {
      deviance(free, at);
      gradient(gradient_);
      return decrement < kGoodEnough;
    }
    gradient(trial_gradient_);
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

// The deviance at a lower point along the step, left in trial_; NaN when there is none.
double ProfileCurve::search_line(const std::vector<double>& free, double at, double slope) {
  const double noise = 1e-13 * (1 + std::abs(value_));
  double t = 1;
  for (int halvings = 0; halvings < 30; ++halvings) {
    for (std::size_t i = 0; i < free.size(); ++i) trial_[i] = free[i] + t * step_[i];
    const double value = deviance(trial_, at);
    if (value <= value_ + 1e-4 * t * slope + noise) return value;
    const double curve = value - value_ - t * slope;
    const double best = std::isfinite(curve) && curve > 0 ? -0.5 * slope * t * t / curve : 0.0;
    t = std::clamp(best, 0.1 * t, 0.5 * t);
  }
  return std::numeric_limits<double>::quiet_NaN();
}

const ProfileCurve::Solved& ProfileCurve::nearest(double at) const {
  return *std::min_element(solved_.begin(), solved_.end(), [at](const Solved& a, const Solved& b) {
    return std::abs(a.at - at) < std::abs(b.at - at);
  });
}

// Along the tangent at the optimum, then along a parabola through the nearest points.
std::vector<double> ProfileCurve::predict(double at) const {
  const std::size_t k = unit_.size();
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

// The deviance is even in every column of a template: at a column of zeros its gradient vanishes, minimum or not.
void ProfileCurve::leave_zeros(std::vector<double>& free) const {
  for (int t = 0; t < static_cast<int>(terms_.size()); ++t)
    for (int c = 0; c < terms_[t].size; ++c) {
      double size = 0;
      std::ptrdiff_t diagonal = -1;
      for (std::size_t i = 0; i < slot_.size(); ++i) {
        const int at = slot_[i] - place(t, 0, c);
        if (at < c || at >= terms_[t].size) continue;
        size = std::max(size, std::abs(free[i]));
        if (at == c) diagonal = static_cast<std::ptrdiff_t>(i);
      }
      if (diagonal >= 0 && size < kZero) free[diagonal] = std::copysign(kAway, free[diagonal]);
    }
  if (parameter_.kind == Held::correlation)
    for (std::size_t i = free.size() - 2; i < free.size(); ++i)
      if (free[i] * free[i] < kZero) free[i] = std::sqrt(kAway);
}

ProfilePoint ProfileCurve::point(double at, bool converged) const {
  ProfilePoint out;
  out.at = shift_at_ + unit_at_ * at;
  out.deviance = value_;
  out.slope = slope_ / unit_at_;
  out.sigma = A_.unit * sigma_;
  out.converged = converged;
  for (int t = 0; t < static_cast<int>(terms_.size()); ++t)
    for (int c = 0; c < terms_[t].size; ++c)
      for (int r = c; r < terms_[t].size; ++r) out.theta.push_back(theta_[place(t, r, c)]);
  std::vector<ThetaEntry> entries;
  for (const ProfileTerm& t : terms_)
    for (int c = 0; c < t.size; ++c)
      for (int r = c; r < t.size; ++r) entries.push_back({t.factor, t.offset + r, t.offset + c});
  ThetaAxes(A_, entries).from_axes(out.theta.data());
  out.beta.resize(f_.pls().beta().size());
  basis_.to_original(f_.pls().beta().data(), out.beta.data());
  return out;
}

}  // namespace mixedmodels
