// Purpose: second-order check of a point: by how much the criterion may still decrease, and a direction of negative
// curvature if the point is a saddle.
// The Hessian is the model of the search. Its blocks at columns of templates that are zero, where symmetry hides a
// saddle from the gradient, are made from differences of the exact gradient; the predicted decrease is confirmed by one
// product of the exact Hessian with the Newton direction, unless the last step of the search was such a product.
#pragma once

#include <functional>
#include <vector>

#include "criterion/objective.hpp"

namespace mixedmodels {

struct Optimality {
  double value = 0;
  std::vector<double> gradient;  // m, of all parameters
  std::vector<double> hessian;   // m x m, the model with its columns at zeros replaced
  double decrement = 0;          // g'H^-1 g / 2 over the entries that may move
  double max_gradient = 0;       // the largest of these, absolute
  std::vector<double> downhill;  // m, a direction of negative curvature; empty when there is none
};

// Entries of theta that the criterion does not depend on, and how a theta becomes one of the same criterion that is
// zero there. Both speak of theta of the caller's columns of Z, which the core has along the axes.
struct Idle {
  std::vector<char> dead;  // m
  std::function<std::vector<double>(std::vector<double>)> settled;
};

// `model` is m x m; `idle` may be null. The evaluator may end at another theta. A search that is given up where second
// derivatives cannot be computed has no model, or one with entries that are not finite: every parameter is then taken
// to curve as it does in its natural unit.
Optimality check_optimum(Objective& f, const std::vector<double>& theta, const std::vector<double>& model,
                         bool confirmed, const Idle* idle = nullptr);

}  // namespace mixedmodels
