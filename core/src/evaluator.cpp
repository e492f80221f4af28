#include "mixedmodels/evaluator.hpp"

#include <algorithm>
#include <cmath>

#include "mixedmodels/moments.hpp"

namespace mixedmodels {

namespace {

// Digits of pwrss that may be lost before the reference point is renewed: three of sixteen.
constexpr double kCancellation = 1e3;
constexpr int kRenewals = 3;

}  // namespace

Evaluator::Evaluator(const Rows& rows, const OrthogonalBasis& basis, const CrossProducts& A, const Symbolic& symbolic,
                     std::vector<ThetaEntry> entries)
    : rows_(rows), basis_(basis), A_(A), entries_(std::move(entries)), pls_(A, symbolic, entries_) {}

double Evaluator::value(const double* theta, Criterion criterion) {
  ++n_value_;
  double f = pls_.value(theta, criterion);
  // A reference at this very theta leaves nothing to cancel, so a second round is a refinement and a third is rare.
  for (int i = 0; i < kRenewals && std::abs(pls_.cancellation()) > kCancellation; ++i) {
    pls_.set_reference(reference_point(rows_, basis_, A_, pls_.b().data(), pls_.beta().data()));
    f = pls_.value(theta, criterion);
  }
  return f;
}

void Evaluator::gradient(Criterion criterion, double* out) {
  ++n_gradient_;
  pls_.gradient(criterion, out);
}

std::vector<double> Evaluator::start() const { return moment_start(A_, entries_); }

}  // namespace mixedmodels
