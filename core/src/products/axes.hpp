// Purpose: axes of the random-effects terms, coordinates in which nothing depends on the origin or scale of a
// covariate.
//
// The columns z of a term are replaced by z T with T lower triangular, so that the new columns are orthogonal and have
// mean square 1 with the weights. A template Lambda is then T times the template along the axes, Lambda~: both are
// lower triangular, Z Lambda = Z~ Lambda~, and theta is linear in theta~. What follows from Z Lambda (the factor, u,
// beta, the criterion) is the same for both; what is searched, differentiated or inverted in theta is so in theta~. A
// term of one column has for T a power of two, so that nothing is rounded; 1 where the column has about unit size.
#pragma once

#include <vector>

#include "products/crossprod.hpp"

namespace mixedmodels {

// Which entry of which factor's template an element of theta is.
struct ThetaEntry {
  int factor, row, column;
};
inline bool on_diagonal(const ThetaEntry& entry) { return entry.row == entry.column; }

// Puts the axes of every term into `rows`: T of each factor, and z T in the place of z. `widths` has the number of
// columns of every term of each factor. Returns the numbers that the new columns point into.
std::vector<std::vector<double>> orthogonalize_terms(Rows& rows, const std::vector<std::vector<int>>& widths,
                                                     int threads = 1);

// Puts given axes T (all columns of the factor) in the place of z; returns the numbers that the new columns point into.
// It works for all rows or a part of them; T stays the caller's.
std::vector<std::vector<double>> put_along_axes(Rows& rows, int factor, const std::vector<int>& widths,
                                                const std::vector<double>& T);

// The power of two that gives a column of this root mean square about unit size.
double power_of_two(double rms);

// Theta to and from the axes; `entries` term by term, each a lower triangle by columns. Entries with a row below zero
// are of no triangle and are left as they are.
class ThetaAxes {
 public:
  ThetaAxes(const CrossProducts& A, const std::vector<ThetaEntry>& entries) : A_(A), entries_(entries) {}

  void to_axes(double* theta) const;    // theta~ from theta
  void from_axes(double* theta) const;  // theta from theta~
  // A slope is a row of derivatives by theta (or by theta~).
  void slope_to_axes(double* slope) const;
  void slope_from_axes(double* slope) const;
  // Symmetric matrices (m x m), in place: second derivatives by theta, and the covariance of theta.
  void hessian_from_axes(double* hessian) const;
  void covariance_from_axes(double* covariance) const;

 private:
  template <typename Call>
  void for_each_column(Call&& call) const;
  void both_sides(double* matrix, void (ThetaAxes::*along)(double*) const) const;

  const CrossProducts& A_;
  const std::vector<ThetaEntry>& entries_;
};

// b = T b~ for every level, in place; q numbers in the order of the cross-products.
void modes_from_axes(const CrossProducts& A, double* b);
// C = T C~ T' for every level of a factor, in place.
void covariance_from_axes(const FactorBlock& block, double* C);

}  // namespace mixedmodels
