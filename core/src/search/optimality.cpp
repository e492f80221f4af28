#include "search/optimality.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "criterion/hessian.hpp"

namespace mixedmodels {

namespace {

// Differences of the gradient are good to about this, relative to the diagonal.
constexpr double kRounding = 1e-3;

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

// The quadratic model scaled to a unit diagonal, by its eigenvalues.
class ScaledModel {
 public:
  ScaledModel(const std::vector<double>& hessian, const std::vector<double>& unit) : m_(static_cast<int>(unit.size())) {
    auto curvature = [&](int i) { return std::abs(hessian[i * (m_ + 1)]) * unit[i] * unit[i]; };
    double largest = 1e-300;
    for (int i = 0; i < m_; ++i) largest = std::max(largest, curvature(i));
    for (int i = 0; i < m_; ++i) scale_.push_back(unit[i] / std::sqrt(std::max(curvature(i), 1e-8 * largest)));
    std::vector<double> scaled(hessian);
    for (int j = 0; j < m_; ++j)
      for (int i = 0; i < m_; ++i) scaled[i + j * m_] *= scale_[i] * scale_[j];
    symmetric_eigen(m_, std::move(scaled), values_, vectors_);
  }

  bool curves_down() const { return values_[0] < -kRounding; }

  // Along which the model falls fastest, of length sqrt(2) in its scale.
  std::vector<double> downhill() const {
    std::vector<double> out;
    for (int i = 0; i < m_; ++i) out.push_back(scale_[i] * vectors_[i] * std::sqrt(2.0));
    return out;
  }

  // |H|^-1 r, with eigenvalues that are rounding taken for as large as that.
  std::vector<double> solve(const std::vector<double>& r) const {
    std::vector<double> out(m_, 0.0);
    for (int k = 0; k < m_; ++k) {
      const double* v = vectors_.data() + k * m_;
      double along = 0;
      for (int i = 0; i < m_; ++i) along += v[i] * scale_[i] * r[i];
      along /= std::max(std::abs(values_[k]), kRounding);
      for (int i = 0; i < m_; ++i) out[i] += scale_[i] * v[i] * along;
    }
    return out;
  }

  // The curvature along d, d'Hd, that would be rounding.
  double rounding(const std::vector<double>& d) const {
    double out = 0;
    for (int i = 0; i < m_; ++i) out += d[i] * d[i] / (scale_[i] * scale_[i]);
    return kRounding * out;
  }

 private:
  int m_;
  std::vector<double> scale_, values_, vectors_;
};

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// One step of conjugate gradients with the exact Hessian, the model as the preconditioner: what the direction that the
// gradient points to still promises, and whether it curves down.
void confirm(Criterion& f, Likelihood likelihood, const std::vector<double>& theta, const ScaledModel& model,
             const std::vector<double>& gradient, Optimality& found) {
  std::vector<double> d = model.solve(gradient);
  const double promise = dot(gradient, d);
  const std::vector<double> Hd = hessian_product(f, likelihood, theta, found.gradient, d);
  const double curvature = dot(d, Hd);
  found.decrement = 0.5 * promise;
  if (curvature > model.rounding(d)) {
    const double step = promise / curvature;
    std::vector<double> rest(gradient);
    for (std::size_t i = 0; i < rest.size(); ++i) rest[i] -= step * Hd[i];
    found.decrement = 0.5 * (step * promise + dot(rest, model.solve(rest)));
  } else if (curvature < -model.rounding(d)) {
    double length = 0;
    for (std::size_t i = 0; i < d.size(); ++i) length = std::max(length, std::abs(d[i]) / f.unit()[i]);
    for (double& entry : d) entry /= -length;  // d goes with the gradient
    found.downhill = std::move(d);
  }
}

// The entries that the criterion depends on, alone: gradient and curvature of the others are rounding.
void check_rest(const Criterion& f, const std::vector<double>& theta, const std::vector<char>& dead,
                Optimality& found) {
  const auto m = theta.size();
  const ThetaAxes axes(f.cross_products(), f.entries());
  std::vector<double> at(theta), slope(found.gradient), hessian(found.hessian);
  axes.from_axes(at.data());
  axes.slope_from_axes(slope.data());
  axes.hessian_from_axes(hessian.data());
  std::vector<std::size_t> alive;
  for (std::size_t e = 0; e < m; ++e)
    if (!dead[e]) alive.push_back(e);
  found.decrement = found.max_gradient = 0;
  if (alive.empty()) return;
  std::vector<double> gradient, part(alive.size() * alive.size()), moving(m, 0.0);
  for (std::size_t e : alive) {
    const bool held = f.entries()[e].row == f.entries()[e].column && at[e] == 0 && slope[e] >= 0;
    gradient.push_back(held ? 0.0 : slope[e]);
    moving[e] = gradient.back();
  }
  for (std::size_t j = 0; j < alive.size(); ++j)
    for (std::size_t i = 0; i < alive.size(); ++i) part[i + j * alive.size()] = hessian[alive[i] + alive[j] * m];
  const ScaledModel model(part, std::vector<double>(alive.size(), 1.0));
  found.decrement = 0.5 * dot(gradient, model.solve(gradient));
  axes.slope_to_axes(moving.data());
  for (double entry : moving) found.max_gradient = std::max(found.max_gradient, std::abs(entry));
  if (!model.curves_down()) return;
  const std::vector<double> down = model.downhill();
  found.downhill.assign(m, 0.0);
  for (std::size_t i = 0; i < alive.size(); ++i) found.downhill[alive[i]] = down[i];
  axes.to_axes(found.downhill.data());
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

Optimality check_optimum(Criterion& f, Likelihood likelihood, const std::vector<double>& theta,
                         const std::vector<double>& model, bool confirmed, const Idle* idle) {
  const int m = f.m();
  Optimality found;
  found.value = f.value(theta.data(), likelihood);
  found.gradient.resize(m);
  f.gradient(likelihood, found.gradient.data());
  found.hessian = model;
  difference_columns(f, likelihood, theta, found.gradient, in_zero_column(f.entries(), theta), found.hessian);
  if (idle) {
    check_rest(f, theta, idle->dead, found);
    return found;
  }
  std::vector<double> moving(found.gradient);
  for (int e = 0; e < m; ++e) {
    const bool held = f.entries()[e].row == f.entries()[e].column && theta[e] == 0 && moving[e] >= 0;
    if (held) moving[e] = 0;
    found.max_gradient = std::max(found.max_gradient, std::abs(moving[e]));
  }
  const ScaledModel quadratic(found.hessian, f.unit());
  found.decrement = 0.5 * dot(moving, quadratic.solve(moving));
  if (quadratic.curves_down())
    found.downhill = quadratic.downhill();
  else if (!confirmed && found.max_gradient > 0)
    confirm(f, likelihood, theta, quadratic, moving, found);
  return found;
}

}  // namespace mixedmodels
