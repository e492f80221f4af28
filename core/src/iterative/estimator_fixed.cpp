// The fixed effects by the estimator: solutions by conjugate gradients, the criterion and its gradient.
#include <algorithm>
#include <cmath>
#include <limits>

#include "iterative/estimator.hpp"
#include "kernels/blas.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

constexpr double kTolerance = 1e-10;  // of conjugate gradients

}  // namespace

// U = M^-1 Lambda'Z'W[X y] and what follows from it. The products of U are formed so that an error of the solution
// enters in its square: B'M^-1 B is U'B + U'r with the residual r.
void Estimator::solve_fixed() {
  const int k = A_.k(), p = A_.p;
  const auto kk = static_cast<std::size_t>(k);
  U_.assign(static_cast<std::size_t>(A_.q) * kk, 0.0);
  E_.assign(U_.size(), 0.0);
  std::vector<double> explained = S_.eliminated_products();
  std::vector<Panel> sides, solutions, residuals;
  iterations_ = 0;
  for (int first = 0; first < k && S_.size() > 0; first += kWidest) {
    Panel b;
    S_.right_hand_sides(first, std::min(kWidest, k - first), b);
    Solved found = solve(S_, V_, quotients_, b, kTolerance);
    if (!found.converged) return;
    iterations_ = std::max(iterations_, found.iterations);
    sides.push_back(std::move(b));
    solutions.push_back(std::move(found.x));
    residuals.push_back(std::move(found.residual));
  }
  for (std::size_t i = 0; i < solutions.size(); ++i)
    for (std::size_t j = 0; j < sides.size(); ++j) {
      const Panel &x = solutions[i], &b = sides[j], &r = residuals[j];
      const int rows = std::min(kWidest, k - static_cast<int>(i) * kWidest),
                columns = std::min(kWidest, k - static_cast<int>(j) * kWidest);
      const std::vector<double> sum =
          S_.parts().sum(x.width * b.width, [&](std::int64_t from, std::int64_t to, double* sums) {
            const int count = static_cast<int>(to - from);
            blas::gemm('N', 'T', x.width, b.width, count, 1.0, x.row(from), x.width, b.row(from), b.width, 1.0, sums,
                       x.width);
            blas::gemm('N', 'T', x.width, b.width, count, 1.0, x.row(from), x.width, r.row(from), r.width, 1.0, sums,
                       x.width);
          });
      for (int r2 = 0; r2 < rows; ++r2)
        for (int c = 0; c < columns; ++c)
          explained[i * kWidest + r2 + (j * kWidest + c) * kk] += sum[r2 + static_cast<std::size_t>(c) * x.width];
    }
  RX_ = A_.XtX;
  for (int c = 0; c < k; ++c)
    for (int r = 0; r < k; ++r) RX_[r + c * kk] -= 0.5 * (explained[r + c * kk] + explained[c + r * kk]);
  if (!factorize_fixed(p, RX_.data())) return;
  logdet_RX2_ = A_.logdet_R2 + logdet_of_fixed(p, RX_.data());
  beta_.resize(p);
  solve_coefficients(p, RX_.data(), beta_.data());
  pwrss_ = RX_[p + p * kk];
  for (int j = 0; j < p; ++j) pwrss_ -= RX_[p + j * kk] * beta_[j];
  if (S_.size() == 0) solutions.emplace_back(0, kStep);
  for (int first = 0; first < k; first += kWidest) {
    const int count = std::min(kWidest, k - first);
    S_.modes(S_.size() == 0 ? Panel(0, padded(count)) : solutions[first / kWidest], first, count, U_.data());
  }
  for (int first = 0; first < k; first += kWidest)
    S_.residuals(U_.data(), first, std::min(kWidest, k - first), E_.data());
  differentiate_fixed();
  solved_ = pwrss_ > 0 && std::isfinite(pwrss_);
}

// By the envelope theorem: d [X y]'V^-1[X y] is minus the sum over the levels of E_row U_column' and its transpose.
void Estimator::differentiate_fixed() {
  const int k = A_.k();
  const auto size = static_cast<std::size_t>(k) * k;
  products_.assign(entries_.size() * size, 0.0);
  for (std::size_t e = 0; e < entries_.size(); ++e) {
    const auto [f, row, column] = entries_[e];
    const FactorBlock& block = A_.factors[f];
    const int step = block.width * k;
    blas::gemm('N', 'T', k, k, block.levels, 1.0, E_.data() + (block.offset + row) * k, step,
               U_.data() + (block.offset + column) * k, step, 0.0, products_.data() + e * size, k);
  }
}

double Estimator::criterion(Likelihood likelihood) const {
  if (!solved_) return std::numeric_limits<double>::quiet_NaN();
  return criterion_of(A_, likelihood, {logdet_, logdet_RX2_, pwrss_}, pwrss_ / scale_df(likelihood));
}

void Estimator::pwrss_gradient(double* out) const {
  const int k = A_.k(), p = A_.p;
  std::vector<double> a(k, 1.0);
  for (int j = 0; j < p; ++j) a[j] = -beta_[j];
  for (std::size_t e = 0; e < entries_.size(); ++e) {
    const double* D = products_.data() + e * k * k;
    double sum = 0;
    for (int c = 0; c < k; ++c)
      for (int r = 0; r < k; ++r) sum += a[r] * a[c] * D[r + c * k];
    out[e] = -2 * sum;
  }
}

void Estimator::fixed_derivatives(double* out) const {
  const int k = A_.k(), p = A_.p;
  for (std::size_t e = 0; e < entries_.size(); ++e) {
    const double* D = products_.data() + e * k * k;
    for (int c = 0; c < p; ++c)
      for (int r = 0; r < p; ++r) out[(e * p + c) * p + r] = -(D[r + c * k] + D[c + r * k]);
  }
}

void Estimator::gradient(Likelihood likelihood, double* out) const {
  const std::size_t m = entries_.size();
  if (!solved_) {
    std::fill_n(out, m, std::numeric_limits<double>::quiet_NaN());
    return;
  }
  const int k = A_.k(), p = A_.p;
  pwrss_gradient(out);
  for (std::size_t e = 0; e < m; ++e) out[e] = logdet_gradient_[e] + scale_df(likelihood) / pwrss_ * out[e];
  if (likelihood == Likelihood::ml || p == 0) return;
  std::vector<double> derivatives(m * p * p);
  fixed_derivatives(derivatives.data());
  for (std::size_t e = 0; e < m; ++e) {  // tr (RX'RX)^-1 D
    double* D = derivatives.data() + e * p * p;
    blas::trsm('L', 'L', 'N', p, p, RX_.data(), k, D, p);
    blas::trsm('L', 'L', 'T', p, p, RX_.data(), k, D, p);
    for (int j = 0; j < p; ++j) out[e] += D[j * (p + 1)];
  }
}

std::vector<double> Estimator::u() const {
  const int k = A_.k(), p = A_.p;
  std::vector<double> out(static_cast<std::size_t>(A_.q));
  for (std::int64_t i = 0; i < A_.q; ++i) {
    const double* row = U_.data() + i * k;
    out[i] = row[p] - small::dot(p, row, beta_.data());
  }
  return out;
}

std::vector<double> Estimator::b() const {
  const std::vector<double> modes = u();
  std::vector<double> out(modes.size());
  apply_templates(A_, lam_, modes.data(), out.data());
  return out;
}

}  // namespace mixedmodels
