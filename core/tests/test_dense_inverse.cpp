// The inverse of a positive definite matrix of any size, in tiles, against the textbook's.
#include "check.hpp"
#include "dense.hpp"
#include "kernels/dense_inverse.hpp"
#include "random.hpp"

namespace mm = mixedmodels;

namespace {

dense::Matrix<double> positive_definite(Random& random, int n) {
  dense::Matrix<double> root(n, n + 5);
  root.a = random.normals(n * (n + 5));
  return root * dense::transpose(root);
}

TEST(inverses_of_all_sizes) {
  for (int n : {0, 1, 2, 12, 13, 100, 256, 257, 384, 400}) {
    Random random(n + 1);
    const dense::Matrix<double> A = positive_definite(random, n);
    const dense::Matrix<double> expected = dense::inverse_from_cholesky(dense::cholesky(A));
    std::vector<double> first;
    for (int threads : {1, 3}) {
      check::at(std::to_string(n) + " with threads " + std::to_string(threads));
      mm::Workers workers(threads);
      dense::Matrix<double> found = A;
      for (int c = 0; c < n; ++c)
        for (int r = 0; r < c; ++r) found(r, c) = NAN;  // not looked at
      CHECK(mm::invert_positive_definite(n, found.a.data(), workers));
      CHECK_ERROR("inverse", dense::relative_difference(found, expected), 1e-8);
      if (threads == 1) first = found.a;
      CHECK(found.a == first);
    }
  }
}

TEST(not_positive_definite) {
  for (int n : {5, 50, 300}) {
    Random random(n);
    dense::Matrix<double> A = positive_definite(random, n);
    A(n - 1, n - 1) = -1;
    mm::Workers workers(2);
    CHECK(!mm::invert_positive_definite(n, A.a.data(), workers));
  }
}

}  // namespace
