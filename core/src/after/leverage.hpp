// Purpose: what one row weighs in the fit at one theta: its entry on the diagonal of the hat matrix, its residual, and
// what leaving it out would do to the coefficients.
// In units in which a row has weight one, the penalized least squares problem has rows (u_i, x_i) with u_i =
// Lambda'z_i, and the hat matrix is made of u_i'M^-1 u_i and xt_i'(RX'RX)^-1 xt_i with xt_i = x_i - K'u_i, K = M^-1
// Lambda'Z'WX. A row touches one level per factor and all pairs of these occur, so the entries of M^-1 on the pattern
// are enough. Without row i, with theta held, beta falls by direction_i e_i / (1 - h_i); see Demidenko and Stukel
// (2005).
#pragma once

#include <vector>

#include "criterion/profiled_deviance.hpp"

namespace mixedmodels {

struct RowValues {
  std::vector<double> random;     // n, w u'M^-1 u: what the random effects take
  std::vector<double> fixed;      // n, w xt'(RX'RX)^-1 xt: what the fixed effects take of the rest
  std::vector<double> prior;      // n, u'u: variance of the row's random part over sigma^2
  std::vector<double> residual;   // n, sqrt(w) (y - offset - X beta - Z b)
  std::vector<double> direction;  // n x p row-major, sqrt(w) (RX'RX)^-1 xt for the columns kept; empty unless asked for
};

// At the theta of the last `update` of `pls`, which must have succeeded.
RowValues row_values(ProfiledDeviance& pls, bool directions);

}  // namespace mixedmodels
