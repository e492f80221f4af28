#include "after/bench.hpp"

#include <limits>

namespace mixedmodels {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

}  // namespace

Fits::Fits(const Model& model, int count) {
  const auto fits = static_cast<std::size_t>(count);
  theta.assign(fits * static_cast<std::size_t>(model.m()), kNaN);
  beta.assign(fits * model.basis.kept.size(), kNaN);
  sigma.assign(fits, kNaN);
  objective.assign(fits, kNaN);
}

void Fits::put(int at, Criterion& f, const std::vector<double>& found, const std::vector<int>& kept) {
  objective[at] = f.value(found.data());
  sigma[at] = f.sigma();
  std::copy(found.begin(), found.end(), theta.begin() + at * static_cast<std::ptrdiff_t>(found.size()));
  const OrthogonalBasis& basis = f.model().basis;
  std::vector<double> own(basis.kept.size());
  basis.to_original(f.pls().beta().data(), own.data());
  double* target = beta.data() + at * static_cast<std::ptrdiff_t>(kept.size());
  for (std::size_t j = 0; j < own.size(); ++j)
    target[std::lower_bound(kept.begin(), kept.end(), basis.kept[j]) - kept.begin()] = own[j];
}

void require_benches(const char* what, const Model& model, int threads, double results, double more) {
  require_memory(
      what,
      {{"results", results},
       {"cross-products and rows of every thread", threads * (model.A->bytes() + more)},
       {"factor and inverse of every thread", threads * WorkspaceBytes(*model.A, *model.symbolic, 1).total()}},
      model.symbolic->elimination.fill.flops);
}

}  // namespace mixedmodels
