// Purpose: relative covariance templates of all factors as the core keeps them, filled from theta and applied to
// vectors of random effects.
#pragma once

#include <vector>

#include "products/axes.hpp"

namespace mixedmodels {

// By factor: width x width, column-major, a lower triangle unless stated otherwise.
using Templates = std::vector<std::vector<double>>;

// A square of zeros for every factor.
Templates zero_templates(const CrossProducts& A);

// Writes theta into templates whose other entries are zero.
void set_templates(const CrossProducts& A, const std::vector<ThetaEntry>& entries, const double* theta, Templates& lam);

// out = Lambda in for q rows of k numbers, row-major, order of the cross-products; lower triangular templates.
void apply_templates(const CrossProducts& A, const Templates& lam, const double* in, double* out, int k = 1);

}  // namespace mixedmodels
