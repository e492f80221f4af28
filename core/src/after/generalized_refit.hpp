// Purpose: fits one generalized model to many responses, in parallel over the responses.
// Every response is a fit of its own from the same start, so the results do not depend on the number of threads.
#pragma once

#include <vector>

#include "generalized/laplace.hpp"
#include "search/quasi_newton.hpp"

namespace mixedmodels {

// Row-major, a fit a row; NaN where nothing can be computed.
struct GeneralizedRefits {
  std::vector<double> par;        // fits x parameters of the search
  std::vector<double> objective;  // the constant part included
  std::vector<SearchStatus> status;
};

// `responses` holds n numbers for every replicate, in the order of the caller's rows. Searches start at `start`; where
// a diagonal entry of it is zero, which symmetry would hold there, at the replicate's own moments.
GeneralizedRefits refit(const GeneralizedModel& model, const Approximation& how, const double* responses,
                        int replicates, const std::vector<double>& start, const SearchSettings& settings, int threads);

}  // namespace mixedmodels
