#include "criterion/pls.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <type_traits>

#include "kernels/blas.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/level_blocks.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

// out (s x k, row-major) = lam' in, lam lower triangular.
void apply_template_transposed(int s, const double* lam, const double* in, double* out, int k) {
  for (int c = 0; c < s; ++c) {
    std::fill_n(out + std::int64_t{c} * k, k, 0.0);
    for (int r = c; r < s; ++r) small::axpy(k, lam[r + c * s], in + std::int64_t{r} * k, out + std::int64_t{c} * k);
  }
}

}  // namespace

namespace {

// `Columns` is int, or the type of the constant 1: most products are with one column.
template <typename Columns>
void multiply_levels(const FactorBlock& f, std::int64_t first, std::int64_t last, const double* in, double* out,
                     Columns k) {
  const int s = f.width;
  for (std::int64_t l = first; l < last; ++l) {
    const double* d = f.diagonal.data() + l * s * s;
    const std::int64_t at = (f.offset + l * s) * k;
    for (int r = 0; r < s; ++r) {
      double* target = out + at + std::int64_t{r} * k;
      for (int j = 0; j < k; ++j) target[j] = 0;
      for (int c = 0; c < s; ++c) small::axpy(k, d[r + c * s], in + at + std::int64_t{c} * k, target);
    }
  }
}

template <typename Columns>
void multiply_pairs(const CrossProducts& A, const PairBlock& pair, const double* in, double* out, Columns k) {
  const FactorBlock &a = A.factors[pair.a], &b = A.factors[pair.b];
  const int sa = a.width, sb = b.width;
  InterruptMeter meter;
  for (std::int32_t l = 0; l < a.levels; ++l) {
    meter.count(2 * (pair.start[l + 1] - pair.start[l]) * sa * sb * k);
    for (std::int64_t t = pair.start[l]; t < pair.start[l + 1]; ++t) {
      const double* v = pair.values.data() + t * sa * sb;
      const std::int64_t at_a = (a.offset + std::int64_t{l} * sa) * k;
      const std::int64_t at_b = (b.offset + std::int64_t{pair.level_b[t]} * sb) * k;
      for (int c = 0; c < sa; ++c)
        for (int r = 0; r < sb; ++r) {
          small::axpy(k, v[r + c * sb], in + at_a + std::int64_t{c} * k, out + at_b + std::int64_t{r} * k);
          small::axpy(k, v[r + c * sb], in + at_b + std::int64_t{r} * k, out + at_a + std::int64_t{c} * k);
        }
    }
  }
}

template <typename Columns>
void multiply(const CrossProducts& A, const double* in, double* out, Columns k) {
  for (const FactorBlock& f : A.factors)
    in_strips(f.levels, 1.0 * f.width * f.width * k,
              [&](std::int64_t first, std::int64_t last) { multiply_levels(f, first, last, in, out, k); });
  for (const PairBlock& pair : A.pairs) multiply_pairs(A, pair, in, out, k);
}

}  // namespace

void multiply_products(const CrossProducts& A, const double* in, double* out, int k) {
  if (k == 1)
    multiply(A, in, out, std::integral_constant<int, 1>{});
  else
    multiply(A, in, out, k);
}

void multiply_prior(const CrossProducts& A, const double* in, double* out, int k) {
  std::copy_n(in, static_cast<std::size_t>(A.q) * k, out);
  for (const FactorBlock& f : A.factors) {
    const std::int64_t size = std::int64_t{f.width} * k;  // numbers of a level
    for (std::int32_t l = 0; l < f.levels && !f.prior.diagonal.empty(); ++l)
      for (std::int64_t i = 0; i < size; ++i) out[f.offset * k + l * size + i] *= f.prior.diagonal[l];
  }
  for (const PairBlock& pair : A.pairs) {
    const FactorBlock& f = A.factors[pair.a];
    if (pair.a != pair.b || f.prior.diagonal.empty()) continue;
    const std::int64_t first = f.offset * k, size = std::int64_t{f.width} * k;
    InterruptMeter meter;
    for (std::int32_t l = 0; l < f.levels; ++l) {
      meter.count(2 * (pair.start[l + 1] - pair.start[l]) * size);
      for (std::int64_t t = pair.start[l]; t < pair.start[l + 1]; ++t) {
        const std::int64_t at_l = first + l * size, at_m = first + pair.level_b[t] * size;
        small::axpy(static_cast<int>(size), f.prior.pairs[t], in + at_l, out + at_m);
        small::axpy(static_cast<int>(size), f.prior.pairs[t], in + at_m, out + at_l);
      }
    }
  }
}

Pls::Pls(const Model& model, int threads)
    : model_(model), A_(*model.A), S_(*model.symbolic), entries_(model.entries), factor_(A_, S_, threads) {
  const auto q = static_cast<std::size_t>(A_.q), k = static_cast<std::size_t>(A_.k()),
             p = static_cast<std::size_t>(A_.p);
  for (const FactorBlock& f : A_.factors) lam_.emplace_back(static_cast<std::size_t>(f.width) * f.width, 0.0);
  RZX_.resize(q * k);
  RX_.resize(k * k);
  beta_.resize(p);
  for (auto* v : {&u_, &b_, &shift_, &permuted_, &ZtWe_}) v->resize(q);
  reset_reference();
}

void Pls::reset_reference() {
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

double Pls::scale_df(Likelihood likelihood) const {
  return static_cast<double>(likelihood == Likelihood::reml ? A_.n - A_.p : A_.n);
}

bool Pls::update(const double* theta) {
  inverse_ready_ = false;
  solved_ = false;
  cancellation_ = 0;
  for (std::size_t e = 0; e < entries_.size(); ++e) {
    const ThetaEntry& entry = entries_[e];
    lam_[entry.factor][entry.row + entry.column * A_.factors[entry.factor].width] = theta[e];
  }
  if (!factor_.renew(lam_)) return false;
  logdet_L2_ = factor_.logdet2();
  if (!solve_fixed()) return false;
  solve_random();
  residual_products();
  return solved_ = true;
}

double Pls::criterion(Likelihood likelihood, double variance) const {
  if (!solved_ || !(pwrss_ > 0)) return std::numeric_limits<double>::quiet_NaN();
  const double df = scale_df(likelihood);
  const double fit =
      df * (std::log(2 * std::numbers::pi * variance) + 2 * std::log(A_.unit)) + pwrss_ / variance - A_.sum_log_weights;
  double prior = 0;
  for (const FactorBlock& f : A_.factors) prior += f.width * f.prior.logdet;
  return logdet_L2_ + fit + (likelihood == Likelihood::reml ? logdet_RX2_ : 0.0) - prior;
}

void Pls::set_reference(ReferencePoint reference) {
  reference_ = std::move(reference);
  if (solved_) residual_products();
}

// RZX and c_u by one solve, then RX and beta.
bool Pls::solve_fixed() {
  const int k = A_.k(), p = A_.p;
  for (std::size_t f = 0; f < A_.factors.size(); ++f) {
    const FactorBlock& block = A_.factors[f];
    in_strips(block.levels, 1.0 * block.width * block.width * k, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t l = first; l < last; ++l) {
        const std::int64_t at = block.offset + l * block.width;
        apply_template_transposed(block.width, lam_[f].data(), A_.ZtX.data() + at * k,
                                  RZX_.data() + std::int64_t{S_.permuted[at]} * k, k);
      }
    });
  }
  factor_.solve_L(RZX_.data(), k);
  std::copy(A_.XtX.begin(), A_.XtX.end(), RX_.begin());
  blas::syrk('L', 'N', k, static_cast<int>(A_.q), -1.0, RZX_.data(), k, 1.0, RX_.data(), k);
  if (!blas::potrf('L', p, RX_.data(), k)) return false;
  logdet_RX2_ = A_.logdet_R2;
  for (int j = 0; j < p; ++j) logdet_RX2_ += 2 * std::log(RX_[j + static_cast<std::size_t>(j) * k]);
  for (int j = 0; j < p; ++j) beta_[j] = RX_[p + static_cast<std::size_t>(j) * k];
  blas::trsm('L', 'L', 'N', p, 1, RX_.data(), k, beta_.data(), std::max(p, 1));
  blas::trsm('L', 'L', 'T', p, 1, RX_.data(), k, beta_.data(), std::max(p, 1));
  if (!held_.empty()) move_to_held();
  return true;
}

void Pls::hold_coefficients(std::vector<double> a, double value) {
  held_ = std::move(a);
  held_value_ = value;
  solved_ = false;
}

// beta goes along (RX'RX)^-1 a, where the sum of squares rises least.
void Pls::move_to_held() {
  const int k = A_.k(), p = A_.p;
  held_direction_ = held_;
  blas::trsm('L', 'L', 'N', p, 1, RX_.data(), k, held_direction_.data(), p);
  held_variance_ = small::dot(p, held_direction_.data(), held_direction_.data());
  blas::trsm('L', 'L', 'T', p, 1, RX_.data(), k, held_direction_.data(), p);
  multiplier_ = (held_value_ - small::dot(p, held_.data(), beta_.data())) / held_variance_;
  small::axpy(p, multiplier_, held_direction_.data(), beta_.data());
}

// u and b in the order of the cross-products.
void Pls::solve_random() {
  const int k = A_.k(), p = A_.p;
  for (std::int64_t i = 0; i < A_.q; ++i) {
    const double* row = RZX_.data() + i * k;
    permuted_[i] = row[p] - small::dot(p, row, beta_.data());
  }
  factor_.solve_Lt(permuted_.data(), 1);
  for (std::int64_t i = 0; i < A_.q; ++i) u_[i] = permuted_[S_.permuted[i]];
  for (std::size_t f = 0; f < A_.factors.size(); ++f) {
    const FactorBlock& block = A_.factors[f];
    for (std::int32_t l = 0; l < block.levels; ++l) {
      const std::int64_t at = block.offset + std::int64_t{l} * block.width;
      small::apply_template(block.width, lam_[f].data(), u_.data() + at, b_.data() + at, 1);
    }
  }
}

// Z'We and pwrss from the reference point.
void Pls::residual_products() {
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

void Pls::ensure_inverse() {
  if (!inverse_ready_) factor_.invert();
  inverse_ready_ = true;
}

double Pls::rounding(Likelihood likelihood) const {
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
