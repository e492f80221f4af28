// Purpose: from starts to a judged optimum: searches, the lowest end, its optimality, saddles left. One driver for
// fits, refits and fits without some rows.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "criterion/criterion.hpp"
#include "search/optimality.hpp"
#include "search/quasi_newton.hpp"

namespace mixedmodels {

struct FitSettings {
  SearchSettings search;  // max_values of every single search
  double gtol = 1e-6;     // largest predicted decrease at an optimum, in units of the criterion
  bool restart = true;    // whether to go on from a point that is not an optimum, and not a saddle either
  // Whether to search from the opposite of the lowest start as well where rows are few.
  bool opposite = false;
};

struct Fit {
  std::vector<double> start, theta;  // m, of all parameters
  SearchStatus ended = SearchStatus::stalled;
  double predicted = 0;  // predicted decrease by the model of the search where it ended
  Optimality optimality;
  // Criterion and theta (m each) of every iteration; those of the search that counts come last.
  std::vector<double> values, thetas;
};

// Whether random effects are few and rows hardly more, so that one start may not find the lowest optimum.
bool few_rows(const CrossProducts& A);

// `starts` has at least one; `idle` may be null. Not finite where no start has a criterion.
Fit fit(Objective& f, std::vector<std::vector<double>> starts, const FitSettings& settings, const Idle* idle,
        const Progress& progress);

// The same from the end of a search by another method; `spent` when that has no evaluations left.
Fit settle(Objective& f, const std::vector<double>& theta, bool spent, const FitSettings& settings, const Idle* idle,
           const Progress& progress);

// A search from one start, whose parameters at a turning point are left for the moments of the data; an end at a
// turning point is left where that is a saddle.
SearchResult refit_from(Objective& f, std::vector<double> start, const std::function<std::vector<double>()>& moments,
                        SearchSettings settings);
inline SearchResult refit_from(Criterion& f, std::vector<double> start, const SearchSettings& settings) {
  return refit_from(f, std::move(start), [&] { return f.start(); }, settings);
}

}  // namespace mixedmodels
