// Purpose: the inverse of a dense positive definite matrix, the work shared out in tiles. (The threads of a BLAS
// library are not used for it: see blas_threads.hpp.)
#pragma once

#include "kernels/workers.hpp"

namespace mixedmodels {

// X, n x n, whose lower triangle is given and which is all there afterwards. False when it is not positive definite.
bool invert_positive_definite(int n, double* X, Workers& workers);

// The upper triangle from the lower one.
void mirror(int n, double* X);

}  // namespace mixedmodels
