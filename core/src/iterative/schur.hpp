// Purpose: the Schur complement of M = Lambda'Z'WZ Lambda + I without ever forming it.
// The first factor, which has most levels, is eliminated exactly: its block of M is block diagonal. On the random
// effects of all other factors, with D the block diagonal of their part of M and D^-1 = C C',
//
//   S = I - C'(M_RR - M_R0 M_00^-1 M_0R) C = C'Lambda' F Lambda C,    F = A_R0 K_0 A_0R - (A_RR without diagonal
//   blocks), K = lambda M_ll^-1 lambda' of each level,      log|M| = log|M_00| + log|D| + log|I - S|.
//
// For two factors S = B'B with spectrum in [0, 1); otherwise its spectrum is below 1. F is applied from the pairs of
// the cross-products as they are, one list of pairs by levels of the first of their two factors: a level gathers from
// the levels that it meets and scatters to them at once. Pairs are read once for all columns of a panel and never
// copied.
// Reference for what is eliminated: Pandolfi, Papaspiliopoulos, Zanella (2024), arXiv 2411.04729.
#pragma once

#include <cstdint>
#include <vector>

#include "iterative/level_products.hpp"
#include "iterative/pair_kernels.hpp"
#include "iterative/panel.hpp"
#include "products/crossprod.hpp"

namespace mixedmodels {

class Schur {
 public:
  // Throws std::invalid_argument where levels of one factor meet, or have a prior precision.
  Schur(const CrossProducts& A, Workers& workers);

  // Bytes that it takes.
  static double bytes(const CrossProducts& A);

  // Moves to other templates. False where a level's block is not positive definite in floating point.
  bool set(const std::vector<std::vector<double>>& lam);

  std::int64_t size() const { return size_; }
  const Parts& parts() const { return parts_; }
  const CrossProducts& A() const { return A_; }
  const std::vector<std::vector<double>>& lam() const { return lam_; }
  double logdet() const { return logdet_; }  // log|M_00| + log|D|
  double trace() const { return trace_; }    // of S, exact
  // The exact part, for each factor (s x s), of the sum of the blocks [M^-1 Lambda'Z'WZ]_ll: what is left is minus
  // the sum over an orthonormal basis of `remaining`, with y = S (I - S)^-1 z.
  const std::vector<std::vector<double>>& exact_traces() const { return exact_; }
  // The diagonal blocks of F of the levels of the other factors.
  const std::vector<double>& diagonal(int factor) const { return F_[factor]; }

  // out = S in. `raw` gets F Lambda C in, unless null.
  void multiply(const Panel& in, Panel& out, Panel* raw = nullptr);
  // What each column adds, by factor (width x s x s): C y_l raw_l' N for levels of the others, J (A_0R Lambda C y)_l
  // (A_0R Lambda C z)_l' N for those of the first.
  std::vector<std::vector<double>> remaining(const Panel& z, const Panel& y, const Panel& raw);

  // Right-hand sides: columns first .. first + count - 1 of [Z'WX, Z'Wy], q x k; the other columns of the panel are 0.
  // C'Lambda'(z_R - A_R0 K_0 z_0).
  void right_hand_sides(int first, int count, Panel& out);
  // z_0'K_0 z_0 for all columns, k x k.
  std::vector<double> eliminated_products() const;
  // u from x = (C'(M_RR - ...)C)^-1 times the right-hand side: columns of a q x k row-major matrix.
  void modes(const Panel& x, int first, int count, double* u);
  // Z'W(r - Z Lambda u) for r = X or y: columns of q x k.
  void residuals(const double* u, int first, int count, double* out);

  // (M^-1)_ll without what an orthonormal basis adds, for every level of a factor.
  void exact_inverse(int factor, double* out) const;
  // Adds weights[c] times what column c adds to it.
  void add_inverse(int factor, const Panel& z, const Panel& y, const Panel& raw, const std::vector<double>& weights,
                   double* out);

 private:
  using List = iterative::PairList;

  template <typename Visit>
  void each_level(std::int64_t first, std::int64_t last, Visit&& visit) const;
  void into(const Panel& in, Panel& out);
  template <typename Visit>
  void sweep(int width, Visit&& visit);
  void couple_others(const Panel& moved, int chunk, double sign);
  void add_sums(std::int64_t first, std::int64_t last, int width, double* out) const;
  void exact_moments();
  void add_exact_traces();
  template <typename Visit>
  void each_gathered(const Panel& moved, Visit&& visit);
  int chunks() const { return static_cast<int>(sums_.size()); }

  const CrossProducts& A_;
  Workers& workers_;
  std::int64_t size_ = 0, own_ = 0;                // random effects of the others, and of the first
  std::vector<std::vector<List>> lists_;           // of each factor, pairs with later ones
  std::vector<std::vector<std::int64_t>> bounds_;  // levels of each factor where a chunk begins
  Parts parts_;
  std::vector<std::vector<double>> lam_;
  std::vector<std::vector<double>> C_, G_, K_, F_;  // by factor, level by level; G = lambda C; K of all, others of R
  std::vector<std::vector<double>> exact_;
  std::vector<Numbers> sums_;  // of each chunk
  Panel moved_;
  double logdet_ = 0, trace_ = 0;
};

}  // namespace mixedmodels
