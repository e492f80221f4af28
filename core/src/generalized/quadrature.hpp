// Purpose: -2 log-likelihood of a generalized model with one grouping factor by adaptive Gauss-Hermite quadrature, and
// what its exact gradient needs beside that of Laplace's approximation.
//
// Level by level, with M = L L' at the mode, nodes x and weights of the standard normal: u_k = u + L^-T x_k, and
//   f = sum over levels of log |M| - 2 log sum_k weight_k exp(-g(u_k) + x_k'x_k / 2).
// The nodes move with the mode and with L, which the gradient takes into account. One node is Laplace's approximation.
// References: Pinheiro and Bates (1995), JCGS 4; Pinheiro and Chao (2006), JCGS 15.
#pragma once

#include <vector>

#include "criterion/pls.hpp"
#include "generalized/family.hpp"
#include "generalized/parameters.hpp"
#include "generalized/weighted_rows.hpp"

namespace mixedmodels {

// A mode and what belongs to it; rows in the order of the levels.
struct ModePoint {
  const CrossProducts& A;
  const std::vector<double>& lam;  // of the factor
  const std::vector<double>&u, &eta, &y, &m;
  const Family& family;
  const ParameterRows& parameters;
};

class Quadrature {
 public:
  // Throws std::invalid_argument where there are several factors, or more than three effects per level.
  Quadrature(int nodes, const CrossProducts& A, const WeightedRows& rows, int parameters);

  double value(const ModePoint& at);

  // Means over the nodes, weighted by their parts of the integral; at the point of the last value.
  void find_means(const ModePoint& at);
  const std::vector<double>& score() const { return score_; }          // n, of s
  const std::vector<double>& slope() const { return slope_; }          // q, of dg/du
  const std::vector<double>& leverage() const { return leverage_; }    // n, in the place of row leverages
  const std::vector<double>& templates() const { return templates_; }  // s x s, in the place of traces less Z's u'
  // Of every parameter of the family dl/dpsi (n).
  const std::vector<std::vector<double>>& parameter() const { return parameter_; }

 private:
  void prepare(const ModePoint& at);
  RowBlock block(const ModePoint& at, std::int64_t first, int count) const;
  void node_at(int node, std::int32_t level, const ModePoint& at, double* u, double* shift);

  const WeightedRows& rows_;
  std::int32_t levels_;
  int width_, count_ = 1;                   // effects of a level, nodes of all dimensions
  std::vector<double> nodes_, log_weight_;  // count x width, count
  std::vector<std::int64_t> start_;         // of the rows of every level
  std::vector<double> L_;                   // levels x width x width
  std::vector<double> log_part_, log_sum_, eta_, s_, w_, t_;
  std::vector<double> score_, slope_, leverage_, templates_;
  std::vector<std::vector<double>> parameter_;
};

}  // namespace mixedmodels
