#include "mixedmodels/scoring.hpp"

#include <algorithm>
#include <cmath>

#include "mixedmodels/blas.hpp"
#include "mixedmodels/small.hpp"
#include "mixedmodels/verdict.hpp"

namespace mixedmodels {

namespace {

// Variance ratios below this, times the rows of a level, show no curvature in G; nor do those that are so much smaller
// than the largest.
constexpr double kNull = 1e-7;
constexpr double kCondition = 1e-12;
// A pivot of Z'WZ below this says that columns are the same to rounding.
constexpr double kSame = 1e-12;
constexpr int kSmall = 9;  // beyond it BLAS is worth its call

// W = R'^-1 for S = R R' with R upper, in place of S; both n x n with leading dimension lead.
void inverse_axes(int n, int lead, double* S) {
  auto at = [&](int r, int c) -> double& { return S[r + std::ptrdiff_t{c} * lead]; };
  for (int j = n - 1; j >= 0; --j) {  // R' below the diagonal
    const double own = at(j, j);
    double pivot = own;
    for (int k = j + 1; k < n; ++k) pivot -= at(k, j) * at(k, j);
    if (!(pivot > kSame * own)) pivot = own > 0 ? kSame * own : 1.0;
    at(j, j) = std::sqrt(pivot);
    for (int i = 0; i < j; ++i) {
      double sum = at(j, i);
      for (int k = j + 1; k < n; ++k) sum -= at(k, i) * at(k, j);
      at(j, i) = sum / at(j, j);
    }
  }
  for (int c = 0; c < n; ++c) {
    at(c, c) = 1 / at(c, c);
    for (int r = c + 1; r < n; ++r) {
      double sum = 0;
      for (int i = c; i < r; ++i) sum += at(r, i) * at(i, c);
      at(r, c) = -sum / at(r, r);
    }
    for (int r = 0; r < c; ++r) at(r, c) = 0;
  }
}

// N takes G = x'V to V = G'N on the range of x; `null` projects to the rest. Returns whether there is a rest.
bool invert_range(int w, const double* x, double rows, std::vector<double>& N, std::vector<double>& null) {
  std::vector<double> square(N.size(), 0.0), values, vectors;
  for (int c = 0; c < w; ++c)
    for (int i = 0; i <= c; ++i) small::axpy(w, x[c + i * w], x + i * w, square.data() + c * w);
  symmetric_eigen(w, std::move(square), values, vectors);
  std::fill(N.begin(), N.end(), 0.0);
  std::fill(null.begin(), null.end(), 0.0);
  bool rest = false;
  for (int k = 0; k < w; ++k) {
    const double* v = vectors.data() + k * w;
    const bool none = !(values[k] * rows > kNull && values[k] > kCondition * values[w - 1]);
    rest = rest || none;
    for (int i = 0; i < w; ++i) {
      const double left = none ? v[i] : small::dot(w, x + i * w, v) / values[k];
      for (int c = 0; c < w; ++c) (none ? null : N)[i + c * w] += left * v[c];
    }
  }
  return rest;
}

// out (before x n x after) = in times M (n x n) on the middle index.
void contract(int before, int n, int after, const double* in, const double* M, int lead, double* out) {
  std::fill_n(out, before * n * after, 0.0);
  for (int a = 0; a < after; ++a, in += before * n, out += before * n)
    for (int c = 0; c < n; ++c)
      for (int i = 0; i < n; ++i)
        if (M[i + c * lead] != 0) small::axpy(before, M[i + c * lead], in + i * before, out + c * before);
}

// The nearest positive semidefinite matrix to D in the metric of the diagonal `scale` squared.
void clip(int n, const std::vector<double>& scale, std::vector<double>& D) {
  std::vector<double> values, vectors;
  for (int j = 0; j < n; ++j)
    for (int i = 0; i < n; ++i) D[i + j * n] /= scale[i] * scale[j];
  symmetric_eigen(n, D, values, vectors);
  std::fill(D.begin(), D.end(), 0.0);
  for (int k = 0; k < n; ++k) {
    const double* v = vectors.data() + k * n;
    for (int j = 0; j < n && values[k] > 0; ++j)
      for (int i = 0; i < n; ++i) D[i + j * n] += values[k] * v[i] * scale[i] * v[j] * scale[j];
  }
}

// out (size x size) = a b' for `count` columns.
void outer_sum(int size, int count, const double* a, const double* b, double* out) {
  if (size > kSmall) return blas::gemm('N', 'T', size, size, count, 1.0, a, size, b, size, 0.0, out, size);
  std::fill_n(out, size * size, 0.0);
  for (int l = 0; l < count; ++l, a += size, b += size)
    for (int c = 0; c < size; ++c) small::axpy(size, b[c], a, out + c * size);
}

}  // namespace

Scoring::Scoring(const CrossProducts& A, const std::vector<ThetaEntry>& entries) : A_(A), m_(entries.size()) {
  for (std::size_t e = 0; e < m_;) {
    int width = 0;
    const ThetaEntry& corner = entries[e];
    while (e + width < m_ && entries[e + width].factor == corner.factor && entries[e + width].column == corner.column)
      ++width;
    const std::vector<double> zeros(static_cast<std::size_t>(width) * width);
    squares_.push_back(
        {corner.factor, corner.row, width, static_cast<std::size_t>(size_), e, zeros, zeros, zeros, false});
    size_ += width * width;
    e += static_cast<std::size_t>(width) * (width + 1) / 2;
  }
  for (const FactorBlock& block : A.factors)
    axes_.emplace_back(static_cast<std::size_t>(block.width) * block.width, 0.0);
  for (const Square& q : squares_) find_axes(q);
}

// Terms have nothing to do with each other: axes of each.
void Scoring::find_axes(const Square& q) {
  const FactorBlock& block = A_.factors[q.factor];
  const std::int64_t s = block.width, corner = q.first * (s + 1);
  double* W = axes_[q.factor].data() + corner;
  for (std::int64_t l = 0; l < block.levels; ++l)
    for (int c = 0; c < q.width; ++c)
      small::axpy(q.width, 1.0 / static_cast<double>(A_.n), block.diagonal.data() + l * s * s + corner + c * s,
                  W + c * s);
  inverse_axes(q.width, block.width, W);
}

// Calls with (square, column, its axes, their leading dimension, index in theta of the column's diagonal entry).
template <typename Call>
void Scoring::for_each_column(Call call) const {
  for (const Square& q : squares_) {
    const int s = A_.factors[q.factor].width;
    std::size_t e = q.theta;
    for (int c = 0; c < q.width; e += q.width - c, ++c) call(q, c, axes_[q.factor].data() + q.first * (s + 1), s, e);
  }
}

void Scoring::from_theta(const double* theta, double* x) const {
  std::fill_n(x, size_, 0.0);
  for_each_column([&](const Square& q, int c, const double* W, int s, std::size_t e) {
    double* column = x + q.at + c * q.width;
    for (int r = c; r < q.width; ++r) {
      column[r] = theta[e + r - c];
      for (int i = c; i < r; ++i) column[r] -= W[r + i * s] * column[i];
      column[r] /= W[r + r * s];
    }
  });
}

void Scoring::to_theta(const double* x, double* theta) const {
  for_each_column([&](const Square& q, int c, const double* W, int s, std::size_t e) {
    const double* column = x + q.at + c * q.width;
    for (int r = c; r < q.width; ++r) {
      theta[e + r - c] = 0;
      for (int i = c; i <= r; ++i) theta[e + r - c] += W[r + i * s] * column[i];
    }
  });
}

void Scoring::to_theta_gradient(const double* gradient, std::ptrdiff_t stride, double* out) const {
  for_each_column([&](const Square& q, int c, const double* W, int s, std::size_t e) {
    std::vector<double> column(q.width);
    for (int r = q.width - 1; r >= 0; --r) {
      column[r] = gradient[(q.at + r + c * q.width) * stride];
      for (int i = r + 1; i < q.width; ++i) column[r] -= W[i + r * s] * column[i];
      column[r] /= W[r + r * s];
    }
    for (int r = c; r < q.width; ++r) out[e + r - c] = column[r];
  });
}

std::vector<double> Scoring::to_theta_hessian(const std::vector<double>& hessian) const {
  const auto n = static_cast<std::size_t>(size_);
  std::vector<double> half(m_ * n), out(m_ * m_);
  for (std::size_t j = 0; j < n; ++j) to_theta_gradient(hessian.data() + j * n, 1, half.data() + j * m_);
  for (std::size_t i = 0; i < m_; ++i)
    to_theta_gradient(half.data() + i, static_cast<std::ptrdiff_t>(m_), out.data() + i * m_);
  return out;
}

void Scoring::make_triangular(double* x, double* Q) const {
  for (const Square& q : squares_) {
    const int w = q.width;
    double *F = x + q.at, *turn = Q + q.at;
    std::fill_n(turn, w * w, 0.0);
    for (int i = 0; i < w; ++i) turn[i * (w + 1)] = 1;
    auto combine = [w](double* a, int i, int j, double c, double s) {
      for (int r = 0; r < w; ++r) {
        const double u = a[r + i * w], v = a[r + j * w];
        a[r + i * w] = c * u + s * v;
        a[r + j * w] = c * v - s * u;
      }
    };
    for (int r = 0; r < w; ++r) {
      for (int j = r + 1; j < w; ++j) {
        const double u = F[r + r * w], v = F[r + j * w], length = std::hypot(u, v);
        if (v == 0 || !std::isfinite(length)) continue;
        combine(F, r, j, u / length, v / length);
        combine(turn, r, j, u / length, v / length);
        F[r + j * w] = 0;
      }
      if (F[r + r * w] >= 0) continue;
      for (int i = 0; i < w; ++i) F[i + r * w] = -F[i + r * w], turn[i + r * w] = -turn[i + r * w];
    }
  }
}

void Scoring::rotate(const double* Q, double* x) {
  scratch_.resize(std::max(scratch_.size(), static_cast<std::size_t>(size_)));
  for (const Square& q : squares_) {
    const int w = q.width;
    double* const old = std::copy_n(x + q.at, w * w, scratch_.data()) - w * w;
    std::fill_n(x + q.at, w * w, 0.0);
    for (int c = 0; c < w; ++c)
      for (int i = 0; i < w; ++i) small::axpy(w, Q[q.at + i + c * w], old + i * w, x + q.at + c * w);
  }
}

// 2 (sum of V - Z'We e'WZ / sigma^2) x, of which the first part are the sums of G' and the second is Z'We u'.
void Scoring::gradient(const Pls& pls, Criterion criterion, double* out) {
  const double scale = pls.scale_df(criterion) / pls.pwrss();
  std::vector<double>& slope = scratch_;
  for (const Square& q : squares_) {
    const FactorBlock& block = A_.factors[q.factor];
    const int s = block.width, w = q.width;
    const double *sums = pls.trace_sums()[q.factor].data(), *W = axes_[q.factor].data() + q.first * (s + 1);
    slope.assign(std::max(slope.size(), static_cast<std::size_t>(w) * w), 0.0);
    for (std::int64_t l = 0, at = block.offset + q.first; l < block.levels; ++l, at += s)
      for (int c = 0; c < w; ++c)
        small::axpy(w, -scale * pls.u()[at + c], pls.ZtWe().data() + at, slope.data() + c * w);
    for (int c = 0; c < w; ++c)
      for (int r = 0; r < w; ++r) slope[r + c * w] += sums[q.first + c + (q.first + r) * s];
    for (int c = 0; c < w; ++c)
      for (int r = 0; r < w; ++r) {
        double sum = 0;
        for (int i = r; i < w; ++i) sum += W[i + r * s] * slope[i + c * w];
        out[q.at + r + c * w] = 2 * sum;
      }
  }
}

void Scoring::hessian(const Pls& pls, Criterion criterion, const double* x, bool with_rotations, double* out) {
  const auto n = static_cast<std::size_t>(size_);
  std::fill_n(out, n * n, 0.0);
  trace_.resize(n);
  for (Square& a : squares_) {
    describe(pls, x + a.at, a);
    for (const Square& b : squares_) {
      if (b.at > a.at) break;
      if (b.factor == a.factor) add_expected(pls, x, a, b, out);
    }
    add_template(pls, criterion, x + a.at, a, out);
    if (with_rotations) add_rotations(a, out);
  }
  // The blocks have a rank of q at most among them, so that with no fewer than q the common scale takes no more than
  // there is: the model stays positive semidefinite, also where random effects outnumber rows.
  const double df = std::max(pls.scale_df(criterion), static_cast<double>(A_.q));
  for (std::size_t j = 0; j < n; ++j)
    for (std::size_t i = 0; i <= j; ++i)
      out[i + j * n] = out[j + i * n] = 0.5 * (out[i + j * n] + out[j + i * n]) - trace_[i] * trace_[j] / df;
}

// The template of a term, and the sum of its levels' G along the axes.
void Scoring::describe(const Pls& pls, const double* x, Square& q) {
  const int s = A_.factors[q.factor].width, w = q.width, corner = q.first * (s + 1);
  q.rest = invert_range(w, x, static_cast<double>(A_.n) / A_.factors[q.factor].levels, q.N, q.null);
  const double *sums = pls.trace_sums()[q.factor].data() + corner, *W = axes_[q.factor].data() + corner;
  for (int c = 0; c < w; ++c)
    for (int r = 0; r < w; ++r) {
      double sum = 0;
      for (int i = c; i < w; ++i) sum += sums[r + i * s] * W[i + c * s];
      q.G[r + c * w] = sum;
      trace_[q.at + c + r * w] = 2 * sum;
    }
}

// For the entries (i, j) of a and (r, c) of b twice the sum over levels of V_ir kappa_jc + G_jr G_ci, kappa = G x. All
// of it comes from the sums of products of two entries of G. On the null space of a template Z'WZ stands for V, which
// is never less; along the axes and in the mean over levels that is n / levels.
void Scoring::add_expected(const Pls& pls, const double* x, const Square& a, const Square& b, double* out) {
  const FactorBlock& block = A_.factors[a.factor];
  const int s = block.width, wa = a.width, wb = b.width, size = wa * wb;
  const auto square = static_cast<std::size_t>(size) * size;
  scratch_.resize(std::max(scratch_.size(), 3 * square));
  double *GG = scratch_.data(), *VK = GG + square, *half = VK + square;
  sum_products(pls.trace_blocks()[a.factor], block, a, b, VK);
  const double *Wa = axes_[a.factor].data() + a.first * (s + 1), *Wb = axes_[b.factor].data() + b.first * (s + 1);
  contract(wa, wb, size, VK, Wb, s, half);
  contract(wa * wb * wb, wa, 1, half, Wa, s, GG);
  contract(wa, wb, size, GG, x + b.at, wb, half);
  contract(wa * wb, wb, wa, half, b.N.data(), wb, VK);
  const double rows = static_cast<double>(A_.n) / block.levels;
  for (int c = 0; c < wb; ++c)
    for (int j = 0; j < wa; ++j) {
      double kappa = 0;
      if (a.rest && a.at == b.at)
        for (int i = c; i < wa; ++i) kappa += a.G[j + i * wa] * x[a.at + i + c * wa];
      for (int r = 0; r < wb; ++r)
        for (int i = 0; i < wa; ++i) {
          double h = VK[j + c * wa + (r + i * wb) * size] + GG[j + r * wa + (c + i * wb) * size];
          if (kappa != 0) h += rows * a.null[i + r * wa] * kappa;
          const std::size_t row = a.at + i + j * wa, column = b.at + r + c * wb;
          out[row + column * size_] += 2 * h;
          if (a.at != b.at) out[column + row * size_] += 2 * h;
        }
    }
}

// out[(p, q), (u, v)] = sum over levels of G_pq G_uv, p and v of term a, q and u of b.
void Scoring::sum_products(const std::vector<double>& G, const FactorBlock& block, const Square& a, const Square& b,
                           double* out) {
  const int s = block.width, size = a.width * b.width, levels = block.levels;
  if (a.width == s) return outer_sum(size, levels, G.data(), G.data(), out);
  gathered_.resize(std::max(gathered_.size(), std::size_t{2} * size * levels));
  double* to = gathered_.data();
  auto gather = [&](const Square& rows, const Square& columns) {
    for (std::int64_t l = 0; l < levels; ++l)
      for (int c = columns.first; c < columns.first + columns.width; ++c)
        to = std::copy_n(G.data() + (l * s + c) * s + rows.first, rows.width, to);
  };
  gather(a, b);
  gather(b, a);
  outer_sum(size, levels, gathered_.data(), gathered_.data() + std::ptrdiff_t{size} * levels, out);
}

// D = sum of V - Z'We e'WZ / sigma^2, the derivative by the covariance, gives every column of x 2 D of its own. D also
// tells by how much the observed curvature exceeds the expected one, and with half of that, as in the average
// information, it is about 2 D between columns times (I - kappa)^2: nothing where a level says all about its effects, D
// where it is silent.
void Scoring::add_template(const Pls& pls, Criterion criterion, const double* x, const Square& q, double* out) {
  const FactorBlock& block = A_.factors[q.factor];
  const int s = block.width, w = q.width;
  const double scale = pls.scale_df(criterion) / pls.pwrss(), *W = axes_[q.factor].data() + q.first * (s + 1);
  std::vector<double> D(w * w), size(w), e(w), silent(w * w);
  for (int c = 0; c < w; ++c)
    for (int r = 0; r < w; ++r) {
      double kappa = 0;
      for (int i = c; i < w; ++i) kappa += q.G[r + i * w] * x[i + c * w];
      silent[r + c * w] = (r == c) - kappa / block.levels;
      D[r + c * w] = small::dot(w, q.G.data() + r * w, q.N.data() + c * w);
    }
  if (q.rest) {
    const std::vector<double> known(D);
    for (int c = 0; c < w; ++c)
      for (int r = 0; r < w; ++r) {
        D[r + c * w] += static_cast<double>(A_.n) * q.null[r + c * w];
        D[r + c * w] += small::dot(w, known.data() + r * w, q.null.data() + c * w);
      }
  }
  for (int r = 0; r < w; ++r) size[r] = D[r * (w + 1)] > 0 ? std::sqrt(D[r * (w + 1)]) : 1.0;
  for (std::int64_t l = 0, at = block.offset + q.first; l < block.levels; ++l, at += s) {
    for (int r = 0; r < w; ++r) e[r] = small::dot(w - r, W + r * (s + 1), pls.ZtWe().data() + at + r);
    for (int c = 0; c < w; ++c) small::axpy(w, -scale * e[c], e.data(), D.data() + c * w);
  }
  clip(w, size, D);
  for (int i = 0; i < w; ++i)
    for (int j = 0; j < w; ++j) {
      const double weight = 2 * small::dot(w, silent.data() + i * w, silent.data() + j * w);
      for (int c = 0; c < w; ++c)
        small::axpy(w, weight, D.data() + c * w, out + (q.at + c + j * w) * size_ + q.at + i * w);
    }
}

// The part of G step that is not symmetric, summed over the levels, has no business in a step: in half its square, as
// much again as a symmetric part would have.
void Scoring::add_rotations(const Square& q, double* out) {
  const int w = q.width;
  const double per_level = 2.0 / A_.factors[q.factor].levels, *g = q.G.data();
  for (int c = 0; c < w; ++c)
    for (int r = 0; r < w; ++r)
      for (int j = 0; j < w; ++j)
        for (int i = 0; i < w; ++i) {
          double sum = -g[c + i * w] * g[j + r * w];
          if (j == c) sum += small::dot(w, g + i * w, g + r * w);
          out[q.at + i + j * w + (q.at + r + c * w) * size_] += per_level * sum;
        }
}

}  // namespace mixedmodels
