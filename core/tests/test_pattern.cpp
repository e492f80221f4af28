// Patterns from codes; cross-products as a vector space on them.
#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>
#include <utility>

#include "check.hpp"
#include "products/crossprod.hpp"
#include "structures.hpp"

namespace {

using Met = std::set<std::pair<int, int>>;  // levels of two factors

Met pairs_of(const mm::Pattern& pattern, int a, int b) {
  Met out;
  for (const mm::PairPattern& pair : pattern.pairs)
    if (pair.a == a && pair.b == b)
      for (std::int32_t l = 0; l < pattern.factors[a].levels; ++l)
        for (std::int64_t t = pair.start[l]; t < pair.start[l + 1]; ++t) out.insert({l, pair.level_b[t]});
  return out;
}

// Some rows of a structure, as rows of their own.
mm::Rows part_of(const mm::Rows& rows, std::int64_t first, std::int64_t last) {
  mm::Rows out = rows;
  out.n = last - first;
  const auto shift = [&](mm::Column& column) {
    if (column.base) column.base += first * column.stride;
  };
  for (mm::FactorRows& f : out.factors) {
    f.codes += first;
    for (mm::Column& z : f.z) shift(z);
  }
  for (mm::Column& x : out.x) shift(x);
  for (mm::Column* column : {&out.y, &out.weight, &out.offset}) shift(*column);
  return out;
}

double difference(const mm::CrossProducts& A, const mm::CrossProducts& B) {
  double size = 0, worst = 0;
  const auto compare = [&](const std::vector<double>& a, const std::vector<double>& b) {
    if (a.size() != b.size()) worst = INFINITY;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      size = std::max(size, std::abs(b[i]));
      worst = std::max(worst, std::abs(a[i] - b[i]));
    }
  };
  for (std::size_t f = 0; f < A.factors.size(); ++f) compare(A.factors[f].diagonal, B.factors[f].diagonal);
  for (std::size_t t = 0; t < A.pairs.size(); ++t) compare(A.pairs[t].values, B.pairs[t].values);
  compare(A.ZtX, B.ZtX);
  compare(A.XtX, B.XtX);
  return std::max(worst / size, check::relative(A.sum_log_weights, B.sum_log_weights)) +
         static_cast<double>(std::abs(A.n - B.n));
}

TEST(merged_patterns_of_parts_are_that_of_all_rows) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    check::at("seed " + std::to_string(seed));
    const Structure s = structures::random(seed);
    const mm::Rows rows = s.rows();
    const mm::Pattern all = mm::pattern_of(rows);
    const std::int64_t third = s.n / 3;
    const mm::Pattern one = mm::pattern_of(part_of(rows, 0, third)), two = mm::pattern_of(part_of(rows, third, s.n));
    for (const mm::Pattern& merged : {mm::merge(one, two), mm::merge(two, one), mm::merge(all, two)}) {
      CHECK(merged.q == all.q && merged.nodes == all.nodes && merged.pairs.size() == all.pairs.size());
      for (std::size_t t = 0; t < all.pairs.size(); ++t)
        CHECK(merged.pairs[t].start == all.pairs[t].start && merged.pairs[t].level_b == all.pairs[t].level_b);
    }
  }
}

TEST(factors_must_agree) {
  const mm::Pattern one = mm::pattern_of({3, 4}, {1, 2});
  CHECK(check::refuses([&] { mm::merge(one, mm::pattern_of({3, 5}, {1, 2})); }));
  CHECK(check::refuses([&] { mm::merge(one, mm::pattern_of({3, 4}, {1, 1})); }));
  CHECK(check::refuses([&] { mm::merge(one, mm::pattern_of(std::vector<std::int32_t>{3}, {1})); }));
  for (const std::pair<int, int>& tie : {std::pair{0, 3}, {-1, 1}, {2, 2}})
    CHECK(check::refuses([&] { mm::with_ties(one, 0, {{tie.first, tie.second}}); }));
}

TEST(ties_join_the_levels_of_a_factor) {
  const Structure s = structures::crossed(1, 40, {{6, {1}}, {4, {2}}});
  const mm::Pattern plain = mm::pattern_of(s.rows());
  CHECK(!plain.has_own_pairs());
  const mm::Pattern tied = mm::with_ties(mm::with_ties(plain, 1, {{0, 3}}), 0, {{5, 2}, {0, 1}, {2, 5}});
  CHECK(tied.has_own_pairs());
  CHECK((pairs_of(tied, 0, 0) == Met{{0, 1}, {2, 5}}));
  CHECK((pairs_of(tied, 1, 1) == Met{{0, 3}}));
  CHECK(pairs_of(tied, 0, 1) == pairs_of(plain, 0, 1));
  for (std::size_t t = 1; t < tied.pairs.size(); ++t)
    CHECK(std::pair(tied.pairs[t - 1].a, tied.pairs[t - 1].b) < std::pair(tied.pairs[t].a, tied.pairs[t].b));
  const mm::LevelGraph before = mm::level_graph(plain), after = mm::level_graph(tied);
  CHECK(after.neighbour.size() == before.neighbour.size() + 2 * 3);
}

TEST(rows_are_added_and_taken_away) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    check::at("seed " + std::to_string(seed));
    const Structure s = structures::random(seed);
    const Stages stages(s);
    const mm::CrossProducts& all = stages.A;
    mm::CrossProducts parts = mm::zero_products(all.pattern, stages.rows, stages.basis), listed = parts, sum = parts;
    const std::int64_t third = s.n / 3;
    mm::add_rows(stages.rows, stages.basis, std::int64_t{0}, third, 1, parts);
    mm::add_rows(stages.rows, stages.basis, third, s.n, 1, parts);
    CHECK_ERROR("two ranges of rows", difference(parts, all), 1e-14);
    Random random(seed);
    std::vector<std::int64_t> order;
    for (int row : random.permutation(s.n)) order.push_back(row);
    mm::add_rows(stages.rows, stages.basis, order.data(), s.n, 1, listed);
    CHECK_ERROR("rows of a list", difference(listed, all), 1e-14);
    mm::CrossProducts less = all;
    mm::add_rows(stages.rows, stages.basis, third, s.n, -1, less);
    mm::add_rows(stages.rows, stages.basis, std::int64_t{0}, third, 1, sum);
    CHECK_ERROR("rows taken away", difference(less, sum), 1e-13);
    mm::CrossProducts rest = mm::zero_products(all.pattern, stages.rows, stages.basis);
    mm::add_rows(stages.rows, stages.basis, third, s.n, 1, rest);
    sum += rest;
    CHECK_ERROR("a sum of parts", difference(sum, all), 1e-14);
    mm::set_zero(sum);
    mm::CrossProducts heavier = sum;
    mm::axpy(2.5, all, heavier);
    mm::axpy(-1.5, all, heavier);
    heavier.n = all.n, heavier.sum_log_weights = all.sum_log_weights;
    CHECK_ERROR("a linear combination", difference(heavier, all), 1e-13);
    CHECK(sum.n == 0 && sum.sum_log_weights == 0 && *std::max_element(sum.ZtX.begin(), sum.ZtX.end()) == 0);
  }
}

// Many rows of few levels go level by level, in several threads too.
TEST(many_rows_are_added) {
  const Structure s = structures::crossed(5, 210000, {{50, {1}}, {20, {2}}, {7, {1}}}, 13);
  const mm::Rows rows = s.rows();
  const mm::OrthogonalBasis basis = mm::orthogonalize(rows);
  const mm::CrossProducts all = mm::cross_products(rows, basis, 2);
  mm::CrossProducts A = mm::zero_products(all.pattern, rows, basis);
  for (std::int64_t first = 0; first < s.n; first += 70000)
    mm::add_rows(rows, basis, first, std::min<std::int64_t>(first + 70000, s.n), 1, A);
  CHECK_ERROR("three batches", difference(A, all), 1e-13);
  mm::add_rows(rows, basis, std::int64_t{0}, s.n / 2, -1, A);
  mm::CrossProducts half = mm::zero_products(all.pattern, rows, basis);
  mm::add_rows(rows, basis, s.n / 2, s.n, 1, half);
  CHECK_ERROR("half of them taken away", difference(A, half), 1e-12);
}

TEST(products_of_parts_meet_on_a_common_pattern) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    check::at("seed " + std::to_string(seed));
    const Structure s = structures::random(seed);
    const Stages stages(s);
    const mm::Rows one = part_of(stages.rows, 0, s.n / 2), two = part_of(stages.rows, s.n / 2, s.n);
    const mm::CrossProducts of_one = mm::cross_products(one, stages.basis),
                            of_two = mm::cross_products(two, stages.basis);
    const auto both = std::make_shared<const mm::Pattern>(mm::merge(*of_one.pattern, *of_two.pattern));
    mm::CrossProducts sum = mm::on_pattern(of_one, both);
    sum += mm::on_pattern(of_two, both);
    CHECK_ERROR("a sum over patterns", difference(sum, stages.A), 1e-14);
  }
}

TEST(what_does_not_fit_is_refused) {
  const Structure s = structures::partially_crossed(3, 40, 10, 3, 2);
  const Stages stages(s);
  const mm::Rows few = part_of(stages.rows, 0, 20);
  mm::CrossProducts part = mm::cross_products(few, stages.basis), all = stages.A;
  CHECK(check::refuses([&] { all += part; }));
  CHECK(check::refuses([&] { mm::axpy(2, part, all); }));
  CHECK(check::refuses([&] { mm::on_pattern(all, part.pattern); }));
  CHECK(check::refuses([&] { mm::add_rows(stages.rows, stages.basis, std::int64_t{0}, s.n, 1, part); }));
  CHECK(check::refuses([&] { mm::add_rows(stages.rows, stages.basis, s.n - 5, s.n, 1, part); }));
  CHECK(check::refuses([&] { mm::set_prior(all, 0, std::vector<double>(40, 1.0), {{0, 1, 0.5}}, 0); }));
  CHECK(check::refuses([&] { mm::set_prior(all, 0, {1.0}, {}, 0); }));
  CHECK(check::refuses([&] { mm::set_prior(all, 2, {1.0, -1.0, 1.0}, {}, 0); }));
  const Structure other = structures::crossed(1, 40, {{6, {1}}, {4, {2}}});
  mm::CrossProducts different = Stages(other).A;
  CHECK(check::refuses([&] { different += all; }));
}

}  // namespace
