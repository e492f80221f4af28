// Purpose: the variables of a search: coordinates of the free templates (coordinates.hpp) and, of terms whose
// covariance is a function of parameters, these in their natural units (structures.hpp).
//
// Derivatives are always made along square factors. How a parameter changes the square of its term, turned as the
// triangle is, takes them from there to the parameter.
#pragma once

#include <optional>
#include <vector>

#include "search/coordinates.hpp"

namespace mixedmodels {

class Variables {
 public:
  explicit Variables(const Objective& f);

  int size() const { return size_; }

  void from_parameters(const double* par, double* x);
  void to_parameters(const double* x, double* par);
  // The slope and the Hessian by the parameters, from those by x without rotations.
  void to_parameter_slope(const double* slope, double* out);
  std::vector<double> to_parameter_hessian(const std::vector<double>& hessian);

  // Squares among x become triangular without a negative diagonal entry; what is rotated then follows them.
  void make_triangular(double* x);
  void rotate(double* x);
  // What a step adds to the templates, where x was made triangular last.
  void to_templates(const double* step, Templates& out);

  // The same as in `Coordinates`, at the x that was made triangular last.
  void gradient(const Objective& f, double* out);
  void cross(const Objective& f, int other, double* out);
  // At the point of the last gradient.
  void hessian(const Objective& f, const double* x, bool with_rotations, double* out);

 private:
  struct Part {
    const Structures::Term* term;
    std::size_t at, square;  // where it starts in x and among the squares
    int count, width;        // variables; columns of the square
    bool free() const { return !term->structure; }
  };

  template <typename ToTheta, typename Scaled>
  void through_theta(const double* x, double* out, ToTheta to_theta, Scaled scaled);
  void spread(const double* x, double* squares) const;
  void gather(const double* squares, double* x) const;
  void find_derivatives();
  void contract(const double* squares, double* out) const;
  void add_curvature(double* out);

  Coordinates squares_;
  const CrossProducts& A_;
  const Structures* structures_;
  int size_;
  std::vector<double> rotation_;
  // With structures:
  std::vector<Part> parts_;
  std::optional<StructuredTheta> theta_;
  std::vector<double> par_, unit_;           // the parameters that theta is at; units of x
  std::vector<double> at_, moving_, slope_;  // squares: of x, of what is rotated, and the gradient by them
  std::vector<double> derivatives_;          // of the square of a term by each of its variables
  std::vector<double> hessian_, half_, row_, theta_space_;
};

}  // namespace mixedmodels
