// Purpose: the second phase of a search, for criteria that carry parameters: a trust-region Newton method in all
// parameters at once, where the first phase cannot foresee how the carried ones will be pulled (very large variances).
//
// The Hessian is the criterion's; where it is expensive it is kept by symmetric rank-one updates as long as these
// foresee the gradient. Lengths of steps are in units of the roots of its diagonal. Reference: Nocedal and Wright
// (2006), Numerical Optimization, ch. 4 and 6.
#pragma once

#include <vector>

#include "criterion/objective.hpp"
#include "search/quasi_newton.hpp"

namespace mixedmodels {

// From parameters at which the criterion is finite. The model of the result is the last Hessian.
SearchResult trust_region(Objective& f, std::vector<double> at, const SearchSettings& settings,
                          const Progress& progress);

}  // namespace mixedmodels
