#include "after/generalized_refit.hpp"

#include <algorithm>
#include <limits>
#include <memory>

#include "after/bench.hpp"
#include "search/search.hpp"

namespace mixedmodels {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
// Vectors of the length of the rows that a workspace holds.
constexpr double kRowVectors = 12;

// A model with a response of its own. Its workspace is made anew for every response: what one search leaves behind is
// seen in the last digits of the next.
struct GeneralizedBench {
  GeneralizedModel model;

  explicit GeneralizedBench(const GeneralizedModel& shared) : model(shared) {}
  GeneralizedBench(const GeneralizedBench&) = delete;
  GeneralizedBench& operator=(const GeneralizedBench&) = delete;
};

}  // namespace

GeneralizedRefits refit(const GeneralizedModel& model, const Approximation& approximation, const double* responses,
                        int replicates, const std::vector<double>& start, const SearchSettings& settings, int threads) {
  const std::size_t size = start.size(), n = static_cast<std::size_t>(model.rows->n());
  Workers workers(std::min(threads, replicates));
  const auto fits = static_cast<std::size_t>(replicates);
  require_benches("Refits by several threads", model.model, workers.threads(),
                  bytes_of_numbers(static_cast<double>(fits * (size + 2))),
                  bytes_of_numbers(kRowVectors * static_cast<double>(n)));
  GeneralizedRefits out{std::vector<double>(fits * size, kNaN), std::vector<double>(fits, kNaN),
                        std::vector<SearchStatus>(fits, SearchStatus::not_finite)};
  const auto make = [&] { return std::make_unique<GeneralizedBench>(model); };
  on_benches(workers, replicates, make, [&](GeneralizedBench& bench, int i) {
    bench.model.take({responses + n * static_cast<std::size_t>(i), 1});
    Laplace criterion(bench.model, approximation);
    const SearchResult found = refit_from(criterion, start, [&] { return criterion.start(); }, settings);
    out.status[i] = found.status;
    if (found.status == SearchStatus::not_finite) return;
    out.objective[i] = found.value - 2 * bench.model.constant;
    std::copy(found.theta.begin(), found.theta.end(), out.par.begin() + static_cast<std::ptrdiff_t>(i * size));
  });
  return out;
}

}  // namespace mixedmodels
