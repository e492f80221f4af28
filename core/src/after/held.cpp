#include "after/held.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/blas.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

// Sigma below which a search is started again (kZero) and its new start (kAway), in units of the largest standard
// deviation.
constexpr double kZero = 1e-3, kAway = 0.03;
// Largest rounding error of a deviance: a thousandth of a limit's signed root takes five times as much.
constexpr double kRounding = 1e-3;
// Least sigma that is handed out, over the largest entry of the templates.
constexpr double kLeast = 1e-5;

Model with_squares(Model model, const std::vector<ProfileTerm>& terms) {
  require_triangles(model.structures.get(), "A profile");
  model.entries.clear();
  for (const ProfileTerm& t : terms)
    for (int c = 0; c < t.size; ++c)
      for (int r = 0; r < t.size; ++r) model.entries.push_back({t.factor, t.offset + r, t.offset + c});
  return model;
}

}  // namespace

HeldDeviance::HeldDeviance(const Model& model, std::vector<ProfileTerm> terms, ProfileParameter parameter,
                           const std::vector<double>& theta, int threads)
    : HeldFunction(std::move(terms), parameter),
      model_(with_squares(model, terms_)),
      basis_(model_.basis),
      A_(*model_.A),
      f_(model_, Likelihood::ml, threads),
      dense_(ResponseCovariance::of_saturated(model_)) {
  find_turn(A_, A_.unit);
  if (parameter_.kind == Held::sigma) shift_at_ = std::log(A_.unit);
  if (parameter_.kind == Held::coefficient) unit_at_ = A_.unit;
  choose_variables();
  set_start(theta);
}

// The entries of the templates, then log sigma, or sigma.
void HeldDeviance::choose_variables() {
  choose_entries(f_.unit());
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
  set_theta(theta.data());
  f_.value(theta_.data());
  sigma_ = reference_ = std::sqrt(f_.pls().pwrss() / static_cast<double>(A_.n));
  if (dense_) {
    double largest = 1;
    for (std::size_t e = 0; e < theta_.size(); ++e) largest = std::max(largest, std::abs(theta_[e]) / f_.unit()[e]);
    reference_ *= largest;
    for (double& entry : theta_) entry *= sigma_;
  }
  turn_templates();
  start_.resize(unit_.size());
  start_entries(scales());
  if (sigma_is_free()) start_.back() = dense_ ? sigma_ / reference_ : std::log(sigma_);
  if (parameter_.kind == Held::sigma) start_at_ = std::log(sigma_);
  if (parameter_.kind != Held::coefficient) return;
  std::vector<double> beta(f_.pls().beta());
  basis_.to_original(f_.pls().beta().data(), beta.data());
  start_at_ = beta[parameter_.first] / A_.unit;
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
  fill_entries(free, at, scales());
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
  turn_gradient();
  entries_slope(at_, scales(), out);
  if (explicit_sigma() && !dense_)
    for (int slot : slot_) by_sigma -= entry_gradient_[slot] * templates_[slot];
  add_special(by_sigma, out);
}

void HeldDeviance::add_special(double by_sigma, std::vector<double>& out) {
  if (dense_ && sigma_is_free()) out.back() = by_sigma * reference_;
  switch (parameter_.kind) {
    case Held::sigma:
      slope_ = dense_ ? by_sigma * sigma_ : by_sigma;
      break;
    case Held::sd:
      if (!dense_) out.back() = by_sigma - slope_ * at_;
      break;
    case Held::coefficient:
      slope_ = dense_ ? 2 * dense_->held().multiplier() : 2 * f_.pls().held().multiplier() / (sigma_ * sigma_);
      break;
    default:  // a correlation
      break;
  }
}

// The determinant of M = I + Lambda'Z'WZ Lambda loses the digits of the identity where Z'WZ is singular.
double HeldDeviance::rounding() const {
  if (dense_) return dense_->rounding();
  if (A_.q < A_.n) return 0;
  double largest = 0;
  for (std::size_t e = 0; e < theta_.size(); ++e) largest = std::max(largest, std::abs(theta_[e]) / f_.unit()[e]);
  const double effects = std::sqrt(static_cast<double>(A_.q));
  return std::numeric_limits<double>::epsilon() * largest * largest * effects;
}

bool HeldDeviance::is_accurate() const { return A_.q < A_.n || rounding() <= kRounding; }

double HeldDeviance::unit_for_differences() const {
  if (parameter_.kind == Held::sd) return std::max(at_, 0.1 * reference_ * f_.unit()[place(parameter_.term, 0, 0)]);
  if (parameter_.kind != Held::coefficient) return 1;
  return dense_ ? std::sqrt(dense_->held().variance()) : sigma_ * std::sqrt(f_.pls().held().variance());
}

void HeldDeviance::leave_zeros(std::vector<double>& free) const {
  HeldFunction::leave_zeros(free);
  if (dense_ && sigma_is_free() && std::abs(free.back()) < kZero) free.back() = kAway;
}

ProfilePoint HeldDeviance::point(bool converged) const {
  ProfilePoint out = point_here(converged);
  // Templates in units of sigma: next to zero where it is zero.
  double sigma = std::abs(sigma_);
  if (dense_)
    for (double entry : theta_) sigma = std::max(sigma, kLeast * std::abs(entry));
  out.sigma = A_.unit * sigma;
  out.theta = theta_of_user(A_, dense_ ? sigma : 1);
  out.beta.resize(beta().size());
  basis_.to_original(beta().data(), out.beta.data());
  return out;
}

}  // namespace mixedmodels
