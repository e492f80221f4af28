// Purpose: the exact second derivatives of the criterion, and what they cost.
// With T = Z'V^-1Z (for REML Z'PZ), S = Lambda Lambda' and S_i, S_ij its derivatives, those of the determinants are
// tr(T S_ij) - tr(T S_i T S_j); those of pwrss, with v = Z'W e at the solution, 2 v'S_i Z'PZ S_j v - v'S_ij v. All
// comes from sums over pairs of levels (pair_sums.hpp), of which there are m^2 only.
#pragma once

#include <vector>

#include "criterion/criterion.hpp"
#include "factor/order.hpp"

namespace mixedmodels {

// m x m at the theta of the last value of f. NaN if the criterion is not finite there. Empty if cancellation would make
// the result inaccurate (see `keeps_digits`); differences of the gradient are better then.
std::vector<double> hessian(Criterion& f, Likelihood likelihood, const LevelGraph& graph);

// Differences of the exact gradient. All take the same steps, relative to theta or, where that is small, to the largest
// entry, in natural units; the evaluator ends at another theta.

// The columns `wanted` of `out` (m x m, symmetric), forward from the gradient at theta.
void difference_columns(Criterion& f, Likelihood likelihood, std::vector<double> theta,
                        const std::vector<double>& gradient, const std::vector<bool>& wanted, std::vector<double>& out);
// All of the Hessian at theta (m x m): forward, good to about 1e-5, or central, to 1e-6, for twice as many gradients.
std::vector<double> difference_hessian(Criterion& f, Likelihood likelihood, const std::vector<double>& theta,
                                       bool forward);
// H d at theta, where the gradient is known.
std::vector<double> hessian_product(Criterion& f, Likelihood likelihood, const std::vector<double>& theta,
                                    const std::vector<double>& gradient, const std::vector<double>& d);

// What it costs, against differences of 2 m gradients; both in flops of a dense factorization, about.
struct HessianCost {
  double exact = 0, differences = 0;
  double numbers = 0;  // of workspace
};
HessianCost hessian_cost(const CrossProducts& A, const LevelGraph& graph, const Symbolic& symbolic,
                         const std::vector<ThetaEntry>& entries);

}  // namespace mixedmodels
