#include "products/pattern.hpp"

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <string>

#include "kernels/interrupt.hpp"
#include "kernels/memory.hpp"
#include "kernels/workers.hpp"
#include "products/codes.hpp"

namespace mixedmodels {

namespace {

// The rows of every level of a factor, and for levels of another one those that they meet.
class Meetings {
 public:
  Meetings(const Rows& rows, int a)
      : rows_(rows), a_(a), by_level_(rows_by_level(of_a().codes, of_a().levels, of_a().entries(rows.n))) {
    if (of_a().several()) row_of_entry_ = of_a().rows_of_entries(rows.n);
  }

  PairPattern with(int b, Workers& workers) const {
    const RowRanges ranges(of_a().entries(rows_.n), 2);
    std::vector<PairPattern> parts(static_cast<std::size_t>(ranges.count()));
    // Ranges of levels with about as many rows each.
    auto level_at = [&](int part) {
      if (part == ranges.count()) return of_a().levels;
      const auto at = std::lower_bound(by_level_.start.begin(), by_level_.start.end(), ranges.begin(part));
      return static_cast<std::int32_t>(std::min<std::int64_t>(at - by_level_.start.begin(), of_a().levels));
    };
    workers.run(ranges.count(), [&](int part, int) {
      if (of_a().several() || rows_.factors[b].several())
        collect<true>(b, level_at(part), level_at(part + 1), parts[part]);
      else
        collect<false>(b, level_at(part), level_at(part + 1), parts[part]);
    });
    return joined(b, parts);
  }

 private:
  const FactorRows& of_a() const { return rows_.factors[a_]; }

  // The pairs of levels first .. last - 1, `start` counting from 0 and without its first entry.
  template <bool several>
  void collect(int b, std::int32_t first, std::int32_t last, PairPattern& out) const {
    const FactorRows& of_b = rows_.factors[b];
    std::vector<std::int32_t> stamp(of_b.levels, -1);
    for (std::int32_t l = first; l < last; ++l) {
      const std::size_t begin = out.level_b.size();
      const std::int64_t count = by_level_.start[l + 1] - by_level_.start[l];
      check_interrupt(8.0 * static_cast<double>(count));
      grow_within_memory(out.level_b, static_cast<std::size_t>(std::min<std::int64_t>(count, of_b.levels)),
                         "The cross-products of two grouping factors", "pairs of levels");
      auto add = [&](std::int32_t m) {
        if (stamp[m] == l) return;
        stamp[m] = l;
        out.level_b.push_back(m);
      };
      for (std::int64_t i = by_level_.start[l]; i < by_level_.start[l + 1]; ++i) {
        const std::int64_t entry = by_level_.row_order.empty() ? i : by_level_.row_order[i];
        if constexpr (several) {
          const std::int64_t row = row_of_entry_.empty() ? entry : row_of_entry_[entry];
          of_b.each_member(row, [&](std::int32_t m, double) {
            if (a_ != b || m > l) add(m);
          });
        } else {
          add(of_b.codes[entry]);
        }
      }
      const auto own = out.level_b.begin() + static_cast<std::ptrdiff_t>(begin);
      if (!std::is_sorted(own, out.level_b.end())) std::sort(own, out.level_b.end());
      out.start.push_back(static_cast<std::int64_t>(out.level_b.size()));
    }
  }

  PairPattern joined(int b, std::vector<PairPattern>& parts) const {
    PairPattern out;
    out.a = a_;
    out.b = b;
    out.start.reserve(static_cast<std::size_t>(of_a().levels) + 1);
    out.start.push_back(0);
    for (PairPattern& part : parts) {
      const auto shift = static_cast<std::int64_t>(out.level_b.size());
      for (std::int64_t end : part.start) out.start.push_back(shift + end);
      if (out.level_b.empty())
        out.level_b = std::move(part.level_b);
      else
        out.level_b.insert(out.level_b.end(), part.level_b.begin(), part.level_b.end());
    }
    return out;
  }

  const Rows& rows_;
  int a_;
  RowsByLevel by_level_;
  std::vector<std::int64_t> row_of_entry_;
};

bool same_shape(const FactorShape& a, const FactorShape& b) { return a.levels == b.levels && a.width == b.width; }

// The union of two lists of pairs of the same factors.
PairPattern merged(const PairPattern& one, const PairPattern& other) {
  PairPattern out{one.a, one.b, {0}, {}};
  for (std::size_t l = 0; l + 1 < one.start.size(); ++l) {
    std::set_union(one.level_b.begin() + one.start[l], one.level_b.begin() + one.start[l + 1],
                   other.level_b.begin() + other.start[l], other.level_b.begin() + other.start[l + 1],
                   std::back_inserter(out.level_b));
    out.start.push_back(static_cast<std::int64_t>(out.level_b.size()));
  }
  return out;
}

bool before(const PairPattern& one, const PairPattern& other) {
  return std::pair(one.a, one.b) < std::pair(other.a, other.b);
}

}  // namespace

bool Pattern::has_own_pairs() const {
  return std::any_of(pairs.begin(), pairs.end(),
                     [](const PairPattern& pair) { return pair.a == pair.b && !pair.level_b.empty(); });
}

Pattern pattern_of(const std::vector<std::int32_t>& levels, const std::vector<int>& widths) {
  Pattern out;
  for (std::size_t f = 0; f < levels.size(); ++f) {
    out.factors.push_back({levels[f], widths[f], out.q, out.nodes});
    out.q += std::int64_t{levels[f]} * widths[f];
    out.nodes += levels[f];
  }
  return out;
}

Pattern pattern_of(const Rows& rows, int threads) {
  Workers workers(threads);
  std::vector<std::int32_t> levels;
  std::vector<int> widths;
  for (const FactorRows& f : rows.factors) levels.push_back(f.levels), widths.push_back(f.width());
  Pattern out = pattern_of(levels, widths);
  const int factors = static_cast<int>(rows.factors.size());
  for (int a = 0; a < factors; ++a) {
    const bool several = rows.factors[a].several();
    if (a + 1 == factors && !several) continue;
    const Meetings of_a(rows, a);
    for (int b = several ? a : a + 1; b < factors; ++b) out.pairs.push_back(of_a.with(b, workers));
  }
  return out;
}

Pattern with_ties(const Pattern& pattern, int factor, std::vector<std::pair<std::int32_t, std::int32_t>> ties) {
  const std::int32_t levels = pattern.factors.at(static_cast<std::size_t>(factor)).levels;
  for (auto& [l, m] : ties) {
    if (l > m) std::swap(l, m);
    if (l < 0 || m >= levels || l == m)
      throw std::invalid_argument("Levels " + std::to_string(l) + " and " + std::to_string(m) +
                                  " cannot be tied: two different levels of the factor are wanted.");
  }
  std::sort(ties.begin(), ties.end());
  ties.erase(std::unique(ties.begin(), ties.end()), ties.end());
  PairPattern own{factor, factor, std::vector<std::int64_t>(static_cast<std::size_t>(levels) + 1, 0), {}};
  for (const auto& [l, m] : ties) {
    ++own.start[l + 1];
    own.level_b.push_back(m);
  }
  for (std::int32_t l = 0; l < levels; ++l) own.start[l + 1] += own.start[l];
  Pattern tied = pattern;
  tied.pairs = {std::move(own)};
  return merge(pattern, tied);
}

Pattern merge(const Pattern& one, const Pattern& other) {
  if (!std::equal(one.factors.begin(), one.factors.end(), other.factors.begin(), other.factors.end(), same_shape))
    throw std::invalid_argument("Patterns can be merged only where they have the same factors, levels and effects.");
  Pattern out = one;
  out.pairs.clear();
  auto i = one.pairs.begin(), j = other.pairs.begin();
  while (i != one.pairs.end() || j != other.pairs.end()) {
    if (j == other.pairs.end() || (i != one.pairs.end() && before(*i, *j)))
      out.pairs.push_back(*i++);
    else if (i == one.pairs.end() || before(*j, *i))
      out.pairs.push_back(*j++);
    else
      out.pairs.push_back(merged(*i++, *j++));
  }
  return out;
}

std::int64_t find_pair(const std::int64_t* start, const std::int32_t* level_b, std::int32_t a, std::int32_t b) {
  const std::int32_t *begin = level_b + start[a], *end = level_b + start[a + 1];
  const std::int32_t* found = std::lower_bound(begin, end, b);
  return found != end && *found == b ? found - level_b : -1;
}

void require_rows(const Rows& rows, const char* what) {
  if (!rows.present())
    throw RowsNeeded(std::string(what) +
                     " cannot be computed without the rows of the data; only sums over them are here.");
}

void require_one_level(const Rows& rows, const char* what) {
  require_rows(rows, what);
  for (const FactorRows& f : rows.factors)
    if (f.several())
      throw std::invalid_argument(std::string(what) + " is not available where rows have several levels of a factor.");
}

}  // namespace mixedmodels
