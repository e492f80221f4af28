// Purpose: what gradient and Hessian say of a point: how much the criterion may still fall, and which way if the
// point is a saddle.
// The Hessian is the exact one (hessian.hpp), or made from differences of the exact gradient: all of it; or, where both
// are expensive, the columns that stand at a zero held by symmetry, and products with the directions in which the
// gradient promises something.
#pragma once

#include <vector>

#include "mixedmodels/evaluator.hpp"
#include "mixedmodels/order.hpp"

namespace mixedmodels {

struct Verdict {
  double value = 0;
  std::vector<double> gradient;  // m
  std::vector<double> hessian;   // m x m; the learnt one, zero columns excepted, where `learnt` was given
  bool exact = true;             // nothing of it was learnt
  int products = 0;              // of the exact Hessian with a direction
  double decrement = 0;          // g'H^-1 g / 2 over the entries that may move
  double max_gradient = 0;       // the largest of these, absolute
  std::vector<double> downhill;  // m, a direction of negative curvature; empty when there is none
};

// `graph`, when not null, asks for the exact Hessian. Without it, or where that would lose its digits: `learnt` (m x m)
// may be null, then all columns are made from differences. Else it is the preconditioner of conjugate gradients with
// exact products, and the decrement is theirs; a search whose last step was `confirmed` has made the one product that
// these begin with. The evaluator may end at another theta.
Verdict examine(Evaluator& f, Criterion criterion, const std::vector<double>& theta, const double* learnt,
                bool confirmed = false, const LevelGraph* graph = nullptr);

// Eigenvalues (ascending) and vectors (columns) of a symmetric matrix, by Jacobi rotations.
void symmetric_eigen(int n, std::vector<double> a, std::vector<double>& values, std::vector<double>& vectors);

}  // namespace mixedmodels
