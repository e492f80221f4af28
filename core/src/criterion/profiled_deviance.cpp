#include "criterion/profiled_deviance.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "kernels/small_dense.hpp"

namespace mixedmodels {

ProfiledDeviance::ProfiledDeviance(const Model& model, int threads) : Pls(model, threads) {
  for (auto* v : {&b_, &shift_, &ZtWe_}) v->resize(static_cast<std::size_t>(A_.q));
  reset_reference();
}

void ProfiledDeviance::reset_reference() {
  const auto q = static_cast<std::size_t>(A_.q), k = static_cast<std::size_t>(A_.k()),
             p = static_cast<std::size_t>(A_.p);
  solved_ = false;
  reference_.b.assign(q, 0.0);
  reference_.beta.assign(p, 0.0);
  reference_.Ztr.resize(q);
  reference_.Xtr.resize(p);
  for (std::size_t i = 0; i < q; ++i) reference_.Ztr[i] = A_.ZtX[i * k + p];
  for (std::size_t j = 0; j < p; ++j) reference_.Xtr[j] = A_.XtX[j + p * k];
  reference_.rtr = A_.XtX[p + p * k];
}

double scale_df(const CrossProducts& A, Likelihood likelihood) {
  return static_cast<double>(likelihood == Likelihood::reml ? A.n - A.p : A.n);
}

double sigma_of(const CrossProducts& A, Likelihood likelihood, double pwrss) {
  return A.unit * std::sqrt(pwrss / scale_df(A, likelihood));
}

double criterion_of(const CrossProducts& A, Likelihood likelihood, const CriterionParts& parts, double variance) {
  const double df = scale_df(A, likelihood);
  const double fit = df * (std::log(2 * std::numbers::pi * variance) + 2 * std::log(A.unit)) + parts.pwrss / variance -
                     A.sum_log_weights;
  double prior = 0;
  for (const FactorBlock& f : A.factors) prior += f.width * f.prior.logdet;
  return parts.logdet_L2 + fit + (likelihood == Likelihood::reml ? parts.logdet_RX2 : 0.0) - prior;
}

bool ProfiledDeviance::update(const double* theta) {
  solved_ = false;
  cancellation_ = 0;
  if (!factorize(theta)) return false;
  load_fixed();
  eliminate_fixed();
  if (!reduce_fixed()) return false;
  solve_fixed();
  held_.move(A_.p, RX_.data(), beta_.data());
  solve_random();
  random_effects(b_.data());
  residual_products();
  return solved_ = true;
}

double ProfiledDeviance::criterion(Likelihood likelihood, double variance) const {
  if (!solved_ || !(pwrss_ > 0)) return std::numeric_limits<double>::quiet_NaN();
  return criterion_of(A_, likelihood, {logdet_L2_, logdet_RX2_, pwrss_}, variance);
}

void ProfiledDeviance::set_reference(ReferencePoint reference) {
  reference_ = std::move(reference);
  if (solved_) residual_products();
}

void ProfiledDeviance::hold_coefficients(std::vector<double> a, double value) {
  held_.hold(std::move(a), value);
  solved_ = false;
}

// Z'We and pwrss from the reference point.
void ProfiledDeviance::residual_products() {
  const int k = A_.k(), p = A_.p;
  std::vector<double>& product = permuted_;  // Z'WZ (b - b0); the permuted modes are not needed any more
  for (std::int64_t i = 0; i < A_.q; ++i) shift_[i] = b_[i] - reference_.b[i];
  multiply_products(A_, shift_.data(), product.data(), 1);
  double rss = reference_.rtr, quadratic = 0;
  for (std::int64_t i = 0; i < A_.q; ++i) {
    double fixed = 0;  // row of Z'WX (beta - beta0)
    for (int j = 0; j < p; ++j) fixed += A_.ZtX[i * k + j] * (beta_[j] - reference_.beta[j]);
    ZtWe_[i] = reference_.Ztr[i] - product[i] - fixed;
    quadratic += shift_[i] * product[i];
    rss += shift_[i] * (product[i] + 2 * fixed - 2 * reference_.Ztr[i]);
  }
  for (int j = 0; j < p; ++j) {
    const double dj = beta_[j] - reference_.beta[j];
    rss -= 2 * dj * reference_.Xtr[j];
    for (int i = 0; i < p; ++i)
      rss += dj * A_.XtX[i + static_cast<std::size_t>(j) * k] * (beta_[i] - reference_.beta[i]);
  }
  const double* Qu = u_.data();
  if (A_.has_prior()) {
    multiply_prior(A_, u_.data(), product.data(), 1);
    Qu = product.data();
  }
  pwrss_ = rss + small::dot(static_cast<int>(A_.q), u_.data(), Qu);
  cancellation_ = std::max(reference_.rtr, quadratic) / pwrss_;
}

double ProfiledDeviance::rounding(Likelihood likelihood) const {
  constexpr double kEps = std::numeric_limits<double>::epsilon();
  double lost = 0;
  if (likelihood == Likelihood::reml)
    for (int j = 0; j < A_.p; ++j) {
      const std::size_t at = j + static_cast<std::size_t>(j) * A_.k();
      lost += A_.XtX[at] / (RX_[at] * RX_[at]);
    }
  return 8 * kEps * lost;
}

}  // namespace mixedmodels
