// Purpose: a step of theta that does not depend on the origin of a covariate.
// theta + step changes a covariance by its derivative along the step and by the square of the step in the coordinates
// of theta, which other origins have otherwise. Along the forward axes of a term (each column less what those before
// it have of it) the templates are the same for any origin; there the step is added.
#pragma once

#include <vector>

namespace mixedmodels {

class ForwardStep {
 public:
  // Sizes of the terms; per term a square, column-major, of the forward axes along the core's, a row each, orthogonal.
  ForwardStep(std::vector<int> sizes, std::vector<double> turns);

  int m() const { return m_; }
  // theta (m) along the core's axes, term by term, lower triangles by columns. A diagonal entry along the forward axes
  // that the step takes below zero becomes zero.
  void advance(double* theta, const double* step) const;

 private:
  std::vector<int> sizes_;
  std::vector<double> turns_;
  int m_ = 0;
};

}  // namespace mixedmodels
