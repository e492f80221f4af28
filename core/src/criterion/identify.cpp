#include "criterion/identify.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>

#include "kernels/blas.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/memory.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

constexpr int kFew = 16;  // columns of X that are multiplied without BLAS

using Square = std::vector<double>;  // width x width, column-major

// One (co)variance: the effects `a` and `b` of a factor.
struct Parameter {
  int factor, a, b;
};

class Gram {
 public:
  Gram(const CrossProducts& A, const std::vector<ThetaTerm>& terms, bool project) : A_(A), project_(project) {
    scalar_.assign(A.factors.size(), -1);
    count_.assign(A.factors.size(), 0);
    for (const ThetaTerm& t : terms) {
      if (A.factors[t.factor].width == 1) scalar_[t.factor] = static_cast<int>(parameters_.size());
      const int end = t.first + t.width;
      for (int b = t.first; b < end; ++b)
        for (int a = b; a < end; ++a) parameters_.push_back({t.factor, a, b}), ++count_[t.factor];
    }
    n_ = static_cast<int>(parameters_.size()) + 1;
    gram_.assign(static_cast<std::size_t>(n_) * n_, 0.0);
    scale_.assign(n_, 0.0);
  }

  Identifiability run() {
    Identifiability out;
    for (int f = 0; f < static_cast<int>(A_.factors.size()); ++f) out.share = std::min(out.share, own(f));
    for (const PairBlock& pair : A_.pairs) between(pair);
    if (project_) add_fixed();
    gram_.back() = static_cast<double>(project_ ? A_.n - A_.p : A_.n);
    scale_.back() = std::sqrt(static_cast<double>(A_.n));
    rescale();
    out.pivot = least_pivot();
    return out;
  }

 private:
  const double* fixed_row(int f, std::int64_t level, int column) const {
    const FactorBlock& block = A_.factors[f];
    return A_.ZtX.data() + (block.offset + level * block.width + column) * A_.k();
  }

  // K = C_l C_m', sa x sb.
  void fixed_block(int fa, std::int64_t l, int fb, std::int64_t m, Square& K) const {
    const int sa = A_.factors[fa].width, sb = A_.factors[fb].width;
    for (int b = 0; b < sb; ++b)
      for (int a = 0; a < sa; ++a) K[a + b * sa] = small::dot(A_.p, fixed_row(fa, l, a), fixed_row(fb, m, b));
  }

  // Adds what two levels give: half of N_ac N_bd + N_ad N_bc, N = B - K, without the product of the two K. B is sa x
  // sb.
  void add(int fa, int fb, const double* B, const Square& K) {
    const int s = A_.factors[fa].width;
    if (scalar_[fa] >= 0 && scalar_[fb] >= 0) {
      const auto [low, high] = std::minmax(scalar_[fa], scalar_[fb]);
      gram_[low + static_cast<std::size_t>(high) * n_] += project_ ? B[0] * (B[0] - 2 * K[0]) : B[0] * B[0];
      return;
    }
    auto part = [&](int r, int c, int u, int v) {
      const double x = B[r + c * s], y = B[u + v * s];
      return project_ ? x * y - x * K[u + v * s] - y * K[r + c * s] : x * y;
    };
    for (int j = 0; j < n_ - 1; ++j) {
      const Parameter& q = parameters_[j];
      if (q.factor != fb) continue;
      for (int i = 0; i < (fa == fb ? j + 1 : n_ - 1); ++i) {
        const Parameter& o = parameters_[i];
        if (o.factor != fa) continue;
        const double value = q.a == q.b || o.a == o.b ? part(o.a, q.a, o.b, q.b)
                                                      : 0.5 * (part(o.a, q.a, o.b, q.b) + part(o.a, q.b, o.b, q.a));
        gram_[std::min(i, j) + static_cast<std::size_t>(std::max(i, j)) * n_] += value;
      }
    }
  }

  // Operations for a pair of levels, about: the products of the fixed part and those of all pairs of parameters.
  std::int64_t work(int fa, int fb) const {
    const std::int64_t blocks = std::int64_t{A_.factors[fa].width} * A_.factors[fb].width;
    return blocks * (2 * std::int64_t{A_.p} + 1) + 4 * count_[fa] * count_[fb];
  }

  // The levels of one factor, and the traces with the residual; the least part of a column that X leaves over.
  double own(int f) {
    const FactorBlock& block = A_.factors[f];
    const int s = block.width;
    Square K(static_cast<std::size_t>(s) * s);
    std::vector<double> all(s), left(s);
    InterruptMeter meter;
    for (std::int64_t l = 0; l < block.levels; ++l) {
      meter.count(work(f, f));
      const double* B = block.diagonal.data() + l * s * s;
      fixed_block(f, l, f, l, K);
      add(f, f, B, K);
      for (int c = 0; c < s; ++c) {
        all[c] += B[c * (s + 1)];
        left[c] += B[c * (s + 1)] - K[c * (s + 1)];
      }
      for (int j = 0; j < n_ - 1; ++j) {
        const Parameter& q = parameters_[j];
        if (q.factor != f) continue;
        const double x = B[q.a + q.b * s];
        gram_[j + static_cast<std::size_t>(n_ - 1) * n_] += project_ ? x - K[q.a + q.b * s] : x;
        if (q.a == q.b) scale_[j] += x * x;
      }
    }
    double share = 1;
    for (int c = 0; c < s; ++c) share = std::min(share, all[c] > 0 ? left[c] / all[c] : 0.0);
    return share;
  }

  void between(const PairBlock& pair) {
    const std::int64_t sa = A_.factors[pair.a].width, sb = A_.factors[pair.b].width;
    Square B(static_cast<std::size_t>(sa * sb)), K(B);
    InterruptMeter meter;
    for (std::int64_t l = 0; l < A_.factors[pair.a].levels; ++l) {
      meter.count((pair.start[l + 1] - pair.start[l]) * work(pair.a, pair.b));
      for (std::int64_t t = pair.start[l]; t < pair.start[l + 1]; ++t) {
        const double* stored = pair.values.data() + t * sa * sb;  // sb x sa
        for (std::int64_t b = 0; b < sb; ++b)
          for (std::int64_t a = 0; a < sa; ++a) B[a + b * sa] = stored[b + a * sb];
        if (project_) fixed_block(pair.a, l, pair.b, pair.level_b[t], K);
        add(pair.a, pair.b, B.data(), K);
        if (pair.a != pair.b) continue;
        if (project_) fixed_block(pair.b, pair.level_b[t], pair.a, l, K);
        add(pair.b, pair.a, stored, K);
      }
    }
  }

  // The products of the two K over all pairs of levels: <H_j, H_k>, H the symmetric part of the sum of C_a C_b'.
  void add_fixed() {
    const int p = A_.p;
    if (p == 0) return;
    const std::size_t pp = static_cast<std::size_t>(p) * p;
    require_memory("The test of identifiability",
                   {{"products of fixed effects for every variance", bytes_of_numbers(pp * n_)}});
    std::vector<double> H(pp * (n_ - 1), 0.0), sum(pp);
    for (int j = 0; j < n_ - 1; ++j) {
      fixed_gram(parameters_[j], sum);
      for (int c = 0; c < p; ++c)
        for (int r = 0; r < p; ++r) H[j * pp + r + c * p] = 0.5 * (sum[r + c * p] + sum[c + r * p]);
    }
    for (int j = 0; j < n_ - 1; ++j)
      for (int i = 0; i <= j; ++i) {
        check_interrupt(2.0 * static_cast<double>(pp));
        gram_[i + static_cast<std::size_t>(j) * n_] += small::dot(static_cast<int>(pp), &H[i * pp], &H[j * pp]);
      }
  }

  void fixed_gram(const Parameter& q, std::vector<double>& out) const {
    const FactorBlock& block = A_.factors[q.factor];
    const int p = A_.p, step = block.width * A_.k();
    if (p > kFew) {
      blas::gemm('N', 'T', p, p, block.levels, 1.0, fixed_row(q.factor, 0, q.a), step, fixed_row(q.factor, 0, q.b),
                 step, 0.0, out.data(), p);
      return;
    }
    std::fill(out.begin(), out.end(), 0.0);
    const double *a = fixed_row(q.factor, 0, q.a), *b = fixed_row(q.factor, 0, q.b);
    in_strips(block.levels, 2.0 * p * p, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t l = first; l < last; ++l, a += step, b += step)
        for (int c = 0; c < p; ++c) small::axpy(p, b[c], a, out.data() + static_cast<std::size_t>(c) * p);
    });
  }

  void rescale() {
    for (int j = 0; j < n_ - 1; ++j)
      if (parameters_[j].a == parameters_[j].b) scale_[j] = std::sqrt(scale_[j]);
    auto variance = [&](int factor, int a) {
      for (int j = 0; j < n_ - 1; ++j)
        if (parameters_[j].factor == factor && parameters_[j].a == a && parameters_[j].b == a) return scale_[j];
      return 0.0;
    };
    for (int j = 0; j < n_ - 1; ++j)
      if (const Parameter& q = parameters_[j]; q.a != q.b)
        scale_[j] = std::sqrt(variance(q.factor, q.a) * variance(q.factor, q.b));
    for (int j = 0; j < n_; ++j)
      for (int i = 0; i <= j; ++i) {
        const double size = scale_[i] * scale_[j];
        double& entry = gram_[i + static_cast<std::size_t>(j) * n_];
        entry = size > 0 ? entry / size : 0.0;
        gram_[j + static_cast<std::size_t>(i) * n_] = entry;
      }
  }

  // Of a Cholesky factorization with diagonal pivots.
  double least_pivot() {
    std::vector<int> left(n_);
    for (int i = 0; i < n_; ++i) left[i] = i;
    auto at = [&](int i, int j) -> double& { return gram_[i + static_cast<std::size_t>(j) * n_]; };
    double least = 1;
    while (!left.empty()) {
      const auto best = std::max_element(left.begin(), left.end(), [&](int i, int j) { return at(i, i) < at(j, j); });
      const int k = *best;
      left.erase(best);
      const double pivot = at(k, k);
      least = std::min(least, pivot);
      if (!(pivot > 0)) return 0;
      for (int j : left) {
        const double factor = at(k, j) / pivot;
        for (int i : left) at(i, j) -= factor * at(i, k);
      }
    }
    return least;
  }

  const CrossProducts& A_;
  bool project_;
  int n_ = 0;  // parameters, the residual variance last
  std::vector<Parameter> parameters_;
  std::vector<int> scalar_;          // per factor of one column its parameter, -1 for the others
  std::vector<std::int64_t> count_;  // parameters of every factor
  std::vector<double> gram_, scale_;
};

}  // namespace

Identifiability identifiability(const CrossProducts& A, const std::vector<ThetaEntry>& entries, Likelihood likelihood) {
  if (A.has_prior())
    throw std::invalid_argument("The test of identifiability is not available for levels with a prior precision.");
  const OrthonormalProducts orthonormal(A);
  return Gram(orthonormal.get(), theta_terms(entries), likelihood == Likelihood::reml).run();
}

}  // namespace mixedmodels
