// Purpose: the quadratic model of a quasi-Newton search: a symmetric positive definite matrix, with solves and BFGS
// updates. Reference: Nocedal and Wright (2006), Numerical Optimization, ch. 6 and procedure 18.2 (damped BFGS).
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/blas.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

class QuadraticModel {
 public:
  explicit QuadraticModel(int m) : m_(m), hessian_(square(), 0.0), factor_(square()), product_(m) {}

  void identity(double scale) {
    std::fill(hessian_.begin(), hessian_.end(), 0.0);
    for (int i = 0; i < m_; ++i) at(i, i) = scale;
  }

  double* data() { return hessian_.data(); }
  const std::vector<double>& hessian() const { return hessian_; }

  // step = -H^-1 gradient, with as much of the diagonal added as positive definiteness asks for.
  void step(const std::vector<double>& gradient, std::vector<double>& out) {
    double largest = 0;
    for (int i = 0; i < m_; ++i) largest = std::max(largest, std::abs(at(i, i)));
    const bool finite = std::all_of(hessian_.begin(), hessian_.end(), [](double h) { return std::isfinite(h); });
    if (!(largest > 0) || !finite) identity(largest = 1.0);
    for (int i = 0; i < m_; ++i)
      if (at(i, i) < 1e-10 * largest) at(i, i) = 1e-10 * largest;
    for (double shift = 0;; shift = std::max(10 * shift, 1e-8)) {
      if (shift > kMostShift) identity(largest), shift = 0;
      factor_ = hessian_;
      for (int i = 0; i < m_; ++i) factor_[i * (m_ + 1)] *= 1 + shift;
      if (blas::potrf('L', m_, factor_.data(), m_)) {
        if (shift > 0)
          for (int i = 0; i < m_; ++i) at(i, i) *= 1 + shift;
        break;
      }
    }
    for (int i = 0; i < m_; ++i) out[i] = -gradient[i];
    blas::trsm('L', 'L', 'N', m_, 1, factor_.data(), m_, out.data(), m_);
    blas::trsm('L', 'L', 'T', m_, 1, factor_.data(), m_, out.data(), m_);
  }

  // BFGS update for a step s along which the gradient changed by y, damped where the curvature is too small.
  void learn(const std::vector<double>& s, std::vector<double> y) {
    for (int i = 0; i < m_; ++i) {
      product_[i] = 0;
      for (int j = 0; j < m_; ++j) product_[i] += hessian_[i + j * m_] * s[j];
    }
    const double sHs = small::dot(m_, s.data(), product_.data());
    double sy = small::dot(m_, s.data(), y.data());
    if (!(sHs > 0)) return;
    if (sy < 0.1 * sHs) {
      const double mix = 0.9 * sHs / (sHs - sy);
      for (int i = 0; i < m_; ++i) y[i] = mix * y[i] + (1 - mix) * product_[i];
      sy = small::dot(m_, s.data(), y.data());
    }
    for (int j = 0; j < m_; ++j)
      for (int i = 0; i < m_; ++i) at(i, j) += y[i] * y[j] / sy - product_[i] * product_[j] / sHs;
  }

 private:
  // Multiple of the diagonal above which entries beside it are so large that the model is given up.
  static constexpr double kMostShift = 1e20;

  std::size_t square() const { return static_cast<std::size_t>(m_) * m_; }
  double& at(int i, int j) { return hessian_[i + static_cast<std::size_t>(j) * m_]; }

  int m_;
  std::vector<double> hessian_, factor_, product_;
};

}  // namespace mixedmodels
