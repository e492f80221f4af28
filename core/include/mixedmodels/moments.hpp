// Purpose: a start for theta from the cross-products alone.
// Method: MINQUE (Rao 1971) in two rounds: the quadratic forms y'MZ_c w Z_c'My of the components c, one per diagonal
// entry of a template, equated to their expectations; M takes the fixed effects away. The weights w of the levels are
// one in the first round; in the second they are the best ones of a one-way layout with the ratios of the first.
#pragma once

#include <vector>

#include "mixedmodels/pls.hpp"

namespace mixedmodels {

std::vector<double> moment_start(const CrossProducts& A, const std::vector<ThetaEntry>& entries);

}  // namespace mixedmodels
