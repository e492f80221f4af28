#include "products/basis.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/blas.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/memory.hpp"
#include "kernels/workers.hpp"
#include "products/triangle.hpp"

namespace mixedmodels {

namespace {

// Rounding errors of a residual: of the response itself, as it was computed by the caller, and of the columns that are
// taken from it, which may be far larger where they cancel each other.
constexpr double kExact = 1e3 * std::numeric_limits<double>::epsilon();
constexpr double kRounding = 50 * std::numeric_limits<double>::epsilon();

}  // namespace

OrthogonalBasis orthogonalize(const Rows& rows, int threads) {
  const int k = rows.p() + 1;
  const std::vector<double> triangle = triangle_of_rows(
      rows, k, threads, [&](int j, std::int64_t row) { return j + 1 < k ? rows.x[j][row] : rows.response(row); });
  OrthogonalBasis out;
  out.unit = 1 / rows.scale;
  DependenceScan scan(k);
  for (int j = 0; j + 1 < k; ++j) {
    if (!scan.independent(triangle.data() + static_cast<std::size_t>(j) * k, dependence_tolerance(rows.n))) continue;
    scan.accept();
    out.kept.push_back(j);
  }
  const int p = out.p();
  out.R.assign(static_cast<std::size_t>(p) * p, 0.0);
  for (int j = 0; j < p; ++j) std::copy(scan.columns()[j].begin(), scan.columns()[j].end(), out.R.begin() + j * p);
  scan.independent(triangle.data() + static_cast<std::size_t>(k - 1) * k, 0.0);
  const double rounding = kExact * scan.column_norm() + kRounding * (scan.subtracted() - scan.column_norm());
  out.fits_exactly = !(scan.rest_norm() > rounding);
  out.c.assign(scan.h().begin(), scan.h().begin() + p);
  out.response_norm = scan.column_norm();
  out.residual_norm = scan.rest_norm();
  return out;
}

void OrthogonalBasis::solve_R(double* b, int m) const {
  blas::trsm('L', 'U', 'N', p(), m, R.data(), std::max(p(), 1), b, std::max(p(), 1));
}

void OrthogonalBasis::to_original(const double* beta_basis, double* beta) const {
  for (int j = 0; j < p(); ++j) beta[j] = c[j] + beta_basis[j];
  solve_R(beta, 1);
  for (int j = 0; j < p(); ++j) beta[j] *= unit;
}

void OrthogonalBasis::choose_unit(Rows& rows) {
  const double size = residual_norm / std::sqrt(static_cast<double>(rows.n));
  if (!(size > 0) || !std::isfinite(size)) return;
  const double factor = std::ldexp(1.0, std::clamp(std::ilogb(size), -1000, 1000));
  rows.scale /= factor;
  unit *= factor;
  for (double& entry : c) entry /= factor;
  response_norm /= factor;
  residual_norm /= factor;
}

BasisRows::BasisRows(const Rows& rows, const OrthogonalBasis& basis, int max_count)
    : rows_(rows),
      basis_(basis),
      columns_(static_cast<std::size_t>(max_count) * std::max(basis.p(), 1)),
      rows_out_(static_cast<std::size_t>(max_count) * (basis.p() + 1)) {}

const double* BasisRows::block(std::int64_t first, int count) {
  const int p = basis_.p(), k = p + 1;
  for (int j = 0; j < p; ++j) {
    const Column& x = rows_.x[basis_.kept[j]];
    for (int i = 0; i < count; ++i) columns_[i + static_cast<std::size_t>(j) * count] = x[first + i];
  }
  blas::trsm('R', 'U', 'N', count, p, basis_.R.data(), std::max(p, 1), columns_.data(), count);
  for (int i = 0; i < count; ++i) {
    double* row = rows_out_.data() + static_cast<std::size_t>(i) * k;
    double rest = rows_.response(first + i);
    for (int j = 0; j < p; ++j) {
      row[j] = columns_[i + static_cast<std::size_t>(j) * count];
      rest -= row[j] * basis_.c[j];
    }
    row[p] = rest;
  }
  return rows_out_.data();
}

}  // namespace mixedmodels
