// Purpose: sums over rows of responses that are drawn from a model, without any row.
// The criterion reads a response through Z'Wy, X'Wy and y'Wy alone. For errors e ~ N(0, W^-1) the vector [Z X]'We is
// normal with the covariance G = [Z X]'W[Z X], and e'We less its squares along the columns of [Z X] is chi-squared with
// n
// - rank [Z X] degrees of freedom, independent of it. G is semidefinite as a rule (crossed factors, an intercept), so
// its root is taken from the factor of t^2 Z'WZ + I for a large t: the I adds 1e-12 of the largest level's variance to
// that of every level, and a pivot that has nothing but the I is one of a direction that does not exist.
#pragma once

#include <cstdint>
#include <vector>

#include "criterion/model.hpp"
#include "factor/factor.hpp"

namespace mixedmodels {

class ErrorSums {
 public:
  // Throws std::invalid_argument where levels of a factor are tied to each other or the products are not in an
  // orthogonal basis.
  explicit ErrorSums(const Model& model, int threads = 1);

  // Of [Z X]. A direction that is almost absent may be counted on either side.
  std::int64_t rank() const { return rank_; }

  // Writes the sums of Z b + e, what the fixed part takes of them first subtracted: Z'W (q), coefficients of the basis
  // (p) and the sum of squares, as `renew_response` takes them. b = Lambda u at theta along the axes; `x`: q + p
  // standard normal numbers; `rest`: the chi-squared number.
  void draw(const std::vector<double>& theta, const double* u, const double* x, double rest, double* out) const;

 private:
  void multiply_factor(const double* x, double* out) const;
  void find_present(const std::vector<double>& own);
  void reduce_fixed();

  const Model& model_;
  const CrossProducts& A_;
  Factor factor_;
  std::vector<double> scale_;     // t of every factor
  std::vector<char> present_;     // q in the permuted order, p
  std::vector<double> RZX_, RX_;  // q x k row-major in the permuted order; p x p lower, column-major
  std::int64_t rank_ = 0;
};

}  // namespace mixedmodels
