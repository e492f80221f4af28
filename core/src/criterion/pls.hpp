// Purpose: penalized least squares at one theta: the factor of M, what eliminating the fixed effects leaves, the modes
// of the random effects and their conditional covariances. They hold for whatever the cross-products are weighted with;
// criteria add what they make of the solution.
// Reads cross-products and the analysis, writes only its own workspace; no row is touched, nothing is allocated
// after the first call of each kind. The cross-products may be renewed between two calls of `factorize`.
#pragma once

#include <vector>

#include "criterion/model.hpp"
#include "factor/factor.hpp"

namespace mixedmodels {

class Pls {
 public:
  explicit Pls(const Model& model, int threads = 1);

  const Model& model() const { return model_; }

  // K = M^-1 Lambda'Z'WX of the basis (q x p, row-major, order of the cross-products; the buffer may be longer) at the
  // theta of the last factor.
  const std::vector<double>& fixed_modes();
  // Z'V^-1X (q x p, row-major, order of the cross-products; the buffer may be longer), likewise.
  const std::vector<double>& renew_ZtViX();
  // What that has left.
  const std::vector<double>& K() const { return K_; }
  const std::vector<double>& ZtViX() const { return AK_; }

  // The diagonal blocks Lambda'Z'V^-1Z (P for V^-1 with REML), width x width, level by level of every factor, and their
  // sums, as far as summed last.
  const std::vector<std::vector<double>>& trace_blocks() const { return G_; }
  const std::vector<std::vector<double>>& trace_sums() const { return G_sum_; }

  // Conditional covariances of the random effects over sigma^2: for factor f, level by level, width x width blocks.
  void conditional_covariance(int factor, double* out) const;

  double logdet_L2() const { return logdet_L2_; }
  double logdet_RX2() const { return logdet_RX2_; }
  const std::vector<double>& RX() const { return RX_; }    // k x k; its leading p x p lower triangle is RX'
  const std::vector<double>& RZX() const { return RZX_; }  // q x k row-major, permuted order
  const std::vector<std::vector<double>>& lam() const { return lam_; }
  const Factor& factor() const { return factor_; }
  Factor& factor() { return factor_; }
  void ensure_inverse();
  // The traces, from the inverse; then, on request, less what eliminating the fixed effects takes of them (REML).
  void sum_trace_blocks();
  void subtract_fixed_traces();

  // -- in this order --
  // The factor at theta. False when M is not positive definite in floating point.
  bool factorize(const double* theta);
  // RZX before the solve: Lambda'Z'W[X y].
  void load_fixed();
  // Takes x (q, order of the cross-products) from the column of the response.
  void subtract_from_response(const double* x);
  void eliminate_fixed() { factor_.solve_L(RZX_.data(), A_.k()); }
  // RX. False when X'V^-1X is not positive definite in floating point.
  bool reduce_fixed();
  // The coefficients (relative to the frame), and the modes at any coefficients.
  void solve_fixed();
  void solve_random();
  // b = Lambda u (q, order of the cross-products) at these modes.
  void random_effects(double* b) const;

  const std::vector<double>& beta() const { return beta_; }  // of the basis, relative to least squares
  const std::vector<double>& u() const { return u_; }        // order of the cross-products

 protected:
  void add_own_traces(std::size_t factor);
  void add_pair_traces(std::size_t pair);
  void fixed_products();

  const Model& model_;
  const CrossProducts& A_;
  const Symbolic& S_;
  const std::vector<ThetaEntry>& entries_;
  Factor factor_;
  std::vector<std::vector<double>> lam_;
  std::vector<double> RZX_, RX_, beta_, u_, permuted_;
  std::vector<double> K_, AK_, KR_;     // of the fixed effects
  std::vector<std::vector<double>> G_;  // diagonal blocks of M^-1 Lambda'Z'WZ per factor
  std::vector<std::vector<double>> G_sum_;
  std::vector<double> scratch_;  // two blocks of a level
  double logdet_L2_ = 0, logdet_RX2_ = 0;
  bool inverse_ready_ = false;
};

// out = Z'WZ in for q rows of k numbers, row-major, order of the cross-products.
void multiply_products(const CrossProducts& A, const double* in, double* out, int k);
// The same with Q (the priors' precisions, for every effect of a level the same) in the place of Z'WZ.
void multiply_prior(const CrossProducts& A, const double* in, double* out, int k);

}  // namespace mixedmodels
