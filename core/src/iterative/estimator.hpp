// Purpose: REML or ML of a model whose factor would be too large: the log-determinant and its derivatives estimated,
// everything else exact to the tolerance of conjugate gradients.
//
//   log|I - S| = -tr S + sum over v of V of v'g(S)v + mean over probes z of z'P g(S) P z,   g(s) = log(1 - s) + s,
//
// with tr S exact, V an orthonormal basis near the leading eigenvectors of S, P = I - V V', and Rademacher probes. The
// split is exact for any V, so that V need not have converged. V and the probes stay the same from one `prepare` to the
// next: the estimate is then a smooth function of theta, and its gradient (an estimate from the same probes) has a root
// that a search can find. The value is consistent with the gradient only up to the error of the estimate.
// Standard errors come from the spread of the probes, times 1.5: probes are not Gaussian, and few.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "criterion/profiled_deviance.hpp"
#include "iterative/lanczos.hpp"

namespace mixedmodels {

// Effort of an estimate; zero leaves a number to `prepare`.
struct Effort {
  int basis = 0, probes = 0;
};

class Estimator {
 public:
  Estimator(const CrossProducts& A, const std::vector<ThetaEntry>& entries, std::uint64_t seed, int threads);
  Estimator(const Estimator&) = delete;
  Estimator& operator=(const Estimator&) = delete;

  // Bytes that an evaluation takes.
  static double bytes(const CrossProducts& A);

  // Makes the basis and the probes at theta; where `effort` leaves it open, as many as the standard error needs. False
  // where the model cannot be evaluated there.
  bool prepare(const double* theta, Effort effort = {});
  Effort effort() const { return {V_.columns(), probes_}; }

  // Evaluates at theta; prepares there if that has never been done. False when M or X'V^-1X is not positive definite in
  // floating point.
  bool update(const double* theta);

  double criterion(Likelihood likelihood) const;
  void gradient(Likelihood likelihood, double* out) const;
  // Standard error of the criterion, and the covariance (m x m) of the gradient, by the choice of the probes.
  double standard_error() const { return standard_error_; }
  const std::vector<double>& gradient_covariance() const { return gradient_covariance_; }
  // Expected second derivatives (m x m) as if the factors were orthogonal; a first approximation of the Hessian.
  std::vector<double> information() const;

  double scale_df(Likelihood likelihood) const { return mixedmodels::scale_df(A_, likelihood); }
  double sigma(Likelihood likelihood) const { return sigma_of(A_, likelihood, pwrss_); }
  double logdet_L2() const { return logdet_; }
  double logdet_RX2() const { return logdet_RX2_; }
  double pwrss() const { return pwrss_; }
  // Residual sum of squares of least squares over pwrss, which is formed by a difference.
  double cancellation() const { return A_.XtX.back() / pwrss_; }
  const std::vector<double>& RX() const { return RX_; }      // as ProfiledDeviance::RX
  const std::vector<double>& beta() const { return beta_; }  // of the frame, relative to least squares
  std::vector<double> u() const;
  std::vector<double> b() const;
  // Derivatives (m times p x p) of X'V^-1X of the frame, and of log pwrss (m).
  void fixed_derivatives(double* out) const;
  void pwrss_gradient(double* out) const;
  // The same as ProfiledDeviance::conditional_covariance, estimated beyond first order.
  void conditional_covariance(int factor, double* out);

  int steps() const { return steps_; }
  int iterations() const { return iterations_; }
  bool solved() const { return solved_; }
  const CrossProducts& A() const { return A_; }

 private:
  struct Batch {
    int first, count;  // of the columns: the probes come first, then those of the basis
  };

  bool move_to(const double* theta);
  void make_basis(int columns);
  Panel columns_of(const Batch& batch) const;
  // call(lanczos, batch) after the steps of a batch, for all columns in turn.
  template <typename Call>
  void for_each_batch(Call call) {
    const int all = S_.size() == 0 ? 0 : probes_ + V_.columns();
    for (int first = 0; first < all; first += kWidest) {
      const Batch batch{first, std::min(kWidest, all - first)};
      Lanczos lanczos(S_, columns_of(batch));
      run(lanczos, batch);
      call(lanczos, batch);
    }
  }
  void run(Lanczos& lanczos, const Batch& batch);
  void integrate(bool derivatives);
  void add_derivatives(Lanczos& lanczos, const Batch& batch);
  double tail() const;
  void finish_derivatives();
  void solve_fixed();
  void differentiate_fixed();

  const CrossProducts& A_;
  const std::vector<ThetaEntry>& entries_;
  std::uint64_t seed_;
  Workers workers_;
  Schur S_;
  Templates lam_;
  std::vector<double> theta_;  // of the last update
  Basis V_;
  std::vector<double> quotients_;  // of the columns of the basis
  int probes_ = 0, steps_ = 0, iterations_ = 0;
  bool prepared_ = false, solved_ = false;
  std::vector<double> integrals_;               // by column
  std::vector<std::vector<double>> by_column_;  // what each column adds to the derivatives of log|M| (m)
  double logdet_ = 0, standard_error_ = 0;
  std::vector<double> logdet_gradient_, gradient_covariance_;
  std::vector<double> U_, E_;                 // q x k: M^-1 Lambda'Z'W[X y], and Z'W([X y] - Z Lambda U)
  std::vector<double> RX_, beta_, products_;  // products_: by entry k x k, sum over levels of E_row U_column'
  double logdet_RX2_ = 0, pwrss_ = 0;
};

}  // namespace mixedmodels
