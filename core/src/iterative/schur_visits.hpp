// Purpose: visits of levels and chunks, for the sources of `Schur`.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include "iterative/schur.hpp"

namespace mixedmodels {

// visit(factor, level, row) for the levels of the other factors in rows first .. last - 1.
template <typename Visit>
void Schur::each_level(std::int64_t first, std::int64_t last, Visit&& visit) const {
  for (std::size_t f = 1; f < A_.factors.size(); ++f) {
    const FactorBlock& block = A_.factors[f];
    const std::int64_t from = block.offset - own_, s = block.width;
    const std::int64_t begin = std::max(first, from), end = std::min(last, from + s * block.levels);
    for (std::int64_t row = begin; row < end; row += s) visit(static_cast<int>(f), (row - from) / s, row);
  }
}

// visit(chunk, its sums) for every chunk, and the sums are zero before.
template <typename Visit>
void Schur::sweep(int width, Visit&& visit) {
  const auto numbers = static_cast<std::size_t>(size_) * width;
  workers_.run(chunks(), [&](int chunk, int) {
    Numbers& sums = sums_[chunk];
    if (sums.size() < numbers) sums.resize(numbers);
    std::fill_n(sums.begin(), numbers, 0.0);
    visit(chunk, sums.data());
  });
}

}  // namespace mixedmodels
