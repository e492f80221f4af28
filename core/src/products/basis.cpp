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

// Rounding error of a residual relative to the columns that are taken from the response. Where these cancel each other
// they may be far larger than the response.
constexpr double kRounding = 50 * std::numeric_limits<double>::epsilon();

}  // namespace

OrthogonalBasis orthogonalize(const Rows& rows, int threads) {
  const int k = rows.p() + 1;
  const std::vector<double> triangle = triangle_of_rows(
      rows, k, threads, [&](int j, std::int64_t row) { return j + 1 < k ? rows.x[j][row] : rows.response(row); });
  DependenceScan scan(k);
  return basis_of_triangle(triangle, scan, rows.n, rows.scale);
}

OrthogonalBasis basis_of_triangle(const std::vector<double>& triangle, DependenceScan& scan, std::int64_t n,
                                  double scale) {
  const int k = scan.dim();
  OrthogonalBasis out;
  std::vector<std::vector<double>> coordinates;  // of every column in the basis so far
  out.unit = 1 / scale;
  for (int j = 0; j + 1 < k; ++j) {
    const bool kept = scan.independent(triangle.data() + static_cast<std::size_t>(j) * k, dependence_tolerance(n));
    coordinates.emplace_back(scan.h().begin(), scan.h().begin() + out.p());
    if (!kept) continue;
    coordinates.back().push_back(scan.rest_norm());
    scan.accept();
    out.kept.push_back(j);
  }
  const int p = out.p();
  out.all.assign(coordinates.size() * static_cast<std::size_t>(p), 0.0);
  for (std::size_t j = 0; j < coordinates.size(); ++j)
    std::copy(coordinates[j].begin(), coordinates[j].end(), out.all.begin() + static_cast<std::ptrdiff_t>(j * p));
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

void Frame::solve_R(double* b, int m) const {
  blas::trsm('L', 'U', 'N', p(), m, R.data(), std::max(p(), 1), b, std::max(p(), 1));
}

void Frame::to_original(const double* beta_frame, double* beta) const {
  for (int j = 0; j < p(); ++j) beta[j] = c[j] + beta_frame[j];
  solve_R(beta, 1);
  for (int j = 0; j < p(); ++j) beta[j] *= unit;
}

double OrthogonalBasis::choose_unit(std::int64_t n) {
  const double size = residual_norm / std::sqrt(static_cast<double>(n));
  if (!(size > 0) || !std::isfinite(size)) return 1;
  const double factor = std::ldexp(1.0, std::clamp(std::ilogb(size), -1000, 1000));
  unit *= factor;
  for (double& entry : c) entry /= factor;
  response_norm /= factor;
  residual_norm /= factor;
  return factor;
}

double Frame::logdet_R2() const {
  double sum = 0;
  for (int j = 0; j < p(); ++j) sum += 2 * std::log(R[static_cast<std::size_t>(j) * (p() + 1)]);
  return sum;
}

Frame pilot_frame(const Rows& pilot, int threads) {
  const int k = pilot.p() + 1, p = k - 1;
  std::vector<double> triangle = triangle_of_rows(
      pilot, k, threads, [&](int j, std::int64_t row) { return j < p ? pilot.x[j][row] : pilot.response(row); });
  double weights = 0;
  for (std::int64_t i = 0; i < pilot.n; ++i) weights += pilot.w(i);
  return frame_of_triangle(std::move(triangle), k, pilot.n, weights, 1 / pilot.scale);
}

Frame frame_of_triangle(std::vector<double> triangle, int k, std::int64_t n, double weights, double unit) {
  const int p = k - 1;
  Frame out;
  out.unit = unit;
  scale_to_pilot(triangle, k, p, n, weights);
  for (int j = 0; j < p; ++j) out.kept.push_back(j);
  for (int j = 0; j < p; ++j) out.R.insert(out.R.end(), triangle.begin() + j * k, triangle.begin() + j * k + p);
  out.c.assign(triangle.end() - k, triangle.end() - 1);
  return out;
}

BasisRows::BasisRows(const Rows& rows, const Frame& frame, int max_count)
    : rows_(rows),
      frame_(frame),
      columns_(static_cast<std::size_t>(max_count) * std::max(frame.p(), 1)),
      rows_out_(static_cast<std::size_t>(max_count) * (frame.p() + 1)) {}

template <typename List>
const double* BasisRows::block(const List& list, std::int64_t first, int count) {
  const int p = frame_.p(), k = p + 1;
  for (int j = 0; j < p; ++j) {
    const Column& x = rows_.x[frame_.kept[j]];
    for (int i = 0; i < count; ++i) columns_[i + static_cast<std::size_t>(j) * count] = x[list[first + i]];
  }
  blas::trsm('R', 'U', 'N', count, p, frame_.R.data(), std::max(p, 1), columns_.data(), count);
  for (int i = 0; i < count; ++i) {
    double* row = rows_out_.data() + static_cast<std::size_t>(i) * k;
    double rest = rows_.response(list[first + i]);
    for (int j = 0; j < p; ++j) {
      row[j] = columns_[i + static_cast<std::size_t>(j) * count];
      rest -= row[j] * frame_.c[j];
    }
    row[p] = rest;
  }
  return rows_out_.data();
}

template const double* BasisRows::block(const RowRange&, std::int64_t, int);
template const double* BasisRows::block(const RowList&, std::int64_t, int);

}  // namespace mixedmodels
