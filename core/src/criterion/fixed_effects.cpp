#include "criterion/fixed_effects.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "kernels/blas.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

bool factorize_fixed(int p, double* RX) { return blas::potrf('L', p, RX, p + 1); }

double logdet_of_fixed(int p, const double* RX) {
  double out = 0;
  for (int j = 0; j < p; ++j) out += 2 * std::log(RX[j + static_cast<std::size_t>(j) * (p + 1)]);
  return out;
}

void solve_coefficients(int p, const double* RX, double* beta) {
  for (int j = 0; j < p; ++j) beta[j] = RX[p + static_cast<std::size_t>(j) * (p + 1)];
  blas::trsm('L', 'L', 'N', p, 1, RX, p + 1, beta, std::max(p, 1));
  blas::trsm('L', 'L', 'T', p, 1, RX, p + 1, beta, std::max(p, 1));
}

std::vector<double> root_of_fixed_covariance(const Frame& frame, const double* RX) {
  const int p = frame.p();
  std::vector<double> root(static_cast<std::size_t>(p) * p, 0.0);
  for (int j = 0; j < p; ++j) root[j * (static_cast<std::size_t>(p) + 1)] = 1;
  blas::trsm('L', 'L', 'T', p, p, RX, p + 1, root.data(), std::max(p, 1));
  frame.solve_R(root.data(), p);
  return root;
}

std::vector<double> covariance_of_fixed(const Frame& frame, const double* RX, double sigma) {
  const int p = frame.p();
  const std::vector<double> root = root_of_fixed_covariance(frame, RX);
  std::vector<double> out(root.size());
  blas::gemm('N', 'T', p, p, p, sigma * sigma, root.data(), p, root.data(), p, 0.0, out.data(), p);
  return out;
}

void HeldCoefficient::hold(std::vector<double> a, double value) {
  a_ = std::move(a);
  value_ = value;
}

void HeldCoefficient::move(int p, const double* RX, double* beta) {
  if (a_.empty()) return;
  direction_ = a_;
  blas::trsm('L', 'L', 'N', p, 1, RX, p + 1, direction_.data(), p);
  variance_ = small::dot(p, direction_.data(), direction_.data());
  blas::trsm('L', 'L', 'T', p, 1, RX, p + 1, direction_.data(), p);
  multiplier_ = (value_ - small::dot(p, a_.data(), beta)) / variance_;
  small::axpy(p, multiplier_, direction_.data(), beta);
}

}  // namespace mixedmodels
