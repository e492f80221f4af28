// Purpose: a start for theta from the cross-products alone.
// Method: MINQUE with all prior ratios zero (Rao 1971): the quadratic forms y'MZ_cZ_c'My of the components c, one
// per diagonal entry of a template, equated to their expectations; M takes the fixed effects away.
#pragma once

#include <vector>

#include "mixedmodels/pls.hpp"

namespace mixedmodels {

std::vector<double> moment_start(const CrossProducts& A, const std::vector<ThetaEntry>& entries);

}  // namespace mixedmodels
