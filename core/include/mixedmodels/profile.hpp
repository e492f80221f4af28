// Purpose: the profile likelihood of one parameter: the ML deviance minimised over all others while it is held.
//
// What is held is a number `at`: log sigma, a standard deviation of a random effect, the angle whose sine is a
// correlation, or a coefficient. In terms of these the deviance is smooth over the whole line, so that a standard
// deviation of zero and a correlation of one are ordinary points.
//   sigma        the deviance at sigma, minimised over theta;
//   sd           the term's template is turned so that this effect is its first row: its entry (0, 0) is at / sigma
//                over the effect's length along the axes, and log sigma is free beside the others;
//   correlation  the two effects come first: row 1 is b (sin at, cos at) with b >= 0, and sigma is profiled out;
//   coefficient  the best coefficients with this one held (`Pls::hold_coefficients`), and sigma is profiled out.
// The effects are those of the caller's columns of Z, combinations of the axes; the other rows of a turned template are
// orthogonal to them. It is made a lower triangle by rotations, which the gradient goes through backwards. The
// derivative by `at` comes with every point, by the envelope theorem.
// Reference: Bates, Maechler, Bolker, Walker (2015), J. Stat. Soft. 67(1), section 5.1.
#pragma once

#include <vector>

#include "mixedmodels/evaluator.hpp"
#include "mixedmodels/quadratic_model.hpp"

namespace mixedmodels {

// A random-effects term: a diagonal block of its factor's template.
struct ProfileTerm {
  int factor, offset, size;
};

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

class ProfileCurve {
 public:
  // `theta`, along the axes, is where the ML deviance is least.
  ProfileCurve(const Rows& rows, const OrthogonalBasis& basis, const CrossProducts& A, const Symbolic& symbolic,
               std::vector<ProfileTerm> terms, ProfileParameter parameter, const std::vector<double>& theta,
               int threads = 1);

  const ProfilePoint& optimum() const { return optimum_; }
  // Second derivative of the minimised deviance by `at` at the optimum.
  double curvature() const { return curvature_; }
  int n_value() const { return f_.n_value(); }

  // Starts from what the points solved before say of this one; `thorough`, or where that fails, from other places too.
  ProfilePoint solve(double outer, bool thorough = false);

 private:
  struct Solved {
    double at;
    std::vector<double> free, hessian;
  };

  void turn_effects();
  void choose_variables();
  void set_optimum(const std::vector<double>& theta);
  void learn_curvature();
  void fill_templates(const std::vector<double>& free, double at);
  double deviance(const std::vector<double>& free, double at);
  void gradient(std::vector<double>& out);
  ProfilePoint best_of_many(double at, bool converged, std::vector<double> found);
  void set_templates(std::vector<double>& free, double size) const;
  bool descend(std::vector<double>& free, double at);
  double search_line(const std::vector<double>& free, double at, double slope);
  std::vector<double> predict(double at) const;
  void leave_zeros(std::vector<double>& free) const;
  const Solved& nearest(double at) const;
  ProfilePoint point(double at, bool converged) const;
  bool explicit_sigma() const { return parameter_.kind == Held::sigma || parameter_.kind == Held::sd; }
  // Where sigma is a variable, or held, the other variables are templates times sigma over that of the fit: an effect
  // of large variance keeps its size when sigma changes, and the way to a sigma of zero is straight.
  double in_residuals() const { return explicit_sigma() ? reference_ / sigma_ : 1.0; }
  bool has_extra() const { return parameter_.kind == Held::sd || parameter_.kind == Held::correlation; }
  int place(int term, int row, int column) const { return first_[term] + row + column * terms_[term].size; }

  const OrthogonalBasis& basis_;
  const CrossProducts& A_;
  std::vector<ProfileTerm> terms_;
  ProfileParameter parameter_;
  std::vector<int> first_;  // where a term's square of entries begins
  Evaluator f_;
  // Rows of the turned template from those along the axes, and back; column-major squares of the parameter's term.
  std::vector<double> turn_, turn_back_;
  double unit_at_ = 1, shift_at_ = 0;  // `at` is shift + unit times what it is in the units of the products
  std::vector<int> slot_;              // the entry that each variable is
  std::vector<double> unit_;           // of every variable
  std::vector<double> held_row_;
  double held_offset_ = 0;
  std::vector<double> templates_, theta_, rotation_, entry_gradient_;
  double sigma_ = 0, reference_ = 1, value_ = 0, at_ = 0, slope_ = 0;
  double roots_[2] = {0, 0};
  QuadraticModel model_;
  std::vector<double> gradient_, step_, trial_, trial_gradient_, change_;
  std::vector<double> direction_;  // of the variables by `at`, at the optimum
  ProfilePoint optimum_;
  double curvature_ = 0;
  std::vector<Solved> solved_;  // by `at`
};

}  // namespace mixedmodels
