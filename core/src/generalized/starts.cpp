// Where a search begins: the model without random effects by iteratively reweighted least squares, and variances of the
// random effects by moments of its scores.
#include <algorithm>
#include <cmath>

#include "generalized/laplace.hpp"
#include "kernels/blas.hpp"
#include "kernels/eigen.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

constexpr int kMostSteps = 60;
constexpr double kLargestStart = 3;
constexpr double kShare = 0.3;    // of the predictors, their standard deviation between levels at a larger start
constexpr double kSettled = 0.1;  // change of the log-likelihood in a round, with up to kManyRows rows
constexpr double kManyRows = 1e4;
constexpr int kFresh = 3, kKept = 4;  // rounds with curvatures of their own; rounds after which they are renewed

}  // namespace

// A step of psi from the slopes of the log density at eta_; returns the largest slope. `second` has the curvatures,
// which are computed where it is empty.
double Laplace::parameter_step(double* at, std::vector<double>& second) {
  std::vector<double> l(n_), s(n_), w(n_), slope(K_), values, vectors;
  double largest = 0;
  for (int k = 0; k < K_; ++k) {
    find_slopes(parameters_.parameter(k), l.data(), s.data(), w.data());
    slope[k] = parameters_.sum(k, l.data());
    largest = std::max(largest, std::abs(slope[k]));
  }
  if (second.empty()) second = parameter_curvatures();
  std::vector<double> curvature(second.size());
  for (int i = 0; i < K_; ++i)
    for (int j = 0; j < K_; ++j) curvature[i + j * K_] = -0.5 * (second[i + j * K_] + second[j + i * K_]);
  symmetric_eigen(K_, curvature, values, vectors);
  double top = 1e-12;
  for (double value : values) top = std::max(top, 1e-3 * std::abs(value));
  for (int i = 0; i < K_; ++i) {
    double along = 0;
    for (int k = 0; k < K_; ++k) along += vectors[k + i * K_] * slope[k];
    along /= std::max(std::abs(values[i]), top);
    for (int k = 0; k < K_; ++k) at[k] += vectors[k + i * K_] * std::clamp(along, -1.0, 1.0);
  }
  parameters_.set(at);
  return largest;
}

void Laplace::fit_without_random_effects() {
  const int k = A_->k();
  const std::vector<double> none(u_.size(), 0.0),
      first_psi = parameters_.constant(family_.start_parameters(n_, source_.y.data(), source_.m.data()));
  std::copy(first_psi.begin(), first_psi.end(), psi());
  parameters_.set(psi());
  // X'mX is the identity
  std::vector<double> offset(n_), beta_none(p_, 0.0), start(n_);
  rows_.predict(workers(), none.data(), beta_none.data(), true, offset.data());
  const auto begin_at = [&](const auto& predictor) {
    for (std::int64_t i = 0; i < n_; ++i) start[i] = source_.m[i] * (predictor(i) - offset[i]);
    rows_.sum_fixed(workers(), start.data(), beta());
    rows_.predict(workers(), none.data(), beta(), true, eta_.data());
    return l_ = evaluate_rows(eta_);
  };
  const auto near = [&](std::int64_t i) { return family_.start(source_.y[i], source_.m[i]); };
  const double by_row = begin_at(near);
  // Where means must not be negative, or predictors of responses near zero are large: from the same mean for all rows.
  if (!std::isfinite(by_row) || !family_.concave()) {
    double mean = 0, weight = 0;
    for (std::int64_t i = 0; i < n_; ++i) mean += source_.y[i], weight += source_.m[i];
    const bool trials = source_.model.rows.weight.base != nullptr && mean <= weight;
    const double level = trials ? family_.start(mean, weight) : family_.start(mean / static_cast<double>(n_), 1);
    const double of_level = begin_at([level](std::int64_t) { return level; });
    if (std::isfinite(by_row) && !(of_level > by_row)) begin_at(near);
  }
  const double settled = kSettled * std::max(1.0, static_cast<double>(n_) / kManyRows);
  std::vector<double> step(p_), to(p_), second;
  for (int round = 0; round < kMostSteps; ++round) {
    const double before = l_;
    if (!family_.concave()) expect(eta_, w_.data());
    double largest = 0, moved = 0;
    for (double w : w_) largest = std::max(largest, w);
    for (double& w : w_) w = std::max(w, 1e-10 * largest);
    rows_.renew_fixed_squares(workers(), w_.data(), *A_);
    rows_.sum_fixed(workers(), s_.data(), step.data());
    std::vector<double> square(A_->XtX);
    for (int j = 0; j < p_; ++j) square[j * (static_cast<std::size_t>(k) + 1)] += 1e-12 * (1 + largest);
    if (p_ > 0 && blas::potrf('L', p_, square.data(), k)) {
      blas::trsm('L', 'L', 'N', p_, 1, square.data(), k, step.data(), p_);
      double decrement = small::dot(p_, step.data(), step.data());
      blas::trsm('L', 'L', 'T', p_, 1, square.data(), k, step.data(), p_);
      rows_.predict(workers(), none.data(), step.data(), false, step_eta_.data());
      for (double t = part_at_once(); t > 1e-8; t *= 0.5) {
        for (std::int64_t i = 0; i < n_; ++i) trial_eta_[i] = eta_[i] + t * step_eta_[i];
        const double l = evaluate_rows(trial_eta_);
        if (!(l >= l_ - 1e-12 * (std::abs(l_) + static_cast<double>(n_)))) continue;
        std::swap(eta_, trial_eta_);
        small::axpy(p_, t, step.data(), beta());
        l_ = l;
        break;
      }
      moved = decrement;
    }
    double slope = 0;
    if (K_ > 0) {
      // Curvatures cost several times what slopes do; those of a few rounds before will do.
      if (K_ == 1 || round < kFresh || round % kKept == 0) second.clear();
      slope = parameter_step(psi(), second);
      l_ = evaluate_rows(eta_);
    }
    // Several parameters and the coefficients, in turns, are slow to settle, and a start need not be exact.
    if (K_ > 1 && round > 2 && std::abs(l_ - before) < settled) break;
    if (moved < 1e-6 && slope < 1e-3 * std::sqrt(static_cast<double>(n_))) break;
  }
  evaluate_rows(eta_);
}

std::vector<double> Laplace::start() {
  stands_ = gradient_ready_ = fixed_ready_ = false;
  base_ = {};
  std::fill(par_.begin(), par_.end(), 0.0);
  std::fill(u_.begin(), u_.end(), 0.0);
  fit_without_random_effects();
  if (!family_.concave()) expect(eta_, w_.data());
  for (double& w : w_) w = std::max(w, 1e-12);
  rows_.renew_random(workers(), w_.data(), *A_);
  rows_.sum_random(workers(), s_.data(), Zts_.data());
  std::vector<double> theta;
  for (const auto& [factor, row, column] : model_.entries) {
    theta.push_back(0);
    if (row != column) continue;
    const FactorBlock& block = A_->factors[factor];
    const std::int64_t s = block.width;
    double variance = 0, mean = 0;
    for (int round = 0; round < 3; ++round) {
      double upper = 0, lower = 0;
      mean = 0;
      for (std::int64_t l = 0; l < block.levels; ++l) {
        const double A = block.diagonal[l * s * s + row * (s + 1)], S = Zts_[block.offset + l * s + row];
        const double weight = 1 / ((1 + variance * A) * (1 + variance * A));
        upper += (S * S - A) * weight, lower += A * A * weight, mean += A / block.levels;
      }
      variance = lower > 0 ? std::max(upper / lower, 0.0) : 0.0;
    }
    theta.back() = std::min(kLargestStart, std::sqrt(std::max(variance, 0.01 / (mean + 1e-300))));
  }
  const std::vector<double> out = with_theta(par_, theta);
  std::fill(par_.begin(), par_.end(), std::numeric_limits<double>::quiet_NaN());
  return out;
}

std::vector<double> Laplace::with_theta(std::vector<double> par, const std::vector<double>& theta) const {
  const std::vector<double> own = structures() ? structures()->closest_to(theta) : theta;
  std::copy(own.begin(), own.end(), par.begin());
  return par;
}

// Where predictors must keep a sign (means above zero by the link 1/mu^2 or the identity), the criterion may have a
// second minimum at larger variances: then a search begins there, and a second one at the start by moments.
std::vector<std::vector<double>> Laplace::starts() {
  std::vector<std::vector<double>> out{start()};
  if (family_.concave() || !keeps_sign()) return out;
  double size = 0, weight = 0;
  for (std::int64_t i = 0; i < n_; ++i) size += std::abs(eta_[i]) / static_cast<double>(n_), weight += w_[i];
  std::vector<double> theta;
  double terms = 0;
  for (const ThetaEntry& entry : model_.entries) terms += on_diagonal(entry);
  for (const auto& [factor, row, column] : model_.entries) {
    theta.push_back(0);
    if (row != column) continue;
    const FactorBlock& block = A_->factors[factor];
    const std::int64_t s = block.width;
    double square = 0;
    for (std::int64_t l = 0; l < block.levels; ++l) square += block.diagonal[l * s * s + row * (s + 1)];
    theta.back() = kShare * size / std::sqrt(terms * std::max(square / weight, 1e-300));
  }
  out.insert(out.begin(), with_theta(out[0], theta));
  return out;
}

// Whether no predictor may have the other sign.
bool Laplace::keeps_sign() {
  for (std::int64_t i = 0; i < n_; ++i) trial_eta_[i] = -eta_[i];
  const bool kept = !std::isfinite(evaluate_rows(trial_eta_));
  evaluate_rows(eta_);
  if (!family_.concave()) expect(eta_, w_.data());
  return kept;
}

}  // namespace mixedmodels
