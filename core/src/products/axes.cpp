#include "products/axes.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/interrupt.hpp"
#include "kernels/memory.hpp"
#include "products/triangle.hpp"

namespace mixedmodels {

namespace {

// sqrt(mean of w z^2).
double root_mean_square(const Rows& rows, const Column& z, int threads) {
  const auto n = static_cast<double>(rows.n);
  if (z.stride != 0)
    return std::abs(triangle_of_rows(rows, 1, threads, [&](int, std::int64_t row) { return z[row]; })[0]) /
           std::sqrt(n);
  double weight = 1;
  if (rows.weight.base) {
    weight = 0;
    for (std::int64_t i = 0; i < rows.n; ++i) weight += rows.w(i) / n;
  }
  return std::abs(z[0]) * std::sqrt(weight);
}

// T of one term, s x s column-major: Gram-Schmidt from the last column to the first. A column that depends on those
// after it is scaled only.
std::vector<double> term_axes(const Rows& rows, const Column* z, int s, int threads) {
  const auto size = static_cast<std::size_t>(s);
  if (s == 1) return {power_of_two(root_mean_square(rows, z[0], threads))};
  std::vector<double> T(size * size, 0.0);
  const std::vector<double> triangle =
      triangle_of_rows(rows, s, threads, [&](int j, std::int64_t row) { return z[s - 1 - j][row]; });
  const double root_n = std::sqrt(static_cast<double>(rows.n));
  DependenceScan scan(s);
  std::vector<int> accepted;
  for (int j = 0; j < s; ++j) {
    const int c = s - 1 - j;
    double* column = T.data() + c * size;
    column[c] = 1;
    if (scan.independent(triangle.data() + j * size, dependence_tolerance(rows.n))) {
      for (std::size_t b = 0; b < accepted.size(); ++b)
        for (int r = accepted[b]; r < s; ++r) column[r] -= scan.h()[b] / root_n * T[r + accepted[b] * size];
      for (int r = c; r < s; ++r) column[r] *= root_n / scan.rest_norm();
      scan.accept();
      accepted.push_back(c);
    } else if (scan.column_norm() > 0) {
      column[c] = root_n / scan.column_norm();
    }
  }
  return T;
}

// The columns z T of a term, and their numbers; `lead` is the leading dimension of T.
std::vector<double> along_axes(const Rows& rows, Column* z, int s, const double* T, std::ptrdiff_t lead) {
  const std::int64_t n = rows.n;
  if (s == 1 && z[0].stride == 0) {
    std::vector<double> out{z[0][0] * T[0]};
    z[0] = {out.data(), 0};
    return out;
  }
  require_memory("A random-effects term", {{"its columns along their axes", bytes_of_numbers(n * s)}});
  std::vector<double> out(static_cast<std::size_t>(n) * s);
  for (int c = 0; c < s; ++c) {
    double* target = out.data() + c * n;
    const double own = T[c + c * lead];
    check_interrupt(static_cast<double>(n));
    for (std::int64_t i = 0; i < n; ++i) target[i] = own * z[c][i];
    for (int r = c + 1; r < s; ++r) {
      const double factor = T[r + c * lead];
      if (factor == 0) continue;
      check_interrupt(2.0 * static_cast<double>(n));
      for (std::int64_t i = 0; i < n; ++i) target[i] += factor * z[r][i];
    }
  }
  for (int c = 0; c < s; ++c) z[c] = {out.data() + c * n, 1};
  return out;
}

// v <- T v for the numbers v[0], v[step], ... of one level.
void multiply(const FactorBlock& f, double* v, std::int64_t step) {
  const std::int64_t s = f.width;
  for (std::int64_t r = s - 1; r >= 0; --r) {
    double sum = 0;
    for (std::int64_t k = 0; k <= r; ++k) sum += f.T[r + k * s] * v[k * step];
    v[r * step] = sum;
  }
}

}  // namespace

double power_of_two(double rms) {
  if (!(rms > 0) || !std::isfinite(rms)) return 1;
  return std::ldexp(1.0, std::clamp(-std::ilogb(rms), -1000, 1000));
}

std::vector<std::vector<double>> orthogonalize_terms(Rows& rows, const std::vector<std::vector<int>>& widths,
                                                     int threads) {
  std::vector<std::vector<double>> numbers;
  for (std::size_t f = 0; f < rows.factors.size(); ++f) {
    FactorRows& factor = rows.factors[f];
    const auto S = static_cast<std::size_t>(factor.width());
    std::vector<double> all(S * S, 0.0);
    bool identity = true;
    int first = 0;
    for (int s : widths[f]) {
      const std::vector<double> T = term_axes(rows, factor.z.data() + first, s, threads);
      for (int c = 0; c < s; ++c) std::copy_n(T.data() + c * s, s, all.data() + first + (first + c) * S);
      if (s > 1 || T[0] != 1) {
        identity = false;
        numbers.push_back(along_axes(rows, factor.z.data() + first, s, T.data(), s));
      }
      first += s;
    }
    if (!identity) factor.T = std::move(all);
  }
  return numbers;
}

std::vector<std::vector<double>> put_along_axes(Rows& rows, int f, const std::vector<int>& widths,
                                                const std::vector<double>& T) {
  std::vector<std::vector<double>> numbers;
  FactorRows& factor = rows.factors[f];
  const int S = factor.width();
  int first = 0;
  for (int s : widths) {
    const double* own = T.data() + static_cast<std::size_t>(first) * (S + 1);
    if (s > 1 || own[0] != 1) numbers.push_back(along_axes(rows, factor.z.data() + first, s, own, S));
    first += s;
  }
  return numbers;
}

// Calls with (first entry of a column in theta, its length, T at its corner, leading dimension of T).
template <typename Call>
void ThetaAxes::for_each_column(Call&& call) const {
  for (std::size_t e = 0; e < entries_.size();) {
    const auto [f, row, column] = entries_[e];
    int count = 0;
    while (e + count < entries_.size() && entries_[e + count].factor == f && entries_[e + count].column == column)
      ++count;
    const std::vector<double>& T = A_.factors[f].T;
    const std::ptrdiff_t lead = A_.factors[f].width;
    if (!T.empty() && row >= 0) call(e, count, T.data() + row * (lead + 1), lead);
    e += count;
  }
}

void ThetaAxes::to_axes(double* theta) const {
  for_each_column([&](std::size_t e, int count, const double* T, std::ptrdiff_t lead) {
    for (int r = 0; r < count; ++r) {
      for (int k = 0; k < r; ++k) theta[e + r] -= T[r + k * lead] * theta[e + k];
      theta[e + r] /= T[r + r * lead];
    }
  });
}

void ThetaAxes::from_axes(double* theta) const {
  for_each_column([&](std::size_t e, int count, const double* T, std::ptrdiff_t lead) {
    for (int r = count - 1; r >= 0; --r) {
      double sum = 0;
      for (int k = 0; k <= r; ++k) sum += T[r + k * lead] * theta[e + k];
      theta[e + r] = sum;
    }
  });
}

void ThetaAxes::slope_to_axes(double* slope) const {
  for_each_column([&](std::size_t e, int count, const double* T, std::ptrdiff_t lead) {
    for (int k = 0; k < count; ++k) {
      double sum = 0;
      for (int r = k; r < count; ++r) sum += T[r + k * lead] * slope[e + r];
      slope[e + k] = sum;
    }
  });
}

void ThetaAxes::slope_from_axes(double* slope) const {
  for_each_column([&](std::size_t e, int count, const double* T, std::ptrdiff_t lead) {
    for (int k = count - 1; k >= 0; --k) {
      for (int r = k + 1; r < count; ++r) slope[e + k] -= T[r + k * lead] * slope[e + r];
      slope[e + k] /= T[k + k * lead];
    }
  });
}

void ThetaAxes::both_sides(double* matrix, void (ThetaAxes::*along)(double*) const) const {
  const std::size_t m = entries_.size();
  for (int side = 0; side < 2; ++side) {
    for (std::size_t r = 0; r < m; ++r) (this->*along)(matrix + r * m);
    for (std::size_t r = 0; r < m; ++r)
      for (std::size_t c = 0; c < r; ++c) {
        double &one = matrix[r * m + c], &other = matrix[c * m + r];
        if (side == 0)
          std::swap(one, other);
        else
          one = other = 0.5 * (one + other);
      }
  }
}

void ThetaAxes::hessian_from_axes(double* hessian) const { both_sides(hessian, &ThetaAxes::slope_from_axes); }
void ThetaAxes::covariance_from_axes(double* covariance) const { both_sides(covariance, &ThetaAxes::from_axes); }

void modes_from_axes(const CrossProducts& A, double* b) {
  InterruptMeter meter;
  for (const FactorBlock& f : A.factors)
    for (std::int64_t l = 0; l < f.levels && !f.T.empty(); ++l) {
      meter.count(std::int64_t{f.width} * f.width);
      multiply(f, b + f.offset + l * f.width, 1);
    }
}

void covariance_from_axes(const FactorBlock& f, double* C) {
  const std::int64_t s = f.width;
  InterruptMeter meter;
  for (std::int64_t l = 0; l < f.levels && !f.T.empty(); ++l, C += s * s) {
    meter.count(2 * s * s * s);
    for (std::int64_t c = 0; c < s; ++c) multiply(f, C + c * s, 1);
    for (std::int64_t r = 0; r < s; ++r) multiply(f, C + r, s);
  }
}

}  // namespace mixedmodels
