// Integer codes of grouping factors against sets and maps.
#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "check.hpp"
#include "products/codes.hpp"
#include "random.hpp"

namespace mm = mixedmodels;

namespace {

void check_encoding(const std::vector<std::int64_t>& values) {
  const mm::EncodedIntegers out = mm::encode_integers(values.data(), static_cast<std::int64_t>(values.size()));
  const std::set<std::int64_t> distinct(values.begin(), values.end());
  CHECK(out.levels == std::vector<std::int64_t>(distinct.begin(), distinct.end()));
  CHECK(out.codes.size() == values.size());
  bool same = true;
  for (std::size_t i = 0; i < values.size(); ++i) same = same && out.levels[out.codes[i]] == values[i];
  CHECK(same);
}

TEST(encodes_every_range_of_integers) {
  using Limits = std::numeric_limits<std::int64_t>;
  check_encoding({});
  check_encoding({7});
  check_encoding({3, 3, 3});
  check_encoding({-5, 4, -5, 0});
  check_encoding({Limits::min(), Limits::max(), 0, Limits::max()});
  check_encoding({Limits::max(), Limits::max() - 1});
  check_encoding({Limits::min(), Limits::min() + 65540});  // the widest range that is counted, and one more
  check_encoding({0, 65544});
  check_encoding({0, 65545});
  Random random(1);
  for (int range : {3, 1000, 1000000, 2000000000}) {
    std::vector<std::int64_t> values(3000);
    for (auto& v : values) v = random.integer(-range / 2, range / 2);
    check_encoding(values);
  }
}

std::vector<std::int32_t> random_codes(Random& random, int n, int levels) {
  std::vector<std::int32_t> out(n);
  for (auto& code : out) code = random.integer(0, levels - 1);
  return out;
}

TEST(codes_are_valid_between_the_lowest_and_the_number_of_levels) {
  const std::vector<std::int32_t> codes{0, 4, 2}, unknown{0, -1, 4}, wild{0, std::numeric_limits<std::int32_t>::min()};
  CHECK(mm::valid_codes(codes.data(), 3, 5));
  CHECK(!mm::valid_codes(codes.data(), 3, 4));
  CHECK(!mm::valid_codes(unknown.data(), 3, 5));
  CHECK(mm::valid_codes(unknown.data(), 3, 5, -1));
  CHECK(!mm::valid_codes(unknown.data(), 3, 4, -1));
  CHECK(!mm::valid_codes(wild.data(), 2, 5, -1));
  CHECK(mm::valid_codes(nullptr, 0, 0));
  CHECK(!mm::valid_codes(codes.data(), 1, 0));
  CHECK(!mm::valid_codes(nullptr, 0, -1));
}

TEST(interaction_has_the_observed_combinations_in_order) {
  Random random(2);
  for (int round = 0; round < 50; ++round) {
    const int n = random.integer(0, 60), n_a = random.integer(1, 12), n_b = random.integer(1, 12);
    std::vector<std::int32_t> a = random_codes(random, n, n_a), b = random_codes(random, n, n_b);
    if (round % 2) std::sort(a.begin(), a.end());
    const mm::Interaction out = mm::interact(a.data(), n_a, b.data(), n_b, n);
    std::map<std::pair<int, int>, int> expected;
    for (int i = 0; i < n; ++i) expected[{a[i], b[i]}] = 0;
    int number = 0;
    std::vector<std::int32_t> level_a, level_b, codes;
    for (auto& [pair, code] : expected) {
      code = number++;
      level_a.push_back(pair.first);
      level_b.push_back(pair.second);
    }
    for (int i = 0; i < n; ++i) codes.push_back(expected[{a[i], b[i]}]);
    CHECK(out.codes == codes);
    CHECK(out.level_a == level_a);
    CHECK(out.level_b == level_b);
  }
}

TEST(interaction_of_many_possible_combinations_needs_no_table) {
  const int n = 1000, levels = 2000000;
  std::vector<std::int32_t> a(n), b(n);
  for (int i = 0; i < n; ++i) a[i] = i * 1999, b[i] = levels - 1 - i * 7;
  const mm::Interaction out = mm::interact(a.data(), levels, b.data(), levels, n);
  CHECK(out.level_a == a);
  CHECK(out.level_b == b);
}

TEST(compaction_drops_what_no_row_uses) {
  const std::vector<std::int32_t> codes{4, 1, 4, 2};
  const mm::Compaction out = mm::compact(codes.data(), 6, 4);
  CHECK((out.kept == std::vector<std::int32_t>{1, 2, 4}));
  CHECK((out.codes == std::vector<std::int32_t>{2, 0, 2, 1}));
  const std::vector<std::int32_t> full{1, 0, 2, 0};
  const mm::Compaction same = mm::compact(full.data(), 3, 4);
  CHECK(same.codes.empty());
  CHECK((same.kept == std::vector<std::int32_t>{0, 1, 2}));
  const mm::Compaction none = mm::compact(nullptr, 3, 0);
  CHECK(none.kept.empty() && none.codes.empty());
}

TEST(rows_by_level_is_a_stable_sort) {
  Random random(3);
  for (int round = 0; round < 20; ++round) {
    const int n = random.integer(0, 50), levels = random.integer(1, 8);
    std::vector<std::int32_t> codes = random_codes(random, n, levels);
    if (round % 3 == 0) std::sort(codes.begin(), codes.end());
    const mm::RowsByLevel out = mm::rows_by_level(codes.data(), levels, n);
    CHECK(out.row_order.empty() == std::is_sorted(codes.begin(), codes.end()));
    CHECK(static_cast<int>(out.start.size()) == levels + 1 && out.start.front() == 0 && out.start.back() == n);
    int previous = -1;
    for (int l = 0; l < levels; ++l, previous = -1)
      for (std::int64_t k = out.start[l]; k < out.start[l + 1]; ++k) {
        const int row = out.row_order.empty() ? static_cast<int>(k) : out.row_order[k];
        CHECK(codes[row] == l && row > previous);
        previous = row;
      }
  }
}

}  // namespace
