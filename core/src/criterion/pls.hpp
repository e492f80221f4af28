// Purpose: penalized least squares at one theta and the profiled criterion with its gradient.
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

#include "criterion/model.hpp"
#include "factor/factor.hpp"

namespace mixedmodels {

enum class Likelihood { ml, reml };

class Pls {
 public:
  explicit Pls(const Model& model, int threads = 1);

  const Model& model() const { return model_; }

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
  // K = M^-1 Lambda'Z'WX of the basis (q x p, row-major, order of the cross-products; the buffer may be longer) at the
  // theta of the last `update`.
  const std::vector<double>& fixed_modes();
  // Z'V^-1X (q x p, row-major, order of the cross-products; the buffer may be longer) at the theta of the last
  // `update`.
  const std::vector<double>& renew_ZtViX();
  // Gradient (m) of log|L|^2 + scale * pwrss at the theta of the last `update`: that of the ML deviance at sigma =
  // scale^-1/2, or profiled over sigma with scale = n / pwrss.
  void gradient_at_scale(double scale, double* out);
  // From the next `update` on, the coefficients of the basis are the best with a'beta = value; an empty `a` frees them.
  void hold_coefficients(std::vector<double> a, double value);
  // a'(RX'RX)^-1 a and the multiplier (value - a'beta_free) over it, half the derivative of pwrss by the value held.
  double held_variance() const { return held_variance_; }
  double multiplier() const { return multiplier_; }

  // At the theta of the last `gradient`, for its criterion: the diagonal blocks Lambda'Z'V^-1Z (P for V^-1 with REML),
  // width x width, level by level of every factor, and their sums.
  const std::vector<std::vector<double>>& trace_blocks() const { return G_; }
  const std::vector<std::vector<double>>& trace_sums() const { return G_sum_; }
  const std::vector<double>& ZtWe() const { return ZtWe_; }
  double scale_df(Likelihood likelihood) const;

  // Conditional covariances of the random effects over sigma^2: for factor f, level by level, width x width blocks.
  void conditional_covariance(int factor, double* out) const;

  // A nearer point for the residual; pwrss and Z'We of the last `update` are formed anew.
  void set_reference(ReferencePoint reference);
  // Back to the least-squares fit as reference; to be called when the response in the products has changed.
  void reset_reference();
  // Size of what cancels in pwrss over pwrss itself.
  double cancellation() const { return cancellation_; }
  // Rounding error of REML's determinant: digits are lost where X'V^-1X is a small part of X'WX.
  double rounding(Likelihood likelihood) const;

  double pwrss() const { return pwrss_; }
  double logdet_L2() const { return logdet_L2_; }
  double logdet_RX2() const { return logdet_RX2_; }
  const std::vector<double>& beta() const { return beta_; }  // of the basis, relative to least squares
  const std::vector<double>& u() const { return u_; }        // order of the cross-products
  const std::vector<double>& b() const { return b_; }
  const std::vector<double>& RX() const { return RX_; }    // k x k; its leading p x p lower triangle is RX'
  const std::vector<double>& RZX() const { return RZX_; }  // q x k row-major, permuted order
  const std::vector<std::vector<double>>& lam() const { return lam_; }
  const Factor& factor() const { return factor_; }
  Factor& factor() { return factor_; }
  void ensure_inverse();

 private:
  bool solve_fixed();
  void move_to_held();
  void solve_random();
  void residual_products();
  void sum_trace_blocks();
  void add_own_traces(std::size_t factor);
  void add_pair_traces(std::size_t pair);
  void fixed_products();
  void subtract_fixed_traces();
  void combine_gradient(double scale, double* out) const;

  const Model& model_;
  const CrossProducts& A_;
  const Symbolic& S_;
  const std::vector<ThetaEntry>& entries_;
  Factor factor_;
  ReferencePoint reference_;
  std::vector<std::vector<double>> lam_;
  std::vector<double> RZX_, RX_, beta_, u_, b_, shift_, permuted_, ZtWe_;
  std::vector<double> K_, AK_, KR_;     // of the fixed effects
  std::vector<std::vector<double>> G_;  // diagonal blocks of M^-1 Lambda'Z'WZ per factor
  std::vector<std::vector<double>> G_sum_;
  std::vector<double> scratch_;  // two blocks of a level
  std::vector<double> held_, held_direction_;
  double held_value_ = 0, held_variance_ = 0, multiplier_ = 0;
  double pwrss_ = 0, logdet_L2_ = 0, logdet_RX2_ = 0, cancellation_ = 0;
  bool inverse_ready_ = false, solved_ = false;
};

// out = Z'WZ in for q rows of k numbers, row-major, order of the cross-products.
void multiply_products(const CrossProducts& A, const double* in, double* out, int k);
// The same with Q (the priors' precisions, for every effect of a level the same) in the place of Z'WZ.
void multiply_prior(const CrossProducts& A, const double* in, double* out, int k);

}  // namespace mixedmodels
