// Purpose: the QR of many rows from sums over them alone, and the steps from sums in a frame to products that are as if
// made from the rows: the orthogonal basis of X, and the axes of the random-effects terms.
// A frame of a pilot's rows has columns near to orthogonal. The Gram matrix of such columns keeps the digits that a QR
// would keep, so that its Cholesky factor R1 is the triangle of the frame's columns and R1 F that of the original ones
// (F: the frame). Decisions on rank are made on R1 F, by the scan that the triangle of the rows themselves goes
// through.
#pragma once

#include <cstdint>
#include <vector>

#include "products/basis.hpp"
#include "products/crossprod.hpp"

namespace mixedmodels {

// How many rows there are, and the sum of their weights.
struct RowCount {
  std::int64_t rows = 0;
  double weights = 0;
};

class FrameQr {
 public:
  // From the Gram matrix G (k x k) of columns in the frame F (k x k upper), of which the last may be a response.
  FrameQr(int k, bool response, const double* G, const std::vector<double>& F, RowCount count);

  // Of the frame's columns, each scaled to length one; the fewer digits are lost the nearer it is to 1. Infinite where
  // the Gram matrix has none left.
  double condition() const { return condition_; }
  int rank() const { return rank_; }  // columns of the frame that are more than rounding errors
  double entry(int r, int c) const { return R_[r + static_cast<std::size_t>(c) * k_]; }
  std::vector<double> triangle() const;          // R1 F, of the original columns
  void solve(const double* v, double* x) const;  // x = R1^-1 v, zero for columns that are rounding errors; k - 1 or k

 private:
  void find_condition(int columns);

  int k_, rank_ = 0;
  double condition_ = 1;
  std::vector<double> R_, F_;
};

// [R c; 0 1].
std::vector<double> with_response(const Frame& frame);

FrameQr qr_of(const Frame& frame, const CrossProducts& A, RowCount count);

// The frame of all rows: what `pilot_frame` would make of them.
Frame better_frame(const Frame& frame, const CrossProducts& A, RowCount count);

// Takes products in any frame to the orthogonal basis with the columns that are independent, and to the unit that
// belongs to it.
OrthogonalBasis go_to_basis(const Frame& frame, CrossProducts& A, RowCount count);

// The same for the axes of a factor whose terms have these widths. Products stand for z T, with T in the factor's
// block.
void go_to_axes(int factor, const std::vector<int>& widths, CrossProducts& A, RowCount count);

// The axes of a pilot's rows, for many rows: of every column what those after it in its term leave, and of a column
// that they explain in these rows its difference from them in units of the column.
std::vector<double> pilot_axes(const Rows& pilot, int factor, const std::vector<int>& widths);
std::vector<double> better_axes(int factor, const std::vector<int>& widths, const CrossProducts& A, RowCount count);

// Condition of the axes of all terms of a factor, the largest.
double condition_of_axes(int factor, const std::vector<int>& widths, const CrossProducts& A, RowCount count);

}  // namespace mixedmodels
