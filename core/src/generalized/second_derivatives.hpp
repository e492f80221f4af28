// Purpose: exact second derivatives of Laplace's approximation by theta and beta, and the next term of its expansion,
// as sums over connected components of levels. No rows are read but through the passes of `WeightedRows`.
//
// For a parameter a: u_a = M^-1 [Lambda_a'c - Lambda'Z'W e_a], e_a the explicit derivative of eta (X_j, or
// Z Lambda_a u), E_a = e_a + Z Lambda u_a the total one, S_a = -W E_a that of the scores; C = Lambda M^-1 Lambda',
// A = Z'WZ, T = A - A C A, P = I - C A, A_a = Z'diag(t E_a)Z, Q_a = Lambda_a Lambda' + Lambda Lambda_a'. Then
//   of 2 g:     -2 [(Lambda_a'c)'u_b + (Lambda_a u)'Z'S_b] by theta, -2 X_a'S_b by beta
//   of log|M|:  sum (t'h - t Z Lambda v) E_a E_b + (Lambda_a u_b)'d + (Lambda_a v)'Z'S_b and the same with a, b
//               exchanged - tr(C A_a C A_b) + tr(A_a P Q_b P') + tr(A_b P Q_a P') + tr(T Q_ab) - tr(T Q_a T Q_b)
// References: Wood (2011), JRSS B 73; Shun and McCullagh (1995), JRSS B 57.
#pragma once

#include <vector>

#include "criterion/pls.hpp"
#include "generalized/components.hpp"

namespace mixedmodels {

// The point of a gradient: numbers by effect in the order of the cross-products, and by row.
struct CurvaturePoint {
  const CrossProducts& A;  // with those of X
  const std::vector<ThetaEntry>& entries;
  const Squares& lam;
  const std::vector<double>&u, &score, &v, &bv, &d;  // modes, Z's, v, Lambda v, Z'rho
  const std::vector<double>&leverage, &t, &fourth;   // h, t, dt/deta
  int p;
};

// Operations of the exact sums; those of a component with very many levels are a cube of its effects.
double exact_work(const Components& components, int entries, int p, std::int64_t n);

// (m + p) x (m + p), m entries of theta; empty where M is not positive definite in floating point.
std::vector<double> exact_hessian(const CurvaturePoint& at, const WeightedRows& rows, const Components& components);

// What the next term of the expansion adds to the criterion, by component; NaN where it cannot be computed.
double next_term_work(const Components& components);
std::vector<double> next_term(const CurvaturePoint& at, const WeightedRows& rows, const Components& components);

}  // namespace mixedmodels
