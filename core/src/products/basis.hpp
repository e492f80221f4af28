// Purpose: the frame of the fixed-effects columns and the response, the orthogonal basis among frames, and the rank.
// A frame is a fixed change of coordinates: X R^-1 for X and y - offset - X R^-1 c for the response. Any triangle R
// with a nonzero diagonal and any c give the same model; they only decide how many digits the cross-products keep, so
// that a frame may come from a part of the rows, or from other weights than those of the products. The orthogonal basis
// is the frame in which X'WX is the identity and X'Wy zero. Method: QR of sqrt(W) [X, y - offset] over blocks of rows
// (each block is stacked under the triangle so far and factored again), so that no n x p copy is made and nothing is
// squared. A frame's rows are never stored either: a block of them is made from a block of X when it is wanted.
#pragma once

#include <limits>
#include <vector>

#include "products/rows.hpp"
#include "products/triangle.hpp"

namespace mixedmodels {

// Rounding error of a residual relative to the response, as it was computed by the caller.
inline constexpr double kExact = 1e3 * std::numeric_limits<double>::epsilon();

struct Frame {
  std::vector<int> kept;  // columns of X kept; of a dependent set the first ones stay
  std::vector<double> R;  // p x p upper, column-major, over the kept columns
  std::vector<double> c;  // p, coefficients in the frame that are taken from the response
  double unit = 1;        // in which c is: 1 / rows.scale
  int p() const { return static_cast<int>(kept.size()); }

  // Coefficients of the kept columns from coefficients in the frame that are relative to c.
  void to_original(const double* beta_frame, double* beta) const;
  // B <- R^-1 B for a p x m matrix B.
  void solve_R(double* b, int m) const;
  double logdet_R2() const;  // log |R|^2
};

struct OrthogonalBasis : Frame {  // sqrt(W) X_kept = Q R with Q'Q = I, c = Q' sqrt(W) (y - offset)
  std::vector<double> all;        // p x all columns of X, column-major: Q' sqrt(W) X, R in the columns kept
  double response_norm = 0;       // |sqrt(W) (y - offset)|
  double residual_norm = 0;       // |sqrt(W) (y - offset - X beta_ls)|
  bool fits_exactly = false;      // the residual is rounding error only

  // Takes the size of the residuals of n rows, to a power of two, for the unit; returns by how much it grew.
  double choose_unit(std::int64_t n);
};

OrthogonalBasis orthogonalize(const Rows& rows, int threads = 1);

// The same from the triangle (k x k) of a QR of sqrt(W) [X, y - offset] of n rows, the response times `scale`. The scan
// ends with the basis in coordinates of the triangle.
OrthogonalBasis basis_of_triangle(const std::vector<double>& triangle, DependenceScan& scan, std::int64_t n,
                                  double scale);

// The frame of a few rows, for many. Every column is kept, also one that the others explain in these rows; in the data
// to come the columns must be independent.
Frame pilot_frame(const Rows& pilot, int threads = 1);

// The same from the triangle of n rows whose weights have the sum `weights`.
Frame frame_of_triangle(std::vector<double> triangle, int k, std::int64_t n, double weights, double unit);

// Rows of a frame, [X R^-1, y - offset - X R^-1 c], row-major, p + 1 numbers a row.
class BasisRows {
 public:
  BasisRows(const Rows& rows, const Frame& frame, int max_count);
  const double* block(std::int64_t first, int count) { return block(RowRange{first}, 0, count); }
  // Rows list[first], list[first + 1], ...
  template <typename List>
  const double* block(const List& list, std::int64_t first, int count);
  int width() const { return frame_.p() + 1; }

 private:
  const Rows& rows_;
  const Frame& frame_;
  std::vector<double> columns_, rows_out_;
};

}  // namespace mixedmodels
