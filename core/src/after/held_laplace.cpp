#include "after/held_laplace.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

// Step of differences of the map from variables to parameters, which costs no evaluation.
constexpr double kMapStep = 1e-5;
// Natural size of a standard deviation at which differences are taken where it is zero.
constexpr double kNearZero = 0.1;

}  // namespace

HeldLaplace::HeldLaplace(const GeneralizedModel& model, const Approximation& approximation,
                         std::vector<ProfileTerm> terms, ProfileParameter parameter, HeldNumber number,
                         const std::vector<double>& par, std::vector<double> hessian, double constant, int threads)
    : HeldFunction(std::move(terms), parameter),
      f_(model, approximation, threads),
      number_(std::move(number)),
      m_(f_.entries().size()),
      par_(par),
      by_(par.size()),
      hessian_(std::move(hessian)),
      constant_(constant) {
  require_triangles(f_.structures(), "A profile");
  find_turn(f_.products(), 1);
  choose_variables(par);
}

void HeldLaplace::choose_variables(const std::vector<double>& par) {
  std::vector<double> unit(templates_.size(), 1.0);
  std::size_t next = 0;
  each_entry([&](int t, int r, int c) { unit[place(t, r, c)] = f_.unit()[next++]; });
  set_theta(par.data());
  choose_entries(unit);
  turn_templates();
  const int others = static_cast<int>(par.size() - m_);
  if (!is_turned()) {
    for (int i = 0; i < others; ++i)
      if (pivot_ < 0 || std::abs(number_.h[i]) > std::abs(number_.h[pivot_])) pivot_ = i;
  }
  const std::size_t entries = unit_.size();
  for (int i = 0; i < others; ++i)
    if (i != pivot_) {
      other_.push_back(i);
      unit_.push_back(f_.unit()[m_ + i]);
    }
  start_.resize(unit_.size());
  start_entries({});
  for (std::size_t i = 0; i < other_.size(); ++i) start_[entries + i] = par[m_ + other_[i]] / unit_[entries + i];
  if (!is_turned()) start_at_ = number();
}

// What is held, of the parameters where it stands.
double HeldLaplace::number() const {
  const double* x = par_.data() + m_;
  double out = number_.offset + small::dot(static_cast<int>(number_.h.size()), number_.h.data(), x);
  for (int j : number_.gaps) out += std::exp(x[j]);
  return out;
}

void HeldLaplace::fill(const std::vector<double>& free, double at) {
  at_ = at;
  fill_entries(free, at, {});
  std::size_t next = 0;
  each_entry([&](int t, int r, int c) { par_[next++] = theta_[place(t, r, c)]; });
  const std::size_t entries = unit_.size() - other_.size();
  for (std::size_t i = 0; i < other_.size(); ++i) par_[m_ + other_[i]] = free[entries + i] * unit_[entries + i];
  if (is_turned()) return;
  par_[m_ + pivot_] = 0;
  par_[m_ + pivot_] = (at - number()) / number_.h[pivot_];
}

double HeldLaplace::value(const std::vector<double>& free, double at) {
  fill(free, at);
  return value_ = constant_ + f_.value(par_.data());
}

void HeldLaplace::gradient(std::vector<double>& out) {
  f_.gradient(by_.data());
  std::vector<double> square;
  for (int t = 0; t < static_cast<int>(terms_.size()); ++t) {
    const ProfileTerm& term = terms_[t];
    square.resize(static_cast<std::size_t>(term.size) * term.size);
    f_.slope_block({term.factor, term.offset, term.size}, square.data());
    for (std::size_t i = 0; i < square.size(); ++i) entry_gradient_[first_[t] + i] = 2 * square[i];
  }
  turn_gradient();
  entries_slope(at_, {}, out);
  double* own = by_.data() + m_;
  if (!is_turned()) {
    slope_ = own[pivot_] / number_.h[pivot_];
    for (int i : other_) own[i] -= slope_ * number_.h[i];
    for (int j : number_.gaps) own[j] -= slope_ * std::exp(par_[m_ + j]);
  }
  const std::size_t entries = unit_.size() - other_.size();
  for (std::size_t i = 0; i < other_.size(); ++i) out[entries + i] = own[other_[i]] * unit_[entries + i];
}

double HeldLaplace::unit_for_differences() const {
  if (parameter_.kind == Held::sd) return std::max(at_, kNearZero * f_.unit()[0]);
  if (parameter_.kind == Held::correlation) return 1;
  return std::abs(number_.h[pivot_]) * f_.unit()[m_ + pivot_];
}

// J'HJ, J of the map from the variables to the parameters: the gradient is zero there. A template with a zero on its
// diagonal is where that map has no derivative.
std::vector<double> HeldLaplace::hessian_at_start(double unit) {
  for (int t = 0; t < static_cast<int>(terms_.size()); ++t)
    for (int c = 0; c < terms_[t].size; ++c)
      if (!(std::abs(templates_[place(t, c, c)]) > 1e-6)) return {};
  if (hessian_.empty() || !std::all_of(hessian_.begin(), hessian_.end(), [](double h) { return std::isfinite(h); }))
    return {};
  const std::size_t k = start_.size() + 1, size = par_.size();
  std::vector<double> J(size * k), HJ(size * k, 0.0), out(k * k);
  for (std::size_t j = 0; j < k; ++j)
    for (double side : {1.0, -1.0}) {
      std::vector<double> free(start_);
      double at = start_at_, step = kMapStep;
      if (j + 1 < k) {
        step *= std::max(1.0, std::abs(free[j]));
        free[j] += side * step;
      } else {
        at += side * step * unit;
      }
      fill(free, at);
      for (std::size_t i = 0; i < size; ++i) J[i + j * size] += side * par_[i] / (2 * step);
    }
  fill(start_, start_at_);
  const int n = static_cast<int>(size);
  for (std::size_t j = 0; j < k; ++j)
    for (std::size_t i = 0; i < size; ++i) small::axpy(n, J[i + j * size], hessian_.data() + i * size, &HJ[j * size]);
  for (std::size_t j = 0; j < k; ++j)
    for (std::size_t i = 0; i < k; ++i) out[i + j * k] = small::dot(n, &J[i * size], &HJ[j * size]);
  return out;
}

ProfilePoint HeldLaplace::point(bool converged) const {
  ProfilePoint out = point_here(converged);
  out.theta = theta_of_user(f_.products(), 1);
  out.others.assign(par_.begin() + static_cast<std::ptrdiff_t>(m_), par_.end());
  out.sigma = 1;
  return out;
}

}  // namespace mixedmodels
