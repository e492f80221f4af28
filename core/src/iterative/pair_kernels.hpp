// Purpose: what a level gathers from the levels that it meets, and scatters to them, for a panel of fixed width.
#pragma once

#include <cstdint>

namespace mixedmodels::iterative {

// Pairs of every level of a factor with those of another: blocks of other x own, column-major.
struct PairList {
  const std::int64_t* start;
  const std::int32_t* level;
  const double* value;
  std::int64_t row;  // first row of the other factor in panels
  int width;         // of the other factor
  int factor;        // the other factor
};

// t (own x panel width) = sum over the pairs of block' times the rows of `in`.
using Gather = void (*)(const PairList* lists, int count, std::int64_t level, int own, const double* in, double* t);
// Rows of `out` += block times t.
using Scatter = void (*)(const PairList* lists, int count, std::int64_t level, int own, const double* t, double* out);

struct PairKernels {
  Gather gather;
  Scatter scatter;
};
PairKernels pair_kernels(int panel_width);

// Pairs of a level in all lists.
inline std::int64_t pairs_of(const PairList* lists, int count, std::int64_t level) {
  std::int64_t sum = 0;
  for (int i = 0; i < count; ++i) sum += lists[i].start[level + 1] - lists[i].start[level];
  return sum;
}

}  // namespace mixedmodels::iterative
