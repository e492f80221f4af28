// Purpose: the ML deviance from the covariance of the response itself, V = Z S Z' + sigma^2 W^-1.
//
// With as many random effects as rows V may be regular at a sigma of zero, where templates, which are in units of
// sigma, have no end. Here templates are in units of the response, and sigma is a number like any other, zero included.
// V is dense in every set of rows that share levels, so this is for models with few rows, or with small sets of them.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "criterion/fixed_effects.hpp"
#include "criterion/model.hpp"

namespace mixedmodels {

class ResponseCovariance {
 public:
  // Null unless there are as many random effects as rows, and few enough rows share levels.
  static std::unique_ptr<ResponseCovariance> of_saturated(const Model& model);

  // From the next `value` on, the coefficients of the basis are the best with a'beta = value.
  void hold_coefficients(std::vector<double> a, double value) { held_.hold(std::move(a), value); }

  // `templates` has the model's entries, times sigma. NaN where V is singular in floating point.
  double value(const double* templates, double sigma);
  // At the point of the last value, by the templates; returns the derivative by sigma.
  double gradient(double* out);
  // How far the last value may be off by rounding.
  double rounding() const { return rounding_; }
  int n_value() const { return n_value_; }

  const std::vector<double>& beta() const { return beta_; }  // of the basis, relative to least squares
  // The coefficient held; V takes the place of V / sigma^2.
  const HeldCoefficient& held() const { return held_; }

 private:
  // Rows that share levels, and what belongs to them.
  struct Rowset {
    std::vector<std::int64_t> rows;
    std::vector<double> V;          // the lower triangle of its factor
    std::vector<double> xy;         // count x k by columns, of the basis; then L^-1 times that
    std::vector<double> z, turned;  // count x columns of all factors: Z, and Z times the templates
    int count() const { return static_cast<int>(rows.size()); }
  };

  explicit ResponseCovariance(const Model& model) : model_(model) {}
  bool divide_rows();
  void copy_rows();
  void turn(const double* templates, Rowset& set);
  bool factorize(Rowset& set, double variance);
  bool solve_fixed();
  double squares(const Rowset& set);
  double add_gradient(const Rowset& set, double* out);

  const Model& model_;
  std::vector<int> first_;  // column of z where a factor's begin
  std::vector<Rowset> sets_;
  std::vector<double> XtX_, beta_, work_, residual_;
  HeldCoefficient held_;
  int n_value_ = 0;
  double sigma_ = 0, logdet_ = 0, rounding_ = 0, most_lost_ = 0;
};

}  // namespace mixedmodels
