// Purpose: the fixed effects of a linear model from [X y]'V^-1[X y]: factor, coefficients, and coefficients of which a
// combination is held.
//
// The matrix is k x k with k = p + 1. Its lower triangle is read; its leading p x p part becomes RX'.
#pragma once

#include <vector>

#include "products/basis.hpp"

namespace mixedmodels {

// The Cholesky factor in the place of X'V^-1X. False where that is not positive definite in floating point.
bool factorize_fixed(int p, double* RX);

// log |RX|^2.
double logdet_of_fixed(int p, const double* RX);

// The best coefficients.
void solve_coefficients(int p, const double* RX, double* beta);

// (RX R)^-1 for X = Q R of a frame Q (p x p, column-major): times its transpose the covariance of the kept coefficients
// over sigma^2; and that covariance.
std::vector<double> root_of_fixed_covariance(const Frame& frame, const double* RX);
std::vector<double> covariance_of_fixed(const Frame& frame, const double* RX, double sigma);

// a'beta = value for the best coefficients with that; none is held at first.
class HeldCoefficient {
 public:
  // An empty `a` frees the coefficients.
  void hold(std::vector<double> a, double value);

  // From the best coefficients to the best with this one: along (RX'RX)^-1 a, where the sum of squares rises least.
  void move(int p, const double* RX, double* beta);

  // a'(RX'RX)^-1 a and the multiplier (value - a'beta_free) over it, half the derivative of pwrss by the value held.
  double variance() const { return variance_; }
  double multiplier() const { return multiplier_; }

 private:
  std::vector<double> a_, direction_;
  double value_ = 0, variance_ = 0, multiplier_ = 0;
};

}  // namespace mixedmodels
