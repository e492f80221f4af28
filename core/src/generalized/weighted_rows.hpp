// Purpose: the rows of a generalized model, and every pass over them: linear predictors, and sums with weights that
// change in every step. Rows are sorted once by the factor with the most levels, and the place of every pair of levels
// is looked up once, so that a pass goes through memory in order.
// A pass is divided among workers in the same parts for any number of them, and sums of parts are added in order, so
// that their number has no influence on the result.
// Precondition: every row has one level of each factor.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "criterion/model.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/workers.hpp"

namespace mixedmodels {

class WeightedRows {
 public:
  static constexpr int kRowsOfBlock = 256;
  static constexpr int kRowsOfPart = 8 * kRowsOfBlock;

  // Rows along the axes, X in the basis; `offset` may have no base.
  WeightedRows(const Model& model, const Column& offset);

  std::int64_t n() const { return n_; }
  // Of the rows; a pass over one takes a few microseconds.
  int parts() const { return static_cast<int>((n_ + kRowsOfPart - 1) / kRowsOfPart); }
  // body(first row, row after the last one, part) for every part, each row taking `work` operations.
  template <typename Body>
  void each_part(Workers& workers, double work, Body&& body) const {
    workers.run(parts(), [&](int part, int) {
      const std::int64_t first = std::int64_t{part} * kRowsOfPart, last = std::min(n_, first + kRowsOfPart);
      check_interrupt(work * static_cast<double>(last - first));
      body(first, last, part);
    });
  }

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
  void predict(Workers& workers, const double* b, const double* beta, bool with_offset, double* eta) const;

  // The cross-products with these weights: of Z with itself, and of X with Z and itself. The columns of the response
  // stay.
  void renew_random(Workers& workers, const double* w, CrossProducts& A) const;
  void renew_fixed(Workers& workers, const double* w, CrossProducts& A) const;
  // X'WX alone (p x p in k x k, both triangles).
  void renew_fixed_squares(Workers& workers, const double* w, CrossProducts& A) const;

  // Z's (q) and X's (p).
  void sum_random(Workers& workers, const double* s, double* Zts) const;
  void sum_fixed(Workers& workers, const double* s, double* Xts) const;

  // z'C z of every row: C by levels of every factor, and by pairs of levels as in the cross-products.
  void quadratic(Workers& workers, const std::vector<std::vector<double>>& levels,
                 const std::vector<std::vector<double>>& pairs, double* out) const;

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

  // Rows from `first` up to `last`.
  struct Range {
    std::int64_t first, last;
  };

  const Factor* by_largest() const { return largest_ < 0 ? nullptr : &factors_[largest_]; }
  Range all() const { return {0, n_}; }
  Range part_between_levels(int part) const { return {between_levels_[part], between_levels_[part + 1]}; }
  int groups() const;
  Range group(int g) const;
  void divide_between_levels();
  template <typename Body>
  void each_block(Range rows, double work, Body&& body) const;
  template <typename Add>
  void each_factor(Workers& workers, int more, Add&& add) const;

  void add_levels(const Factor& f, Range rows, const double* w, double* diagonal) const;
  void add_pairs(const Pair& pair, Range rows, const double* w, double* values) const;
  void add_fixed(int factor, Range rows, const double* w, double* ZtX, int k) const;
  void add_random(const Factor& f, Range rows, const double* s, double* own) const;
  std::vector<double> no_squares() const;
  void add_squares_of_group(int g, const double* w, std::vector<double>& squares) const;
  void store_squares(const std::vector<double>& squares, CrossProducts& A) const;

  std::int64_t n_, q_;
  int p_;
  int largest_ = -1;                          // the factor by which rows are sorted
  std::vector<std::int32_t> order_;           // empty: as they came
  std::vector<std::int64_t> between_levels_;  // where parts of the rows end that divide no level of that factor
  // X in blocks of rows, each by columns: loops over the rows of a column become vectors.
  std::vector<double> x_, offset_;
  std::vector<Factor> factors_;
  std::vector<Pair> pairs_;
};

}  // namespace mixedmodels
