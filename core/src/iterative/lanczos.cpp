#include "iterative/lanczos.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/eigen.hpp"
#include "kernels/interrupt.hpp"

namespace mixedmodels {

namespace {

constexpr double kBelowOne = 1 - 1e-15;  // largest eigenvalue of S that is believed
// Length of a new vector, relative to the quotient before it, below which the Krylov space is exhausted.
constexpr double kExhausted = 1e-13;
constexpr int kMostIterations = 1000;

double logarithm(double s) { return std::log1p(-s) + s; }
double remainder(double s) { return s * s / (1 - s); }
double resolvent_of(double s) { return s / (1 - s); }

void scale_columns(const Parts& parts, const std::vector<double>& factor, Panel& x) {
  parts.each([&](std::int64_t first, std::int64_t last, int) {
    check_interrupt(static_cast<double>(last - first) * x.width);
    for (std::int64_t i = first; i < last; ++i)
      for (int c = 0; c < x.width; ++c) x.row(i)[c] *= factor[c];
  });
}

}  // namespace

Lanczos::Lanczos(Schur& S, Panel z) : S_(S), z_(std::move(z)) {
  norm_ = dots(S_.parts(), z_, z_);
  std::vector<double> inverse(norm_.size());
  for (std::size_t c = 0; c < norm_.size(); ++c) {
    norm_[c] = std::sqrt(norm_[c]);
    inverse[c] = norm_[c] > 0 ? 1 / norm_[c] : 0;
  }
  basis_.push_back(z_);
  scale_columns(S_.parts(), inverse, basis_.back());
}

void Lanczos::step() {
  const Parts& parts = S_.parts();
  const int j = steps(), W = z_.width;
  if (j > 0) {  // next_ is S q_j-1 less what lies in the basis
    std::vector<double> length = dots(parts, next_, next_), inverse(W, 0.0);
    for (int c = 0; c < W; ++c) {
      length[c] = std::sqrt(length[c]);
      const bool exhausted = !(length[c] > kExhausted * (std::abs(alpha_[j - 1][c]) + 1e-3));
      if (exhausted) length[c] = 0;
      inverse[c] = exhausted ? 0 : 1 / length[c];
    }
    beta_.push_back(std::move(length));
    basis_.push_back(next_);
    scale_columns(parts, inverse, basis_.back());
  }
  const Panel& q = basis_.back();
  S_.multiply(q, next_, j == 0 ? &raw_ : nullptr);
  if (j == 0) scale_columns(parts, norm_, raw_);
  alpha_.push_back(dots(parts, next_, q));
  std::vector<double> minus(W);
  for (int c = 0; c < W; ++c) minus[c] = -alpha_[j][c];
  add_scaled(parts, minus, q, next_);
  if (j > 0) {
    for (int c = 0; c < W; ++c) minus[c] = -beta_[j - 1][c];
    add_scaled(parts, minus, basis_[j - 1], next_);
  }
  std::vector<std::vector<double>> left;
  for (const Panel& p : basis_) left.push_back(dots(parts, next_, p));
  for (std::size_t i = 0; i < basis_.size(); ++i) {
    for (double& v : left[i]) v = -v;
    add_scaled(parts, left[i], basis_[i], next_);
  }
}

Lanczos::Tridiagonal Lanczos::eigen(int column) const {
  const int m = steps();
  std::vector<double> T(static_cast<std::size_t>(m) * m, 0.0);
  for (int i = 0; i < m; ++i) {
    T[i * (m + 1)] = alpha_[i][column];
    if (i > 0) T[i + (i - 1) * m] = beta_[i - 1][column];
  }
  Tridiagonal out;
  symmetric_eigen(m, std::move(T), out.values, out.vectors);
  for (double& v : out.values) v = std::min(v, kBelowOne);
  return out;
}

Lanczos::Integrals Lanczos::integrals() const {
  const int m = steps(), W = z_.width;
  Integrals out{std::vector<double>(W), std::vector<double>(W)};
  for (int c = 0; c < W; ++c) {
    if (!(norm_[c] > 0)) continue;
    const Tridiagonal T = eigen(c);
    for (int i = 0; i < m; ++i) {
      const double weight = norm_[c] * norm_[c] * T.vectors[i * m] * T.vectors[i * m];
      out.logarithm[c] += weight * logarithm(T.values[i]);
      out.remainder[c] += weight * remainder(T.values[i]);
    }
  }
  return out;
}

Panel Lanczos::resolvent() const {
  const int m = steps(), W = z_.width;
  std::vector<std::vector<double>> weight(m, std::vector<double>(W, 0.0));
  for (int c = 0; c < W; ++c) {
    if (!(norm_[c] > 0)) continue;
    const Tridiagonal T = eigen(c);
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < m; ++j)
        weight[j][c] += norm_[c] * T.vectors[j + i * m] * resolvent_of(T.values[i]) * T.vectors[i * m];
  }
  Panel out(z_.rows, W);
  for (int j = 0; j < m; ++j) add_scaled(S_.parts(), weight[j], basis_[j], out);
  return out;
}

Solved solve(Schur& S, const Basis& V, const std::vector<double>& quotients, const Panel& b, double tolerance) {
  const Parts& parts = S.parts();
  const int W = b.width, k = V.columns();
  Solved out{Panel(b.rows, W), b};
  Panel& r = out.residual;
  Panel z, p, Sp;
  auto precondition = [&] {
    z = r;
    if (k == 0) return;
    std::vector<double> c = V.project(parts, r);
    for (int j = 0; j < W; ++j)
      for (int i = 0; i < k; ++i) {
        const double s = std::min(quotients[i], kBelowOne);
        c[i + j * k] *= s / (1 - s);
      }
    V.add(parts, c, z);
  };
  const std::vector<double> size = dots(parts, b, b);
  std::vector<double> left = size, rz, a(W), minus(W), ratio(W);
  auto open = [&](int c) { return left[c] > tolerance * tolerance * size[c]; };
  auto any_open = [&] {
    for (int c = 0; c < W; ++c)
      if (open(c)) return true;
    return false;
  };
  precondition();
  p = z;
  rz = dots(parts, r, z);
  for (; any_open() && out.iterations < kMostIterations; ++out.iterations) {
    S.multiply(p, Sp);
    const std::vector<double> pSp = dots(parts, p, Sp), pp = dots(parts, p, p);
    for (int c = 0; c < W; ++c) {
      a[c] = open(c) && pp[c] > pSp[c] ? rz[c] / (pp[c] - pSp[c]) : 0;
      minus[c] = -a[c];
    }
    add_scaled(parts, a, p, out.x);
    add_scaled(parts, minus, p, r);
    add_scaled(parts, a, Sp, r);
    left = dots(parts, r, r);
    if (!any_open()) {
      ++out.iterations;
      break;
    }
    precondition();
    const std::vector<double> before = std::exchange(rz, dots(parts, r, z));
    for (int c = 0; c < W; ++c) ratio[c] = before[c] > 0 ? rz[c] / before[c] : 0;
    scale_columns(parts, ratio, p);
    add_scaled(parts, std::vector<double>(W, 1.0), z, p);
  }
  out.converged = !any_open();
  return out;
}

}  // namespace mixedmodels
