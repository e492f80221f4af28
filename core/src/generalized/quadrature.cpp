#include "generalized/quadrature.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "kernels/eigen.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/memory.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

constexpr int kMostWidth = 3;

// Nodes and weights for the standard normal (Golub and Welsch 1969, Math. Comp. 23).
void gauss_hermite(int k, std::vector<double>& nodes, std::vector<double>& weights) {
  std::vector<double> jacobi(static_cast<std::size_t>(k) * k, 0.0), vectors;
  for (int i = 1; i < k; ++i) jacobi[i + (i - 1) * k] = jacobi[i - 1 + i * k] = std::sqrt(static_cast<double>(i));
  symmetric_eigen(k, jacobi, nodes, vectors);
  weights.clear();
  for (int j = 0; j < k; ++j) weights.push_back(vectors[j * k] * vectors[j * k]);
  for (int i = 0; i < k / 2; ++i) {  // symmetric to the last digit
    const double x = 0.5 * (nodes[k - 1 - i] - nodes[i]), w = 0.5 * (weights[i] + weights[k - 1 - i]);
    nodes[i] = -x, nodes[k - 1 - i] = x;
    weights[i] = weights[k - 1 - i] = w;
  }
  if (k % 2 == 1) nodes[k / 2] = 0;
}

}  // namespace

Quadrature::Quadrature(int nodes, const CrossProducts& A, const WeightedRows& rows, int parameters) : rows_(rows) {
  if (A.factors.size() != 1) throw std::invalid_argument("Quadrature is for models with one grouping factor.");
  width_ = A.factors[0].width;
  levels_ = A.factors[0].levels;
  if (width_ > kMostWidth) throw std::invalid_argument("Quadrature is for at most three random effects per level.");
  std::vector<double> x, weight;
  gauss_hermite(nodes, x, weight);
  for (int d = 0; d < width_; ++d) count_ *= nodes;
  require_memory("Quadrature", {{"nodes of every level", bytes_of_numbers(1.0 * count_ * levels_)}});
  for (int j = 0; j < count_; ++j) {
    double sum = 0;
    for (int d = 0, rest = j; d < width_; ++d, rest /= nodes) {
      nodes_.push_back(x[rest % nodes]);
      sum += std::log(weight[rest % nodes]);
    }
    log_weight_.push_back(sum);
  }
  const auto n = static_cast<std::size_t>(rows.n());
  start_.assign(static_cast<std::size_t>(levels_) + 1, 0);
  for (std::size_t i = 0; i < n; ++i) ++start_[rows.codes(0)[i] + 1];
  for (std::int32_t l = 0; l < levels_; ++l) start_[l + 1] += start_[l];
  L_.resize(static_cast<std::size_t>(levels_) * width_ * width_);
  log_part_.resize(static_cast<std::size_t>(count_) * levels_);
  log_sum_.resize(levels_);
  for (auto* v : {&eta_, &s_, &w_, &t_, &score_, &leverage_}) v->resize(n);
  slope_.resize(static_cast<std::size_t>(levels_) * width_);
  templates_.resize(static_cast<std::size_t>(width_) * width_);
  parameter_.assign(parameters, std::vector<double>(n));
}

// The factor of M of every level.
void Quadrature::prepare(const ModePoint& at) {
  const int s = width_;
  std::vector<double> half(static_cast<std::size_t>(s) * s);
  for (std::int32_t l = 0; l < levels_; ++l) {
    const double* D = at.A.factors[0].diagonal.data() + std::int64_t{l} * s * s;
    double* L = L_.data() + std::int64_t{l} * s * s;
    for (int c = 0; c < s; ++c)
      for (int r = 0; r < s; ++r) half[r + c * s] = small::dot(s - c, D + r * s + c, at.lam.data() + c * (s + 1));
    for (int c = 0; c < s; ++c)
      for (int r = 0; r < s; ++r)
        L[r + c * s] = (r == c) + small::dot(s - r, at.lam.data() + r * (s + 1), half.data() + r + c * s);
    small::eliminate(s, s, L);
  }
}

RowBlock Quadrature::block(const ModePoint& at, std::int64_t first, int count) const {
  RowBlock out{at.y.data() + first, at.m.data() + first, eta_.data() + first, count};
  at.parameters.give(first, out);
  return out;
}

// u_k of a level, and Lambda (u_k - u).
void Quadrature::node_at(int node, std::int32_t level, const ModePoint& at, double* u, double* shift) {
  const int s = width_;
  double step[kMostWidth];
  std::copy_n(nodes_.data() + std::int64_t{node} * s, s, step);
  small::solve_upper(s, s, L_.data() + std::int64_t{level} * s * s, step, 1);
  small::apply_template(s, at.lam.data(), step, shift, 1);
  for (int c = 0; c < s; ++c) u[c] = at.u[std::int64_t{level} * s + c] + step[c];
}

double Quadrature::value(const ModePoint& at) {
  const int s = width_;
  prepare(at);
  double f = 0, u[kMostWidth], shift[kMostWidth];
  for (std::int32_t l = 0; l < levels_; ++l) {
    const std::int64_t first = start_[l];
    const int count = static_cast<int>(start_[l + 1] - first);
    check_interrupt(50.0 * count_ * (count + 10));
    double* part = log_part_.data() + std::int64_t{l} * count_;
    for (int j = 0; j < count_; ++j) {
      node_at(j, l, at, u, shift);
      for (int i = 0; i < count; ++i) eta_[first + i] = at.eta[first + i] + small::dot(s, rows_.z(0, first + i), shift);
      const double g = 0.5 * small::dot(s, u, u) -
                       at.family.rows(block(at, first, count), s_.data() + first, w_.data() + first, t_.data() + first);
      const double* x = nodes_.data() + std::int64_t{j} * s;
      part[j] = log_weight_[j] - g + 0.5 * small::dot(s, x, x);
      if (std::isnan(part[j])) part[j] = -INFINITY;  // where the predictor is impossible
    }
    const double top = *std::max_element(part, part + count_);
    double sum = 0;
    for (int j = 0; j < count_; ++j) sum += std::exp(part[j] - top);
    log_sum_[l] = top + std::log(sum);
    f -= 2 * log_sum_[l];
    for (int c = 0; c < s; ++c) f += 2 * std::log(L_[std::int64_t{l} * s * s + c * (s + 1)]);
  }
  return f;
}

void Quadrature::find_means(const ModePoint& at) {
  const int s = width_, size = s * s;
  const auto K = parameter_.size();
  for (auto* v : {&score_, &slope_, &templates_}) std::fill(v->begin(), v->end(), 0.0);
  for (std::vector<double>& v : parameter_) std::fill(v.begin(), v.end(), 0.0);
  std::vector<double> N(size), G(size), B(size), half(size), y(s), Zts(s), unused(2 * score_.size()),
      by_psi(score_.size());
  double u[kMostWidth], shift[kMostWidth];
  for (std::int32_t l = 0; l < levels_; ++l) {
    const std::int64_t first = start_[l];
    const int count = static_cast<int>(start_[l + 1] - first);
    check_interrupt(60.0 * count_ * (count + 10));
    const double* L = L_.data() + std::int64_t{l} * size;
    double* e = slope_.data() + std::int64_t{l} * s;
    std::fill(N.begin(), N.end(), 0.0);
    for (int j = 0; j < count_; ++j) {
      const double p = std::exp(log_part_[std::int64_t{l} * count_ + j] - log_sum_[l]);
      if (!(p > 0)) continue;
      node_at(j, l, at, u, shift);
      for (int i = 0; i < count; ++i) eta_[first + i] = at.eta[first + i] + small::dot(s, rows_.z(0, first + i), shift);
      const RowBlock rows = block(at, first, count);
      at.family.rows(rows, s_.data() + first, w_.data() + first, t_.data() + first);
      std::fill(Zts.begin(), Zts.end(), 0.0);
      for (int i = 0; i < count; ++i) {
        score_[first + i] += p * s_[first + i];
        small::axpy(s, s_[first + i], rows_.z(0, first + i), Zts.data());
      }
      for (std::size_t k = 0; k < K; ++k) {
        at.family.by_parameter(rows, static_cast<int>(k), by_psi.data(), unused.data(), unused.data() + score_.size());
        small::axpy(count, p, by_psi.data(), parameter_[k].data() + first);
      }
      for (int c = 0; c < s; ++c) {  // dg/du
        y[c] = u[c] - small::dot(s - c, at.lam.data() + c * (s + 1), Zts.data() + c);
        e[c] += p * y[c];
        small::axpy(s, -p * u[c], Zts.data(), templates_.data() + c * s);
      }
      small::solve_lower(s, s, L, y.data(), 1);
      const double* x = nodes_.data() + std::int64_t{j} * s;
      for (int c = 0; c < s; ++c) small::axpy(s, p * y[c], x, N.data() + c * s);
    }
    // B = M^-1 - (G + G'), G = L^-T tril(N) L^-1, half of the diagonal counting
    std::fill(half.begin(), half.end(), 0.0);
    for (int c = 0; c < s; ++c)
      for (int r = c; r < s; ++r) half[r + c * s] = r == c ? 0.5 * N[r + c * s] : N[r + c * s];
    std::vector<double> inverse(L, L + size);
    small::invert_lower(s, s, inverse.data());
    for (int c = 0; c < s; ++c)
      for (int r = 0; r < s; ++r) {
        double g = 0, own = 0;
        for (int a = r; a < s; ++a)
          for (int b = c; b <= a; ++b) g += inverse[a + r * s] * half[a + b * s] * inverse[b + c * s];
        for (int a = std::max(r, c); a < s; ++a) own += inverse[a + r * s] * inverse[a + c * s];
        G[r + c * s] = g, B[r + c * s] = own;
      }
    for (int c = 0; c < s; ++c)
      for (int r = 0; r < s; ++r) B[r + c * s] -= G[r + c * s] + G[c + r * s];
    // Z'WZ Lambda B to the templates, z'Lambda B Lambda'z to the rows
    for (int c = 0; c < s; ++c)
      for (int r = 0; r < s; ++r) {
        double sum = 0;
        for (int i = 0; i <= r; ++i) sum += at.lam[r + i * s] * B[i + c * s];
        half[r + c * s] = sum;  // Lambda B
      }
    const double* D = at.A.factors[0].diagonal.data() + std::int64_t{l} * size;
    for (int c = 0; c < s; ++c)
      for (int i = 0; i < s; ++i) small::axpy(s, half[i + c * s], D + i * s, templates_.data() + c * s);
    for (int i = 0; i < count; ++i) {
      const double* z = rows_.z(0, first + i);
      double sum = 0;
      for (int c = 0; c < s; ++c)
        sum += small::dot(s, half.data() + c * s, z) * small::dot(s - c, at.lam.data() + c * (s + 1), z + c);
      leverage_[first + i] = sum;
    }
  }
}

}  // namespace mixedmodels
