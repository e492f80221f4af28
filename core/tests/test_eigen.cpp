// Eigenvalues and vectors of symmetric matrices.
#include <algorithm>
#include <cmath>
#include <vector>

#include "check.hpp"
#include "dense.hpp"
#include "kernels/eigen.hpp"
#include "random.hpp"

namespace mm = mixedmodels;

namespace {

TEST(eigenvalues_and_vectors) {
  Random random(1);
  for (int n : {1, 2, 3, 5, 8, 15})
    for (double spread : {1.0, 1e6}) {
      dense::Matrix<double> a(n, n), V(n, n), values_V(n, n);
      for (int j = 0; j < n; ++j)
        for (int i = 0; i <= j; ++i) a(i, j) = a(j, i) = random.normal() * (i == j ? spread : 1);
      std::vector<double> values;
      mm::symmetric_eigen(n, a.a, values, V.a);
      CHECK(std::is_sorted(values.begin(), values.end()));
      for (int j = 0; j < n; ++j)
        for (int i = 0; i < n; ++i) values_V(i, j) = V(i, j) * values[j];
      CHECK_ERROR("V'V", dense::relative_difference(dense::transpose(V) * V, dense::identity<double>(n)), 1e-12);
      CHECK_ERROR("A V", dense::relative_difference(a * V, values_V), 1e-12);
    }
  std::vector<double> values, vectors;
  mm::symmetric_eigen(2, {0, 0, 0, 0}, values, vectors);
  CHECK(values[0] == 0 && values[1] == 0);
  mm::symmetric_eigen(2, {1, NAN, NAN, 1}, values, vectors);
  CHECK(std::isnan(values[0]) && std::isnan(vectors[3]));
}

}  // namespace
