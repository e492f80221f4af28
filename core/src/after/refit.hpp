// Purpose: fits one model to many responses, in parallel over the responses.
// Every response is a fit of its own from its own start.
#pragma once

#include <vector>

#include "after/bench.hpp"
#include "search/quasi_newton.hpp"

namespace mixedmodels {

struct Refits : Fits {
  std::vector<SearchStatus> status;

  Refits(const Model& model, int count) : Fits(model, count), status(count, SearchStatus::not_finite) {}
};

// `responses` holds n numbers for every replicate, one replicate after the other; of a model without rows the sums of
// each that `renew_response` takes. Searches start at `start`; where a
// diagonal entry of it is zero, which symmetry would hold there, at the replicate's own moments.
Refits refit(const Model& model, const double* responses, int replicates, const std::vector<double>& start,
             Likelihood likelihood, const SearchSettings& settings, int threads);

}  // namespace mixedmodels
