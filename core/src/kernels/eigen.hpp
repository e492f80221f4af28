// Purpose: eigenvalues and vectors of small symmetric matrices.
#pragma once

#include <vector>

namespace mixedmodels {

// Eigenvalues (ascending, n) and vectors (n x n, by columns) of a symmetric matrix of which the lower triangle is read.
// NaN where the matrix is not finite.
void symmetric_eigen(int n, std::vector<double> a, std::vector<double>& values, std::vector<double>& vectors);

}  // namespace mixedmodels
