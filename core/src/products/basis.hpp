// Purpose: an orthogonal basis of the fixed-effects columns, their rank, and the least-squares start.
// Method: QR of sqrt(W) [X, y - offset] over blocks of rows (each block is stacked under the triangle so far and
// factored again), so that no n x p copy is made and nothing is squared. The basis is never stored either: a block
// of its rows is made from a block of X when it is wanted.
#pragma once

#include <vector>

#include "products/rows.hpp"

namespace mixedmodels {

struct OrthogonalBasis {
  std::vector<int> kept;      // columns of X kept; of a dependent set the first ones stay
  std::vector<double> R;      // p x p upper, column-major, over the kept columns: sqrt(W) X_kept = Q R, Q'Q = I
  std::vector<double> c;      // Q' sqrt(W) (y - offset)
  double unit = 1;            // in which c and the norms are: 1 / rows.scale
  double response_norm = 0;   // |sqrt(W) (y - offset)|
  double residual_norm = 0;   // |sqrt(W) (y - offset - X beta_ls)|
  bool fits_exactly = false;  // the residual is rounding error only
  int p() const { return static_cast<int>(kept.size()); }

  // Takes the size of the residuals, to a power of two, for the unit, here and in `rows`.
  void choose_unit(Rows& rows);

  // Coefficients of the kept columns from coefficients of the basis that are relative to the least-squares fit.
  void to_original(const double* beta_basis, double* beta) const;
  // B <- R^-1 B for a p x m matrix B.
  void solve_R(double* b, int m) const;
};

OrthogonalBasis orthogonalize(const Rows& rows, int threads = 1);

// Rows first .. first + count of [X R^-1, y - offset - X beta_ls], row-major, p + 1 numbers a row.
class BasisRows {
 public:
  BasisRows(const Rows& rows, const OrthogonalBasis& basis, int max_count);
  const double* block(std::int64_t first, int count);
  int width() const { return basis_.p() + 1; }

 private:
  const Rows& rows_;
  const OrthogonalBasis& basis_;
  std::vector<double> columns_, rows_out_;
};

}  // namespace mixedmodels
