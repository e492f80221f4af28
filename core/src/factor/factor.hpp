// Purpose: the numbers of the sparse Cholesky factor L of M = Lambda'Z'WZ Lambda + I, solves with it, and the
// entries of M^-1 on the pattern of L.
// Precondition: the cross-products and the analysis outlive the factor. Everything is allocated by the constructor
// and by the first solve and `invert`; nothing afterwards.
// Method: supernodal elimination, right-looking inside the chunks of the analysis, in parallel over these; then the
// top, target by target. The inverse goes the other way, by the recurrence of Takahashi, Fagan and Chen (1973).
#pragma once

#include <vector>

#include "factor/symbolic.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/panel_updates.hpp"
#include "kernels/workers.hpp"
#include "products/crossprod.hpp"
#include "products/relative_covariance.hpp"

namespace mixedmodels {

class Factor {
 public:
  Factor(const CrossProducts& A, const Symbolic& symbolic, int threads = 1);

  // Renews L for the templates. False when M is not positive definite in floating point, which for finite templates
  // means overflow.
  bool renew(const Templates& lam);

  double logdet2() const;  // log |L|^2

  // In place on q rows of k numbers, row-major, in the permuted order.
  void solve_L(double* b, int k);
  void solve_Lt(double* b, int k);

  // M^-1 on the pattern of L; entry places are those of L, of each diagonal block only the lower triangle counts.
  void invert();

  // Rows and columns of M^-1 with place[position in the permuted order] not negative, n of them: whether the pattern
  // has them all, and after `invert` their n x n matrix in those places.
  bool inverse_has(const std::vector<int>& place, int n) const;
  void read_inverse(const std::vector<int>& place, int n, double* out) const;

  const std::vector<double>& panels() const { return panels_; }
  const std::vector<double>& inverse() const { return inverse_; }
  const Symbolic& symbolic() const { return S_; }
  Workers& workers() { return workers_; }

 private:
  void assemble(const Templates& lam);
  void assemble_diagonal(const FactorBlock& block, const double* lam, std::int32_t first, std::int32_t last,
                         int thread);
  void assemble_pairs(std::size_t pair, const Templates& lam, std::int32_t first, std::int32_t last, int thread);
  void add_prior(std::size_t pair, std::int32_t first, std::int32_t last);
  double solve_work(int k) const;
  void solve_own_L(const Supernode& node, double* b, int k);
  void solve_own_Lt(const Supernode& node, double* b, int k);
  bool eliminate(const Supernode& node, InterruptMeter& meter);
  bool eliminate_top(const Supernode& node, InterruptMeter& meter);
  void apply(const Supernode& node, const Update& u, int thread, InterruptMeter& meter);
  PanelBlock block_of(const Supernode& node, const Update& u, double* panels) const;

  void divide_by_own(const Supernode& node, InterruptMeter& meter);
  void multiply_inverse(const Supernode& node, const Update& u, const double* y, int columns, double* out, int thread,
                        InterruptMeter& meter);
  void finish_inverse(const Supernode& node, const double* product, InterruptMeter& meter);
  void store_product(const Supernode& node, const double* product, int first, int last);
  void invert_top(const Supernode& node, InterruptMeter& meter);
  void start_inverse(const std::vector<int>& chunk);
  void pull_inverse(int first, int last, int thread);
  void invert_chunk(const std::vector<int>& chunk, int thread);

  void reserve_below(std::size_t size);

  const CrossProducts& A_;
  const Symbolic& S_;
  Workers workers_;
  std::vector<double> panels_, inverse_;
  std::vector<std::vector<double>> work_;     // per thread: a block on its way between panels
  std::vector<std::vector<double>> scratch_;  // per thread: two blocks of a level
  std::vector<double> below_;                 // what a supernode's rows below give or take
  std::vector<double> product_;               // [M^-1]_RR Y of the supernodes in chunks
};

}  // namespace mixedmodels
