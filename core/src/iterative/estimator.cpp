#include "iterative/estimator.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "kernels/blas.hpp"
#include "kernels/eigen.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/memory.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

constexpr double kHonest = 1.5;     // factor of standard errors from the spread of a few probes
constexpr double kAccurate = 0.05;  // standard error of the criterion above which probes or basis grow
constexpr int kFirstProbes = 8, kMostProbes = 128;
constexpr int kBases[] = {8, 32, 64};  // columns of larger bases that are tried
constexpr int kCheapProbes = 32;       // number of probes up to which more are tried before a larger basis
// A larger basis pays if so few eigenvalues of the size of its last quotient would explain the spread.
constexpr double kExplained = 64;
constexpr double kNoGain = 0.8;  // spread left by a larger basis, relative, above which that is given up
constexpr int kPowers = 4;       // block power steps of a new basis
constexpr int kFirstSteps = 3, kMostSteps = 30;
// Change of an integral by a step, relative to its standard error, at which the steps end; and at any error.
constexpr double kSettled = 0.1, kRounding = 1e-9;

std::uint64_t mixed(std::uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

// Entry of probe `probe` in a row: 1 or -1, the same whatever else is asked for.
double rademacher(std::uint64_t seed, int probe, std::int64_t row) {
  const std::uint64_t bits =
      mixed(mixed(mixed(seed) + static_cast<std::uint64_t>(probe)) + static_cast<std::uint64_t>(row >> 6));
  return (bits >> (row & 63)) & 1 ? 1.0 : -1.0;
}

struct Spread {
  double mean = 0, error = 0;
};

// Mean and standard error of the mean.
Spread spread(const double* values, int count) {
  Spread out;
  for (int i = 0; i < count; ++i) out.mean += values[i] / count;
  double sum = 0;
  for (int i = 0; i < count; ++i) sum += (values[i] - out.mean) * (values[i] - out.mean);
  if (count > 1) out.error = std::sqrt(sum / (count - 1.0) / count);
  return out;
}

}  // namespace

double Estimator::bytes(const CrossProducts& A) {
  const double own = 1.0 * A.factors[0].levels * A.factors[0].width, size = static_cast<double>(A.q) - own;
  const double panels = size * kWidest * (kMostSteps + 6) + size * 128;
  return Schur::bytes(A) + 8.0 * (panels + 2.0 * static_cast<double>(A.q) * A.k());
}

Estimator::Estimator(const CrossProducts& A, const std::vector<ThetaEntry>& entries, std::uint64_t seed, int threads)
    : A_(A), entries_(entries), seed_(seed), workers_(threads), S_(A, workers_), lam_(zero_templates(A)) {
  require_memory("An iterative evaluation", {{"vectors of the levels", bytes(A)}});
  const auto m = entries.size();
  logdet_gradient_.resize(m);
  gradient_covariance_.resize(m * m);
}

bool Estimator::move_to(const double* theta) {
  solved_ = false;
  set_templates(A_, entries_, theta, lam_);
  return S_.set(lam_);
}

bool Estimator::prepare(const double* theta, Effort effort) {
  prepared_ = false;
  if (!move_to(theta)) return false;
  const auto size = static_cast<int>(std::min<std::int64_t>(S_.size(), 1 << 20));
  int first = 0;
  for (std::size_t f = 1; f < A_.factors.size(); ++f) first += A_.factors[f].width;
  const bool open_basis = effort.basis == 0, open_probes = effort.probes == 0;
  make_basis(std::min(open_basis ? first : std::max(effort.basis, 0), size));
  auto first_probes = [&] {  // as many more as the panel that is the last has room for
    const int all = kFirstProbes + V_.columns();
    probes_ = open_probes ? std::min(kMostProbes, kFirstProbes + padded(all) - all) : effort.probes;
    integrate(false);
  };
  first_probes();
  prepared_ = true;
  if (!(standard_error_ > kAccurate)) return true;
  const double before = standard_error_;
  const Basis kept = V_;
  for (const int columns : kBases) {
    const double needed = probes_ * std::pow(standard_error_ / kAccurate, 2);
    if (!open_basis || standard_error_ <= kAccurate || (open_probes && needed <= kCheapProbes)) break;
    if (columns <= V_.columns() || 4 * columns > size || tail() > kExplained) continue;
    make_basis(columns);
    first_probes();
  }
  if (V_.columns() > kept.columns() && standard_error_ > kNoGain * before) {
    V_ = kept;
    quotients_.assign(V_.columns(), 0.0);  // the next integrals renew them
    first_probes();
  }
  while (open_probes && standard_error_ > kAccurate && probes_ < kMostProbes) {
    const double needed = probes_ * std::pow(standard_error_ / kAccurate, 2);
    probes_ = std::min({kMostProbes, std::max(2 * probes_, needed < 4 * probes_ ? 2 * probes_ : 4 * probes_)});
    integrate(false);
  }
  return true;
}

// Block power from fixed vectors: the constants of every factor, and signs.
void Estimator::make_basis(int columns) {
  V_ = Basis(S_.size(), columns);
  quotients_.assign(columns, 0.0);
  if (columns == 0 || S_.size() == 0) return;
  const std::int64_t own = A_.q - S_.size();
  Panel& start = V_.panel();
  int constants = 0;
  for (std::size_t f = 1; f < A_.factors.size(); ++f) {
    const FactorBlock& block = A_.factors[f];
    for (int c = 0; c < block.width && constants < columns; ++c, ++constants)
      for (std::int64_t l = 0; l < block.levels; ++l) {
        const double weight = block.diagonal[(l * block.width + c) * block.width + c];
        start.row(block.offset - own + l * block.width + c)[constants] = std::sqrt(std::max(weight, 0.0));
      }
  }
  for (std::int64_t i = 0; i < S_.size(); ++i)
    for (int c = constants; c < columns; ++c) start.row(i)[c] = rademacher(~seed_, c, i);
  const Parts& parts = S_.parts();
  Basis image(S_.size(), columns);
  auto multiply = [&] {  // image = S V, a panel at a time
    for (int first = 0; first < columns; first += kWidest) {
      const int some = std::min(kWidest, columns - first);
      Panel in(S_.size(), padded(some)), out;
      for (std::int64_t i = 0; i < S_.size(); ++i) std::copy_n(V_.panel().row(i) + first, some, in.row(i));
      S_.multiply(in, out);
      for (std::int64_t i = 0; i < S_.size(); ++i) std::copy_n(out.row(i), some, image.panel().row(i) + first);
    }
  };
  for (int power = 0; power < kPowers; ++power) {
    V_.orthonormalize(parts);
    multiply();
    std::swap(V_, image);
  }
  V_.orthonormalize(parts);
  multiply();
  std::vector<double> T = V_.products(parts, image.panel()), values, vectors, order(T.size());
  for (int c = 0; c < columns; ++c)
    for (int r = 0; r < c; ++r) T[c + r * columns] = 0.5 * (T[c + r * columns] + T[r + c * columns]);
  symmetric_eigen(columns, std::move(T), values, vectors);
  std::vector<int> by_size(columns);
  std::iota(by_size.begin(), by_size.end(), 0);
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](int i, int j) { return std::abs(values[i]) > std::abs(values[j]); });
  for (int c = 0; c < columns; ++c) {
    quotients_[c] = values[by_size[c]];
    std::copy_n(vectors.data() + by_size[c] * columns, columns, order.data() + c * columns);
  }
  V_.rotate(parts, order);
}

// Number of eigenvalues like the last of the basis that would explain the spread of the probes.
double Estimator::tail() const {
  if (quotients_.empty()) return 0;
  const double s = std::min(quotients_.back(), 1 - 1e-12), g = std::log1p(-s) + s;
  const double deviation = standard_error_ / kHonest;
  return deviation * deviation * probes_ / (2 * g * g);
}

Panel Estimator::columns_of(const Batch& batch) const {
  Panel z(S_.size(), padded(batch.count));
  for (int c = 0; c < batch.count; ++c) {
    const int column = batch.first + c;
    if (column >= probes_) continue;
    for (std::int64_t i = 0; i < z.rows; ++i) z.row(i)[c] = rademacher(seed_, column, i);
  }
  if (V_.columns() > 0) {
    std::vector<double> inside = V_.project(S_.parts(), z);
    for (double& v : inside) v = -v;
    V_.add(S_.parts(), inside, z);
  }
  for (int c = 0; c < batch.count; ++c) {
    const int column = batch.first + c - probes_;
    if (column < 0) continue;
    for (std::int64_t i = 0; i < z.rows; ++i) z.row(i)[c] = V_.panel().row(i)[column];
  }
  return z;
}

// Steps until neither integral moves by much of its standard error.
void Estimator::run(Lanczos& lanczos, const Batch& batch) {
  const int probes = std::clamp(probes_ - batch.first, 0, batch.count);
  Lanczos::Integrals before;
  auto settled = [&](const std::vector<double>& now, const std::vector<double>& then, double error) {
    double mean = 0, sum = 0;
    for (int c = 0; c < batch.count; ++c) (c < probes ? mean : sum) += now[c] - then[c];
    const double moved = std::max(std::abs(mean) / std::max(probes, 1), std::abs(sum));
    return moved <= std::max(kSettled * error, kRounding);
  };
  while (lanczos.steps() < std::min<std::int64_t>(kMostSteps, S_.size())) {
    lanczos.step();
    if (lanczos.steps() < kFirstSteps - 1) continue;
    Lanczos::Integrals now = lanczos.integrals();
    if (lanczos.steps() >= kFirstSteps) {
      const double few = std::sqrt(probes / std::max(1.0, 1.0 * probes_));
      const double error = probes > 1 ? spread(now.logarithm.data(), probes).error * few : standard_error_ / kHonest;
      const double other = probes > 1 ? spread(now.remainder.data(), probes).error * few : error;
      if (settled(now.logarithm, before.logarithm, error) && settled(now.remainder, before.remainder, other)) break;
    }
    before = std::move(now);
  }
  steps_ = std::max(steps_, lanczos.steps());
}

void Estimator::integrate(bool derivatives) {
  integrals_.assign(static_cast<std::size_t>(probes_ + V_.columns()), 0.0);
  if (derivatives) by_column_.assign(integrals_.size(), std::vector<double>(entries_.size(), 0.0));
  steps_ = 0;
  for_each_batch([&](Lanczos& lanczos, const Batch& batch) {
    const std::vector<double> found = lanczos.integrals().logarithm;
    std::copy_n(found.begin(), batch.count, integrals_.begin() + batch.first);
    for (int c = 0; c < batch.count; ++c)
      if (batch.first + c >= probes_) quotients_[batch.first + c - probes_] = lanczos.quotients()[c];
    if (batch.first + batch.count >= probes_ && batch.first < probes_)
      standard_error_ = kHonest * spread(integrals_.data(), probes_).error;
    if (derivatives) add_derivatives(lanczos, batch);
  });
  const Spread probes = spread(integrals_.data(), probes_);
  standard_error_ = kHonest * probes.error;
  logdet_ =
      S_.logdet() - S_.trace() + probes.mean + std::accumulate(integrals_.begin() + probes_, integrals_.end(), 0.0);
}

void Estimator::add_derivatives(Lanczos& lanczos, const Batch& batch) {
  const Panel y = lanczos.resolvent();
  const std::vector<std::vector<double>> found = S_.remaining(lanczos.z(), y, lanczos.raw());
  for (std::size_t e = 0; e < entries_.size(); ++e) {
    const auto [f, row, column] = entries_[e];
    const int s = A_.factors[f].width;
    for (int c = 0; c < batch.count; ++c)
      by_column_[batch.first + c][e] = -2 * found[f][static_cast<std::size_t>(c) * s * s + column + row * s];
  }
}

// Sums over the basis, means over the probes and their covariance.
void Estimator::finish_derivatives() {
  const std::size_t m = entries_.size();
  std::vector<double> mean(m, 0.0);
  for (std::size_t e = 0; e < m; ++e) {
    const auto [f, row, column] = entries_[e];
    logdet_gradient_[e] = 2 * S_.exact_traces()[f][column + row * A_.factors[f].width];
    for (int c = 0; c < probes_; ++c) mean[e] += by_column_[c][e] / probes_;
    logdet_gradient_[e] += mean[e];
    for (std::size_t c = probes_; c < by_column_.size(); ++c) logdet_gradient_[e] += by_column_[c][e];
  }
  std::fill(gradient_covariance_.begin(), gradient_covariance_.end(), 0.0);
  if (probes_ < 2) return;
  const double scale = kHonest * kHonest / (probes_ - 1.0) / probes_;
  for (int c = 0; c < probes_; ++c)
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = 0; j < m; ++j)
        gradient_covariance_[i + j * m] += scale * (by_column_[c][i] - mean[i]) * (by_column_[c][j] - mean[j]);
}

bool Estimator::update(const double* theta) {
  if (solved_ && std::equal(theta_.begin(), theta_.end(), theta)) return true;
  if (!prepared_ && !prepare(theta)) return false;
  if (!move_to(theta)) return false;
  integrate(true);
  finish_derivatives();
  if (!std::isfinite(logdet_)) return false;
  solve_fixed();
  theta_.assign(theta, theta + entries_.size());
  return solved_;
}

}  // namespace mixedmodels
