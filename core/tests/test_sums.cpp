// Sums over rows: a monoid in a frame, against products of all rows and against dense matrices with more digits.
#include <algorithm>
#include <functional>
#include <optional>

#include "after/deletion.hpp"
#include "after/leverage.hpp"
#include "after/refit.hpp"
#include "check.hpp"
#include "criterion/hessian.hpp"
#include "products/sums.hpp"
#include "reference_pls.hpp"
#include "search/search.hpp"
#include "structures.hpp"

namespace {

std::vector<std::vector<int>> widths_of(const Structure& s) {
  std::vector<std::vector<int>> out;
  for (const auto& f : s.factors) out.push_back(f.term_widths);
  return out;
}

std::vector<std::int32_t> levels_of(const Structure& s) {
  std::vector<std::int32_t> out;
  for (const auto& f : s.factors) out.push_back(f.levels);
  return out;
}

mm::Column from(mm::Column column, std::int64_t first) {
  if (column.base) column.base += first * column.stride;
  return column;
}

// Rows first .. last - 1.
mm::Rows part(const Structure& s, std::int64_t first, std::int64_t last) {
  mm::Rows out = s.rows();
  out.n = last - first;
  for (auto& x : out.x) x = from(x, first);
  out.y = from(out.y, first), out.weight = from(out.weight, first), out.offset = from(out.offset, first);
  for (auto& f : out.factors) {
    f.codes += first;
    for (auto& z : f.z) z = from(z, first);
  }
  return out;
}

mm::SumsFrame frame_of(const Structure& s, int rows) { return mm::pilot_sums_frame(part(s, 0, rows), widths_of(s)); }

mm::Sums empty(const Structure& s, const mm::SumsFrame& frame) { return {levels_of(s), frame}; }

mm::Sums sums_of(const Structure& s, const mm::SumsFrame& frame, std::int64_t first, std::int64_t last) {
  mm::Sums out = empty(s, frame);
  out.add(part(s, first, last));
  return out;
}

// Cuts of 0 .. n into parts, some of them empty and some of one row.
std::vector<int> cuts(Random& random, int n) {
  std::vector<int> out{0, 0, 1, n, n};
  for (int i = random.integer(0, 6); i > 0; --i) out.push_back(random.integer(0, n));
  std::sort(out.begin(), out.end());
  return out;
}

// As the extension makes products of all rows.
struct InMemory {
  mm::Rows rows;
  std::vector<std::vector<double>> along;
  mm::Model model;

  explicit InMemory(const Structure& s) : rows(s.rows()), along(mm::orthogonalize_terms(rows, widths_of(s))) {
    model.basis = mm::orthogonalize(rows);
    rows.scale /= model.basis.choose_unit(rows.n);
    model.rows = rows;
    model.A = std::make_shared<mm::CrossProducts>(mm::cross_products(rows, model.basis));
    analyze(s, model);
  }

  static void analyze(const Structure& s, mm::Model& model) {
    model.graph = std::make_shared<mm::LevelGraph>(mm::level_graph(*model.A->pattern));
    model.symbolic = std::make_shared<mm::Symbolic>(
        mm::analyze(*model.A->pattern, *model.graph, mm::cheapest_elimination(*model.A->pattern, *model.graph)));
    model.entries = s.entries();
  }
};

mm::Model rowless(const Structure& s, mm::Sums sums) {
  mm::Model model;
  mm::FinishedSums finished = sums.finish();
  model.rows.n = sums.rows();
  model.basis = finished.basis;
  model.A = finished.A;
  InMemory::analyze(s, model);
  return model;
}

double worst(const std::vector<double>& a, const std::vector<double>& b, double least = 1.0) {
  double out = a.size() == b.size() ? 0 : INFINITY, size = least;
  for (double v : b) size = std::max(size, std::abs(v));
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) out = std::max(out, std::abs(a[i] - b[i]) / size);
  return out;
}

void compare(const mm::Model& streamed, const mm::Model& whole, double tolerance) {
  const mm::CrossProducts &A = *streamed.A, &B = *whole.A;
  CHECK(streamed.basis.kept == whole.basis.kept);
  CHECK(streamed.basis.unit == whole.basis.unit && A.unit == B.unit);
  CHECK(A.n == B.n && A.p == B.p && A.q == B.q && A.nodes == B.nodes);
  CHECK_ERROR("R", worst(streamed.basis.R, whole.basis.R), tolerance);
  CHECK_ERROR("c", worst(streamed.basis.c, whole.basis.c), tolerance);
  CHECK_ERROR("residual", check::relative(streamed.basis.residual_norm, whole.basis.residual_norm), tolerance);
  CHECK_ERROR("X'W[X y]", worst(A.XtX, B.XtX), tolerance);
  CHECK_ERROR("Z'W[X y]", worst(A.ZtX, B.ZtX), tolerance);
  CHECK_ERROR("sum of log weights", check::relative(A.sum_log_weights, B.sum_log_weights), 1e-12);
  CHECK_ERROR("log |R|^2", check::relative(A.logdet_R2, B.logdet_R2), tolerance);
  for (std::size_t f = 0; f < A.factors.size(); ++f) {
    CHECK_ERROR("Z'WZ", worst(A.factors[f].diagonal, B.factors[f].diagonal), tolerance);
    CHECK(A.factors[f].T.empty() == B.factors[f].T.empty());
    CHECK_ERROR("T", worst(A.factors[f].T, B.factors[f].T), tolerance);
  }
  CHECK(A.pairs.size() == B.pairs.size());
  for (std::size_t t = 0; t < A.pairs.size(); ++t) {
    CHECK(std::ranges::equal(A.pairs[t].start, B.pairs[t].start));
    CHECK(std::ranges::equal(A.pairs[t].level_b, B.pairs[t].level_b));
    CHECK_ERROR("pairs", worst(A.pairs[t].values, B.pairs[t].values), tolerance);
  }
}

bool same(const mm::SumsState& a, const mm::SumsState& b) {
  return a.levels == b.levels && a.widths == b.widths && a.terms == b.terms && a.R == b.R && a.c == b.c && a.T == b.T &&
         a.counts == b.counts && a.numbers == b.numbers && a.XtX == b.XtX && a.ZtX == b.ZtX &&
         a.diagonal == b.diagonal && a.level_counts == b.level_counts && a.pair_counts == b.pair_counts &&
         a.level_a == b.level_a && a.level_b == b.level_b && a.pair_values == b.pair_values;
}

double difference(const mm::SumsState& a, const mm::SumsState& b) {
  if (a.counts != b.counts || a.level_counts != b.level_counts || a.level_a != b.level_a || a.level_b != b.level_b)
    return INFINITY;
  return std::max({worst(a.numbers, b.numbers), worst(a.XtX, b.XtX), worst(a.ZtX, b.ZtX), worst(a.diagonal, b.diagonal),
                   worst(a.pair_values, b.pair_values)});
}

TEST(batches_in_any_tree_are_the_products_of_all_rows) {
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    check::at("seed " + std::to_string(seed));
    const Structure s = structures::random(seed);
    Random random(seed + 5000);
    const mm::SumsFrame frame = frame_of(s, s.n / 2);
    std::vector<mm::Sums> parts;
    const std::vector<int> at = cuts(random, s.n);
    for (std::size_t i = 1; i < at.size(); ++i) {
      if (random.chance(0.5) && !parts.empty())
        parts.back().add(part(s, at[i - 1], at[i]));
      else
        parts.push_back(sums_of(s, frame, at[i - 1], at[i]));
    }
    while (parts.size() > 1) {
      std::swap(parts.back(), parts[random.integer(0, static_cast<int>(parts.size()) - 1)]);
      mm::Sums last = parts.back();
      parts.pop_back();
      parts.back() = parts.back().merged(last);
    }
    const InMemory whole(s);
    compare(rowless(s, parts[0]), whole.model, 1e-10);
    mm::Sums again = mm::Sums::from_state(parts[0].state());
    CHECK(same(again.state(), parts[0].state()));
  }
}

TEST(the_laws_of_a_monoid) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    check::at("seed " + std::to_string(seed));
    const Structure s = structures::random(seed);
    const mm::SumsFrame frame = frame_of(s, s.n / 2);
    const int third = s.n / 3;
    mm::Sums a = sums_of(s, frame, 0, third), b = sums_of(s, frame, third, 2 * third),
             c = sums_of(s, frame, 2 * third, s.n), none = empty(s, frame);
    CHECK(same(a.merged(none).state(), a.state()) && same(none.merged(a).state(), a.state()));
    CHECK(same(a.merged(b).state(), b.merged(a).state()));
    CHECK_ERROR("associative", difference(a.merged(b).merged(c).state(), a.merged(b.merged(c)).state()), 1e-13);
    // The same rows in the same batches and tree are the same to the last bit, and merging leaves both as they were.
    const mm::SumsState before = a.state();
    mm::Sums again = sums_of(s, frame, 0, third), twin = sums_of(s, frame, third, 2 * third);
    CHECK(same(again.merged(twin).state(), a.merged(b).state()) && same(a.state(), before));
    // By twos or one row at a time.
    mm::Sums rows = empty(s, frame), few = empty(s, frame);
    for (int i = 0; i < s.n; ++i) rows.add(part(s, i, i + 1));
    for (int i = 0; i < s.n; i += 2) few.add(part(s, i, std::min(i + 2, s.n)));
    CHECK_ERROR("one row at a time", difference(rows.state(), a.merged(b).merged(c).state()), 1e-13);
    CHECK_ERROR("two rows at a time", difference(few.state(), rows.state()), 1e-13);
  }
}

// More rows than are sorted at a time, pairs that repeat, runs of many lengths.
TEST(many_rows_and_pairs) {
  const Structure s = structures::crossed(5, 300000, {{3000, {1}}, {40, {2}}, {700, {1}}}, 3);
  const mm::SumsFrame frame = frame_of(s, 2000);
  mm::Sums one = sums_of(s, frame, 0, s.n), many = empty(s, frame);
  Random random(3);
  for (int first = 0; first < s.n;) {
    const int last = std::min(s.n, first + random.integer(0, 9000));
    many.add(part(s, first, last));
    first = last;
  }
  const InMemory whole(s);
  compare(rowless(s, one), whole.model, 1e-11);
  compare(rowless(s, many), whole.model, 1e-11);
  CHECK(one.condition().frame < 1.3 && one.condition().response < 100);
  CHECK_ERROR("batches", difference(many.state(), one.state()), 1e-12);
  for (int f = 0; f < 3; ++f) {
    std::vector<std::int64_t> counts(s.factors[f].levels, 0);
    for (std::int32_t code : s.factors[f].codes) ++counts[code];
    CHECK(one.level_counts(f) == counts && many.level_counts(f) == counts);
  }
}

// Columns, responses and weights that sums of squares would not survive.
struct Hard {
  const char* name;
  std::function<void(Structure&, Random&)> change;
  double tolerance;  // of the criterion
};

std::vector<double> column(const Structure& s, const std::function<double(int)>& value) {
  std::vector<double> out;
  for (int i = 0; i < s.n; ++i) out.push_back(value(i));
  return out;
}

std::vector<Hard> hard() {
  auto shift = [](double origin) {
    return [=](Structure& s, Random&) {
      for (double& x : s.x[1]) x += origin;
    };
  };
  auto weights = [](int decades) {
    return [=](Structure& s, Random& random) {
      s.w = column(s, [&](int) { return std::pow(10.0, random.uniform(-decades / 2.0, decades / 2.0)); });
    };
  };
  return {
      {"x = 1e6 + noise", shift(1e6), 1e-12},
      {"x = 1e9 + noise", shift(1e9), 1e-9},
      {"y = 1e8 + noise",
       [](Structure& s, Random&) {
         for (double& y : s.y) y += 1e8;
       },
       1e-9},
      {"y in small units",
       [](Structure& s, Random&) {
         for (double& y : s.y) y *= 1e-200;
       },
       1e-12},
      {"y in large units",
       [](Structure& s, Random&) {
         for (double& y : s.y) y *= 1e200;
       },
       1e-12},
      {"x in small units",
       [](Structure& s, Random&) {
         for (double& x : s.x[1]) x *= 1e-120;
       },
       1e-12},
      {"weights over 12 decades", weights(12), 1e-11},
      {"a slope at 1e6",
       [](Structure& s, Random&) {
         for (double& z : s.factors[1].z[1]) z += 1e6;
       },
       1e-9},
      {"2 x is aliased", [](Structure& s, Random&) { s.x.push_back(column(s, [&](int i) { return 2 * s.x[1][i]; })); },
       1e-12},
      {"x + 1e9 is aliased",
       [](Structure& s, Random&) { s.x.push_back(column(s, [&](int i) { return s.x[1][i] + 1e9; })); }, 1e-12},
      {"a column of zeros", [](Structure& s, Random&) { s.x.insert(s.x.begin() + 1, std::vector<double>(s.n, 0.0)); },
       1e-12},
      {"aliased before a column of its own",
       [](Structure& s, Random& random) {
         s.x.push_back(column(s, [&](int i) { return 3 - s.x[2][i]; }));
         s.x.push_back(random.normals(s.n));
       },
       1e-12},
      {"a level that the pilot lacks",
       [](Structure& s, Random& random) {
         s.x.push_back(column(s, [&](int i) { return i < 90 ? 0.0 : random.integer(0, 1); }));
       },
       1e-11},
      {"a covariate that is constant in the pilot",
       [](Structure& s, Random&) {
         for (int i = 0; i < 90; ++i) s.x[1][i] = 0.25;
       },
       1e-11},
      {"a slope that the pilot does not tell from its intercept",
       [](Structure& s, Random&) {
         for (int i = 0; i < 90; ++i) s.factors[1].z[1][i] = 2;
       },
       1e-11},
      {"a slope that is its intercept",
       [](Structure& s, Random&) { std::fill(s.factors[1].z[1].begin(), s.factors[1].z[1].end(), 2.0); }, 1e-11},
      {"rows without weight",
       [](Structure& s, Random&) { s.w = column(s, [](int i) { return i % 5 == 0 ? 0.0 : 1.0 + i % 3; }); }, 1e-12},
  };
}

Structure medium(std::uint64_t seed) { return structures::crossed(seed, 400, {{20, {1}}, {8, {2}}}, 3); }

TEST(ill_conditioned_columns_keep_their_digits) {
  for (const Hard& one : hard()) {
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      check::at(std::string(one.name) + ", seed " + std::to_string(seed));
      Structure s = medium(seed);
      Random random(seed + 99);
      one.change(s, random);
      const mm::SumsFrame frame = frame_of(s, 80);
      mm::Sums sums = empty(s, frame);
      for (int first = 0; first < s.n; first += 57) sums.add(part(s, first, std::min(first + 57, s.n)));
      const mm::Sums::Condition condition = sums.condition();
      if (condition.frame > 100 || condition.response > 1e4) {
        sums = sums_of(s, sums.better_frame(), 0, s.n);
        CHECK(sums.condition().frame < 100 && sums.condition().response < 1e4);
      }
      const InMemory whole(s);
      const mm::Model streamed = rowless(s, sums);
      CHECK(streamed.basis.kept == whole.model.basis.kept);
      CHECK(streamed.basis.unit == whole.model.basis.unit);
      const std::vector<double> theta{0.7, 0.5, 0.2, 0.4};
      mm::ProfiledDeviance a(streamed), b(whole.model);
      for (mm::Likelihood likelihood : {mm::Likelihood::ml, mm::Likelihood::reml})
        CHECK_ERROR(one.name, check::relative(a.value(theta.data(), likelihood), b.value(theta.data(), likelihood)),
                    one.tolerance);
    }
  }
}

TEST(criterion_and_gradient_against_dense_matrices) {
  for (std::uint64_t seed = 0; seed < 25; ++seed) {
    check::at("seed " + std::to_string(seed));
    Structure s = structures::random(seed), plain = s;
    if (s.x.size() > 1 && seed % 2) {
      for (double& x : s.x.back()) x += 1e6;
      // The same model with the intercept elsewhere: dense matrices would lose more digits than the sums.
      for (int i = 0; i < s.n; ++i) plain.x.back()[i] = s.x.back()[i] - 1e6;
    }
    mm::Sums sums = empty(s, frame_of(s, s.n / 2));
    for (int first = 0; first < s.n; first += 7) sums.add(part(s, first, std::min(first + 7, s.n)));
    const mm::Model model = rowless(s, sums);
    Random random(seed);
    const std::vector<double> theta = structures::theta(random, s, structures::Point::interior);
    std::vector<double> along = theta;
    mm::ThetaAxes(*model.A, model.entries).to_axes(along.data());
    mm::Criterion criterion(model, mm::Likelihood::reml, 1);
    const std::vector<long double> at(theta.begin(), theta.end());
    const auto expected = static_cast<double>(reference::likelihood<long double>(plain, model.basis.kept, at, true));
    CHECK_ERROR("REML criterion", check::relative(criterion.value(along.data()), expected), 1e-11);
    std::vector<double> slope(theta.size());
    criterion.gradient(slope.data());
    mm::ThetaAxes(*model.A, model.entries).slope_from_axes(slope.data());
    CHECK_ERROR("its gradient", worst(slope, reference::gradient(plain, model.basis.kept, theta, true)), 1e-9);
  }
}

// Rows with the same levels and columns become one, with their number as weight and the mean response.
TEST(cells_stand_for_rows) {
  Structure s = structures::crossed(4, 600, {{6, {1}}, {4, {1}}}, 2), cells = s;
  for (int i = 0; i < s.n; ++i) s.x[1][i] = i % 3;
  std::map<std::vector<int>, std::vector<double>> of;
  for (int i = 0; i < s.n; ++i) of[{s.factors[0].codes[i], s.factors[1].codes[i], i % 3}].push_back(s.y[i]);
  cells.n = static_cast<int>(of.size());
  cells.y.clear();
  for (auto& f : cells.factors) f.codes.clear();
  for (auto& x : cells.x) x.clear();
  double within = 0;
  for (const auto& [key, y] : of) {
    const double mean = std::accumulate(y.begin(), y.end(), 0.0) / static_cast<double>(y.size());
    for (double v : y) within += (v - mean) * (v - mean);
    cells.y.push_back(mean);
    cells.w.push_back(static_cast<double>(y.size()));
    cells.x[0].push_back(1), cells.x[1].push_back(key[2]);
    cells.factors[0].codes.push_back(key[0]), cells.factors[1].codes.push_back(key[1]);
  }
  const mm::SumsFrame frame = frame_of(s, 200);
  mm::Sums rows = sums_of(s, frame, 0, s.n), grouped = empty(s, frame);
  const mm::Cells all{s.n, 0};
  grouped.add(cells.rows(), within, &all);
  CHECK(grouped.n() == rows.n() && grouped.rows() == rows.rows());
  compare(rowless(s, grouped), rowless(s, rows), 1e-11);
}

TEST(what_is_not_finite_adds_nothing) {
  const Structure good = medium(1);
  const mm::SumsFrame frame = frame_of(good, 80);
  mm::Sums sums = sums_of(good, frame, 0, 100);
  const mm::SumsState before = sums.state();
  for (double bad : {static_cast<double>(NAN), static_cast<double>(INFINITY), -static_cast<double>(INFINITY)})
    for (int place = 0; place < 6; ++place) {
      Structure s = good;
      s.w.assign(s.n, 1.0);
      s.offset.assign(s.n, 0.0);
      std::vector<double>* columns[] = {&s.y, &s.w, &s.offset, &s.x[0], &s.x[2], &s.factors[1].z[1]};
      columns[place]->at(77) = bad;
      CHECK(check::refuses([&] { sums.add(s.rows()); }));
      CHECK(check::refuses([&] { frame_of(s, 80); }));
    }
  Structure s = good;
  s.w.assign(s.n, 1.0);
  s.w[5] = -1e-9;
  CHECK(check::refuses([&] { sums.add(s.rows()); }));
  CHECK(check::refuses([&] { sums.add(part(good, 0, 0), -1); }));
  CHECK(check::refuses([&] { sums.add(part(good, 0, 0), NAN); }));
  CHECK(same(sums.state(), before));
}

TEST(only_sums_of_one_frame_are_merged) {
  const Structure s = medium(1), other = structures::crossed(1, 400, {{21, {1}}, {8, {2}}}, 3);
  const mm::SumsFrame frame = frame_of(s, 80);
  const mm::Sums a = sums_of(s, frame, 0, 100);
  CHECK(check::refuses([&] { a.merged(sums_of(s, frame_of(s, 81), 0, 100)); }));
  CHECK(check::refuses([&] { a.merged(sums_of(other, frame, 0, 100)); }));
  CHECK(check::refuses([&] { mm::Sums({20}, frame); }));
}

// Whatever arrays are given: refused, or sums that can be worked with.
TEST(damaged_states_are_refused) {
  const Structure s = structures::crossed(2, 300, {{9, {1, 1}}, {6, {2}}, {5, {1}}}, 3);
  mm::Sums sums = sums_of(s, frame_of(s, 80), 0, s.n);
  const mm::SumsState good = sums.state();
  int refused = 0;
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    check::at("seed " + std::to_string(seed));
    Random random(seed);
    mm::SumsState state = good;
    auto change = [&](auto& v) {
      using T = typename std::decay_t<decltype(v)>::value_type;
      const int at = v.empty() ? 0 : random.integer(0, static_cast<int>(v.size()) - 1);
      switch (random.integer(0, 5)) {
        case 0:
          v.push_back(T(random.integer(-2, 9)));
          break;
        case 1:
          v.clear();
          break;
        case 2:
          if (!v.empty()) v.pop_back();
          break;
        case 3:
          if (!v.empty()) v[at] = T(random.integer(-3, 12));
          break;
        case 4:
          if (!v.empty()) v[at] = random.chance(0.5) ? std::numeric_limits<T>::max() : std::numeric_limits<T>::lowest();
          break;
        default:
          if (!v.empty()) v[at] = std::is_floating_point_v<T> ? T(NAN) : T(-v[at]);
      }
    };
    for (int changes = random.integer(1, 2); changes > 0; --changes) switch (random.integer(0, 15)) {
        case 0:
          change(state.levels);
          break;
        case 1:
          change(state.widths);
          break;
        case 2:
          change(state.terms);
          break;
        case 3:
          change(state.R);
          break;
        case 4:
          change(state.c);
          break;
        case 5:
          change(state.T);
          break;
        case 6:
          change(state.counts);
          break;
        case 7:
          change(state.numbers);
          break;
        case 8:
          change(state.XtX);
          break;
        case 9:
          change(state.ZtX);
          break;
        case 10:
          change(state.diagonal);
          break;
        case 11:
          change(state.level_counts);
          break;
        case 12:
          change(state.pair_counts);
          break;
        case 13:
          change(state.level_a);
          break;
        case 14:
          change(state.level_b);
          break;
        default:
          change(state.pair_values);
      }
    try {
      mm::Sums found = mm::Sums::from_state(state);
      found.condition();
      found.finish();
      found.better_frame();
      found.add(part(s, 0, 50));
      found.merged(found).finish();
    } catch (const std::invalid_argument&) {
      ++refused;
    }
  }
  CHECK(refused > 2000 && refused < 4000);
}

bool stop() { return true; }

TEST(interrupted_sums_are_not_used_again) {
  const Structure s = structures::crossed(5, 100000, {{3000, {1}}, {700, {1}}}, 3);
  const mm::SumsFrame frame = frame_of(s, 2000);
  mm::Sums sums = sums_of(s, frame, 0, 100);
  bool interrupted = false;
  try {
    const mm::InterruptScope scope(stop);
    for (int i = 0; i < 100; ++i) sums.add(s.rows());
  } catch (const mm::Interrupted&) {
    interrupted = true;
  }
  CHECK(interrupted);
  for (const auto& call : std::vector<std::function<void()>>{
           [&] { sums.state(); }, [&] { sums.finish(); }, [&] { sums.condition(); }, [&] { sums.add(s.rows()); },
           [&] { sums.merged(sums); }, [&] { sums.better_frame(); }, [&] { sums.pack(); }}) {
    bool refused = false;
    try {
      call();
    } catch (const std::runtime_error&) {
      refused = true;
    }
    CHECK(refused);
  }
}

// Search, Hessian and all else that asks the products alone is the same; what asks the rows refuses.
TEST(a_model_without_rows) {
  const Structure s = medium(3);
  const InMemory whole(s);
  const mm::Model model = rowless(s, sums_of(s, frame_of(s, 100), 0, s.n));
  mm::Criterion one(model, mm::Likelihood::reml, 1), other(whole.model, mm::Likelihood::reml, 1);
  const mm::SearchSettings settings;
  const std::vector<double> start{1, 1, 0, 1};
  const mm::SearchResult found = mm::refit_from(one, start, settings),
                         expected = mm::refit_from(other, start, settings);
  CHECK_ERROR("theta", worst(found.theta, expected.theta), 1e-6);
  CHECK_ERROR("optimum", check::relative(one.value(found.theta.data()), other.value(expected.theta.data())), 1e-12);
  CHECK(check::refuses([&] { mm::row_values(one.pls(), false); }));
  const mm::RowSets sets{{0, 1}, {0}};
  CHECK(check::refuses([&] { mm::fit_without(model, sets, start, mm::Likelihood::reml, settings, nullptr, 1); }));
  // Far from the data, where with rows a better reference would be found.
  const std::vector<double> far{1e7, 1e7, 0, 1e7};
  CHECK(std::isfinite(one.value(far.data())));
}

}  // namespace
