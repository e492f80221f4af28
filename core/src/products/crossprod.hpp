// Purpose: A, the cross-products of [Z, X, y] with weights, in blocks; the last place where rows are read.
// X stands for the orthogonal basis X R^-1 and y for the least-squares residual (see basis.hpp).
// Every entry is a sum over rows. Levels of one factor never meet in a row, so a factor's own block is
// block-diagonal; two factors meet in the pairs of levels that occur.
#pragma once

#include <cstdint>
#include <vector>

#include "products/basis.hpp"
#include "products/rows.hpp"

namespace mixedmodels {

struct FactorBlock {
  std::int32_t levels = 0;
  int width = 0;                 // random effects per level
  std::int64_t offset = 0;       // position of the factor's first random effect; level l starts at offset + l * width
  std::int64_t first_node = 0;   // position of its first level in the graph of all levels
  std::vector<double> diagonal;  // levels x width x width, each block symmetric
  std::vector<double> T = {};    // as in FactorRows
};

// Z_b'W Z_a for two factors a before b: levels of a in order, each with the ascending levels of b that it meets.
struct PairBlock {
  int a = 0, b = 0;
  std::vector<std::int64_t> start;  // levels of a + 1
  std::vector<std::int32_t> level_b;
  std::vector<double> values;  // one width_b x width_a column-major block per pair
};

struct CrossProducts {
  std::int64_t n = 0, q = 0, nodes = 0;
  int p = 0;
  int k() const { return p + 1; }
  double bytes() const;
  std::vector<FactorBlock> factors;
  std::vector<PairBlock> pairs;
  std::vector<double> ZtX;  // q x k row-major, the last column is Z'W y
  std::vector<double> XtX;  // k x k symmetric, the last row and column are those of y
  double sum_log_weights = 0;
  double unit = 1;       // of the response as it is in the products, and so of coefficients, modes and sigma
  double logdet_R2 = 0;  // log |R|^2 of the basis: log |X'V^-1X| of the columns kept is that of the basis plus this
};

CrossProducts cross_products(const Rows& rows, const OrthogonalBasis& basis, int threads = 1);

// Replaces the response of basis and products by that of `rows`, which are otherwise those they were made from.
void renew_response(const Rows& rows, OrthogonalBasis& basis, CrossProducts& A);

// Products with the residual r = y - X beta - Z b of a chosen point; see pls.hpp for why.
struct ReferencePoint {
  std::vector<double> b;     // q
  std::vector<double> beta;  // p, coefficients of the basis
  std::vector<double> Ztr;   // Z'W r
  std::vector<double> Xtr;   // X'W r
  double rtr = 0;            // r'W r
};
ReferencePoint reference_point(const Rows& rows, const OrthogonalBasis& basis, const CrossProducts& A, const double* b,
                               const double* beta);

}  // namespace mixedmodels
