// Second derivatives of Laplace's approximation or quadrature, and the next term of the expansion.
#include <algorithm>
#include <cmath>

#include "criterion/differences.hpp"
#include "generalized/laplace.hpp"
#include "kernels/interrupt.hpp"
#include "search/variables.hpp"

namespace mixedmodels {

namespace {

// Operations, roughly, of log densities of a row with their derivatives.
constexpr double kFamily = 150;
// Most effects of a component for its dense squares, and most operations of the next term.
constexpr int kLargest = 1500;
constexpr double kMostTerm = 5e7;

}  // namespace

const Components& Laplace::components() {
  if (!components_) components_.emplace(*model_.graph, *A_, rows_);
  return *components_;
}

// dt / deta, by differences of fourth order; of second order beside impossible predictors.
std::vector<double> Laplace::fourth_derivatives() const {
  constexpr double kStep = 1e-3, kNarrow = 1e-5;
  std::vector<double> out(n_), eta(n_), s(n_), w(n_), sides[4];
  const auto at = [&](double step, std::vector<double>& t) {
    t.resize(n_);
    for (std::int64_t i = 0; i < n_; ++i) eta[i] = eta_[i] + step;
    in_strips(n_, 50, [&](std::int64_t first, std::int64_t last) {
      family_.rows(block(eta, first, last), s.data() + first, w.data() + first, t.data() + first);
    });
  };
  at(kStep, sides[0]), at(-kStep, sides[1]), at(2 * kStep, sides[2]), at(-2 * kStep, sides[3]);
  bool finite = true;
  for (std::int64_t i = 0; i < n_; ++i) {
    out[i] = (8 * (sides[0][i] - sides[1][i]) - (sides[2][i] - sides[3][i])) / (12 * kStep);
    finite = finite && std::isfinite(out[i]);
  }
  if (finite) return out;
  at(kNarrow, sides[0]), at(-kNarrow, sides[1]);
  for (std::int64_t i = 0; i < n_; ++i)
    if (!std::isfinite(out[i])) out[i] = (sides[0][i] - sides[1][i]) / (2 * kNarrow);
  return out;
}

CurvaturePoint Laplace::curvature_point(std::vector<double>& fourth) const {
  return {*A_, model_.entries, pls_.lam(), u_, Zts_, v_, bv_, d_, h_, t_, fourth, p_};
}

// Against two gradients for every parameter, a gradient being about three factorizations and passes over the rows.
bool Laplace::exact_is_cheaper() {
  if (structures() || quadrature_ || joint() || approximation_.expected || components().largest() > kLargest)
    return false;
  const double rows = static_cast<double>(n_) * (kFamily + p_ * (p_ / 2.0 + 4)),
               evaluation = 3 * (rows + model_.symbolic->elimination.fill.flops);
  return exact_work(components(), m_, p_, n_) <= 2 * (m_ + p_) * evaluation;
}

// Steps are small parts of what is about a conditional standard error.
std::vector<double> Laplace::difference_steps_here() {
  constexpr double kStep = 3e-4, kLongest = 1e-4;  // the latter of theta, whose model may have no curvature at zero
  std::vector<double> steps;
  Variables variables(*this);
  const auto n = static_cast<std::size_t>(variables.size());
  std::vector<double> x(n), scored(n * n), others(static_cast<std::size_t>(p_ + K_) * (p_ + K_));
  variables.from_parameters(par_.data(), x.data());
  if (structures()) {  // what theta is a function of is known where it is triangular
    variables.make_triangular(x.data());
    variables.gradient(*this, scored.data());
  }
  variables.hessian(*this, x.data(), false, scored.data());
  scored = variables.to_parameter_hessian(scored);
  model_of_others(others.data());
  double largest = 0;
  for (int e = 0; e < m_; ++e) largest = std::max(largest, scored[e * (static_cast<std::size_t>(m_) + 1)]);
  for (int e = 0; e < m_; ++e) {
    const double curvature = std::max(scored[e * (static_cast<std::size_t>(m_) + 1)], 1e-4 * largest + 1e-12);
    steps.push_back(std::min(kStep / std::sqrt(curvature), kLongest * std::max(unit_[e], std::abs(par_[e]))));
  }
  for (int j = 0; j < p_ + K_; ++j)
    steps.push_back(kStep / std::sqrt(std::max(others[j * (static_cast<std::size_t>(p_ + K_) + 1)], 1e-6)));
  return steps;
}

// Columns of second derivatives, of the rows asked for, by central differences of the gradient at modes that start
// where the point's are; of fourth order where the gradient bends. At the last gradient.
void Laplace::difference_columns(const std::vector<double>& par, const std::vector<double>& steps,
                                 const std::vector<std::size_t>& rows, const std::vector<std::size_t>& columns,
                                 std::vector<double>& out) {
  // Part of a difference by which the gradient bends over a step, all in units of the steps: its square is about the
  // relative error.
  constexpr double kBend = 1.5e-4;
  const std::size_t N = par.size();
  const std::vector<double> u = u_, here = gradient_;
  std::vector<double> there(par), up(N), down(N), near_up(N), near_down(N);
  for (std::size_t j : columns) {
    const auto gradient_at = [&](double step, std::vector<double>& found) {
      there[j] = par[j] + step;
      base_.u = u;
      value(there.data());
      gradient(found.data());
      there[j] = par[j];
    };
    const double h = steps[j];
    gradient_at(h, up), gradient_at(-h, down);
    double bend = 0;
    for (std::size_t i : rows) bend = std::max(bend, std::abs(up[i] - 2 * here[i] + down[i]) * steps[i]);
    const bool bends = bend > kBend * std::abs(up[j] - down[j]) * h;
    if (bends) gradient_at(h / 2, near_up), gradient_at(-h / 2, near_down);
    for (std::size_t i : rows) {
      const double wide = (up[i] - down[i]) / (2 * h), narrow = (near_up[i] - near_down[i]) / h;
      out[i + j * N] = bends ? (4 * narrow - wide) / 3 : wide;
    }
  }
  base_.u = u;
}

std::vector<double> Laplace::hessian(const std::vector<double>& par) {
  const auto N = static_cast<std::size_t>(size());
  value(par.data());
  std::vector<double> at(N), exact;
  gradient(at.data());
  if (!stands_) return std::vector<double>(N * N, std::numeric_limits<double>::quiet_NaN());
  if (joint()) return joint_hessian(std::vector<double>(par_));  // a copy: values move par_
  if (exact_is_cheaper()) {
    std::vector<double> fourth = fourth_derivatives();
    exact = exact_hessian(curvature_point(fourth), rows_, components());
    if (!exact.empty() && K_ == 0) return exact;
  }
  const std::vector<double> steps = difference_steps_here();
  const std::size_t first = exact.empty() ? 0 : m_ + p_;
  std::vector<double> out(N * N);
  std::vector<std::size_t> rows(N), columns;
  for (std::size_t i = 0; i < N; ++i) rows[i] = i;
  for (std::size_t j = first; j < N; ++j) columns.push_back(j);
  difference_columns(par, steps, rows, columns, out);
  for (std::size_t j = 0; j < N; ++j)
    for (std::size_t i = 0; i < j; ++i) {
      double& value = out[i + j * N];
      if (j < first)
        value = exact[i + j * first];
      else if (i >= first)
        value = 0.5 * (value + out[j + i * N]);
      out[j + i * N] = value;
    }
  for (std::size_t j = 0; j < first; ++j) out[j * (N + 1)] = exact[j * (first + 1)];
  return out;
}

std::vector<double> Laplace::next_term(const std::vector<double>& par) {
  if (quadrature_ || integrated() || approximation_.expected) return {};
  if (components().largest() > kLargest || next_term_work(components()) > kMostTerm) return {};
  value(par.data());
  std::vector<double> at(size());
  gradient(at.data());
  if (!stands_) return {};
  std::vector<double> fourth = fourth_derivatives();
  return mixedmodels::next_term(curvature_point(fourth), rows_, components());
}

}  // namespace mixedmodels
