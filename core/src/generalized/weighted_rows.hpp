// Purpose: the rows of a generalized model, and every pass over them: linear predictors, and sums with weights that
// change in every step. Rows are sorted once by the factor with the most levels, and the place of every pair of levels
// is looked up once, so that a pass goes through memory in order.
// Precondition: every row has one level of each factor.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "criterion/model.hpp"

namespace mixedmodels {

class WeightedRows {
 public:
  static constexpr int kRowsOfBlock = 256;

  // Rows along the axes, X in the basis; `offset` may have no base.
  WeightedRows(const Model& model, const Column& offset);

  std::int64_t n() const { return n_; }
  // Of a factor: the level of every row, and a row of its columns.
  const std::int32_t* codes(int factor) const { return factors_[factor].codes.data(); }
  const double* z(int factor, std::int64_t row) const { return factors_[factor].row(row); }
  double x(std::int64_t row, int column) const {
    return x_[(row / kRowsOfBlock * p_ + column) * kRowsOfBlock + row % kRowsOfBlock];
  }
  // A column in the order of these rows.
  std::vector<double> sorted(const Column& column) const;
  // Numbers in the order of these rows, in that of the caller.
  std::vector<double> unsorted(const std::vector<double>& values) const;

  // eta = X beta + Z b, with the offset on request.
  void predict(const double* b, const double* beta, bool with_offset, double* eta) const;

  // The cross-products with these weights: of Z with itself, and of X with Z and itself. The columns of the response
  // stay.
  void renew_random(const double* w, CrossProducts& A) const;
  void renew_fixed(const double* w, CrossProducts& A) const;
  // X'WX alone (p x p in k x k, both triangles).
  void renew_fixed_squares(const double* w, CrossProducts& A) const;

  // Z's (q) and X's (p).
  void sum_random(const double* s, double* Zts) const;
  void sum_fixed(const double* s, double* Xts) const;

  // z'C z of every row: C by levels of every factor, and by pairs of levels as in the cross-products.
  void quadratic(const std::vector<std::vector<double>>& levels, const std::vector<std::vector<double>>& pairs,
                 double* out) const;

 private:
  struct Factor {
    int width;
    std::int64_t offset;
    std::vector<std::int32_t> codes;
    std::vector<double> z;  // n x width, row-major; empty: all are `constant`
    double constant = 0;

    const double* row(std::int64_t i) const { return z.empty() ? &constant : z.data() + i * width; }
  };
  struct Pair {
    int a, b;
    std::vector<std::int32_t> at;  // of the row's pair of levels among those of the products
  };

  void add_levels(const Factor& f, const double* w, double* diagonal) const;
  void add_pairs(const Pair& pair, const double* w, double* values) const;

  std::int64_t n_, q_;
  int p_;
  std::vector<std::int32_t> order_;  // empty: as they came
  // X in blocks of rows, each by columns: loops over the rows of a column become vectors.
  std::vector<double> x_, offset_;
  std::vector<Factor> factors_;
  std::vector<Pair> pairs_;
};

}  // namespace mixedmodels
