// Purpose: integer codes of grouping factors, each function one or two passes over the rows.
// A code is the 0-based position of a row's level in the factor's table of levels; codes lie in [0, levels). Codes
// index arrays without further checks, so a caller that takes them from outside calls `valid_codes` once before.
#pragma once

#include <cstdint>
#include <vector>

namespace mixedmodels {

struct EncodedIntegers {
  std::vector<std::int32_t> codes;
  std::vector<std::int64_t> levels;  // ascending
};

struct Interaction {
  std::vector<std::int32_t> codes;
  std::vector<std::int32_t> level_a, level_b;  // the observed combinations, sorted by (a, b)
};

struct Compaction {
  std::vector<std::int32_t> codes;  // empty when every level is used: the codes stay as they are
  std::vector<std::int32_t> kept;   // levels in use, ascending
};

// Whether all codes lie in [lowest, n_levels); `lowest` is 0, or -1 where that stands for an unknown level. One pass.
bool valid_codes(const std::int32_t* codes, std::int64_t n, std::int32_t n_levels, std::int32_t lowest = 0);

// Codes of arbitrary integers. Counts when their range is moderate, hashes otherwise.
EncodedIntegers encode_integers(const std::int64_t* values, std::int64_t n);

// The interaction of two coded factors; work and memory depend on the rows and the levels, never on n_a * n_b.
Interaction interact(const std::int32_t* a, std::int32_t n_a, const std::int32_t* b, std::int32_t n_b, std::int64_t n);

// Drops the levels that no row uses.
Compaction compact(const std::int32_t* codes, std::int32_t n_levels, std::int64_t n);

// Rows in ascending order of their code, stable: row_order[start[l] .. start[l + 1]) are the rows of level l.
struct RowsByLevel {
  std::vector<std::int64_t> start;
  std::vector<std::int32_t> row_order;  // empty when the rows are sorted by level already
};
RowsByLevel rows_by_level(const std::int32_t* codes, std::int32_t n_levels, std::int64_t n);

}  // namespace mixedmodels
