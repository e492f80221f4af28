// What the inverse on the pattern gives: traces, the gradient of the criterion, derivatives of X'V^-1X.
#include <algorithm>
#include <limits>

#include "criterion/profiled_deviance.hpp"
#include "kernels/blas.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/level_blocks.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

// Z'W(X - Z Lambda K) comes out of a difference that has lost its digits where the templates are large. There
// Lambda'Z'W(X - Z Lambda K) = QK, which is the definition of K (Q the prior precision, mostly I), gives them back:
// AK = Lambda'^-1 QK.
constexpr double kLarge = 100;

void sharpen_residual_products(const FactorBlock& block, const double* lam, const double* QK, double* AK, int p) {
  const int s = block.width;
  for (int c = s - 1; c >= 0; --c) {
    double size = 0;
    for (std::int32_t l = 0; l < block.levels; ++l) size += block.diagonal[std::int64_t{l} * s * s + c * (s + 1)];
    const double pivot = lam[c + c * s];
    if (!(pivot * pivot * size > kLarge * block.levels)) continue;
    for (std::int32_t l = 0; l < block.levels; ++l) {
      const std::int64_t at = (block.offset + std::int64_t{l} * s) * p;
      double* target = AK + at + std::int64_t{c} * p;
      std::copy_n(QK + at + std::int64_t{c} * p, p, target);
      for (int r = c + 1; r < s; ++r) small::axpy(p, -lam[r + c * s], AK + at + std::int64_t{r} * p, target);
      for (int j = 0; j < p; ++j) target[j] /= pivot;
    }
  }
}

}  // namespace

// The diagonal blocks G_ll = sum over l' of [M^-1]_ll' lam' [Z'WZ]_l'l, and their sums over the levels.
void Pls::sum_trace_blocks() {
  if (scratch_.empty()) {
    G_.clear(), G_sum_.clear();
    for (const FactorBlock& f : A_.factors) {
      G_.emplace_back(f.diagonal.size());
      G_sum_.emplace_back(static_cast<std::size_t>(f.width) * f.width);
    }
    const auto widest = static_cast<std::size_t>(A_.widest());
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
  const auto add_level = [&](std::int64_t l) {
    const std::int64_t node = block.first_node + l;
    const double* own = factor_.inverse().data() + S_.diagonal_at[node];
    const double* d = block.diagonal.data() + l * size;
    double* g = G_[f].data() + l * size;
    if (s == 1) {
      *g = *own * lam_[f][0] * *d;
      return;
    }
    for (int c = 0; c < s; ++c)
      for (int r = 0; r < s; ++r) z[r + c * s] = small::symmetric_at(own, S_.leading[node], r, c);
    blocks::left(s, lam_[f].data(), s, d, inner);
    blocks::add_product(s, s, s, z, inner, g);
  };
  in_strips(block.levels, 3.0 * s * size, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t l = first; l < last; ++l) add_level(l);
  });
}

void Pls::add_pair_traces(std::size_t t) {
  const double* Z = factor_.inverse().data();
  const PairBlock& pair = A_.pairs[t];
  const FactorBlock &a = A_.factors[pair.a], &b = A_.factors[pair.b];
  const int sa = a.width, sb = b.width, size = sa * sb;
  const double *lam_a = lam_[pair.a].data(), *lam_b = lam_[pair.b].data();
  double *inner = scratch_.data(), *z = inner + size;
  InterruptMeter meter;
  for (std::int32_t l = 0; l < a.levels; ++l) {
    meter.count(3 * (pair.start[l + 1] - pair.start[l]) * size * (sa + sb));
    double sum = 0;  // of ga, where it is one number
    for (std::int64_t e = pair.start[l]; e < pair.start[l + 1]; ++e) {
      const std::int64_t at = S_.pair_at[t][e];
      const std::int32_t m = pair.level_b[e];
      const double* v = pair.values.data() + e * size;
      const double* stored = Z + (at < 0 ? ~at : at);
      double* ga = G_[pair.a].data() + std::int64_t{l} * sa * sa;
      double* gb = G_[pair.b].data() + std::int64_t{m} * sb * sb;
      if (size == 1) {
        const double zv = *stored * *v;
        sum += zv * *lam_b;
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
    if (size == 1) G_[pair.a][l] += sum;
  }
}

void ProfiledDeviance::gradient(Likelihood likelihood, double* out) {
  if (!solved_ || !(pwrss_ > 0)) {
    std::fill_n(out, entries_.size(), std::numeric_limits<double>::quiet_NaN());
    return;
  }
  ensure_inverse();
  sum_trace_blocks();
  if (likelihood == Likelihood::reml && A_.p > 0) subtract_fixed_traces();
  combine_gradient(scale_df(likelihood) / pwrss_, out);
}

void ProfiledDeviance::gradient_at_scale(double scale, double* out) {
  ensure_inverse();
  sum_trace_blocks();
  combine_gradient(scale, out);
}

void ProfiledDeviance::combine_gradient(double scale, double* out) const {
  pwrss_gradient(out);
  for (std::size_t e = 0; e < entries_.size(); ++e) {
    const auto [f, row, column] = entries_[e];
    out[e] = 2 * G_sum_[f][column + row * A_.factors[f].width] + scale * out[e];
  }
}

// By the envelope theorem, -2 u'dLambda'Z'We.
void ProfiledDeviance::pwrss_gradient(double* out) const {
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

const std::vector<double>& Pls::fixed_modes() {
  const int k = A_.k(), p = A_.p;
  const auto size = static_cast<std::size_t>(A_.q) * p;
  for (auto* v : {&K_, &AK_})
    if (v->size() < size) v->resize(size);
  std::vector<double>& permuted = AK_;
  for (std::int64_t i = 0; i < A_.q; ++i) std::copy_n(RZX_.data() + i * k, p, permuted.data() + i * p);
  factor_.solve_Lt(permuted.data(), p);
  for (std::int64_t i = 0; i < A_.q; ++i)
    std::copy_n(permuted.data() + std::int64_t{S_.permuted[i]} * p, p, K_.data() + i * p);
  return K_;
}

// K and AK = Z'W(X - Z Lambda K) = Z'V^-1X.
void Pls::fixed_products() {
  const int k = A_.k(), p = A_.p;
  fixed_modes();
  KR_.resize(K_.size());
  apply_templates(A_, lam_, K_.data(), KR_.data(), p);
  multiply_products(A_, KR_.data(), AK_.data(), p);
  for (std::int64_t i = 0; i < A_.q; ++i)
    for (int j = 0; j < p; ++j) AK_[i * p + j] = A_.ZtX[i * k + j] - AK_[i * p + j];
  const double* QK = K_.data();
  if (A_.has_prior()) {
    multiply_prior(A_, K_.data(), KR_.data(), p);
    QK = KR_.data();
  }
  for (std::size_t f = 0; f < A_.factors.size(); ++f)
    sharpen_residual_products(A_.factors[f], lam_[f].data(), QK, AK_.data(), p);
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
    in_strips(block.levels, 1.0 * s * s * p, [&](std::int64_t first, std::int64_t last) {
      double* g = G_[f].data() + first * s * s;
      for (std::int64_t l = first; l < last; ++l) {
        const std::int64_t at = block.offset + l * s;
        for (int r = 0; r < s; ++r)
          for (int c = 0; c < s; ++c, ++g) {
            const double part = small::dot(p, AK_.data() + (at + r) * p, KR_.data() + (at + c) * p);
            *g -= part;
            G_sum_[f][c + r * s] -= part;
          }
      }
    });
  }
}

const std::vector<double>& Pls::renew_ZtViX() {
  fixed_products();
  return AK_;
}

// -(AK'dLambda K + its transpose), each half one product over the levels.
void ProfiledDeviance::fixed_derivatives(double* out) {
  require_triangles(model_.structures.get(), "A derivative of X'V^-1X");
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

}  // namespace mixedmodels
