// Purpose: starts for theta from the cross-products alone.
// Method: MINQUE (Rao 1971) in two rounds: the quadratic forms y'MZ_c w Z_c'My of the columns c of every factor,
// equated to their expectations; M takes the fixed effects away. The columns of a factor are made orthogonal before, so
// that the start is the same for x and x + 1000. The weights w of the levels are one in the first round; in the second
// they are the best ones of a one-way layout with the ratios of the first.
#pragma once

#include <vector>

#include "criterion/profiled_deviance.hpp"

namespace mixedmodels {

// One start, or two where terms of one factor are coupled by columns that are far from orthogonal, such as a covariate
// far from zero in (x || g).
std::vector<std::vector<double>> moment_starts(const CrossProducts& A, const std::vector<ThetaEntry>& entries);

}  // namespace mixedmodels
