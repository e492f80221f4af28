#include "criterion/pls.hpp"

#include <algorithm>
#include <type_traits>

#include "criterion/fixed_effects.hpp"
#include "kernels/blas.hpp"
#include "kernels/interrupt.hpp"
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

// Of two factors with one column each, and one column of `in`: sums of a level stay in a register.
void multiply_plain_pairs(const CrossProducts& A, const PairBlock& pair, const double* in, double* out) {
  const double* in_b = in + A.factors[pair.b].offset;
  double* out_b = out + A.factors[pair.b].offset;
  InterruptMeter meter;
  for (std::int32_t l = 0; l < A.factors[pair.a].levels; ++l) {
    meter.count(2 * (pair.start[l + 1] - pair.start[l]));
    const std::int64_t at = A.factors[pair.a].offset + l;
    const double own = in[at];
    double sum = 0;
    for (std::int64_t t = pair.start[l]; t < pair.start[l + 1]; ++t) {
      out_b[pair.level_b[t]] += pair.values[t] * own;
      sum += pair.values[t] * in_b[pair.level_b[t]];
    }
    out[at] += sum;
  }
}

template <typename Columns>
void multiply_pairs(const CrossProducts& A, const PairBlock& pair, const double* in, double* out, Columns k) {
  const FactorBlock &a = A.factors[pair.a], &b = A.factors[pair.b];
  const int sa = a.width, sb = b.width;
  if (sa * sb * k == 1) return multiply_plain_pairs(A, pair, in, out);
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
  lam_ = zero_templates(A_);
  RZX_.resize(q * k);
  RX_.resize(k * k);
  beta_.resize(p);
  for (auto* v : {&u_, &permuted_}) v->resize(q);
}

bool Pls::factorize(const double* theta) {
  inverse_ready_ = false;
  set_templates(A_, entries_, theta, lam_);
  if (!factor_.renew(lam_)) return false;
  logdet_L2_ = factor_.logdet2();
  return true;
}

void Pls::load_fixed() {
  const int k = A_.k();
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
}

void Pls::subtract_from_response(const double* x) {
  for (std::int64_t i = 0; i < A_.q; ++i) RZX_[(std::int64_t{S_.permuted[i]} + 1) * A_.k() - 1] -= x[i];
}

bool Pls::reduce_fixed() {
  const int k = A_.k(), p = A_.p;
  std::copy(A_.XtX.begin(), A_.XtX.end(), RX_.begin());
  blas::syrk('L', 'N', k, static_cast<int>(A_.q), -1.0, RZX_.data(), k, 1.0, RX_.data(), k);
  if (!factorize_fixed(p, RX_.data())) return false;
  logdet_RX2_ = A_.logdet_R2 + logdet_of_fixed(p, RX_.data());
  return true;
}

void Pls::solve_fixed() { solve_coefficients(A_.p, RX_.data(), beta_.data()); }

void Pls::ensure_inverse() {
  if (!inverse_ready_) factor_.invert();
  inverse_ready_ = true;
}

}  // namespace mixedmodels
