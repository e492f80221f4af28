// Purpose: A, the cross-products of [Z, X, y] with weights, in blocks; the last place where rows are read.
// X and y stand for what a frame makes of them (see basis.hpp). Every entry is a sum over rows, so that products on one
// pattern are a vector space: rows are added and taken away, sums of parts are added, and products with other weights
// or of correlated rows are linear combinations. What meets what is in the pattern, which the products share.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "products/basis.hpp"
#include "products/pattern.hpp"
#include "products/rows.hpp"

namespace mixedmodels {

// A precision between the levels of a factor in the place of the identity: the random effects u of one of its columns
// add u'Qu to the penalized sum of squares.
struct Prior {
  std::vector<double> diagonal;  // by level; empty: the identity
  std::vector<double> pairs;     // at the pairs of the factor with itself
  double logdet = 0;             // log |Q|
};

struct FactorBlock : FactorShape {
  std::vector<double> diagonal;  // levels x width x width, each block symmetric
  std::vector<double> T = {};    // as in FactorRows
  Prior prior = {};
};

// Z_b'W Z_a for two factors a <= b, at the pairs of the pattern.
struct PairBlock {
  int a = 0, b = 0;
  std::span<const std::int64_t> start;
  std::span<const std::int32_t> level_b;
  std::vector<double> values;  // one width_b x width_a column-major block per pair
};

struct CrossProducts {
  std::shared_ptr<const Pattern> pattern;
  std::int64_t n = 0, q = 0, nodes = 0;  // n: rows with a weight above zero
  int p = 0;
  int k() const { return p + 1; }
  double bytes() const;
  bool has_prior() const;
  int widest() const;  // most coefficients per level of a factor, 1 at least
  std::vector<FactorBlock> factors;
  std::vector<PairBlock> pairs;
  std::vector<double> ZtX;  // q x k row-major, the last column is Z'W y
  std::vector<double> XtX;  // k x k symmetric, the last row and column are those of y
  double sum_log_weights = 0;
  double unit = 1;       // of the response as it is in the products, and so of coefficients, modes and sigma
  double logdet_R2 = 0;  // log |R|^2 of the frame: log |X'V^-1X| of the columns kept is that of the frame plus this

  // Of other rows in the same frame and on the same pattern. Throws std::invalid_argument where these differ.
  CrossProducts& operator+=(const CrossProducts& other);
};

CrossProducts zero_products(std::shared_ptr<const Pattern> pattern, const Rows& rows, const Frame& frame);

CrossProducts cross_products(const Rows& rows, const Frame& frame, int threads = 1);
// The same on a pattern that has all pairs of the rows.
CrossProducts cross_products(const Rows& rows, const Frame& frame, std::shared_ptr<const Pattern> pattern,
                             int threads = 1);

// Adds rows first .. last - 1, or those of a list, with their weights times `sign`, 1 or -1. The pattern must have the
// pairs of these rows; std::invalid_argument where it has not.
void add_rows(const Rows& rows, const Frame& frame, std::int64_t first, std::int64_t last, int sign, CrossProducts& A);
void add_rows(const Rows& rows, const Frame& frame, const std::int64_t* which, std::int64_t count, int sign,
              CrossProducts& A);

// Adds one row with weight w to the block of two levels, width_b x width_a.
inline void add_outer(const FactorRows& a, const FactorRows& b, std::int64_t row, double w, double* v) {
  const int sa = a.width(), sb = b.width();
  for (int c = 0; c < sa; ++c) {
    const double wz = w * a.z[c][row];
    for (int r = 0; r < sb; ++r) v[r + c * sb] += wz * b.z[r][row];
  }
}

// A + c B of all sums over rows, A and B as for +=. The numbers of rows and the weights' logarithms, which are not
// linear in the weights, stay those of A.
void axpy(double c, const CrossProducts& B, CrossProducts& A);

// Throws std::invalid_argument, naming what was asked for, where levels of one factor meet or have a prior precision.
void require_independent_levels(const CrossProducts& A, const char* what);

// A precision Q between the levels of a factor: its diagonal, the entries of one triangle at pairs of levels that the
// pattern has (see with_ties), and log |Q|. Throws std::invalid_argument where a pair is missing or a number
// impossible.
struct PriorEntry {
  std::int32_t l = 0, m = 0;
  double value = 0;
};
void set_prior(CrossProducts& A, int factor, std::vector<double> diagonal, const std::vector<PriorEntry>& entries,
               double logdet);

// Sets everything that is a sum over rows to zero.
void set_zero(CrossProducts& A);

// The same numbers on a pattern that has more pairs.
CrossProducts on_pattern(const CrossProducts& A, std::shared_ptr<const Pattern> pattern);

// Replaces the response of frame and products by that of `rows`, which are otherwise those they were made from.
void renew_response(const Rows& rows, Frame& frame, CrossProducts& A);

// The same from sums over rows, for products in an orthogonal basis: Z'W y (q) and y'W y of what the fixed part leaves
// of the response, with the coefficients of the basis (p) between them. In the unit of the products.
inline std::int64_t response_sums(const CrossProducts& A) { return A.q + A.p + 1; }
void renew_response(const double* sums, Frame& frame, CrossProducts& A);

// Goes on to the frame in which X'WX is the identity and X'Wy zero, from the products alone. False, and nothing has
// changed, where X'WX is not positive definite in floating point.
bool orthonormalize(Frame& frame, CrossProducts& A);

// The products in the frame in which X'WX is the identity and X'Wy zero: those given where they are so already, up to
// rounding; a copy otherwise.
class OrthonormalProducts {
 public:
  explicit OrthonormalProducts(const CrossProducts& A);
  const CrossProducts& get() const { return *chosen_; }

 private:
  CrossProducts own_;
  const CrossProducts* chosen_;
};

// Products with the residual r = y - X beta - Z b of a chosen point; see profiled_deviance.hpp for why.
struct ReferencePoint {
  std::vector<double> b;     // q
  std::vector<double> beta;  // p, coefficients of the frame
  std::vector<double> Ztr;   // Z'W r
  std::vector<double> Xtr;   // X'W r
  double rtr = 0;            // r'W r
};
ReferencePoint reference_point(const Rows& rows, const Frame& frame, const CrossProducts& A, const double* b,
                               const double* beta);

}  // namespace mixedmodels
