#include "search/coordinates.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/eigen.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/level_blocks.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

// Ridge added to x x' before inversion, absolute (kSilent, per row of a level) and relative to its trace (kCondition):
// smaller variances leave G without information.
constexpr double kSilent = 1e-10;
constexpr double kCondition = 1e-12;
// Pivot of Z'WZ below which a column counts as equal to another one up to rounding.
constexpr double kSame = 1e-12;

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
  small::invert_lower(n, lead, S);
  for (int c = 0; c < n; ++c)
    for (int r = 0; r < c; ++r) at(r, c) = 0;
}

// out (before x n x after) = in times M (n x n) on the middle index.
void contract(int before, int n, int after, const double* in, const double* M, int lead, double* out) {
  std::fill_n(out, before * n * after, 0.0);
  for (int a = 0; a < after; ++a, in += before * n, out += before * n)
    for (int c = 0; c < n; ++c)
      for (int i = 0; i < n; ++i)
        if (M[i + c * lead] != 0) small::axpy(before, M[i + c * lead], in + i * before, out + c * before);
}

}  // namespace

Coordinates::Coordinates(const CrossProducts& A, const std::vector<ThetaEntry>& entries) : A_(A), m_(entries.size()) {
  for (const ThetaTerm& term : theta_terms(entries)) {
    const std::vector<double> zeros(static_cast<std::size_t>(term.width) * term.width);
    const auto at = static_cast<std::size_t>(size_);
    squares_.push_back({term.factor, term.first, term.width, at, term.theta, zeros, zeros, zeros});
    size_ += term.width * term.width;
  }
  for (const FactorBlock& block : A.factors)
    axes_.emplace_back(static_cast<std::size_t>(block.width) * block.width, 0.0);
  for (const Square& q : squares_) find_axes(q);
}

// Terms have nothing to do with each other: axes of each.
void Coordinates::find_axes(const Square& q) {
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
void Coordinates::for_each_column(Call call) const {
  for (const Square& q : squares_) {
    const int s = A_.factors[q.factor].width;
    std::size_t e = q.theta;
    for (int c = 0; c < q.width; e += q.width - c, ++c) call(q, c, axes_[q.factor].data() + q.first * (s + 1), s, e);
  }
}

void Coordinates::from_theta(const double* theta, double* x) const {
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

void Coordinates::to_theta(const double* x, double* theta) const {
  for_each_column([&](const Square& q, int c, const double* W, int s, std::size_t e) {
    const double* column = x + q.at + c * q.width;
    for (int r = c; r < q.width; ++r) {
      theta[e + r - c] = 0;
      for (int i = c; i <= r; ++i) theta[e + r - c] += W[r + i * s] * column[i];
    }
  });
}

void Coordinates::to_theta_gradient(const double* gradient, std::ptrdiff_t stride, double* out) const {
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

std::vector<double> Coordinates::to_theta_hessian(const std::vector<double>& hessian) const {
  const auto n = static_cast<std::size_t>(size_);
  std::vector<double> half(m_ * n), out(m_ * m_);
  for (std::size_t j = 0; j < n; ++j) to_theta_gradient(hessian.data() + j * n, 1, half.data() + j * m_);
  for (std::size_t i = 0; i < m_; ++i)
    to_theta_gradient(half.data() + i, static_cast<std::ptrdiff_t>(m_), out.data() + i * m_);
  return out;
}

void Coordinates::make_triangular(double* x, double* Q) const {
  for (const Square& q : squares_) small::make_triangular(q.width, x + q.at, Q + q.at);
}

void Coordinates::rotate(const double* Q, double* x) {
  scratch_.resize(std::max(scratch_.size(), static_cast<std::size_t>(size_)));
  for (const Square& q : squares_) {
    const int w = q.width;
    double* const old = std::copy_n(x + q.at, w * w, scratch_.data()) - w * w;
    std::fill_n(x + q.at, w * w, 0.0);
    for (int c = 0; c < w; ++c)
      for (int i = 0; i < w; ++i) small::axpy(w, Q[q.at + i + c * w], old + i * w, x + q.at + c * w);
  }
}

void Coordinates::to_templates(const double* x, Templates& out) const {
  for (const Square& q : squares_) {
    const int s = A_.factors[q.factor].width, w = q.width;
    const double* W = axes_[q.factor].data() + q.first * (s + 1);
    for (int c = 0; c < w; ++c)
      for (int r = 0; r < w; ++r) {
        double sum = 0;
        for (int i = 0; i <= r; ++i) sum += W[r + i * s] * x[q.at + i + c * w];
        out[q.factor][q.first + r + (q.first + c) * s] = sum;
      }
  }
}

void Coordinates::from_template(std::size_t term, const double* square, double* x) const {
  const Square& q = squares_[term];
  const int s = A_.factors[q.factor].width, w = q.width;
  const double* W = axes_[q.factor].data() + q.first * (s + 1);
  for (int c = 0; c < w; ++c)
    for (int r = 0; r < w; ++r) {
      double sum = square[r + c * w];
      for (int i = 0; i < r; ++i) sum -= W[r + i * s] * x[i + c * w];
      x[r + c * w] = sum / W[r + r * s];
    }
}

// Twice what `block_at` gives of every term, along the axes.
template <typename Block>
void Coordinates::from_slopes(Block&& block_at, double* out) {
  for (const Square& q : squares_) {
    const int s = A_.factors[q.factor].width, w = q.width;
    scratch_.resize(std::max(scratch_.size(), static_cast<std::size_t>(w) * w));
    double* slope = scratch_.data();
    const double* W = axes_[q.factor].data() + q.first * (s + 1);
    block_at(EffectsBlock{q.factor, q.first, w}, slope);
    for (int c = 0; c < w; ++c)
      for (int r = 0; r < w; ++r) {
        double sum = 0;
        for (int i = r; i < w; ++i) sum += W[i + r * s] * slope[i + c * w];
        out[q.at + r + c * w] = 2 * sum;
      }
  }
}

void Coordinates::gradient(const Objective& f, double* out) {
  from_slopes([&](const EffectsBlock& block, double* slope) { f.slope_block(block, slope); }, out);
}

void Coordinates::cross(const Objective& f, int other, double* out) {
  from_slopes([&](const EffectsBlock& block, double* slope) { f.cross_block(other, block, slope); }, out);
}

void Coordinates::hessian(const Objective& f, const double* x, bool with_rotations, double* out) {
  const Pls& pls = f.pls();
  const Scores scores = f.scores();
  const auto n = static_cast<std::size_t>(size_);
  std::fill_n(out, n * n, 0.0);
  trace_.resize(n);
  for (Square& a : squares_) {
    describe(pls, x + a.at, a);
    for (const Square& b : squares_) {
      if (b.at > a.at) break;
      if (b.factor == a.factor) add_expected(pls, x, a, b, out);
    }
    add_template(scores, x + a.at, a, out);
    if (with_rotations && a.turns) add_rotations(a, out);
  }
  // The blocks have a rank of q at most among them, so that with no fewer than q the common scale takes no more than
  // there is: the model stays positive semidefinite, also where random effects outnumber rows.
  const double df = std::max(scores.df, static_cast<double>(A_.q));
  for (std::size_t j = 0; j < n; ++j)
    for (std::size_t i = 0; i <= j; ++i)
      out[i + j * n] = out[j + i * n] = 0.5 * (out[i + j * n] + out[j + i * n]) - trace_[i] * trace_[j] / df;
}

// G = x'V of a level gives V on the range of x, V = G'N + V null; on the rest Z'WZ stands for it, which is never less:
// along the axes and in the mean over levels that is n / levels. With N = x'(xx' + e)^-1 there is no border between the
// two.
void Coordinates::describe(const Pls& pls, const double* x, Square& q) {
  const FactorBlock& block = A_.factors[q.factor];
  const int s = block.width, w = q.width, corner = q.first * (s + 1);
  double ridge = kSilent * block.levels / static_cast<double>(A_.n);
  std::fill(q.null.begin(), q.null.end(), 0.0);
  for (int c = 0; c < w; ++c)
    for (int i = 0; i <= c; ++i) small::axpy(w - c, x[c + i * w], x + c + i * w, q.null.data() + c * (w + 1));
  for (int i = 0; i < w; ++i) ridge += kCondition * q.null[i * (w + 1)];
  for (int i = 0; i < w; ++i) q.null[i * (w + 1)] += ridge;
  small::eliminate(w, w, q.null.data());
  small::invert_from_factor(w, w, q.null.data());
  for (int c = 0; c < w; ++c)
    for (int r = 0; r < c; ++r) q.null[r + c * w] = q.null[c + r * w];
  for (int c = 0; c < w; ++c)
    for (int r = 0; r < w; ++r) q.N[r + c * w] = small::dot(w - r, x + r * (w + 1), q.null.data() + r + c * w);
  for (double& entry : q.null) entry *= ridge;
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
// of it comes from the sums of products of two entries of G, at [(p, q), (u, v)] of G_pq G_uv.
void Coordinates::add_expected(const Pls& pls, const double* x, const Square& a, const Square& b, double* out) {
  const FactorBlock& block = A_.factors[a.factor];
  const int wa = a.width, wb = b.width, size = wa * wb;
  const auto square = static_cast<std::size_t>(size) * size;
  scratch_.resize(std::max(scratch_.size(), 3 * square));
  double *GG = scratch_.data(), *VK = GG + square, *half = VK + square;
  const double* const ab = along_axes(pls.trace_blocks()[a.factor], a, b, gathered_);
  const double* const ba = a.at == b.at ? ab : along_axes(pls.trace_blocks()[a.factor], b, a, mirrored_);
  std::fill_n(GG, square, 0.0);
  blocks::add_outer(size, block.levels, ab, ba, GG);
  contract(wa, wb, size, GG, x + b.at, wb, half);
  contract(wa * wb, wb, wa, half, b.N.data(), wb, VK);
  const double rows = static_cast<double>(A_.n) / block.levels;
  for (int c = 0; c < wb; ++c)
    for (int j = 0; j < wa; ++j) {
      double kappa = 0;
      if (a.at == b.at)
        for (int i = c; i < wa; ++i) kappa += a.G[j + i * wa] * x[a.at + i + c * wa];
      for (int r = 0; r < wb; ++r)
        for (int i = 0; i < wa; ++i) {
          double h = VK[j + c * wa + (r + i * wb) * size] + GG[j + r * wa + (c + i * wb) * size];
          if (a.at == b.at) h += rows * a.null[i + r * wa] * kappa;
          const std::size_t row = a.at + i + j * wa, column = b.at + r + c * wb;
          out[row + column * size_] += 2 * h;
          if (a.at != b.at) out[column + row * size_] += 2 * h;
        }
    }
}

// Level by level the rows of G that are of one term and the columns that are of another, these along the axes. Before
// sums are taken, in which what is common to shifted columns would drown what is their own.
const double* Coordinates::along_axes(const std::vector<double>& G, const Square& rows, const Square& columns,
                                      std::vector<double>& out) const {
  const FactorBlock& block = A_.factors[rows.factor];
  const std::int64_t s = block.width;
  const double *W = axes_[rows.factor].data() + columns.first * (s + 1), *g = G.data() + rows.first + columns.first * s;
  const auto size = static_cast<std::size_t>(rows.width) * columns.width * block.levels;
  if (out.size() < size) out.resize(size);
  double* to = out.data();
  check_interrupt(static_cast<double>(size) * columns.width);
  for (std::int32_t l = 0; l < block.levels; ++l, g += s * s)
    for (int c = 0; c < columns.width; ++c, to += rows.width) {
      for (int r = 0; r < rows.width; ++r) to[r] = W[c + c * s] * g[r + c * s];
      for (int i = c + 1; i < columns.width; ++i) small::axpy(rows.width, W[i + c * s], g + i * s, to);
    }
  return out.data();
}

// D = sum of V - Z'We e'WZ / sigma^2, the derivative by the covariance, gives every column of x 2 D of its own. D also
// measures by how much the observed curvature exceeds the expected one. With half of that, as in the average
// information, the curvature is about 2 D between columns times (I - kappa)^2: zero where a level determines its
// effects, D where it has no information on them.
void Coordinates::add_template(const Scores& scores, const double* x, const Square& q, double* out) {
  const FactorBlock& block = A_.factors[q.factor];
  const int s = block.width, w = q.width;
  const double scale = scores.scale, *W = axes_[q.factor].data() + q.first * (s + 1);
  scratch_.resize(std::max(scratch_.size(), 3 * static_cast<std::size_t>(w) * (w + 1)));
  double *known = scratch_.data(), *uninformed = known + w * w, *e = uninformed + w * w, *size = e + w;
  for (int c = 0; c < w; ++c)
    for (int r = 0; r < w; ++r) {
      double kappa = 0;
      for (int i = c; i < w; ++i) kappa += q.G[r + i * w] * x[i + c * w];
      uninformed[r + c * w] = (r == c) - kappa / block.levels;
      known[r + c * w] = small::dot(w, q.G.data() + r * w, q.N.data() + c * w);
    }
  D_.resize(w * w);
  for (int c = 0; c < w; ++c)
    for (int r = 0; r < w; ++r)
      D_[r + c * w] = known[r + c * w] + small::dot(w, known + r * w, q.null.data() + c * w) +
                      static_cast<double>(A_.n) * small::dot(w, q.null.data() + r * w, q.null.data() + c * w);
  for (int r = 0; r < w; ++r) size[r] = D_[r * (w + 1)] > 0 ? std::sqrt(D_[r * (w + 1)]) : 1.0;
  for (std::int64_t l = 0, at = block.offset + q.first; l < block.levels; ++l, at += s) {
    for (int r = 0; r < w; ++r) e[r] = small::dot(w - r, W + r * (s + 1), scores.by_mode.data() + at + r);
    for (int c = 0; c < w; ++c) small::axpy(w, -scale * e[c], e, D_.data() + c * w);
  }
  clip(w, size);
  for (int i = 0; i < w; ++i)
    for (int j = 0; j < w; ++j) {
      const double weight = 2 * small::dot(w, uninformed + i * w, uninformed + j * w);
      for (int c = 0; c < w; ++c)
        small::axpy(w, weight, D_.data() + c * w, out + (q.at + c + j * w) * size_ + q.at + i * w);
    }
}

// D becomes the nearest positive semidefinite matrix in the metric of `size` squared.
void Coordinates::clip(int w, const double* size) {
  if (w == 1) {
    D_[0] = std::max(D_[0], 0.0);
    return;
  }
  for (int c = 0; c < w; ++c)
    for (int r = 0; r <= c; ++r)
      D_[r + c * w] = D_[c + r * w] = 0.5 * (D_[r + c * w] + D_[c + r * w]) / (size[r] * size[c]);
  symmetric_eigen(w, D_, values_, vectors_);
  std::fill(D_.begin(), D_.end(), 0.0);
  for (int k = 0; k < w; ++k) {
    const double* v = vectors_.data() + k * w;
    for (int c = 0; c < w && values_[k] > 0; ++c)
      for (int r = 0; r < w; ++r) D_[r + c * w] += values_[k] * v[r] * size[r] * v[c] * size[c];
  }
}

// Penalises the antisymmetric part of G step, which only rotates the factor, with the curvature that a symmetric step
// of the same size would have.
void Coordinates::add_rotations(const Square& q, double* out) {
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
