#include "after/refit.hpp"

#include "search/search.hpp"

namespace mixedmodels {

Refits refit(const Model& model, const double* responses, int replicates, const std::vector<double>& start,
             Likelihood likelihood, const SearchSettings& settings, int threads) {
  Workers workers(std::min(threads, replicates));
  const double numbers = 1.0 * replicates * static_cast<double>(start.size() + model.basis.kept.size() + 3);
  require_benches("Refits by several threads", model, workers.threads(), bytes_of_numbers(numbers), 0);
  Refits out(model, replicates);
  const auto make = [&] { return std::make_unique<Bench>(model, likelihood); };
  on_benches(workers, replicates, make, [&](Bench& bench, int i) {
    if (model.rows.present()) {
      bench.model.rows.y = {responses + model.rows.n * i, 1};
      renew_response(bench.model.rows, bench.model.basis, *bench.A);
    } else {
      renew_response(responses + response_sums(*model.A) * i, bench.model.basis, *bench.A);
    }
    bench.criterion.response_changed();
    const SearchResult found = refit_from(bench.criterion, start, settings);
    out.status[i] = found.status;
    if (found.status != SearchStatus::not_finite) out.put(i, bench.criterion, found.theta, model.basis.kept);
  });
  return out;
}

}  // namespace mixedmodels
