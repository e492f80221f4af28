// Purpose: which levels meet, from codes alone: where the numbers of cross-products stand, and all that the order of
// elimination and the symbolic analysis need. No numbers here, so that whatever comes from a pattern outlives every
// new response, new weights and new rows that bring no new pairs.
//
// Two levels meet when they occur in the same row. Levels of one factor do so where a row has several of them
// (memberships); they are also tied where neighbouring rows are correlated, or by a prior precision. Such pairs stand
// in a block of the factor with itself.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "products/rows.hpp"

namespace mixedmodels {

struct FactorShape {
  std::int32_t levels = 0;
  int width = 0;                // random effects per level
  std::int64_t offset = 0;      // position of the factor's first random effect; level l starts at offset + l * width
  std::int64_t first_node = 0;  // position of its first level in the graph of all levels
};

// Pairs of levels of two factors a <= b: levels of a in order, each with the ascending levels of b that it meets; those
// after it where both are the same factor.
struct PairPattern {
  int a = 0, b = 0;
  std::vector<std::int64_t> start;  // levels of a + 1
  std::vector<std::int32_t> level_b;
};

struct Pattern {
  std::int64_t q = 0, nodes = 0;
  std::vector<FactorShape> factors;
  std::vector<PairPattern> pairs;  // by a, then b; every two factors, and of one factor with itself where there are any

  bool has_own_pairs() const;
};

Pattern pattern_of(const Rows& rows, int threads = 1);

// Factors of these levels and widths, and no pairs.
Pattern pattern_of(const std::vector<std::int32_t>& levels, const std::vector<int>& widths);

// Levels of one factor that are tied to each other, as pairs of different levels in any order.
Pattern with_ties(const Pattern& pattern, int factor, std::vector<std::pair<std::int32_t, std::int32_t>> ties);

// All pairs of both. Throws std::invalid_argument where the factors differ.
Pattern merge(const Pattern& one, const Pattern& other);

// Where the pair of two levels stands in the pattern's lists, -1 where they do not meet.
std::int64_t find_pair(const std::int64_t* start, const std::int32_t* level_b, std::int32_t a, std::int32_t b);

// What was asked for reads the rows, and only sums over them are here.
class RowsNeeded : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// Throws RowsNeeded, naming what was asked for, where there are no rows; the first also std::invalid_argument where
// they have several levels of a factor.
void require_one_level(const Rows& rows, const char* what);
void require_rows(const Rows& rows, const char* what);

}  // namespace mixedmodels
