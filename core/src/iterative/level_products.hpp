// Purpose: small products with the levels of a factor, and what a template makes of one level. Matrices are
// column-major, panels of W columns row-major.
#pragma once

#include <vector>

namespace mixedmodels {

namespace iterative {

// out (s x W) = B (s x s, column-major) in, or B' in.
void times(int s, int W, const double* B, const double* in, double* out, bool transposed);

// out = A B or A B', all s x s and column-major.
void product(int s, const double* A, const double* B, double* out, bool transposed = false);

// out (own x own) += P'K P, P being other x own.
void add_inner(int other, int own, const double* P, const double* K, double* out);

// out (other x other) += P K P'.
void add_outer(int other, int own, const double* P, const double* K, double* out);

}  // namespace iterative

// What a template makes of one level, s x s column-major each: M_l = I + lambda'A_l lambda = (C C')^-1.
struct LevelBlocks {
  std::vector<double> C, J, K, N;  // J = M_l^-1 lambda', K = lambda J, N = I - K A_l
  double logdet = 0;               // log |M_l|
  explicit LevelBlocks(int widest) : C(widest * widest), J(C), K(C), N(C), M_(C) {}
  // False where M_l is not positive definite in floating point.
  bool set(int s, const double* A, const double* lam);

 private:
  std::vector<double> M_;
};

}  // namespace mixedmodels
