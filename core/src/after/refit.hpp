// Purpose: fits one model to many responses, in parallel over the responses.
// Every response is a fit of its own from its own start, so the results do not depend on the number of threads. What
// a response does not change (factors, basis of X, order, pattern) is shared; each thread has products and a
// workspace of its own.
#pragma once

#include <vector>

#include "search/quasi_newton.hpp"

namespace mixedmodels {

struct Refits {
  std::vector<double> theta;  // replicates x m, row-major, as are the others
  std::vector<double> beta;   // replicates x p, coefficients of the columns kept
  std::vector<double> sigma, objective;
  std::vector<SearchStatus> status;
};

struct RefitModel {
  const Rows& rows;
  const OrthogonalBasis& basis;
  const CrossProducts& A;
  const Symbolic& symbolic;
  const std::vector<ThetaEntry>& entries;
};

// `responses` holds n numbers for every replicate, one replicate after the other. Searches start at `start`; where a
// diagonal entry of it is zero, which symmetry would hold there, at the replicate's own moments.
Refits refit(const RefitModel& model, const double* responses, int replicates, const std::vector<double>& start,
             Likelihood likelihood, const SearchSettings& settings, int threads);

}  // namespace mixedmodels
