// Purpose: the profiled deviance and REML criterion at one theta, with their gradients.
// Reads cross-products and the analysis, writes only its own workspace; no row is touched, nothing is allocated
// after the first call of each kind.
// Reference: Bates, Maechler, Bolker, Walker (2015), J. Stat. Soft. 67(1), section 3; the gradient by the envelope
// theorem, with the entries of M^-1 on the pattern of L, so that a singular template needs no case of its own.
//
// The penalized residual sum of squares is not the difference |y|^2 - |c_u|^2 - |c_beta|^2, which loses every digit
// when the random effects are large: it is computed from the residual products of a reference point (b0, beta0),
// r'r - 2 d'Z'r - ... + d'Z'Zd with d = b - b0, to which an error of the solve comes only in its square. The
// reference is the least-squares fit until `cancellation` says that a nearer one is due.
#pragma once

#include <cstdint>
#include <vector>

#include "criterion/fixed_effects.hpp"
#include "criterion/pls.hpp"

namespace mixedmodels {

enum class Likelihood { ml, reml };

// Degrees of freedom of the residual variance.
double scale_df(const CrossProducts& A, Likelihood likelihood);

// The residual standard deviation, in the caller's unit.
double sigma_of(const CrossProducts& A, Likelihood likelihood, double pwrss);

// What the criterion is made of, beside the cross-products.
struct CriterionParts {
  double logdet_L2, logdet_RX2, pwrss;
};
// The criterion at a residual variance; the best one is pwrss over the degrees of freedom.
double criterion_of(const CrossProducts& A, Likelihood likelihood, const CriterionParts& parts, double variance);

class ProfiledDeviance : public Pls {
 public:
  explicit ProfiledDeviance(const Model& model, int threads = 1);

  // Solves at theta. False when M or X'V^-1X is not positive definite in floating point.
  bool update(const double* theta);

  // The criterion at the theta of the last `update`, at its best residual variance or at a given one; NaN when that
  // failed.
  double criterion(Likelihood likelihood) const { return criterion(likelihood, pwrss_ / scale_df(likelihood)); }
  double criterion(Likelihood likelihood, double variance) const;

  double value(const double* theta, Likelihood likelihood) {
    update(theta);
    return this->criterion(likelihood);
  }

  // Gradient (m) of the criterion at the theta of the last `update`; NaN when that failed.
  void gradient(Likelihood likelihood, double* out);

  // Gradient (m) of pwrss at the theta of the last `update`; NaN when that failed.
  void pwrss_gradient(double* out) const;

  // Derivatives (m times p x p, symmetric) of X'V^-1X of the basis at the theta of the last `update`; NaN when that
  // failed.
  void fixed_derivatives(double* out);
  // Gradient (m) of log|L|^2 + scale * pwrss at the theta of the last `update`: that of the ML deviance at sigma =
  // scale^-1/2, or profiled over sigma with scale = n / pwrss.
  void gradient_at_scale(double scale, double* out);
  // From the next `update` on, the coefficients of the basis are the best with a'beta = value; an empty `a` frees them.
  void hold_coefficients(std::vector<double> a, double value);
  const HeldCoefficient& held() const { return held_; }

  const std::vector<double>& ZtWe() const { return ZtWe_; }
  double scale_df(Likelihood likelihood) const { return mixedmodels::scale_df(A_, likelihood); }
  double sigma(Likelihood likelihood) const { return sigma_of(A_, likelihood, pwrss_); }

  // A nearer point for the residual; pwrss and Z'We of the last `update` are formed anew.
  void set_reference(ReferencePoint reference);
  // Back to the least-squares fit as reference; to be called when the response in the products has changed.
  void reset_reference();
  // Size of what cancels in pwrss over pwrss itself.
  double cancellation() const { return cancellation_; }
  // Rounding error of REML's determinant: digits are lost where X'V^-1X is a small part of X'WX.
  double rounding(Likelihood likelihood) const;

  double pwrss() const { return pwrss_; }
  const std::vector<double>& b() const { return b_; }

 private:
  void residual_products();
  void combine_gradient(double scale, double* out) const;

  ReferencePoint reference_;
  std::vector<double> b_, shift_, ZtWe_;
  HeldCoefficient held_;
  double pwrss_ = 0, cancellation_ = 0;
  bool solved_ = false;
};

}  // namespace mixedmodels
