#include "after/held.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/blas.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

// Size of a column of a template below which only symmetry holds it at zero, and the size that it is started at then.
constexpr double kZero = 1e-3, kAway = 0.03;
// Largest rounding error of a deviance: a thousandth of a limit's signed root takes five times as much.
constexpr double kRounding = 1e-3;
// Least sigma that is handed out, over the largest entry of the templates.
constexpr double kLeast = 1e-5;

Model with_squares(Model model, const std::vector<ProfileTerm>& terms) {
  model.entries.clear();
  for (const ProfileTerm& t : terms)
    for (int c = 0; c < t.size; ++c)
      for (int r = 0; r < t.size; ++r) model.entries.push_back({t.factor, t.offset + r, t.offset + c});
  return model;
}

std::vector<int> starts(const std::vector<ProfileTerm>& terms) {
  std::vector<int> out{0};
  for (const ProfileTerm& t : terms) out.push_back(out.back() + t.size * t.size);
  return out;
}

// out = a b for n x n matrices, column-major.
void multiply(int n, const double* a, const double* b, double* out) {
  std::fill_n(out, n * n, 0.0);
  for (int c = 0; c < n; ++c)
    for (int i = 0; i < n; ++i) small::axpy(n, b[i + c * n], a + i * n, out + c * n);
}

}  // namespace

HeldDeviance::HeldDeviance(const Model& model, std::vector<ProfileTerm> terms, ProfileParameter parameter,
                           const std::vector<double>& theta, int threads)
    : terms_(std::move(terms)),
      model_(with_squares(model, terms_)),
      basis_(model_.basis),
      A_(*model_.A),
      parameter_(parameter),
      first_(starts(terms_)),
      f_(model_, Likelihood::ml, threads),
      dense_(ResponseCovariance::of_saturated(model_)),
      templates_(static_cast<std::size_t>(first_.back())),
      theta_(templates_.size()),
      entry_gradient_(templates_.size()) {
  if (is_turned()) {
    const ProfileTerm& term = terms_[parameter_.term];
    turn_ = turn_effects(A_, term, parameter_.first, parameter_.kind == Held::correlation ? parameter_.second : -1);
    rotation_.resize(turn_.there.size());
  }
  if (parameter_.kind == Held::sigma) shift_at_ = std::log(A_.unit);
  if (parameter_.kind == Held::sd) unit_at_ = A_.unit * std::max(turn_.length, std::numeric_limits<double>::min());
  if (parameter_.kind == Held::coefficient) unit_at_ = A_.unit;
  choose_variables();
  set_start(theta);
}

// The entries of the templates that are free, then the roots of the entry (0, 0) and of the length of row 1, whose
// squares cannot change sign and turn the correlation's, then log sigma, or sigma.
void HeldDeviance::choose_variables() {
  each_entry([&](int t, int r, int c) {
    const bool special = is_turned() && t == parameter_.term;
    if (special && parameter_.kind == Held::sd && r == 0) return;
    if (special && parameter_.kind == Held::correlation && (r == 1 || (r == 0 && c == 0))) return;
    slot_.push_back(place(t, r, c));
    unit_.push_back(f_.unit()[place(t, r, c)]);
  });
  if (parameter_.kind == Held::correlation)
    for (int i : {0, 1}) unit_.push_back(f_.unit()[place(parameter_.term, i, 0)]);
  if (sigma_is_free()) unit_.push_back(1);
  if (parameter_.kind != Held::coefficient) return;
  // beta_j = e_j' R^-1 (c + basis coefficients).
  const int p = basis_.p();
  held_row_.assign(static_cast<std::size_t>(p), 0.0);
  held_row_[parameter_.first] = 1;
  blas::trsm('L', 'U', 'T', p, 1, basis_.R.data(), p, held_row_.data(), p);
  held_offset_ = small::dot(p, held_row_.data(), basis_.c.data());
}

void HeldDeviance::set_start(const std::vector<double>& theta) {
  std::size_t next = 0;
  each_entry([&](int t, int r, int c) { theta_[place(t, r, c)] = theta[next++]; });
  f_.value(theta_.data());
  sigma_ = reference_ = std::sqrt(f_.pls().pwrss() / static_cast<double>(A_.n));
  if (dense_) {
    double largest = 1;
    for (std::size_t e = 0; e < theta_.size(); ++e) largest = std::max(largest, std::abs(theta_[e]) / f_.unit()[e]);
    reference_ *= largest;
    for (double& entry : theta_) entry *= sigma_;
  }
  templates_ = theta_;
  if (is_turned()) {
    const int s = terms_[parameter_.term].size;
    double* T = templates_.data() + first_[parameter_.term];
    multiply(s, turn_.there.data(), theta_.data() + first_[parameter_.term], T);
    small::rotate_to_lower(s, T, rotation_.data());
    for (int c = 0; c < s; ++c)
      if (T[c * (s + 1)] < 0)
        for (int i = c; i < s; ++i) T[i + c * s] = -T[i + c * s];
  }
  start_.resize(unit_.size());
  const double scale = in_residuals();
  for (std::size_t i = 0; i < slot_.size(); ++i) start_[i] = templates_[slot_[i]] / (unit_[i] * scale);
  if (sigma_is_free()) start_.back() = dense_ ? sigma_ / reference_ : std::log(sigma_);
  switch (parameter_.kind) {
    case Held::sigma:
      start_at_ = std::log(sigma_);
      break;
    case Held::sd:
      start_at_ = template_unit() * templates_[place(parameter_.term, 0, 0)];
      break;
    case Held::correlation: {
      const double x = templates_[place(parameter_.term, 1, 0)], y = templates_[place(parameter_.term, 1, 1)];
      start_at_ = std::atan2(x, y);
      const std::size_t k = slot_.size();
      start_[k] = std::sqrt(templates_[place(parameter_.term, 0, 0)] / (unit_[k] * scale));
      start_[k + 1] = std::sqrt(std::hypot(x, y) / (unit_[k + 1] * scale));
      break;
    }
    case Held::coefficient: {
      std::vector<double> beta(f_.pls().beta());
      basis_.to_original(f_.pls().beta().data(), beta.data());
      start_at_ = beta[parameter_.first] / A_.unit;
      break;
    }
  }
}

void HeldDeviance::start_from(std::vector<double> x, double unit) {
  start_at_ = unit * x.back();
  x.pop_back();
  start_ = std::move(x);
  if (parameter_.kind != Held::sd || start_at_ >= 0) return;
  // The same with the first column of the template turned.
  start_at_ = -start_at_;
  for (std::size_t i = 0; i < slot_.size(); ++i) {
    const int row = slot_[i] - place(parameter_.term, 0, 0);
    if (row >= 0 && row < terms_[parameter_.term].size) start_[i] = -start_[i];
  }
}

void HeldDeviance::fill_templates(const std::vector<double>& free, double at) {
  if (parameter_.kind == Held::sigma) sigma_ = std::exp(at);
  if (sigma_is_free()) sigma_ = dense_ ? reference_ * free.back() : std::exp(free.back());
  if (parameter_.kind == Held::sd) templates_[place(parameter_.term, 0, 0)] = at / template_unit();
  const double scale = in_residuals();
  for (std::size_t i = 0; i < slot_.size(); ++i) templates_[slot_[i]] = free[i] * unit_[i] * scale;
  if (parameter_.kind == Held::correlation) {
    const std::size_t k = slot_.size();
    roots_[0] = free[k];
    roots_[1] = free[k + 1];
    const double b = roots_[1] * roots_[1] * unit_[k + 1] * scale;
    templates_[place(parameter_.term, 0, 0)] = roots_[0] * roots_[0] * unit_[k] * scale;
    templates_[place(parameter_.term, 1, 0)] = b * std::sin(at);
    templates_[place(parameter_.term, 1, 1)] = b * std::cos(at);
  }
  theta_ = templates_;
  if (!is_turned()) return;
  const int s = terms_[parameter_.term].size;
  double* L = theta_.data() + first_[parameter_.term];
  multiply(s, turn_.back.data(), templates_.data() + first_[parameter_.term], L);
  small::rotate_to_lower(s, L, rotation_.data());
}

double HeldDeviance::value(const std::vector<double>& free, double at) {
  at_ = at;
  fill_templates(free, at);
  if (dense_) {
    if (parameter_.kind == Held::coefficient) dense_->hold_coefficients(held_row_, at - held_offset_);
    return value_ = dense_->value(theta_.data(), sigma_);
  }
  if (parameter_.kind == Held::coefficient) f_.hold_coefficients(held_row_, at - held_offset_);
  value_ = f_.value(theta_.data());
  if (explicit_sigma())
    value_ = f_.pls().criterion(Likelihood::ml, sigma_ * sigma_);
  else
    sigma_ = std::sqrt(f_.pls().pwrss() / static_cast<double>(A_.n));
  return value_;
}

void HeldDeviance::gradient(std::vector<double>& out) {
  double by_sigma = 0;
  if (dense_) {
    by_sigma = dense_->gradient(entry_gradient_.data());
  } else {
    const double variance = sigma_ * sigma_;
    f_.pls().gradient_at_scale(1 / variance, entry_gradient_.data());
    by_sigma = 2 * static_cast<double>(A_.n) - 2 * f_.pls().pwrss() / variance;
  }
  if (is_turned()) turn_gradient();
  const double scale = in_residuals();
  for (std::size_t i = 0; i < slot_.size(); ++i) out[i] = entry_gradient_[slot_[i]] * unit_[i] * scale;
  if (explicit_sigma() && !dense_)
    for (int slot : slot_) by_sigma -= entry_gradient_[slot] * templates_[slot];
  add_special(by_sigma, out);
}

// By the entries of the turned template: those of L times the rotation's transpose, then the turn's on the left.
void HeldDeviance::turn_gradient() {
  const int s = terms_[parameter_.term].size;
  std::vector<double> turned(static_cast<std::size_t>(s) * s, 0.0);
  double* g = entry_gradient_.data() + first_[parameter_.term];
  for (int i = 0; i < s; ++i)
    for (int c = 0; c < s; ++c)
      for (int j = 0; j < s; ++j) turned[i + c * s] += g[i + j * s] * rotation_[c + j * s];
  for (int c = 0; c < s; ++c)
    for (int i = 0; i < s; ++i) g[i + c * s] = small::dot(s, turn_.back.data() + i * s, turned.data() + c * s);
}

void HeldDeviance::add_special(double by_sigma, std::vector<double>& out) {
  if (dense_ && sigma_is_free()) out.back() = by_sigma * reference_;
  switch (parameter_.kind) {
    case Held::sigma:
      slope_ = dense_ ? by_sigma * sigma_ : by_sigma;
      break;
    case Held::sd: {
      const double by_entry = entry_gradient_[place(parameter_.term, 0, 0)];
      slope_ = by_entry / template_unit();
      if (!dense_) out.back() = by_sigma - by_entry * at_ / sigma_;
      break;
    }
    case Held::correlation: {
      const double x = entry_gradient_[place(parameter_.term, 1, 0)], y = entry_gradient_[place(parameter_.term, 1, 1)];
      const double sine = std::sin(at_), cosine = std::cos(at_);
      const double b =
          sine * templates_[place(parameter_.term, 1, 0)] + cosine * templates_[place(parameter_.term, 1, 1)];
      slope_ = b * (cosine * x - sine * y);
      const std::size_t k = slot_.size();
      const double scale = in_residuals();
      out[k] = 2 * roots_[0] * entry_gradient_[place(parameter_.term, 0, 0)] * unit_[k] * scale;
      out[k + 1] = 2 * roots_[1] * (sine * x + cosine * y) * unit_[k + 1] * scale;
      break;
    }
    case Held::coefficient:
      slope_ = dense_ ? 2 * dense_->multiplier() : 2 * f_.pls().multiplier() / (sigma_ * sigma_);
      break;
  }
}

// The determinant of M = I + Lambda'Z'WZ Lambda loses the digits of the identity where Z'WZ is singular.
double HeldDeviance::rounding() const {
  const double rest = 1e-13 * (1 + std::abs(value_));
  if (dense_) return rest + dense_->rounding();
  if (A_.q < A_.n) return rest;
  double largest = 0;
  for (std::size_t e = 0; e < theta_.size(); ++e) largest = std::max(largest, std::abs(theta_[e]) / f_.unit()[e]);
  const double effects = std::sqrt(static_cast<double>(A_.q));
  return rest + std::numeric_limits<double>::epsilon() * largest * largest * effects;
}

bool HeldDeviance::is_accurate() const { return A_.q < A_.n || rounding() <= kRounding; }

double HeldDeviance::unit_for_differences() const {
  if (parameter_.kind == Held::sd) return std::max(at_, 0.1 * reference_ * f_.unit()[place(parameter_.term, 0, 0)]);
  if (parameter_.kind != Held::coefficient) return 1;
  return dense_ ? std::sqrt(dense_->held_variance()) : sigma_ * std::sqrt(f_.pls().held_variance());
}

void HeldDeviance::set_templates(std::vector<double>& free, const std::vector<double>& sizes) const {
  each_entry([&](int t, int r, int c) {
    for (std::size_t i = 0; i < slot_.size(); ++i)
      if (slot_[i] == place(t, r, c)) free[i] = r == c ? sizes[t] : 0;
  });
  if (parameter_.kind == Held::correlation)
    for (int i : {0, 1}) free[slot_.size() + i] = std::sqrt(sizes[parameter_.term]);
}

void HeldDeviance::leave_zeros(std::vector<double>& free) const {
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
    for (std::size_t i = slot_.size(); i < slot_.size() + 2; ++i)
      if (free[i] * free[i] < kZero) free[i] = std::sqrt(kAway);
  if (dense_ && sigma_is_free() && std::abs(free.back()) < kZero) free.back() = kAway;
}

ProfilePoint HeldDeviance::point(bool converged) const {
  ProfilePoint out;
  out.at = shift_at_ + unit_at_ * at_;
  out.deviance = value_;
  out.slope = slope_ / unit_at_;
  // Templates in units of sigma: next to zero where it is zero.
  double sigma = std::abs(sigma_);
  if (dense_)
    for (double entry : theta_) sigma = std::max(sigma, kLeast * std::abs(entry));
  out.sigma = A_.unit * sigma;
  out.converged = converged;
  std::vector<ThetaEntry> entries;
  each_entry([&](int t, int r, int c) {
    out.theta.push_back(dense_ ? theta_[place(t, r, c)] / sigma : theta_[place(t, r, c)]);
    entries.push_back({terms_[t].factor, terms_[t].offset + r, terms_[t].offset + c});
  });
  ThetaAxes(A_, entries).from_axes(out.theta.data());
  out.beta.resize(beta().size());
  basis_.to_original(beta().data(), out.beta.data());
  return out;
}

}  // namespace mixedmodels
