// Purpose: an inexpensive test of whether the data can distinguish the covariance parameters.
// V = sum of phi_j V_j + phi_0 I is linear in the variances and covariances phi of the random effects, so they are
// identified exactly where the matrices V_j and I are linearly independent: for REML, where Q V_j Q and Q are,
// Q = I - X X^+. Their Gram matrix tr(V_j V_k) follows from the cross-products without forming any of them.
// A small pivot raises a suspicion only; which parameters are confounded is decided from the rows.
#pragma once

#include <vector>

#include "criterion/profiled_deviance.hpp"

namespace mixedmodels {

struct Identifiability {
  // Least pivot of the Gram matrix, scaled by the sizes of the V_j before X is projected out. 1: all are orthogonal.
  double pivot = 1;
  // Least part of Z_c'Z_c, over the columns c of all terms, that X leaves over.
  double share = 1;
};

Identifiability identifiability(const CrossProducts& A, const std::vector<ThetaEntry>& entries, Likelihood likelihood);

}  // namespace mixedmodels
