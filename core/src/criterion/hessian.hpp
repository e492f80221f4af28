// Purpose: the exact second derivatives of the criterion, and what they cost.
// With T = Z'V^-1Z (for REML Z'PZ), S = Lambda Lambda' and S_i, S_ij its derivatives, those of the determinants are
// tr(T S_ij) - tr(T S_i T S_j); those of pwrss, with v = Z'W e at the solution, 2 v'S_i Z'PZ S_j v - v'S_ij v. All
// comes from sums over pairs of levels (pair_sums.hpp), of which there are m^2 only.
#pragma once

#include <vector>

#include "criterion/criterion.hpp"

namespace mixedmodels {

// m x m at the theta of the last value of f. NaN if the criterion is not finite there. Empty if there are structures,
// or if cancellation would make the result inaccurate (see `keeps_digits`); differences of the gradient
// (differences.hpp) are better then.
std::vector<double> hessian(Criterion& f);

// Derivative (count x count) of the criterion by the covariance of the effects first, first + 1 ... of a factor, at the
// theta of the last value of f: sum over the levels of T_ll - v_l v_l' / sigma^2. Of a column of the template that is
// zero it is half the block of the Hessian. Not accurate unless `keeps_digits`.
std::vector<double> covariance_derivative(Criterion& f, int factor, int first, int count);
// Flops of that, and of a gradient, about.
double covariance_derivative_cost(const Criterion& f, int factor, int count);
double gradient_cost(const Criterion& f);

// What it costs, against differences of 2 m gradients; both in flops of a dense factorization, about.
struct HessianCost {
  double exact = 0, differences = 0;
  double numbers = 0;  // of workspace
};
HessianCost hessian_cost(const Model& model);

}  // namespace mixedmodels
