// The analysis and the sparse factor against dense Cholesky: L L' = P M P', solves, inverse entries.
#include <algorithm>
#include <numeric>

#include "check.hpp"
#include "reference_pls.hpp"
#include "structures.hpp"

namespace {

using dense::Matrix;
using Real = long double;

Matrix<Real> dense_M(const Structure& s, const std::vector<double>& theta) {
  const auto U = reference::weighted_Z<Real>(s) * s.Lambda(std::vector<Real>(theta.begin(), theta.end()));
  return dense::transpose(U) * U + dense::identity<Real>(s.q());
}

template <typename T>
Matrix<T> permuted(const Matrix<T>& a, const std::vector<int>& place) {
  Matrix<T> out(a.rows, a.cols);
  for (int j = 0; j < a.cols; ++j)
    for (int i = 0; i < a.rows; ++i) out(place[i], place[j]) = a(i, j);
  return out;
}

// Every supernode is in the top or in one chunk; a chunk's updates go to itself or to the top, where they are pulled.
void check_division(const mm::Symbolic& S) {
  std::vector<int> part(S.supernodes.size(), -2);
  for (int s : S.top) part[s] = -1;
  for (std::size_t chunk = 0; chunk < S.chunks.size(); ++chunk)
    for (int s : S.chunks[chunk]) {
      CHECK(part[s] == -2);
      part[s] = static_cast<int>(chunk);
    }
  std::size_t deferred = 0, pulled = 0;
  for (std::size_t s = 0; s < S.supernodes.size(); ++s) {
    const mm::Supernode& node = S.supernodes[s];
    CHECK(part[s] != -2 && node.top == (part[s] == -1));
    for (std::int64_t t = node.update_begin; t < node.update_end; ++t) {
      const mm::Update& u = S.updates[t];
      CHECK(S.supernodes[u.target].top || part[u.target] == part[s]);
      CHECK(u.deferred == (!node.top && S.supernodes[u.target].top));
      deferred += u.deferred;
    }
  }
  CHECK(S.pulls.size() == S.top.size());
  for (std::size_t i = 0; i < S.pulls.size(); ++i)
    for (const mm::Pull& pull : S.pulls[i]) {
      CHECK(S.updates[pull.update].deferred && S.updates[pull.update].target == S.top[i]);
      ++pulled;
    }
  CHECK(pulled == deferred);
}

// Every column belongs to one supernode; rows below ascend; every update finds its rows in its target.
void check_analysis(const mm::Symbolic& S) {
  int column = 0;
  std::int64_t panel = 0;
  for (const mm::Supernode& node : S.supernodes) {
    CHECK(node.first == column && node.width > 0 && node.panel == panel && node.below <= S.max_below);
    column += node.width;
    panel += std::int64_t{node.leading()} * node.width;
    const int* rows = S.rows.data() + node.rows;
    CHECK(std::is_sorted(rows, rows + node.below));
    CHECK(node.below == 0 || (rows[0] >= column && rows[node.below - 1] < S.q));
    int covered = 0;
    for (std::int64_t t = node.update_begin; t < node.update_end; ++t) {
      const mm::Update& u = S.updates[t];
      const mm::Supernode& target = S.supernodes[u.target];
      CHECK(u.begin == covered && u.end > u.begin);
      covered = u.end;
      bool contiguous = true;
      int first_local = 0;
      for (int i = u.begin; i < node.below; ++i) {
        const int local = target.solid ? rows[i] - target.first : S.local[u.local + i - u.begin];
        const int row = local < target.width ? target.first + local : S.rows[target.rows + local - target.width];
        if (i == u.begin) first_local = local;
        CHECK(row == rows[i] && (i < u.end) == (rows[i] < target.first + target.width));
        contiguous = contiguous && local == first_local + i - u.begin;
      }
      CHECK(contiguous == u.contiguous);
    }
    CHECK(covered == node.below);
  }
  CHECK(column == S.q && panel == S.panel_size);
  check_division(S);
  std::vector<int> places(S.permuted);
  std::sort(places.begin(), places.end());
  for (int i = 0; i < S.q; ++i) CHECK(places[i] == i);
}

void check_L(const Stages& stages, const mm::Factor& factor, const Matrix<Real>& L) {
  const mm::FactorPattern pattern = mm::factor_pattern(stages.graph, stages.symbolic);
  CHECK(static_cast<std::int64_t>(pattern.row.size()) == stages.symbolic.elimination.fill.nnz);
  Matrix<double> found(L.rows, L.cols);
  for (int j = 0; j < L.cols; ++j) {
    CHECK(pattern.row[pattern.start[j]] == j);
    for (std::int64_t t = pattern.start[j]; t < pattern.start[j + 1]; ++t) {
      CHECK(t == pattern.start[j] || pattern.row[t] > pattern.row[t - 1]);
      found(pattern.row[t], j) = factor.panels()[pattern.place[t]];
    }
  }
  CHECK_ERROR("L", dense::relative_difference(found, L), 1e-12);
  CHECK_ERROR("log |L|^2", check::relative(factor.logdet2(), static_cast<double>(dense::logdet_from_cholesky(L))),
              1e-12);
}

void check_solves(mm::Factor& factor, const Matrix<Real>& L, Random& random) {
  for (int k : {1, 4}) {
    Matrix<Real> b(L.rows, k);
    std::vector<double> rows(b.a.size()), back;
    for (int i = 0; i < b.rows; ++i)
      for (int j = 0; j < k; ++j) b(i, j) = rows[static_cast<std::size_t>(i) * k + j] = random.normal();
    auto matrix = [&](const std::vector<double>& v) {
      Matrix<double> out(L.rows, k);
      for (int i = 0; i < out.rows; ++i)
        for (int j = 0; j < k; ++j) out(i, j) = v[static_cast<std::size_t>(i) * k + j];
      return out;
    };
    back = rows;
    factor.solve_L(rows.data(), k);
    factor.solve_Lt(back.data(), k);
    CHECK_ERROR("L^-1 b", dense::relative_difference(matrix(rows), dense::solve_lower(L, b)), 1e-11);
    CHECK_ERROR("L'^-1 b", dense::relative_difference(matrix(back), dense::solve_lower_transposed(L, b)), 1e-11);
  }
}

void check_inverse(const Stages& stages, mm::Factor& factor, const Matrix<Real>& inverse) {
  factor.invert();
  const mm::FactorPattern pattern = mm::factor_pattern(stages.graph, stages.symbolic);
  double worst = 0;
  for (int j = 0; j < inverse.cols; ++j)
    for (std::int64_t t = pattern.start[j]; t < pattern.start[j + 1]; ++t) {
      const double error =
          std::abs(factor.inverse()[pattern.place[t]] - static_cast<double>(inverse(pattern.row[t], j)));
      if (!(error <= worst)) worst = error;
    }
  CHECK_ERROR("M^-1 on the pattern", worst / dense::largest(inverse), 1e-11);
}

// All of it at a few thetas, with one factor renewed again and again.
void check_structure(const Stages& stages, std::uint64_t seed, int thetas) {
  const Structure& s = stages.structure;
  check_analysis(stages.symbolic);
  Random random(seed);
  mm::Factor factor(stages.A, stages.symbolic);
  for (int round = 0; round < thetas; ++round) {
    const std::vector<double> theta = structures::theta(random, s, structures::kPoints[round % 5]);
    const Matrix<Real> M = permuted(dense_M(s, theta), stages.symbolic.permuted);
    const Matrix<Real> L = dense::cholesky(M);
    CHECK(factor.renew(stages.lam(theta)));
    check_L(stages, factor, L);
    check_solves(factor, L, random);
    check_inverse(stages, factor, dense::inverse_from_cholesky(L));
  }
}

TEST(random_structures_in_the_cheapest_order) {
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    const Structure s = structures::random(seed);
    check::at("seed " + std::to_string(seed) + s.kind);
    check_structure(Stages(s), seed, 5);
  }
}

TEST(random_structures_in_other_orders) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Structure s = structures::random(seed);
    check::at("seed " + std::to_string(seed) + s.kind);
    Stages stages(s);
    Random random(seed);
    stages.reanalyze(random.permutation(stages.graph.nodes));
    check_structure(stages, seed, 2);
    stages.reanalyze(mm::minimum_degree(stages.graph));
    check_structure(stages, seed, 2);
    std::vector<int> factors(s.factors.size());
    std::iota(factors.rbegin(), factors.rend(), 0);
    stages.reanalyze(mm::factor_order(*stages.A.pattern, factors));
    check_structure(stages, seed, 2);
  }
}

TEST(wide_supernodes_and_large_updates) {
  Paths seen;
  for (const Structure& s : structures::large()) {
    Stages stages(s);
    stages.each_order([&](const char* order) {
      check::at(s.kind + ", " + order);
      seen.add(stages.symbolic);
      check_structure(stages, 5, 1);
    });
  }
  CHECK(seen.wide && seen.contiguous && seen.scattered);
}

// Over the entries that count: not those above the diagonal of a panel.
double largest_difference(const mm::FactorPattern& pattern, const std::vector<double>& a,
                          const std::vector<double>& b) {
  double out = 0;
  for (const std::int64_t i : pattern.place)
    if (const double error = std::abs(a[i] - b[i]); !(error <= out)) out = error;
  return out;
}

TEST(threads_change_nothing) {
  const Structure designs[] = {structures::crossed(1, 2500, {{300, {1}}, {260, {1}}}),
                               structures::crossed(2, 2000, {{150, {2}}, {100, {2}}}),
                               structures::nested(3, 20000, {{7000, {2}}, {900, {2}}, {60, {3}}})};
  for (const Structure& s : designs) {
    check::at(s.kind);
    const Stages stages(s);
    CHECK(stages.symbolic.chunks.size() > 1);
    const mm::FactorPattern pattern = mm::factor_pattern(stages.graph, stages.symbolic);
    Random random(3);
    const std::vector<double> first = structures::theta(random, s, structures::Point::interior);
    const std::vector<double> second = structures::theta(random, s, structures::Point::zero_column);
    const std::vector<double> right = random.normals(static_cast<std::size_t>(s.q()) * 2);
    mm::Factor one(stages.A, stages.symbolic);
    for (int threads : {2, 3, 5}) {
      mm::Factor many(stages.A, stages.symbolic, threads);
      CHECK(many.workers().threads() == threads);
      for (const std::vector<double>* theta : {&first, &second, &first}) {
        CHECK(one.renew(stages.lam(*theta)) && many.renew(stages.lam(*theta)));
        one.invert();
        many.invert();
        CHECK(one.panels() == many.panels());
        // How a block is cut among threads may change the order of a sum.
        CHECK_ERROR("inverse by more threads", largest_difference(pattern, many.inverse(), one.inverse()), 1e-14);
        std::vector<double> a = right, b = right;
        one.solve_L(a.data(), 2);
        many.solve_L(b.data(), 2);
        one.solve_Lt(a.data(), 2);
        many.solve_Lt(b.data(), 2);
        CHECK(a == b);
      }
    }
  }
}

TEST(a_factor_that_overflows_says_so) {
  // Small and in one thread; large enough for chunks and a top, which two and three threads share.
  const std::pair<Structure, int> designs[] = {{structures::crossed(1, 60, {{6, {2}}, {5, {1}}}), 1},
                                               {structures::crossed(2, 2000, {{150, {2}}, {100, {2}}}), 2},
                                               {structures::crossed(1, 2500, {{300, {1}}, {260, {1}}}), 2},
                                               {structures::nested(3, 20000, {{7000, {2}}, {900, {2}}}), 3}};
  for (const auto& [s, threads] : designs) {
    check::at(s.kind + ", threads " + std::to_string(threads));
    const Stages stages(s);
    mm::Factor factor(stages.A, stages.symbolic, threads);
    CHECK(factor.workers().threads() == threads);
    Random random(1);
    std::vector<double> theta = structures::theta(random, s, structures::Point::interior);
    CHECK(factor.renew(stages.lam(theta)));
    const double before = factor.logdet2();
    for (std::size_t place : {std::size_t{0}, theta.size() - 1})  // in chunks, and in the top
      for (double bad : {1e200, static_cast<double>(INFINITY), static_cast<double>(NAN)}) {
        std::vector<double> spoiled = theta;
        spoiled[place] = bad;
        CHECK(!factor.renew(stages.lam(spoiled)));
      }
    CHECK(factor.renew(stages.lam(theta)) && factor.logdet2() == before);
    factor.invert();
    for (double z : factor.inverse()) CHECK(std::isfinite(z));
  }
}

// The criterion and its gradient are not numbers then, whatever the threads, and are again at the next good theta.
TEST(a_criterion_that_overflows_is_not_a_number) {
  const Structure s = structures::crossed(2, 2000, {{150, {2}}, {100, {2}}});
  const Stages stages(s);
  Random random(1);
  const std::vector<double> theta = structures::theta(random, s, structures::Point::interior);
  for (int threads : {1, 2}) {
    mm::ProfiledDeviance pls(stages.model, threads);
    std::vector<double> gradient(theta.size());
    const double before = pls.value(theta.data(), mm::Likelihood::reml);
    for (std::size_t place : {std::size_t{0}, theta.size() - 1}) {
      std::vector<double> spoiled = theta;
      spoiled[place] = 1e200;
      CHECK(std::isnan(pls.value(spoiled.data(), mm::Likelihood::reml)));
      pls.gradient(mm::Likelihood::reml, gradient.data());
      for (double g : gradient) CHECK(std::isnan(g));
    }
    CHECK(pls.value(theta.data(), mm::Likelihood::reml) == before);
    pls.gradient(mm::Likelihood::reml, gradient.data());
    for (double g : gradient) CHECK(std::isfinite(g));
  }
}

}  // namespace
