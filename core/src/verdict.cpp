#include "mixedmodels/verdict.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace mixedmodels {

namespace {

// Differences of the gradient are good to about this, relative to the diagonal.
constexpr double kRounding = 1e-3;
constexpr double kStep = 1e-4;

// Entries in columns of a template whose entries are all zero.
std::vector<bool> in_zero_column(const std::vector<ThetaEntry>& entries, const std::vector<double>& theta) {
  std::vector<bool> out(entries.size());
  for (std::size_t e = 0; e < entries.size(); ++e) {
    bool zero = true;
    for (std::size_t i = 0; i < entries.size(); ++i)
      if (entries[i].factor == entries[e].factor && entries[i].column == entries[e].column && theta[i] != 0)
        zero = false;
    out[e] = zero;
  }
  return out;
}

std::vector<double> steps(const std::vector<double>& theta, const std::vector<double>& unit) {
  double largest = 1e-4;
  for (std::size_t e = 0; e < theta.size(); ++e) largest = std::max(largest, std::abs(theta[e]) / unit[e]);
  std::vector<double> out;
  for (std::size_t e = 0; e < theta.size(); ++e)
    out.push_back(kStep * std::max(std::abs(theta[e]), 1e-2 * largest * unit[e]));
  return out;
}

std::vector<double> hessian_at(Evaluator& f, Criterion criterion, std::vector<double> theta,
                               const std::vector<double>& gradient, const double* learnt) {
  const auto m = theta.size();
  std::vector<double> out(m * m), moved(m);
  std::vector<bool> wanted(m, true);
  if (learnt) {
    std::copy_n(learnt, m * m, out.begin());
    wanted = in_zero_column(f.entries(), theta);
  }
  const std::vector<double> h = steps(theta, f.unit());
  for (std::size_t j = 0; j < m; ++j) {
    if (!wanted[j]) continue;
    const double centre = theta[j];
    theta[j] = centre + h[j];
    f.value(theta.data(), criterion);
    f.gradient(criterion, moved.data());
    theta[j] = centre;
    for (std::size_t i = 0; i < m; ++i) {
      const double entry = (moved[i] - gradient[i]) / h[j];
      if (learnt || i == j)
        out[i + j * m] = out[j + i * m] = entry;
      else  // each pair off the diagonal is met twice: the mean of both differences
        out[i + j * m] += 0.5 * entry, out[j + i * m] += 0.5 * entry;
    }
  }
  return out;
}

// The quadratic model scaled to a unit diagonal: what it promises and where it curves down.
void judge(Verdict& v, const std::vector<double>& free_gradient, const std::vector<double>& unit) {
  const int m = static_cast<int>(free_gradient.size());
  auto curvature = [&](int i) { return std::abs(v.hessian[i * (m + 1)]) * unit[i] * unit[i]; };
  double largest = 1e-300;
  for (int i = 0; i < m; ++i) largest = std::max(largest, curvature(i));
  std::vector<double> scale(m), scaled(v.hessian), values, vectors;
  for (int i = 0; i < m; ++i) scale[i] = unit[i] / std::sqrt(std::max(curvature(i), 1e-8 * largest));
  for (int j = 0; j < m; ++j)
    for (int i = 0; i < m; ++i) scaled[i + j * m] *= scale[i] * scale[j];
  symmetric_eigen(m, std::move(scaled), values, vectors);
  for (int k = 0; k < m; ++k) {
    double along = 0;
    for (int i = 0; i < m; ++i) along += vectors[i + k * m] * scale[i] * free_gradient[i];
    v.decrement += 0.5 * along * along / std::max(std::abs(values[k]), kRounding);
  }
  if (values[0] >= -kRounding) return;
  for (int i = 0; i < m; ++i) v.downhill.push_back(scale[i] * vectors[i] * std::sqrt(2.0));
}

}  // namespace

void symmetric_eigen(int n, std::vector<double> a, std::vector<double>& values, std::vector<double>& vectors) {
  std::vector<double> v(static_cast<std::size_t>(n) * n, 0.0);
  for (int i = 0; i < n; ++i) v[i * (n + 1)] = 1;
  auto at = [&](int i, int j) -> double& { return a[i + static_cast<std::size_t>(j) * n]; };
  for (int sweep = 0; sweep < 60; ++sweep) {
    double off = 0, size = 0;
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < n; ++i) (i == j ? size : off) += at(i, j) * at(i, j);
    if (off <= 1e-28 * (size + off)) break;
    for (int p = 0; p < n; ++p)
      for (int q = p + 1; q < n; ++q) {
        if (at(p, q) == 0) continue;
        const double ratio = (at(q, q) - at(p, p)) / (2 * at(p, q));
        const double t = (ratio >= 0 ? 1 : -1) / (std::abs(ratio) + std::sqrt(ratio * ratio + 1));
        const double c = 1 / std::sqrt(t * t + 1), s = t * c;
        for (int i = 0; i < n; ++i) {
          const double x = at(i, p), y = at(i, q);
          at(i, p) = c * x - s * y;
          at(i, q) = s * x + c * y;
        }
        for (int i = 0; i < n; ++i) {
          const double x = at(p, i), y = at(q, i);
          at(p, i) = c * x - s * y;
          at(q, i) = s * x + c * y;
          const double vx = v[i + p * n], vy = v[i + q * n];
          v[i + p * n] = c * vx - s * vy;
          v[i + q * n] = s * vx + c * vy;
        }
      }
  }
  std::vector<int> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int i, int j) { return at(i, i) < at(j, j); });
  values.clear();
  vectors.clear();
  for (int k : order) {
    values.push_back(at(k, k));
    vectors.insert(vectors.end(), v.begin() + static_cast<std::ptrdiff_t>(k) * n,
                   v.begin() + static_cast<std::ptrdiff_t>(k + 1) * n);
  }
}

Verdict examine(Evaluator& f, Criterion criterion, const std::vector<double>& theta, const double* learnt) {
  const int m = f.m();
  Verdict v;
  v.value = f.value(theta.data(), criterion);
  v.gradient.resize(m);
  f.gradient(criterion, v.gradient.data());
  std::vector<double> free_gradient(v.gradient);
  for (int e = 0; e < m; ++e) {
    const bool held = f.entries()[e].row == f.entries()[e].column && theta[e] == 0 && v.gradient[e] >= 0;
    if (held) free_gradient[e] = 0;
    v.max_gradient = std::max(v.max_gradient, std::abs(free_gradient[e]));
  }
  v.hessian = hessian_at(f, criterion, theta, v.gradient, learnt);
  judge(v, free_gradient, f.unit());
  return v;
}

}  // namespace mixedmodels
