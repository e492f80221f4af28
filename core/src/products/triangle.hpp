// Purpose: the triangle of a QR of many rows, and which of its columns depend on the others.
// Method: each block of rows is stacked under the triangle so far and factored again, so that nothing is squared and no
// copy of all rows is made; the columns of the triangle then go through Gram-Schmidt, twice for each.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/blas.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/memory.hpp"
#include "kernels/workers.hpp"
#include "products/rows.hpp"

namespace mixedmodels {

// Grows the triangle of a QR by blocks of rows: each is put under it and both are factored again.
class GrowingTriangle {
 public:
  // For `rows` rows of k columns.
  GrowingTriangle(int k, std::int64_t rows)
      : k_(k),
        block_(static_cast<int>(std::min<std::int64_t>(std::max(512, 3 * k), std::max<std::int64_t>(rows, k)))),
        ld_(k + block_),
        a_(static_cast<std::size_t>(ld_) * k, 0.0),
        tau_(k),
        work_(static_cast<std::size_t>(64) * k),
        triangle_(static_cast<std::size_t>(k) * k, 0.0) {}

  int block() const { return block_; }
  const std::vector<double>& triangle() const { return triangle_; }

  // Takes `count` rows, at most a block; fill(j, target) writes their numbers in column j.
  template <typename Fill>
  void add(int count, Fill&& fill) {
    for (int j = 0; j < k_; ++j) {
      double* column = a_.data() + static_cast<std::size_t>(j) * ld_;
      std::copy_n(triangle_.data() + static_cast<std::size_t>(j) * k_, k_, column);
      fill(j, column + k_);
    }
    blas::geqrf(k_ + count, k_, a_.data(), ld_, tau_.data(), work_.data(), static_cast<int>(work_.size()));
    for (int j = 0; j < k_; ++j)
      std::copy_n(a_.data() + static_cast<std::size_t>(j) * ld_, j + 1,
                  triangle_.data() + static_cast<std::size_t>(j) * k_);
  }

 private:
  int k_, block_, ld_;
  std::vector<double> a_, tau_, work_, triangle_;
};

// R of the QR of sqrt(W) C for the n x k matrix C of which column(j, row) is an entry; k x k, column-major.
template <typename Entry>
std::vector<double> triangle_of_rows(const Rows& rows, int k, int threads, Entry&& entry) {
  Workers workers(threads);
  const RowRanges ranges(rows.n, k);
  require_memory("A triangle of many columns",
                 {{"triangles of the columns, by ranges of rows",
                   bytes_of_numbers(ranges.count() * k * (2.0 * k + std::max(512.0, 3.0 * k)))}},
                 2.0 * static_cast<double>(rows.n) * k * k);
  std::vector<GrowingTriangle> parts;
  parts.reserve(static_cast<std::size_t>(ranges.count()));
  for (int part = 0; part < ranges.count(); ++part) parts.emplace_back(k, ranges.end(part) - ranges.begin(part));
  workers.run(ranges.count(), [&](int part, int) {
    GrowingTriangle& triangle = parts[part];
    std::vector<double> root(triangle.block());
    for (std::int64_t first = ranges.begin(part); first < ranges.end(part); first += triangle.block()) {
      const int count = static_cast<int>(std::min<std::int64_t>(triangle.block(), ranges.end(part) - first));
      for (int i = 0; i < count; ++i) root[i] = std::sqrt(rows.w(first + i));
      triangle.add(count, [&](int j, double* target) {
        for (int i = 0; i < count; ++i) target[i] = root[i] * entry(j, first + i);
      });
    }
  });
  for (std::size_t part = 1; part < parts.size(); ++part)
    parts[0].add(k, [&](int j, double* target) {
      std::copy_n(parts[part].triangle().data() + static_cast<std::size_t>(j) * k, k, target);
    });
  return parts[0].triangle();
}

inline double norm(const double* v, int n) {
  double scale = 0;
  for (int i = 0; i < n; ++i) scale = std::max(scale, std::abs(v[i]));
  if (scale == 0) return 0;
  double sum = 0;
  for (int i = 0; i < n; ++i) sum += (v[i] / scale) * (v[i] / scale);
  return scale * std::sqrt(sum);
}

// A column is dependent when what the earlier ones leave of it is no more than the rounding error of taking them
// away: eps times the sizes of everything subtracted, with room for how errors add up over rows. The measure is
// independent of a column's scale and offset, so x + 1e12 stays and 2 x goes.
inline double dependence_tolerance(std::int64_t n) {
  return std::min(1e4, 64 + 4 * std::sqrt(static_cast<double>(n))) * std::numeric_limits<double>::epsilon();
}

// Gram-Schmidt over the columns of the triangle, twice for each, in the order given.
class DependenceScan {
 public:
  explicit DependenceScan(int dim) : dim_(dim), coefficient_(dim), h_(dim), rest_(dim) {}

  // Splits `column` into its part in the span so far (h) and the rest; true when the rest is more than `tolerance`.
  bool independent(const double* column, double tolerance) {
    const int r = static_cast<int>(norms_.size());
    std::copy_n(column, dim_, rest_.begin());
    std::fill_n(h_.begin(), r, 0.0);
    for (int pass = 0; pass < 2; ++pass)
      for (int b = 0; b < r; ++b) {
        const double* v = basis_.data() + static_cast<std::size_t>(b) * dim_;
        check_interrupt(2.0 * dim_);
        double dot = 0;
        for (int i = 0; i < dim_; ++i) dot += v[i] * rest_[i];
        for (int i = 0; i < dim_; ++i) rest_[i] -= dot * v[i];
        h_[b] += dot;
      }
    rest_norm_ = norm(rest_.data(), dim_);
    column_norm_ = norm(column, dim_);
    double subtracted = column_norm_;
    for (int b = r - 1; b >= 0; --b) {
      double sum = h_[b];
      for (int j = b + 1; j < r; ++j) sum -= columns_[j][b] * coefficient_[j];
      coefficient_[b] = sum / columns_[b][b];
      subtracted += std::abs(coefficient_[b]) * norms_[b];
    }
    subtracted_ = subtracted;
    return rest_norm_ > tolerance * subtracted;
  }

  void accept() {
    std::vector<double> column(h_.begin(), h_.begin() + static_cast<std::ptrdiff_t>(norms_.size()));
    column.push_back(rest_norm_);
    columns_.push_back(std::move(column));
    norms_.push_back(column_norm_);
    for (int i = 0; i < dim_; ++i) basis_.push_back(rest_[i] / rest_norm_);
  }

  int dim() const { return dim_; }
  // The columns accepted, orthonormal; dim numbers each.
  const std::vector<double>& basis() const { return basis_; }
  double rest_norm() const { return rest_norm_; }
  double column_norm() const { return column_norm_; }
  // The sizes of the columns times their coefficients, and of the column itself.
  double subtracted() const { return subtracted_; }
  const std::vector<double>& h() const { return h_; }
  const std::vector<std::vector<double>>& columns() const { return columns_; }

 private:
  int dim_;
  double rest_norm_ = 0, column_norm_ = 0, subtracted_ = 0;
  std::vector<double> coefficient_, h_, rest_, basis_, norms_;
  std::vector<std::vector<double>> columns_;
};

// What rounding of the columns of a triangle is relative to: of each its size, and the sizes of the earlier columns
// times their coefficients in it, as for DependenceScan.
class PartSizes {
 public:
  // The first columns of U (k rows, upper), which may change up to the column that is asked for.
  PartSizes(const double* U, int k) : U_(U), k_(k), coefficient_(k), norms_(k) {}

  // Of column j; those before it have been asked for. `counts`: whether it may be a part of later ones.
  template <typename Counts>
  double next(int j, Counts counts) {
    const double* column = U_ + static_cast<std::size_t>(j) * k_;
    norms_[j] = norm(column, j + 1);
    double out = norms_[j];
    check_interrupt(0.5 * j * j);
    for (int b = j - 1; b >= 0; --b) {
      coefficient_[b] = 0;
      if (!counts(b)) continue;
      double sum = column[b];
      for (int l = b + 1; l < j; ++l) sum -= U_[b + static_cast<std::size_t>(l) * k_] * coefficient_[l];
      coefficient_[b] = sum / U_[b + static_cast<std::size_t>(b) * k_];
      out += std::abs(coefficient_[b]) * norms_[b];
    }
    return out;
  }

 private:
  const double* U_;
  int k_;
  std::vector<double> coefficient_, norms_;
};

// Makes the triangle of a pilot's rows a change of coordinates for many rows: the first `count` of its k columns get a
// positive diagonal, of their own size where the pilot's rows do not tell a column from those before it; everything is
// divided by the root of the weights' sum. The rest of a column of LAPACK's triangle may hold anything.
inline void scale_to_pilot(std::vector<double>& triangle, int k, int count, std::int64_t n, double weights) {
  const double root = weights > 0 ? std::sqrt(weights) : 1;
  auto at = [&](int i, int j) -> double& { return triangle[i + static_cast<std::size_t>(j) * k]; };
  for (int j = 0; j < k; ++j)
    for (int i = 0; i < k; ++i) at(i, j) = i <= j ? at(i, j) / root : 0.0;
  PartSizes sizes(triangle.data(), k);
  std::vector<char> told(count, 1);
  for (int j = 0; j < count; ++j) {
    const double parts = sizes.next(j, [&](int b) { return told[b] != 0; });
    if (!(std::abs(at(j, j)) > dependence_tolerance(n) * parts)) {
      const double size = norm(triangle.data() + static_cast<std::size_t>(j) * k, j + 1);
      at(j, j) = size > 0 ? size : 1;
      told[j] = 0;
      continue;
    }
    if (at(j, j) > 0) continue;
    for (int c = j; c < k; ++c) at(j, c) *= -1;
  }
}

}  // namespace mixedmodels
