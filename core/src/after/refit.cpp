#include "after/refit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "kernels/memory.hpp"
#include "kernels/workers.hpp"
#include "search/search.hpp"

namespace mixedmodels {

namespace {

// What one thread needs to fit responses one after the other.
class RefitBench {
 public:
  explicit RefitBench(const RefitModel& model)
      : rows_(model.rows),
        basis_(model.basis),
        A_(model.A),
        criterion_(rows_, basis_, A_, model.symbolic, model.entries) {}

  void fit(const double* response, std::vector<double> theta, Likelihood likelihood, const SearchSettings& settings,
           int at, Refits& out) {
    rows_.y = {response, 1};
    renew_response(rows_, basis_, A_);
    criterion_.response_changed();
    const SearchResult found = refit_from(criterion_, likelihood, std::move(theta), settings);
    const auto m = found.theta.size();
    std::copy(found.theta.begin(), found.theta.end(), out.theta.begin() + at * static_cast<std::ptrdiff_t>(m));
    out.status[at] = found.status;
    out.objective[at] = found.value;
    if (found.status == SearchStatus::not_finite) return;
    criterion_.value(found.theta.data(), likelihood);
    const auto df = static_cast<double>(likelihood == Likelihood::reml ? A_.n - A_.p : A_.n);
    out.sigma[at] = A_.unit * std::sqrt(criterion_.pls().pwrss() / df);
    basis_.to_original(criterion_.pls().beta().data(), out.beta.data() + std::ptrdiff_t{at} * A_.p);
  }

 private:
  Rows rows_;
  OrthogonalBasis basis_;
  CrossProducts A_;
  Criterion criterion_;
};

}  // namespace

Refits refit(const RefitModel& model, const double* responses, int replicates, const std::vector<double>& start,
             Likelihood likelihood, const SearchSettings& settings, int threads) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  const auto count = static_cast<std::size_t>(replicates), p = static_cast<std::size_t>(model.A.p);
  Refits out;
  out.theta.assign(count * start.size(), kNaN);
  out.beta.assign(count * p, kNaN);
  out.sigma.assign(count, kNaN);
  out.objective.assign(count, kNaN);
  out.status.assign(count, SearchStatus::not_finite);
  Workers workers(std::min(threads, replicates));
  require_memory(
      "Refits by several threads",
      {{"cross-products of every thread", workers.threads() * model.A.bytes()},
       {"factor and inverse of every thread", workers.threads() * WorkspaceBytes(model.A, model.symbolic, 1).total()}},
      model.symbolic.elimination.fill.flops);
  std::vector<std::unique_ptr<RefitBench>> benches(static_cast<std::size_t>(workers.threads()));
  workers.run(replicates, [&](int i, int thread) {
    if (!benches[thread]) benches[thread] = std::make_unique<RefitBench>(model);
    benches[thread]->fit(responses + model.rows.n * i, start, likelihood, settings, i, out);
  });
  return out;
}

}  // namespace mixedmodels
