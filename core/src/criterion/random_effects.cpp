// The random effects given the response: the spherical modes u at any coefficients, and the conditional covariances of
// b = Lambda u.
#include "criterion/pls.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

// u in the order of the cross-products.
void Pls::solve_random() {
  const int k = A_.k(), p = A_.p;
  for (std::int64_t i = 0; i < A_.q; ++i) {
    const double* row = RZX_.data() + i * k;
    permuted_[i] = row[p] - small::dot(p, row, beta_.data());
  }
  factor_.solve_Lt(permuted_.data(), 1);
  for (std::int64_t i = 0; i < A_.q; ++i) u_[i] = permuted_[S_.permuted[i]];
}

// b = Lambda u.
void Pls::random_effects(double* b) const { apply_templates(A_, lam_, u_.data(), b); }

// lam [M^-1]_ll lam' of every level.
void Pls::conditional_covariance(int f, double* out) const {
  const FactorBlock& block = A_.factors[f];
  const int s = block.width;
  const double* lam = lam_[f].data();
  for (std::int32_t l = 0; l < block.levels; ++l) {
    const std::int64_t node = block.first_node + l;
    const double* z = factor_.inverse().data() + S_.diagonal_at[node];
    double* target = out + std::int64_t{l} * s * s;
    check_interrupt(1.0 * s * s * s * s);
    for (int c = 0; c < s; ++c)
      for (int r = 0; r < s; ++r) {
        double sum = 0;
        for (int i = 0; i <= r; ++i)
          for (int j = 0; j <= c; ++j)
            sum += lam[r + i * s] * small::symmetric_at(z, S_.leading[node], i, j) * lam[c + j * s];
        target[r + c * s] = sum;
      }
  }
}

}  // namespace mixedmodels
