// Purpose: the criterion as optimisers want it: value and gradient at a theta, counted, accurate whatever the scale.
// Keeps the residual reference near enough (see profiled_deviance.hpp), which is the one thing after the cross-products
// that reads the rows; it happens a handful of times in a fit with very large random effects, else never.
#pragma once

#include <optional>
#include <vector>

#include "criterion/objective.hpp"
#include "criterion/profiled_deviance.hpp"

namespace mixedmodels {

// What a criterion takes, by its parts.
struct WorkspaceBytes {
  double factor, inverse, updates, products;
  WorkspaceBytes(const CrossProducts& A, const Symbolic& symbolic, int threads);
  double total() const { return factor + inverse + updates + products; }
};

// The model, once it is known that factor and inverse have room; a search needs both.
const Model& affordable(const Model& model, int threads);

// Natural unit of every entry of theta: one over the root mean square of the column of Z that its row multiplies.
std::vector<double> natural_units(const Model& model);

class Criterion : public Objective {
 public:
  Criterion(const Model& model, Likelihood likelihood, int threads = 1);

  Likelihood likelihood() const { return likelihood_; }
  // From now on this criterion. What is known of the theta it stands at is kept.
  Criterion& use(Likelihood likelihood) {
    likelihood_ = likelihood;
    return *this;
  }

  const Model& model() const { return model_; }
  int m() const { return model_.m(); }
  // Natural unit (m) of every parameter; of an entry of theta one over the root mean square of the column of Z that its
  // row multiplies. What is small or large of theta is so in these units, whatever the scales of the covariates.
  const std::vector<double>& unit() const override { return unit_; }

  // NaN where the criterion cannot be computed. Asked again for the theta it stands at, it computes nothing.
  double value(const double* par) override;
  // At the parameters of the last `value`.
  void gradient(double* out) override;
  // Residual standard deviation at the theta of the last `value`, in the caller's unit.
  double sigma() const;

  double rounding() const override { return pls_.rounding(likelihood_); }
  Scores scores() const override;
  void slope_block(const EffectsBlock& block, double* out) const override;
  std::vector<std::vector<double>> covariance_derivatives(const std::vector<EffectsBlock>& of,
                                                          double gradients) override;

  // Does the same as `ProfiledDeviance::hold_coefficients`.
  void hold_coefficients(std::vector<double> a, double value);

  // Forgets everything that depends on the response.
  void response_changed();

  // Starting values by moments, one or two where terms are coupled (see starts.hpp).
  std::vector<std::vector<double>> starts() const;
  std::vector<double> start() const { return starts().front(); }

  ProfiledDeviance& pls() { return pls_; }
  const ProfiledDeviance& pls() const override { return pls_; }
  int n_value() const override { return n_value_; }
  int n_gradient() const override { return n_gradient_; }
  void reset_counts() override { n_value_ = n_gradient_ = 0; }

 private:
  void forget();

  const Model& model_;
  Likelihood likelihood_;
  ProfiledDeviance pls_;
  std::optional<StructuredTheta> structured_;  // where parameters are not theta itself
  std::vector<double> unit_, par_, gradient_, by_theta_;
  std::optional<Likelihood> gradient_of_;  // what gradient_ is of, at par_
  int n_value_ = 0, n_gradient_ = 0;
};

}  // namespace mixedmodels
