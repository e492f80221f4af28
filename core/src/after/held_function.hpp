// Purpose: a criterion with one parameter held, as a smooth function of free variables, whatever the model: what a
// profile needs of it, and the templates of the random effects as variables.
//
// The template of the term whose parameter is held is turned (turned.hpp): a standard deviation is a multiple of its
// entry (0, 0); with a correlation, row 1 is b (sin at, cos at) with b >= 0. It is made a lower triangle by rotations,
// which the gradient goes through backwards. All other entries of the lower triangles are variables.
#pragma once

#include <vector>

#include "after/turned.hpp"
#include "criterion/pls.hpp"

namespace mixedmodels {

// own: a parameter of the distribution.
enum class Held { sigma, sd, correlation, coefficient, own };

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
  bool fell = false;           // a search for it was given up far below the optimum
  std::vector<double> others;  // of generalized models: coefficients of the basis and the family's own parameters
};

class HeldFunction {
 public:
  virtual ~HeldFunction() = default;
  HeldFunction(const HeldFunction&) = delete;
  HeldFunction& operator=(const HeldFunction&) = delete;

  // The number of variables, and their values and `at` where the criterion is least.
  int size() const { return static_cast<int>(unit_.size()); }
  const std::vector<double>& start() const { return start_; }
  double start_at() const { return start_at_; }

  virtual double value(const std::vector<double>& free, double at) = 0;
  // By the variables, at the point of the last `value`, and by `at`: at a minimum over the variables that is, by the
  // envelope theorem, the derivative of the minimum.
  virtual void gradient(std::vector<double>& out) = 0;
  double slope() const { return slope_; }

  // At the point of the last `value` and `gradient`.
  virtual ProfilePoint point(bool converged) const = 0;
  // As of an `Objective`, and whether it is small beside what limits need.
  virtual double rounding() const = 0;
  virtual bool is_accurate() const { return true; }
  virtual int n_value() const = 0;
  virtual const Pls& pls() const = 0;

  // A step of `at` for differences, at the point of the last `value`.
  virtual double unit_for_differences() const = 0;
  // Second derivatives by the variables and, last, `at` in units of `unit`, where they are known at the start.
  virtual std::vector<double> hessian_at_start(double) { return {}; }

  // `at` in the units of the criterion from the caller's number, and how much of the latter one of it is.
  double inner(double outer) const { return (outer - shift_at_) / unit_at_; }
  double unit_at() const { return unit_at_; }

  // Diagonal templates, of one size in their natural units in every term.
  void set_templates(std::vector<double>& free, const std::vector<double>& sizes) const;
  std::size_t terms() const { return terms_.size(); }
  // Whether minima with templates of other sizes are looked for: a residual variance may take the place of others.
  virtual bool has_sizes() const { return true; }
  // Few rows for the random effects: the criterion may have many minima.
  virtual bool is_scarce() const { return false; }
  // The criterion is even in every column of a template: at a column of zeros its gradient vanishes, minimum or not.
  virtual void leave_zeros(std::vector<double>& free) const;

  // Where sigma may be zero (held.hpp): whether the deviance comes from the response's covariance, another start (the
  // variables and, last, `at` in a unit), and sigma in units of the largest standard deviation.
  virtual bool is_dense() const { return false; }
  virtual void start_from(std::vector<double>, double) {}
  virtual void set_sigma(std::vector<double>&, double) const {}

 protected:
  HeldFunction(std::vector<ProfileTerm> terms, ProfileParameter parameter);

  // The turn, and the unit of a standard deviation: that of the criterion times the effect's length.
  void find_turn(const CrossProducts& A, double unit);
  // Lower triangles by columns, term by term, into theta_; and from there in the caller's columns, over `scale`.
  void set_theta(const double* theta);
  std::vector<double> theta_of_user(const CrossProducts& A, double scale) const;
  // What every point has.
  ProfilePoint point_here(bool converged) const;
  // The entries of the templates that are free, then the roots of the entry (0, 0) and of the length of row 1, whose
  // squares cannot change sign and turn the correlation's. `unit` is by place.
  void choose_entries(const std::vector<double>& unit);
  // The turned templates of theta_.
  void turn_templates();
  // Variables are in units of `free` times their own, templates in units of `templates`.
  struct Scales {
    double free = 1, templates = 1;
  };
  // Entries and roots of the start, and `at` of what is turned.
  void start_entries(const Scales& scales);
  // Turned templates from the variables, and theta_ from these.
  void fill_entries(const std::vector<double>& free, double at, const Scales& scales);
  // Of entry_gradient_, from theta_ to the turned templates.
  void turn_gradient();
  // By the variables that are entries or roots, and slope_ of what is turned.
  void entries_slope(double at, const Scales& scales, std::vector<double>& out);

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
  ProfileParameter parameter_;
  std::vector<int> first_;             // where a term's square of entries begins
  Turn turn_;                          // of the parameter's term
  double unit_at_ = 1, shift_at_ = 0;  // `at` is shift + unit times what it is in the units of the criterion
  std::vector<int> slot_;              // the entry that each variable is
  std::vector<double> unit_;           // of every variable
  std::vector<double> start_;
  double start_at_ = 0;
  std::vector<double> templates_, theta_, rotation_, entry_gradient_;
  double value_ = 0, at_ = 0, slope_ = 0;
  double roots_[2] = {0, 0};
};

}  // namespace mixedmodels
