#include "mixedmodels/evaluator.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "mixedmodels/moments.hpp"

namespace mixedmodels {

namespace {

// Digits of pwrss that may be lost before the reference point is renewed: three of sixteen.
constexpr double kCancellation = 1e3;
constexpr int kRenewals = 2;

std::vector<double> natural_units(const CrossProducts& A, const std::vector<ThetaEntry>& entries) {
  std::vector<double> out;
  for (const ThetaEntry& e : entries) {
    const FactorBlock& f = A.factors[e.factor];
    const std::int64_t s = f.width;
    double sum = 0;
    for (std::int64_t l = 0; l < f.levels; ++l) sum += f.diagonal[l * s * s + e.row * (s + 1)];
    out.push_back(sum > 0 ? std::sqrt(static_cast<double>(A.n) / sum) : 1.0);
  }
  return out;
}

}  // namespace

Evaluator::Evaluator(const Rows& rows, const OrthogonalBasis& basis, const CrossProducts& A, const Symbolic& symbolic,
                     std::vector<ThetaEntry> entries, int threads)
    : rows_(rows),
      basis_(basis),
      A_(A),
      entries_(std::move(entries)),
      pls_(A, symbolic, entries_, threads),
      unit_(natural_units(A, entries_)),
      theta_(entries_.size(), std::numeric_limits<double>::quiet_NaN()),
      gradient_(entries_.size()) {}

double Evaluator::value(const double* theta, Criterion criterion) {
  if (!std::equal(theta, theta + m(), theta_.begin())) {
    ++n_value_;
    std::copy_n(theta, m(), theta_.begin());
    gradient_of_.reset();
    pls_.update(theta);
    // A reference at this very theta leaves nothing to cancel, so a second round is rare.
    for (int i = 0; i < kRenewals && std::abs(pls_.cancellation()) > kCancellation; ++i)
      pls_.set_reference(reference_point(rows_, basis_, A_, pls_.b().data(), pls_.beta().data()));
  }
  return pls_.criterion(criterion);
}

void Evaluator::gradient(Criterion criterion, double* out) {
  if (gradient_of_ != criterion) {
    ++n_gradient_;
    pls_.gradient(criterion, gradient_.data());
    gradient_of_ = criterion;
  }
  std::copy(gradient_.begin(), gradient_.end(), out);
}

void Evaluator::hold_coefficients(std::vector<double> a, double value) {
  forget();
  pls_.hold_coefficients(std::move(a), value);
}

void Evaluator::forget() {
  std::fill(theta_.begin(), theta_.end(), std::numeric_limits<double>::quiet_NaN());
  gradient_of_.reset();
}

void Evaluator::response_changed() {
  forget();
  pls_.reset_reference();
  reset_counts();
}

std::vector<std::vector<double>> Evaluator::starts() const { return moment_starts(A_, entries_); }

}  // namespace mixedmodels
