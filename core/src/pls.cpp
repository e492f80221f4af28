#include "mixedmodels/pls.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "mixedmodels/blas.hpp"
#include "mixedmodels/blocks.hpp"
#include "mixedmodels/small.hpp"

namespace mixedmodels {

namespace {

// out (s x k, row-major) = op(lam) in, lam lower triangular.
void apply_template(int s, const double* lam, const double* in, double* out, int k) {
  for (int r = 0; r < s; ++r) {
    std::fill_n(out + std::int64_t{r} * k, k, 0.0);
    for (int c = 0; c <= r; ++c) small::axpy(k, lam[r + c * s], in + std::int64_t{c} * k, out + std::int64_t{r} * k);
  }
}

void apply_template_transposed(int s, const double* lam, const double* in, double* out, int k) {
  for (int c = 0; c < s; ++c) {
    std::fill_n(out + std::int64_t{c} * k, k, 0.0);
    for (int r = c; r < s; ++r) small::axpy(k, lam[r + c * s], in + std::int64_t{r} * k, out + std::int64_t{c} * k);
  }
}

double symmetric_at(const double* lower, int lead, int r, int c) {
  return r >= c ? lower[r + std::int64_t{c} * lead] : lower[c + std::int64_t{r} * lead];
}

// Z'W(X - Z Lambda K) comes out of a difference that has lost its digits where the templates are large. There
// Lambda'Z'W(X - Z Lambda K) = K, which is the definition of K, gives them back: AK = Lambda'^-1 K.
constexpr double kLarge = 100;

void sharpen_residual_products(const FactorBlock& block, const double* lam, const double* K, double* AK, int p) {
  const int s = block.width;
  for (int c = s - 1; c >= 0; --c) {
    double size = 0;
    for (std::int32_t l = 0; l < block.levels; ++l) size += block.diagonal[std::int64_t{l} * s * s + c * (s + 1)];
    const double pivot = lam[c + c * s];
    if (!(pivot * pivot * size > kLarge * block.levels)) continue;
    for (std::int32_t l = 0; l < block.levels; ++l) {
      const std::int64_t at = (block.offset + std::int64_t{l} * s) * p;
      double* target = AK + at + std::int64_t{c} * p;
      std::copy_n(K + at + std::int64_t{c} * p, p, target);
      for (int r = c + 1; r < s; ++r) small::axpy(p, -lam[r + c * s], AK + at + std::int64_t{r} * p, target);
      for (int j = 0; j < p; ++j) target[j] /= pivot;
    }
  }
}

}  // namespace

void multiply_products(const CrossProducts& A, const double* in, double* out, int k) {
  for (const FactorBlock& f : A.factors) {
    const int s = f.width;
    for (std::int32_t l = 0; l < f.levels; ++l) {
      const double* d = f.diagonal.data() + std::int64_t{l} * s * s;
      const std::int64_t at = (f.offset + std::int64_t{l} * s) * k;
      for (int r = 0; r < s; ++r) {
        double* target = out + at + std::int64_t{r} * k;
        std::fill_n(target, k, 0.0);
        for (int c = 0; c < s; ++c) small::axpy(k, d[r + c * s], in + at + std::int64_t{c} * k, target);
      }
    }
  }
  for (const PairBlock& pair : A.pairs) {
    const FactorBlock &a = A.factors[pair.a], &b = A.factors[pair.b];
    const int sa = a.width, sb = b.width;
    for (std::int32_t l = 0; l < a.levels; ++l)
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

Pls::Pls(const CrossProducts& A, const Symbolic& symbolic, std::vector<ThetaEntry> entries, int threads)
    : A_(A), S_(symbolic), entries_(std::move(entries)), factor_(A, symbolic, threads) {
  const auto q = static_cast<std::size_t>(A.q), k = static_cast<std::size_t>(A.k()), p = static_cast<std::size_t>(A.p);
  for (const FactorBlock& f : A.factors) lam_.emplace_back(static_cast<std::size_t>(f.width) * f.width, 0.0);
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

double Pls::scale_df(Criterion criterion) const {
  return static_cast<double>(criterion == Criterion::reml ? A_.n - A_.p : A_.n);
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

double Pls::criterion(Criterion criterion) const {
  if (!solved_ || !(pwrss_ > 0)) return std::numeric_limits<double>::quiet_NaN();
  const double df = scale_df(criterion);
  const double fit = df * (1 + std::log(2 * std::numbers::pi * pwrss_ / df)) - A_.sum_log_weights;
  return logdet_L2_ + fit + (criterion == Criterion::reml ? logdet_RX2_ : 0.0);
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
    for (std::int32_t l = 0; l < block.levels; ++l) {
      const std::int64_t at = block.offset + std::int64_t{l} * block.width;
      apply_template_transposed(block.width, lam_[f].data(), A_.ZtX.data() + at * k,
                                RZX_.data() + std::int64_t{S_.permuted[at]} * k, k);
    }
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
      apply_template(block.width, lam_[f].data(), u_.data() + at, b_.data() + at, 1);
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
  pwrss_ = rss + small::dot(static_cast<int>(A_.q), u_.data(), u_.data());
  cancellation_ = std::max(reference_.rtr, quadratic) / pwrss_;
}

void Pls::ensure_inverse() {
  if (!inverse_ready_) factor_.invert();
  inverse_ready_ = true;
}

// The diagonal blocks G_ll = sum over l' of [M^-1]_ll' lam' [Z'WZ]_l'l, and their sums over the levels.
void Pls::sum_trace_blocks() {
  if (G_.empty()) {
    std::size_t widest = 1;
    for (const FactorBlock& f : A_.factors) {
      G_.emplace_back(f.diagonal.size());
      G_sum_.emplace_back(static_cast<std::size_t>(f.width) * f.width);
      widest = std::max(widest, static_cast<std::size_t>(f.width));
    }
    scratch_.resize(2 * widest * widest);
  }
  for (std::size_t f = 0; f < A_.factors.size(); ++f) add_own_traces(f);
  for (std::size_t t = 0; t < A_.pairs.size(); ++t) add_pair_traces(t);
  for (std::size_t f = 0; f < A_.factors.size(); ++f) {
    const std::size_t size = G_sum_[f].size();
    std::fill(G_sum_[f].begin(), G_sum_[f].end(), 0.0);
    for (std::size_t i = 0; i < G_[f].size(); i += size)
      for (std::size_t j = 0; j < size; ++j) G_sum_[f][j] += G_[f][i + j];
  }
}

void Pls::add_own_traces(std::size_t f) {
  const FactorBlock& block = A_.factors[f];
  const int s = block.width, size = s * s;
  double *inner = scratch_.data(), *z = inner + size;
  std::fill(G_[f].begin(), G_[f].end(), 0.0);
  for (std::int32_t l = 0; l < block.levels; ++l) {
    const std::int64_t node = block.first_node + l;
    const double* own = factor_.inverse().data() + S_.diagonal_at[node];
    const double* d = block.diagonal.data() + std::int64_t{l} * size;
    double* g = G_[f].data() + std::int64_t{l} * size;
    if (s == 1) {
      *g = *own * lam_[f][0] * *d;
      continue;
    }
    for (int c = 0; c < s; ++c)
      for (int r = 0; r < s; ++r) z[r + c * s] = symmetric_at(own, S_.leading[node], r, c);
    blocks::left(s, lam_[f].data(), s, d, inner);
    blocks::add_product(s, s, s, z, inner, g);
  }
}

void Pls::add_pair_traces(std::size_t t) {
  const double* Z = factor_.inverse().data();
  const PairBlock& pair = A_.pairs[t];
  const FactorBlock &a = A_.factors[pair.a], &b = A_.factors[pair.b];
  const int sa = a.width, sb = b.width, size = sa * sb;
  const double *lam_a = lam_[pair.a].data(), *lam_b = lam_[pair.b].data();
  double *inner = scratch_.data(), *z = inner + size;
  for (std::int32_t l = 0; l < a.levels; ++l)
    for (std::int64_t e = pair.start[l]; e < pair.start[l + 1]; ++e) {
      const std::int64_t at = S_.pair_at[t][e];
      const std::int32_t m = pair.level_b[e];
      const double* v = pair.values.data() + e * size;
      const double* stored = Z + (at < 0 ? ~at : at);
      double* ga = G_[pair.a].data() + std::int64_t{l} * sa * sa;
      double* gb = G_[pair.b].data() + std::int64_t{m} * sb * sb;
      if (size == 1) {
        const double zv = *stored * *v;
        *ga += zv * *lam_b;
        *gb += zv * *lam_a;
        continue;
      }
      // The block of M^-1 between the level of b (rows) and that of a (columns).
      const std::int64_t lead = at < 0 ? S_.leading[b.first_node + m] : S_.leading[a.first_node + l];
      for (int c = 0; c < sa; ++c)
        for (int r = 0; r < sb; ++r) z[r + c * sb] = at < 0 ? stored[c + r * lead] : stored[r + c * lead];
      blocks::left(sb, lam_b, sa, v, inner);
      blocks::add_transposed_product(sb, sa, sa, z, inner, ga);
      blocks::left_transposed(sa, lam_a, sb, v, inner);
      blocks::add_product(sb, sa, sb, z, inner, gb);
    }
}

void Pls::gradient(Criterion criterion, double* out) {
  if (!solved_ || !(pwrss_ > 0)) {
    std::fill_n(out, entries_.size(), std::numeric_limits<double>::quiet_NaN());
    return;
  }
  ensure_inverse();
  sum_trace_blocks();
  if (criterion == Criterion::reml && A_.p > 0) subtract_fixed_traces();
  combine_gradient(scale_df(criterion) / pwrss_, out);
}

void Pls::gradient_at_scale(double scale, double* out) {
  ensure_inverse();
  sum_trace_blocks();
  combine_gradient(scale, out);
}

void Pls::combine_gradient(double scale, double* out) const {
  pwrss_gradient(out);
  for (std::size_t e = 0; e < entries_.size(); ++e) {
    const auto [f, row, column] = entries_[e];
    out[e] = 2 * G_sum_[f][column + row * A_.factors[f].width] + scale * out[e];
  }
}

// By the envelope theorem, -2 u'dLambda'Z'We.
void Pls::pwrss_gradient(double* out) const {
  for (std::size_t e = 0; e < entries_.size(); ++e) {
    const auto [f, row, column] = entries_[e];
    const FactorBlock& block = A_.factors[f];
    double sum = 0;
    for (std::int64_t at = block.offset; at < block.offset + std::int64_t{block.levels} * block.width;
         at += block.width)
      sum += ZtWe_[at + row] * u_[at + column];
    out[e] = solved_ ? -2 * sum : std::numeric_limits<double>::quiet_NaN();
  }
}

// K = M^-1 Lambda'Z'WX and AK = Z'W(X - Z Lambda K) = Z'V^-1X.
void Pls::fixed_products() {
  const int k = A_.k(), p = A_.p;
  const auto size = static_cast<std::size_t>(A_.q) * p;
  for (auto* v : {&K_, &AK_, &KR_})
    if (v->size() < size) v->resize(size);
  std::vector<double>& permuted = AK_;
  for (std::int64_t i = 0; i < A_.q; ++i) std::copy_n(RZX_.data() + i * k, p, permuted.data() + i * p);
  factor_.solve_Lt(permuted.data(), p);
  for (std::int64_t i = 0; i < A_.q; ++i)
    std::copy_n(permuted.data() + std::int64_t{S_.permuted[i]} * p, p, K_.data() + i * p);
  for (std::size_t f = 0; f < A_.factors.size(); ++f) {
    const FactorBlock& block = A_.factors[f];
    for (std::int32_t l = 0; l < block.levels; ++l) {
      const std::int64_t at = (block.offset + std::int64_t{l} * block.width) * p;
      apply_template(block.width, lam_[f].data(), K_.data() + at, KR_.data() + at, p);
    }
  }
  multiply_products(A_, KR_.data(), AK_.data(), p);
  for (std::int64_t i = 0; i < A_.q; ++i)
    for (int j = 0; j < p; ++j) AK_[i * p + j] = A_.ZtX[i * k + j] - AK_[i * p + j];
  for (std::size_t f = 0; f < A_.factors.size(); ++f)
    sharpen_residual_products(A_.factors[f], lam_[f].data(), K_.data(), AK_.data(), p);
}

// REML has P = V^-1 - V^-1 X (X'V^-1X)^-1 X'V^-1 where ML has V^-1: the blocks of Lambda'Z'PZ fall short of those of
// Lambda'Z'V^-1Z by K (RX'RX)^-1 AK'.
void Pls::subtract_fixed_traces() {
  const int k = A_.k(), p = A_.p;
  fixed_products();
  std::copy_n(K_.data(), static_cast<std::size_t>(A_.q) * p, KR_.data());
  const int q = static_cast<int>(A_.q);
  blas::trsm('L', 'L', 'N', p, q, RX_.data(), k, KR_.data(), p);
  blas::trsm('L', 'L', 'T', p, q, RX_.data(), k, KR_.data(), p);
  for (std::size_t f = 0; f < A_.factors.size(); ++f) {
    const FactorBlock& block = A_.factors[f];
    const int s = block.width;
    double* g = G_[f].data();
    for (std::int64_t at = block.offset; at < block.offset + std::int64_t{block.levels} * s; at += s)
      for (int r = 0; r < s; ++r)
        for (int c = 0; c < s; ++c, ++g) {
          const double part = small::dot(p, AK_.data() + (at + r) * p, KR_.data() + (at + c) * p);
          *g -= part;
          G_sum_[f][c + r * s] -= part;
        }
  }
}

// -(AK'dLambda K + its transpose), each half one product over the levels.
void Pls::fixed_derivatives(double* out) {
  const int p = A_.p;
  const std::size_t size = static_cast<std::size_t>(p) * p;
  if (!solved_) {
    std::fill_n(out, entries_.size() * size, std::numeric_limits<double>::quiet_NaN());
    return;
  }
  fixed_products();
  for (std::size_t e = 0; e < entries_.size(); ++e, out += size) {
    const auto [f, row, column] = entries_[e];
    const FactorBlock& block = A_.factors[f];
    const int lead = block.width * p;
    blas::gemm('N', 'T', p, p, block.levels, -1.0, AK_.data() + (block.offset + row) * p, lead,
               K_.data() + (block.offset + column) * p, lead, 0.0, out, p);
    for (int c = 0; c < p; ++c)
      for (int r = 0; r <= c; ++r) {
        const std::size_t at = r + static_cast<std::size_t>(c) * p, mirrored = c + static_cast<std::size_t>(r) * p;
        out[at] = out[mirrored] = out[at] + out[mirrored];
      }
  }
}

double Pls::rounding(Criterion criterion) const {
  constexpr double kEps = std::numeric_limits<double>::epsilon();
  double lost = 0;
  if (criterion == Criterion::reml)
    for (int j = 0; j < A_.p; ++j) {
      const std::size_t at = j + static_cast<std::size_t>(j) * A_.k();
      lost += A_.XtX[at] / (RX_[at] * RX_[at]);
    }
  return 8 * kEps * lost;
}

void Pls::conditional_covariance(int f, double* out) const {
  const FactorBlock& block = A_.factors[f];
  const int s = block.width;
  const double* lam = lam_[f].data();
  for (std::int32_t l = 0; l < block.levels; ++l) {
    const std::int64_t node = block.first_node + l;
    const double* z = factor_.inverse().data() + S_.diagonal_at[node];
    double* target = out + std::int64_t{l} * s * s;
    for (int c = 0; c < s; ++c)
      for (int r = 0; r < s; ++r) {
        double sum = 0;
        for (int i = 0; i <= r; ++i)
          for (int j = 0; j <= c; ++j) sum += lam[r + i * s] * symmetric_at(z, S_.leading[node], i, j) * lam[c + j * s];
        target[r + c * s] = sum;
      }
  }
}

}  // namespace mixedmodels
