#include "mixedmodels/verdict.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "mixedmodels/hessian.hpp"

namespace mixedmodels {

namespace {

// Differences of the gradient are good to about this, relative to the diagonal.
constexpr double kRounding = 1e-3;
constexpr double kStep = 1e-5;
// Most products with the exact Hessian, and the part of the promise that is not worth another one.
constexpr int kProducts = 6;
constexpr double kNegligible = 0.1;

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

// The quadratic model scaled to a unit diagonal, by its eigenvalues.
class Model {
 public:
  Model(const std::vector<double>& hessian, const std::vector<double>& unit) : m_(static_cast<int>(unit.size())) {
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

// H d: the difference of the gradient along d.
std::vector<double> product(Evaluator& f, Criterion criterion, const std::vector<double>& theta,
                            const std::vector<double>& gradient, const std::vector<double>& d) {
  double size = 1e-2, length = 0;
  for (std::size_t i = 0; i < d.size(); ++i) {
    size = std::max(size, std::abs(theta[i]) / f.unit()[i]);
    length = std::max(length, std::abs(d[i]) / f.unit()[i]);
  }
  const double h = kStep * size / length;
  std::vector<double> moved(theta), out(d.size());
  for (std::size_t i = 0; i < d.size(); ++i) moved[i] += h * d[i];
  f.value(moved.data(), criterion);
  f.gradient(criterion, out.data());
  for (std::size_t i = 0; i < d.size(); ++i) out[i] = (out[i] - gradient[i]) / h;
  return out;
}

// Conjugate gradients on the quadratic model of the exact Hessian, the learnt one as the preconditioner: what the
// directions that the gradient points to still promise, and whether one of them curves down.
void conjugate_gradients(Evaluator& f, Criterion criterion, const std::vector<double>& theta, const Model& learnt,
                         std::vector<double> r, Verdict& v) {
  std::vector<double> z = learnt.solve(r), d = z;
  double rz = dot(r, z);
  const double first = rz;
  v.decrement = 0;
  for (int k = 0; k < kProducts && rz > kNegligible * first; ++k) {
    const std::vector<double> Hd = product(f, criterion, theta, v.gradient, d);
    ++v.products;
    const double curvature = dot(d, Hd);
    if (curvature <= learnt.rounding(d)) {
      if (curvature < -learnt.rounding(d)) v.downhill = d;
      break;
    }
    const double step = rz / curvature;
    v.decrement += 0.5 * step * rz;
    for (std::size_t i = 0; i < r.size(); ++i) r[i] -= step * Hd[i];
    z = learnt.solve(r);
    const double before = std::exchange(rz, dot(r, z));
    for (std::size_t i = 0; i < d.size(); ++i) d[i] = z[i] + rz / before * d[i];
  }
  v.decrement += 0.5 * rz;
  if (v.downhill.empty()) return;
  double length = 0;
  for (std::size_t i = 0; i < theta.size(); ++i) length = std::max(length, std::abs(v.downhill[i]) / f.unit()[i]);
  for (double& entry : v.downhill) entry /= -length;  // d goes with the gradient
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

Verdict examine(Evaluator& f, Criterion criterion, const std::vector<double>& theta, const double* learnt,
                bool confirmed, const LevelGraph* graph) {
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
  if (graph) v.hessian = hessian(f, criterion, *graph);
  if (v.hessian.empty())
    v.hessian = hessian_at(f, criterion, theta, v.gradient, learnt);
  else
    learnt = nullptr;
  v.exact = !learnt;
  const Model model(v.hessian, f.unit());
  v.decrement = 0.5 * dot(free_gradient, model.solve(free_gradient));
  if (model.curves_down())
    v.downhill = model.downhill();
  else if (learnt && confirmed)
    v.products = 1;
  else if (learnt && v.max_gradient > 0)
    conjugate_gradients(f, criterion, theta, model, std::move(free_gradient), v);
  return v;
}

}  // namespace mixedmodels
