// Purpose: Lambda, the relative covariance factor: templates of all factors, filled from theta and applied to
// vectors of random effects.
#pragma once

#include <cstddef>
#include <vector>

#include "products/axes.hpp"

namespace mixedmodels {

// By factor: width x width, column-major, a lower triangle unless stated otherwise.
using Templates = std::vector<std::vector<double>>;

// Entries of theta of a term with so many columns: a lower triangle.
inline int entries_of_term(int width) { return width * (width + 1) / 2; }

// A block of effects of a factor's levels.
struct EffectsBlock {
  int factor, first, width;
};

// A term: its columns among those of its factor, and where its entries of theta begin.
struct ThetaTerm {
  int factor, first, width;
  std::size_t theta;
};
std::vector<ThetaTerm> theta_terms(const std::vector<ThetaEntry>& entries);

// A square of zeros for every factor.
Templates zero_templates(const CrossProducts& A);

// Writes theta into templates whose other entries are zero.
void set_templates(const CrossProducts& A, const std::vector<ThetaEntry>& entries, const double* theta, Templates& lam);

// out = Lambda in for q rows of k numbers, row-major, order of the cross-products; lower triangular templates.
void apply_templates(const CrossProducts& A, const Templates& lam, const double* in, double* out, int k = 1);

}  // namespace mixedmodels
