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
  int factor, a, b, index;
};

class Gram {
 public:
  Gram(const CrossProducts& A, const std::vector<ThetaTerm>& terms, bool project) : A_(A), project_(project) {
    scalar_.assign(A.factors.size(), -1);
    own_.resize(A.factors.size());
    for (const ThetaTerm& t : terms) {
      if (A.factors[t.factor].width == 1) scalar_[t.factor] = static_cast<int>(parameters_.size());
      const int end = t.first + t.width;
      for (int b = t.first; b < end; ++b)
        for (int a = b; a < end; ++a) {
          parameters_.push_back({t.factor, a, b, static_cast<int>(parameters_.size())});
          own_[t.factor].push_back(parameters_.back());
        }
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

  // Adds what two levels give: half of N_ac N_bd + N_ad N_bc, N = B - K, without the product of the two K, which is
  // B_ac H_bd + H_ac B_bd with H = B / 2 - K and so on. B is sa x sb, and H takes the place of K.
  void add(int fa, int fb, const double* B, Square& K) {
    if (scalar_[fa] >= 0 && scalar_[fb] >= 0) {
      sums_[0] += project_ ? B[0] * (B[0] - 2 * K[0]) : B[0] * B[0];
      return;
    }
    const int s = A_.factors[fa].width;
    for (std::size_t i = 0; i < K.size(); ++i) K[i] = 0.5 * B[i] - (project_ ? K[i] : 0.0);
    const std::vector<Parameter>&rows = own_[fa], &columns = own_[fb];
    double* sum = sums_.data();
    for (std::size_t j = 0; j < columns.size(); ++j, sum += rows.size()) {
      const Parameter& q = columns[j];
      const double *Ba = B + q.a * s, *Bb = B + q.b * s, *Ha = K.data() + q.a * s, *Hb = K.data() + q.b * s;
      const std::size_t end = fa == fb ? j + 1 : rows.size();
      if (q.a == q.b)
        for (std::size_t i = 0; i < end; ++i) sum[i] += Ba[rows[i].a] * Ha[rows[i].b] + Ha[rows[i].a] * Ba[rows[i].b];
      else
        for (std::size_t i = 0; i < end; ++i) {
          const int a = rows[i].a, b = rows[i].b;
          sum[i] += 0.5 * (Ba[a] * Hb[b] + Ha[a] * Bb[b] + Bb[a] * Ha[b] + Hb[a] * Ba[b]);
        }
    }
  }

  // Between what is added for two factors.
  void begin(int fa, int fb) { sums_.assign(own_[fa].size() * own_[fb].size(), 0.0); }
  void end(int fa, int fb) {
    for (std::size_t j = 0, at = 0; j < own_[fb].size(); ++j)
      for (std::size_t i = 0; i < own_[fa].size(); ++i, ++at) {
        const auto [low, high] = std::minmax(own_[fa][i].index, own_[fb][j].index);
        gram_[low + static_cast<std::size_t>(high) * n_] += sums_[at];
      }
  }

  // Operations for a pair of levels, about: the products of the fixed part and those of all pairs of parameters.
  std::int64_t work(int fa, int fb) const {
    const std::int64_t blocks = std::int64_t{A_.factors[fa].width} * A_.factors[fb].width;
    return blocks * (2 * std::int64_t{A_.p} + 1) + static_cast<std::int64_t>(4 * own_[fa].size() * own_[fb].size());
  }

  // The levels of one factor, and the traces with the residual; the least part of a column that X leaves over.
  double own(int f) {
    const FactorBlock& block = A_.factors[f];
    const int s = block.width;
    Square K(static_cast<std::size_t>(s) * s);
    std::vector<double> all(s), left(s);
    begin(f, f);
    InterruptMeter meter;
    for (std::int64_t l = 0; l < block.levels; ++l) {
      meter.count(work(f, f));
      const double* B = block.diagonal.data() + l * s * s;
      fixed_block(f, l, f, l, K);
      for (int c = 0; c < s; ++c) {
        all[c] += B[c * (s + 1)];
        left[c] += B[c * (s + 1)] - K[c * (s + 1)];
      }
      for (const Parameter& q : own_[f]) {
        const double x = B[q.a + q.b * s];
        gram_[q.index + static_cast<std::size_t>(n_ - 1) * n_] += project_ ? x - K[q.a + q.b * s] : x;
        if (q.a == q.b) scale_[q.index] += x * x;
      }
      add(f, f, B, K);
    }
    end(f, f);
    double share = 1;
    for (int c = 0; c < s; ++c) share = std::min(share, all[c] > 0 ? left[c] / all[c] : 0.0);
    return share;
  }

  void between(const PairBlock& pair) {
    const std::int64_t sa = A_.factors[pair.a].width, sb = A_.factors[pair.b].width;
    Square B(static_cast<std::size_t>(sa * sb)), K(B);
    begin(pair.a, pair.b);
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
    end(pair.a, pair.b);
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

  // The least pivot of a Cholesky factorization with diagonal pivots.
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
  std::vector<int> scalar_;                  // per factor of one column its parameter, -1 for the others
  std::vector<std::vector<Parameter>> own_;  // of every factor
  std::vector<double> gram_, scale_;
  std::vector<double> sums_;  // of two factors, by their parameters
};

}  // namespace

Identifiability identifiability(const CrossProducts& A, const std::vector<ThetaEntry>& entries, Likelihood likelihood) {
  if (A.has_prior())
    throw std::invalid_argument("The test of identifiability is not available for levels with a prior precision.");
  const OrthonormalProducts orthonormal(A);
  return Gram(orthonormal.get(), theta_terms(entries), likelihood == Likelihood::reml).run();
}

}  // namespace mixedmodels
