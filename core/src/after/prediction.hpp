// Purpose: predictions at rows, old or new, at the theta of the last factor: the random part z'b of their
// means, and the variance of x'beta + z'b about its true value over sigma^2, with the joint covariance of the errors
// of beta and b (the inverse of Henderson's equations). Of a generalized model the equations are those of the
// curvatures of the log density, which may be negative in some rows.
// With t = Lambda'z and K = M^-1 Lambda'Z'WX that variance is t'M^-1 t + |RX'^-1 (x - K't)|^2. Where the levels of a
// row meet in the pattern of L, as they do in every row of the data, the entries of M^-1 are at hand; for other
// combinations of levels a solve with L gives them.
// Reference: Henderson (1975), Biometrics 31, 423-447.
#pragma once

#include <cstdint>
#include <vector>

#include "criterion/pls.hpp"

namespace mixedmodels {

struct PredictionRows {
  std::int64_t n = 0;
  std::vector<const std::int32_t*> codes;  // per factor, n levels; -1: a level of which nothing is known
  std::vector<const double*> z;            // per factor, n x width row-major; a row of zeros leaves the factor out
  const double* x = nullptr;               // n x p row-major, coordinates of the basis: x'R^-1
};

// b: (q) the modes, order of the cross-products. The fixed effects have been eliminated (RX).
// random (n): z'b, nothing for unknown levels; variance (n), an unknown level adding its marginal z'Lambda Lambda'z.
void predict_rows(Pls& pls, const double* b, const PredictionRows& rows, double* random, double* variance);

}  // namespace mixedmodels
