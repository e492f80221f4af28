// Purpose: the parameters of a family's distribution by row, and what is summed over rows for their coefficients.
// Parameter k is X_k delta_k and a number, with columns whose squares have the mean 1 and that are orthogonal to each
// other, or has one coefficient, the same value for all rows. The coefficients of all parameters, one after the other,
// are the psi of a model.
#pragma once

#include <cstdint>
#include <vector>

#include "generalized/family.hpp"

namespace mixedmodels {

class ParameterRows {
 public:
  // Of every parameter its columns (n x width, column by column), which stay the caller's; none: the same for all rows.
  // `added` is what every parameter has beside its columns.
  ParameterRows(std::int64_t n, int count, const std::vector<std::vector<double>>& columns, double added = 0);

  int count() const { return count_; }                              // of parameters
  int size() const { return static_cast<int>(parameter_.size()); }  // of coefficients
  bool by_row() const { return by_row_; }
  int parameter(int coefficient) const { return parameter_[coefficient]; }
  // The column of a coefficient; null: all ones.
  const double* column(int coefficient) const { return column_[coefficient]; }

  // Takes coefficients.
  void set(const double* psi);
  // The parameters of the rows from `first` on.
  void give(std::int64_t first, RowBlock& block) const;
  // Adds to a parameter of all rows.
  void change(int parameter, double by);

  // Coefficients of parameters that are the same for all rows.
  std::vector<double> constant(const std::vector<double>& values) const;

  // The sum over rows of values times the column of a coefficient, and these products.
  double sum(int coefficient, const double* values) const;
  void times(int coefficient, const double* values, double* out) const;

 private:
  std::int64_t n_;
  int count_;
  double added_;
  bool by_row_ = false;
  std::vector<int> parameter_;
  std::vector<const double*> column_;
  std::vector<double> values_;  // count x n, or count
};

}  // namespace mixedmodels
