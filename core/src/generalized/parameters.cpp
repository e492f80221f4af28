#include "generalized/parameters.hpp"

#include <algorithm>

namespace mixedmodels {

ParameterRows::ParameterRows(std::int64_t n, int count, const std::vector<std::vector<double>>& columns, double added)
    : n_(n), count_(count), added_(added) {
  for (int k = 0; k < count; ++k) {
    const bool same = columns.empty() || columns[k].empty();
    by_row_ = by_row_ || !same;
    const std::int64_t width = same ? 1 : static_cast<std::int64_t>(columns[k].size()) / n;
    for (std::int64_t j = 0; j < width; ++j) {
      parameter_.push_back(k);
      column_.push_back(same ? nullptr : columns[k].data() + j * n);
    }
  }
  values_.resize(static_cast<std::size_t>(count) * static_cast<std::size_t>(by_row_ ? n : 1));
}

void ParameterRows::set(const double* psi) {
  std::fill(values_.begin(), values_.end(), added_);
  if (!by_row_) {
    for (std::size_t k = 0; k < values_.size(); ++k) values_[k] += psi[k];
    return;
  }
  for (int j = 0; j < size(); ++j) {
    double* to = values_.data() + parameter_[j] * n_;
    for (std::int64_t i = 0; i < n_; ++i) to[i] += column_[j] ? psi[j] * column_[j][i] : psi[j];
  }
}

void ParameterRows::give(std::int64_t first, RowBlock& block) const {
  block.psi = values_.data() + (by_row_ ? first : 0);
  block.lead = by_row_ ? n_ : 1;
  block.step = by_row_ ? 1 : 0;
}

void ParameterRows::change(int parameter, double by) {
  const std::int64_t each = by_row_ ? n_ : 1;
  for (std::int64_t i = 0; i < each; ++i) values_[parameter * each + i] += by;
}

std::vector<double> ParameterRows::constant(const std::vector<double>& values) const {
  std::vector<double> out(size());
  for (int j = 0; j < size(); ++j) {
    out[j] = values[parameter_[j]] - added_;
    if (!column_[j]) continue;
    double mean = 0;
    for (std::int64_t i = 0; i < n_; ++i) mean += column_[j][i] / static_cast<double>(n_);
    out[j] *= mean;
  }
  return out;
}

double ParameterRows::sum(int coefficient, const double* values) const {
  const double* column = column_[coefficient];
  double sum = 0;
  if (column)
    for (std::int64_t i = 0; i < n_; ++i) sum += column[i] * values[i];
  else
    for (std::int64_t i = 0; i < n_; ++i) sum += values[i];
  return sum;
}

void ParameterRows::times(int coefficient, const double* values, double* out) const {
  const double* column = column_[coefficient];
  if (column)
    for (std::int64_t i = 0; i < n_; ++i) out[i] = column[i] * values[i];
  else
    std::copy_n(values, n_, out);
}

}  // namespace mixedmodels
