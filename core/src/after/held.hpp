// Purpose: the ML deviance with one parameter held, as a smooth function of free variables, and its gradient.
//
// What is held is a number `at`: log sigma, a standard deviation of a random effect, the angle whose sine is a
// correlation, or a coefficient. In terms of these the deviance is smooth over the whole line, so that a standard
// deviation of zero and a correlation of one are ordinary points.
//   sigma        the deviance at sigma, as a function of the templates;
//   sd           the term's template is turned so that this effect is its first row: its entry (0, 0) is at / sigma
//                over the effect's length along the axes, and log sigma is free beside the others;
//   correlation  the two effects come first: row 1 is b (sin at, cos at) with b >= 0, and sigma is profiled out;
//   coefficient  the best coefficients with this one held (`ProfiledDeviance::hold_coefficients`), and sigma is
//   profiled out.
//
// With as many random effects as rows the deviance may be least at a sigma of zero, where templates, in units of sigma,
// have no end. Then they are in units of the response, sigma itself is free beside all but sigma, and the deviance
// comes from the response's covariance (response_covariance.hpp), which is regular there. Where that would take too
// long, points with so large templates that rounding hides the deviance count as not found.
//
// Reference: Bates, Maechler, Bolker, Walker (2015), J. Stat. Soft. 67(1), section 5.1.
#pragma once

#include <memory>
#include <vector>

#include "after/held_function.hpp"
#include "criterion/criterion.hpp"
#include "criterion/response_covariance.hpp"

namespace mixedmodels {

class HeldDeviance : public HeldFunction {
 public:
  // `theta`, along the axes, is where the ML deviance is least.
  HeldDeviance(const Model& model, std::vector<ProfileTerm> terms, ProfileParameter parameter,
               const std::vector<double>& theta, int threads = 1);

  bool is_dense() const override { return dense_ != nullptr; }
  void start_from(std::vector<double> x, double unit) override;
  void set_sigma(std::vector<double>& free, double size) const override {
    if (sigma_is_free()) free.back() = size;
  }

  double value(const std::vector<double>& free, double at) override;
  void gradient(std::vector<double>& out) override;
  ProfilePoint point(bool converged) const override;
  double rounding() const override;
  bool is_accurate() const override;
  double unit_for_differences() const override;
  bool is_scarce() const override { return 2 * A_.n < 3 * A_.q; }
  void leave_zeros(std::vector<double>& free) const override;
  int n_value() const override { return f_.n_value() + (dense_ ? dense_->n_value() : 0); }
  const Pls& pls() const override { return f_.pls(); }

 private:
  void choose_variables();
  void set_start(const std::vector<double>& theta);
  void fill_templates(const std::vector<double>& free, double at);
  // By `at` into slope_, and by the last variables. `by_sigma` is the derivative by log sigma with the other variables
  // as they are; by sigma with the templates as they are, where these are in units of the response.
  void add_special(double by_sigma, std::vector<double>& out);
  bool explicit_sigma() const { return parameter_.kind == Held::sigma || parameter_.kind == Held::sd || dense_; }
  bool sigma_is_free() const { return parameter_.kind == Held::sd || (dense_ && parameter_.kind != Held::sigma); }
  const std::vector<double>& beta() const { return dense_ ? dense_->beta() : f_.pls().beta(); }
  // What templates are measured in.
  double template_unit() const { return dense_ ? 1.0 : sigma_; }
  // Where sigma is a variable, or held, the other variables are templates times sigma over that of the fit: an effect
  // of large variance keeps its size when sigma changes, and the way to a sigma of zero is straight.
  Scales scales() const { return {explicit_sigma() ? reference_ / template_unit() : 1.0, template_unit()}; }

  Model model_;  // of which theta has all entries of the templates, each a square by columns
  const OrthogonalBasis& basis_;
  const CrossProducts& A_;
  Criterion f_;
  std::unique_ptr<ResponseCovariance> dense_;  // null for most models
  std::vector<double> held_row_;
  double held_offset_ = 0;
  double sigma_ = 0, reference_ = 1;
};

}  // namespace mixedmodels
