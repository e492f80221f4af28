// Purpose: the ML deviance with one parameter held, as a smooth function of free variables, and its gradient.
//
// What is held is a number `at`: log sigma, a standard deviation of a random effect, the angle whose sine is a
// correlation, or a coefficient. In terms of these the deviance is smooth over the whole line, so that a standard
// deviation of zero and a correlation of one are ordinary points.
//   sigma        the deviance at sigma, as a function of the templates;
//   sd           the term's template is turned so that this effect is its first row: its entry (0, 0) is at / sigma
//                over the effect's length along the axes, and log sigma is free beside the others;
//   correlation  the two effects come first: row 1 is b (sin at, cos at) with b >= 0, and sigma is profiled out;
//   coefficient  the best coefficients with this one held (`Pls::hold_coefficients`), and sigma is profiled out.
// A turned template is made a lower triangle by rotations, which the gradient goes through backwards.
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

#include "after/turned.hpp"
#include "criterion/criterion.hpp"
#include "criterion/response_covariance.hpp"

namespace mixedmodels {

enum class Held { sigma, sd, correlation, coefficient };

struct ProfileParameter {
  Held kind;
  int term;           // of a standard deviation or correlation
  int first, second;  // effects of the term; `first` is the position of a coefficient among those kept
};

struct ProfilePoint {
  double at = 0, deviance = 0;
  double slope = 0;           // derivative of the minimised deviance by `at`
  std::vector<double> theta;  // lower triangles by columns, term by term; not along the axes
  std::vector<double> beta;   // of the columns kept
  double sigma = 0;
  bool converged = false;
};

class HeldDeviance {
 public:
  // `theta`, along the axes, is where the ML deviance is least.
  HeldDeviance(const Model& model, std::vector<ProfileTerm> terms, ProfileParameter parameter,
               const std::vector<double>& theta, int threads);
  HeldDeviance(const HeldDeviance&) = delete;

  // The number of variables, and their values and `at` where the ML deviance is least.
  int size() const { return static_cast<int>(unit_.size()); }
  const std::vector<double>& start() const { return start_; }
  double start_at() const { return start_at_; }
  // Another start: the variables and, last, `at` in a unit.
  void start_from(std::vector<double> x, double unit);
  // Whether the deviance comes from the response's covariance.
  bool is_dense() const { return dense_ != nullptr; }

  double value(const std::vector<double>& free, double at);
  // By the variables, at the point of the last `value`, and by `at`: at a minimum over the variables that is, by the
  // envelope theorem, the derivative of the minimum.
  void gradient(std::vector<double>& out);
  double slope() const { return slope_; }

  // At the point of the last `value` and `gradient`.
  ProfilePoint point(bool converged) const;
  // Rounding error of a difference of two values near the last one, and whether it is small beside what limits need.
  double rounding() const;
  bool is_accurate() const;

  // A step of `at` for differences, at the point of the last `value`.
  double unit_for_differences() const;

  // `at` in the units of the products from the caller's number, and how much of the latter one of it is.
  double inner(double outer) const { return (outer - shift_at_) / unit_at_; }
  double unit_at() const { return unit_at_; }

  // Diagonal templates, of one size in their natural units in every term.
  void set_templates(std::vector<double>& free, const std::vector<double>& sizes) const;
  // Sigma, where it is free, in units of the largest standard deviation. Only where the deviance is dense.
  void set_sigma(std::vector<double>& free, double size) const {
    if (sigma_is_free()) free.back() = size;
  }
  std::size_t terms() const { return terms_.size(); }
  // Few rows for the random effects: the deviance may have many minima.
  bool is_scarce() const { return 2 * A_.n < 3 * A_.q; }
  // The deviance is even in every column of a template: at a column of zeros its gradient vanishes, minimum or not.
  void leave_zeros(std::vector<double>& free) const;

  int n_value() const { return f_.n_value() + (dense_ ? dense_->n_value() : 0); }

 private:
  void choose_variables();
  void set_start(const std::vector<double>& theta);
  void fill_templates(const std::vector<double>& free, double at);
  void turn_gradient();
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
  double in_residuals() const { return explicit_sigma() ? reference_ / template_unit() : 1.0; }
  bool is_turned() const { return parameter_.kind == Held::sd || parameter_.kind == Held::correlation; }
  // f(term, row, column) for the lower triangles of the templates, by columns.
  template <class F>
  void each_entry(F f) const {
    for (int t = 0; t < static_cast<int>(terms_.size()); ++t)
      for (int c = 0; c < terms_[t].size; ++c)
        for (int r = c; r < terms_[t].size; ++r) f(t, r, c);
  }
  int place(int term, int row, int column) const { return first_[term] + row + column * terms_[term].size; }

  std::vector<ProfileTerm> terms_;
  Model model_;  // of which theta has all entries of the templates, each a square by columns
  const OrthogonalBasis& basis_;
  const CrossProducts& A_;
  ProfileParameter parameter_;
  std::vector<int> first_;  // where a term's square of entries begins
  Criterion f_;
  std::unique_ptr<ResponseCovariance> dense_;  // null for most models
  Turn turn_;                                  // of the parameter's term
  double unit_at_ = 1, shift_at_ = 0;          // `at` is shift + unit times what it is in the units of the products
  std::vector<int> slot_;                      // the entry that each variable is
  std::vector<double> unit_;                   // of every variable
  std::vector<double> held_row_;
  double held_offset_ = 0;
  std::vector<double> start_;
  double start_at_ = 0;
  std::vector<double> templates_, theta_, rotation_, entry_gradient_;
  double sigma_ = 0, reference_ = 1, value_ = 0, at_ = 0, slope_ = 0;
  double roots_[2] = {0, 0};
};

}  // namespace mixedmodels
