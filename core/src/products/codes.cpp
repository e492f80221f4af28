#include "products/codes.hpp"

#include <algorithm>
#include <unordered_map>

#include "kernels/interrupt.hpp"

namespace mixedmodels {

namespace {

EncodedIntegers encode_by_counting(const std::int64_t* values, std::int64_t n, std::int64_t low, std::uint64_t range) {
  EncodedIntegers out;
  std::vector<std::int32_t> code_of(range + 1, 0);
  for (std::int64_t i = 0; i < n; ++i) code_of[static_cast<std::uint64_t>(values[i] - low)] = 1;
  for (std::uint64_t v = 0; v <= range; ++v) {
    if (code_of[v] == 0) continue;
    code_of[v] = static_cast<std::int32_t>(out.levels.size());
    out.levels.push_back(low + static_cast<std::int64_t>(v));
  }
  out.codes.resize(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) out.codes[i] = code_of[static_cast<std::uint64_t>(values[i] - low)];
  return out;
}

EncodedIntegers encode_by_hashing(const std::int64_t* values, std::int64_t n) {
  EncodedIntegers out;
  std::unordered_map<std::int64_t, std::int32_t> seen;
  out.codes.resize(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) {
    auto [where, fresh] = seen.try_emplace(values[i], static_cast<std::int32_t>(out.levels.size()));
    if (fresh) out.levels.push_back(values[i]);
    out.codes[i] = where->second;
    check_interrupt(20);
  }
  std::vector<std::int64_t> sorted = out.levels;
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::int32_t> rank(sorted.size());
  for (std::size_t l = 0; l < out.levels.size(); ++l) {
    auto at = std::lower_bound(sorted.begin(), sorted.end(), out.levels[l]);
    rank[l] = static_cast<std::int32_t>(at - sorted.begin());
  }
  for (auto& code : out.codes) code = rank[code];
  out.levels = std::move(sorted);
  return out;
}

}  // namespace

bool valid_codes(const std::int32_t* codes, std::int64_t n, std::int32_t n_levels, std::int32_t lowest) {
  if (n_levels < 0) return false;
  std::int32_t low = lowest, high = lowest;  // an empty array is valid
  for (std::int64_t i = 0; i < n; ++i) {
    low = std::min(low, codes[i]);
    high = std::max(high, codes[i]);
  }
  return low >= lowest && (n == 0 || high < n_levels);
}

EncodedIntegers encode_integers(const std::int64_t* values, std::int64_t n) {
  if (n == 0) return {};
  auto [low, high] = std::minmax_element(values, values + n);
  // The difference of two int64 values always fits in uint64.
  const std::uint64_t range = static_cast<std::uint64_t>(*high) - static_cast<std::uint64_t>(*low);
  const std::uint64_t moderate = 4 * static_cast<std::uint64_t>(n) + 65536;
  return range <= moderate ? encode_by_counting(values, n, *low, range) : encode_by_hashing(values, n);
}

RowsByLevel rows_by_level(const std::int32_t* codes, std::int32_t n_levels, std::int64_t n) {
  RowsByLevel out;
  out.start.assign(static_cast<std::size_t>(n_levels) + 1, 0);
  for (std::int64_t i = 0; i < n; ++i) ++out.start[codes[i] + 1];
  for (std::int32_t l = 0; l < n_levels; ++l) out.start[l + 1] += out.start[l];
  if (std::is_sorted(codes, codes + n)) return out;
  std::vector<std::int64_t> next(out.start.begin(), out.start.end() - 1);
  out.row_order.resize(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) out.row_order[next[codes[i]]++] = static_cast<std::int32_t>(i);
  return out;
}

Interaction interact(const std::int32_t* a, std::int32_t n_a, const std::int32_t* b, std::int32_t n_b, std::int64_t n) {
  Interaction out;
  out.codes.resize(static_cast<std::size_t>(n));
  const RowsByLevel rows = rows_by_level(a, n_a, n);
  auto row = [&](std::int64_t k) { return rows.row_order.empty() ? k : std::int64_t{rows.row_order[k]}; };
  std::vector<std::int32_t> stamp(static_cast<std::size_t>(n_b), -1), code(static_cast<std::size_t>(n_b), 0);
  std::vector<std::int32_t> found;
  for (std::int32_t l = 0; l < n_a; ++l) {
    found.clear();
    check_interrupt(10.0 * static_cast<double>(rows.start[l + 1] - rows.start[l]));
    for (std::int64_t k = rows.start[l]; k < rows.start[l + 1]; ++k) {
      const std::int32_t level = b[row(k)];
      if (stamp[level] == l) continue;
      stamp[level] = l;
      found.push_back(level);
    }
    std::sort(found.begin(), found.end());
    for (std::int32_t level : found) {
      code[level] = static_cast<std::int32_t>(out.level_a.size());
      out.level_a.push_back(l);
      out.level_b.push_back(level);
    }
    for (std::int64_t k = rows.start[l]; k < rows.start[l + 1]; ++k) out.codes[row(k)] = code[b[row(k)]];
  }
  return out;
}

Compaction compact(const std::int32_t* codes, std::int32_t n_levels, std::int64_t n) {
  Compaction out;
  std::vector<std::int32_t> new_code(static_cast<std::size_t>(n_levels), -1);
  for (std::int64_t i = 0; i < n; ++i) new_code[codes[i]] = 0;
  for (std::int32_t l = 0; l < n_levels; ++l) {
    if (new_code[l] < 0) continue;
    new_code[l] = static_cast<std::int32_t>(out.kept.size());
    out.kept.push_back(l);
  }
  if (static_cast<std::int32_t>(out.kept.size()) == n_levels) return out;
  out.codes.resize(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) out.codes[i] = new_code[codes[i]];
  return out;
}

}  // namespace mixedmodels
