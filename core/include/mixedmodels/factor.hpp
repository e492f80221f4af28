// Purpose: the numbers of the sparse Cholesky factor L of M = Lambda'Z'WZ Lambda + I, solves with it, and the
// entries of M^-1 on the pattern of L.
// Precondition: the cross-products and the analysis outlive the factor. Everything is allocated by the constructor
// and by the first `invert`; nothing afterwards.
// Method: right-looking supernodal elimination; the inverse by the recurrence of Takahashi, Fagan and Chen (1973)
// on the same panels, from the last supernode to the first.
#pragma once

#include <vector>

#include "mixedmodels/crossprod.hpp"
#include "mixedmodels/symbolic.hpp"

namespace mixedmodels {

class Factor {
 public:
  Factor(const CrossProducts& A, const Symbolic& symbolic);

  // Renews L for templates `lam` (one width x width column-major lower triangle per factor). False when M is not
  // positive definite in floating point, which for finite templates means overflow.
  bool renew(const std::vector<std::vector<double>>& lam);

  double logdet2() const;  // log |L|^2

  // In place on q rows of k numbers, row-major, in the permuted order.
  void solve_L(double* b, int k);
  void solve_Lt(double* b, int k);

  // M^-1 on the pattern of L; entry places are those of L, of each diagonal block only the lower triangle counts.
  void invert();

  const std::vector<double>& panels() const { return panels_; }
  const std::vector<double>& inverse() const { return inverse_; }

 private:
  void assemble(const std::vector<std::vector<double>>& lam);
  bool eliminate(const Supernode& node);
  void update_ancestors(const Supernode& node);
  void invert_supernode(const Supernode& node);
  void reserve_below(std::size_t size);
  void multiply_inverse(const Supernode& node, const double* y, double* out);

  const CrossProducts& A_;
  const Symbolic& S_;
  std::vector<double> panels_, inverse_;
  std::vector<double> work_;   // an update on its way to its target
  std::vector<double> below_;  // what a supernode's rows below give or take
};

}  // namespace mixedmodels
