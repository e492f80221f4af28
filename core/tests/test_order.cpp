// Elimination orders against the symbolic elimination of a dense pattern.
#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include "check.hpp"
#include "factor/order.hpp"
#include "random.hpp"
#include "structures.hpp"

namespace {

using Edges = std::set<std::pair<int, int>>;

mm::LevelGraph graph_of(const std::vector<int>& weights, const Edges& edges) {
  mm::LevelGraph g;
  g.nodes = static_cast<int>(weights.size());
  g.weight = weights;
  std::vector<std::vector<int>> lists(g.nodes);
  for (auto [a, b] : edges) lists[a].push_back(b), lists[b].push_back(a);
  g.start.push_back(0);
  for (const auto& list : lists) {
    g.neighbour.insert(g.neighbour.end(), list.begin(), list.end());
    g.start.push_back(static_cast<std::int64_t>(g.neighbour.size()));
  }
  return g;
}

mm::LevelGraph random_graph(Random& random, int nodes, double density) {
  std::vector<int> weights(nodes);
  for (int& w : weights) w = random.chance(0.5) ? 1 : random.integer(1, 5);
  Edges edges;
  for (int a = 0; a < nodes; ++a)
    for (int b = a + 1; b < nodes; ++b)
      if (random.chance(density)) edges.insert({a, b});
  return graph_of(weights, edges);
}

bool is_permutation(const std::vector<int>& order, int n) {
  std::vector<int> sorted(order);
  std::sort(sorted.begin(), sorted.end());
  std::vector<int> expected(n);
  std::iota(expected.begin(), expected.end(), 0);
  return sorted == expected;
}

// What elimination in this order leaves: for every position its later neighbours, fill included.
struct Elimination {
  std::vector<std::vector<int>> rows;
  std::vector<int> parent;
  std::vector<std::int64_t> below;
  mm::Fill fill;

  Elimination(const mm::LevelGraph& g, const std::vector<int>& order) {
    const int n = g.nodes;
    std::vector<int> position(n);
    for (int k = 0; k < n; ++k) position[order[k]] = k;
    std::vector<std::vector<bool>> adjacent(n, std::vector<bool>(n, false));
    for (int v = 0; v < n; ++v)
      for (std::int64_t t = g.start[v]; t < g.start[v + 1]; ++t) adjacent[position[v]][position[g.neighbour[t]]] = true;
    for (int k = 0; k < n; ++k) {
      rows.emplace_back();
      for (int i = k + 1; i < n; ++i)
        if (adjacent[k][i]) rows.back().push_back(i);
      for (int i : rows.back())
        for (int j : rows.back())
          if (i != j) adjacent[i][j] = true;
      parent.push_back(rows.back().empty() ? -1 : rows.back().front());
      below.push_back(0);
      for (int i : rows.back()) below.back() += g.weight[order[i]];
      for (int c = 0; c < g.weight[order[k]]; ++c) {  // one coefficient at a time
        const double under = g.weight[order[k]] - 1 - c + static_cast<double>(below.back());
        fill.nnz += 1 + static_cast<std::int64_t>(under);
        fill.flops += under * (under + 1);
      }
    }
  }
};

void check_tree(const mm::LevelGraph& g, const std::vector<int>& order) {
  const Elimination truth(g, order);
  const std::vector<int> parent = mm::elimination_tree(g, order);
  CHECK(parent == truth.parent);
  const std::vector<std::int64_t> below = mm::column_counts(g, order, parent);
  CHECK(below == truth.below);
  CHECK(mm::fill_of(g, order, below).nnz == truth.fill.nnz);
}

// The postordered elimination has the same fill, children before parents and subtrees in one piece.
void check_elimination(const mm::LevelGraph& g, const std::vector<int>& order) {
  const mm::Elimination e = mm::eliminate(g, order, "test");
  CHECK(e.name == "test" && is_permutation(e.order, g.nodes));
  const Elimination truth(g, e.order), before(g, order);
  CHECK(e.parent == truth.parent && e.below == truth.below);
  CHECK(e.fill.nnz == truth.fill.nnz && e.fill.nnz == before.fill.nnz);
  std::vector<int> size(g.nodes, 1);
  for (int k = 0; k < g.nodes; ++k) {
    CHECK(e.parent[k] == -1 || e.parent[k] > k);
    if (e.parent[k] >= 0) size[e.parent[k]] += size[k];
  }
  std::vector<int> first(g.nodes);
  std::iota(first.begin(), first.end(), 0);
  for (int k = 0; k < g.nodes; ++k)
    if (e.parent[k] >= 0) first[e.parent[k]] = std::min(first[e.parent[k]], first[k]);
  for (int k = 0; k < g.nodes; ++k) CHECK(k - first[k] + 1 == size[k]);
  for (int k = 0; k < g.nodes; ++k) {  // the child just before its parent is the one with most rows
    if (e.parent[k] < 0) continue;
    CHECK(e.below[e.parent[k] - 1] >= e.below[k]);
  }
}

// Minimum degree by brute force; ties to the lowest number.
std::int64_t greedy_fill(const mm::LevelGraph& g) {
  const int n = g.nodes;
  std::vector<std::set<int>> adjacent(n);
  for (int v = 0; v < n; ++v) adjacent[v] = {g.neighbour.begin() + g.start[v], g.neighbour.begin() + g.start[v + 1]};
  std::vector<bool> gone(n, false);
  std::vector<int> order;
  auto degree = [&](int v) {
    std::int64_t sum = 0;
    for (int u : adjacent[v]) sum += g.weight[u];
    return sum;
  };
  while (static_cast<int>(order.size()) < n) {
    int best = -1;
    for (int v = 0; v < n; ++v)
      if (!gone[v] && (best < 0 || degree(v) < degree(best))) best = v;
    order.push_back(best);
    gone[best] = true;
    for (int u : adjacent[best]) {
      adjacent[u].erase(best);
      for (int v : adjacent[best])
        if (u != v) adjacent[u].insert(v);
    }
  }
  return Elimination(g, order).fill.nnz;
}

std::int64_t nnz_of(const mm::LevelGraph& g) {
  std::int64_t nnz = 0;
  for (int v = 0; v < g.nodes; ++v) {
    nnz += std::int64_t{g.weight[v]} * (g.weight[v] + 1) / 2;
    for (std::int64_t t = g.start[v]; t < g.start[v + 1]; ++t)
      if (g.neighbour[t] < v) nnz += std::int64_t{g.weight[v]} * g.weight[g.neighbour[t]];
  }
  return nnz;
}

TEST(trees_counts_and_fill_of_random_graphs) {
  Random random(1);
  for (int round = 0; round < 300; ++round) {
    check::at("round " + std::to_string(round));
    const mm::LevelGraph g = random_graph(random, random.integer(1, 30), random.uniform(0, 0.4));
    const std::vector<int> order = random.permutation(g.nodes);
    check_tree(g, order);
    check_elimination(g, order);
  }
}

TEST(minimum_degree_of_random_graphs) {
  Random random(2);
  double worst = 0, sum = 0;
  int rounds = 0;
  for (int round = 0; round < 400; ++round) {
    check::at("round " + std::to_string(round));
    const mm::LevelGraph g = random_graph(random, random.integer(1, 60), random.uniform(0, 0.25));
    const std::vector<int> order = mm::minimum_degree(g);
    CHECK(is_permutation(order, g.nodes));
    if (!is_permutation(order, g.nodes)) continue;
    check_elimination(g, order);
    const double ratio = static_cast<double>(Elimination(g, order).fill.nnz) / static_cast<double>(greedy_fill(g));
    worst = std::max(worst, ratio);
    sum += ratio;
    ++rounds;
  }
  // Approximate degrees and other ties: never much worse than exact ones, on average the same.
  CHECK_ERROR("fill over that of exact minimum degree", worst, 1.2);
  CHECK_ERROR("the same, mean", sum / rounds, 1.01);
}

TEST(minimum_degree_of_graphs_with_many_twins) {
  Random random(3);
  for (int round = 0; round < 100; ++round) {
    // Every node of a small graph is blown up to a clique or to independent copies.
    const int groups = random.integer(1, 8);
    std::vector<int> owner, weights;
    for (int v = 0; v < groups; ++v) owner.insert(owner.end(), random.integer(1, 6), v);
    Edges edges;
    std::vector<std::vector<bool>> joined(groups, std::vector<bool>(groups));
    for (int a = 0; a < groups; ++a)
      for (int b = a; b < groups; ++b) joined[a][b] = joined[b][a] = random.chance(0.4);
    for (int i = 0; i < static_cast<int>(owner.size()); ++i) {
      weights.push_back(random.integer(1, 3));
      for (int j = 0; j < i; ++j)
        if (joined[owner[i]][owner[j]]) edges.insert({j, i});
    }
    const mm::LevelGraph g = graph_of(weights, edges);
    const std::vector<int> order = mm::minimum_degree(g);
    CHECK(is_permutation(order, g.nodes));
    check_elimination(g, order);
  }
}

TEST(minimum_degree_finds_orders_without_fill) {
  Random random(4);
  for (int round = 0; round < 60; ++round) {
    // Every new node is joined to a clique of earlier ones: eliminating backwards makes no fill.
    const int n = random.integer(2, 60), clique = random.integer(1, 4);
    const std::vector<int> name = random.permutation(n);
    std::vector<std::vector<int>> cliques{{0}};
    Edges edges;
    for (int v = 1; v < n; ++v) {
      std::vector<int> base = cliques[random.integer(0, static_cast<int>(cliques.size()) - 1)];
      while (static_cast<int>(base.size()) > clique)
        base.erase(base.begin() + random.integer(0, static_cast<int>(base.size()) - 1));
      for (int u : base) edges.insert({std::min(name[u], name[v]), std::max(name[u], name[v])});
      base.push_back(v);
      cliques.push_back(base);
    }
    const mm::LevelGraph g = graph_of(std::vector<int>(n, 1), edges);
    const std::int64_t found = Elimination(g, mm::minimum_degree(g)).fill.nnz;
    if (clique == 1)
      CHECK(found == nnz_of(g));  // a tree
    else
      CHECK(found <= nnz_of(g) + nnz_of(g) / 10);  // approximate degrees may miss it, by little
  }
}

TEST(a_larger_graph) {
  Random random(5);
  const int side = 40;  // a grid, where minimum degree beats the order of the rows clearly
  Edges edges;
  for (int i = 0; i < side; ++i)
    for (int j = 0; j < side; ++j) {
      if (i + 1 < side) edges.insert({i * side + j, (i + 1) * side + j});
      if (j + 1 < side) edges.insert({i * side + j, i * side + j + 1});
    }
  const mm::LevelGraph g = graph_of(std::vector<int>(side * side, 1), edges);
  std::vector<int> natural(g.nodes);
  std::iota(natural.begin(), natural.end(), 0);
  const std::vector<int> order = mm::minimum_degree(g);
  CHECK(is_permutation(order, g.nodes));
  CHECK(3 * mm::eliminate(g, order, "").fill.nnz < 2 * mm::eliminate(g, natural, "").fill.nnz);
}

TEST(flops_are_those_of_the_blocks) {
  // One node of weight w over m rows: w^3/3 for the triangle, w^2 m for the rows, w m (m + 1) for the update.
  const mm::LevelGraph g = graph_of({3, 2, 2}, {{0, 1}, {0, 2}, {1, 2}});
  const mm::Elimination e = mm::eliminate(g, {0, 1, 2}, "");
  const double first = 9 + 9 * 4 + 3 * 4 * 5, second = 8.0 / 3 + 4 * 2 + 2 * 2 * 3, third = 8.0 / 3;
  CHECK_ERROR("flops", check::relative(e.fill.flops, first + second + third), 1e-14);
}

TEST(graph_of_levels) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    check::at("seed " + std::to_string(seed));
    const Structure s = structures::random(seed);
    const Stages stages(s);
    std::vector<int> first, weights;
    for (const Structure::Factor& f : s.factors) {
      first.push_back(static_cast<int>(weights.size()));
      weights.insert(weights.end(), f.levels, f.width());
    }
    Edges expected, found;
    for (int i = 0; i < s.n; ++i)
      for (std::size_t a = 0; a < s.factors.size(); ++a)
        for (std::size_t b = a + 1; b < s.factors.size(); ++b)
          expected.insert({first[a] + s.factors[a].codes[i], first[b] + s.factors[b].codes[i]});
    const mm::LevelGraph& g = stages.graph;
    for (int v = 0; v < g.nodes; ++v)
      for (std::int64_t t = g.start[v]; t < g.start[v + 1]; ++t)
        if (v < g.neighbour[t]) found.insert({v, g.neighbour[t]});
    CHECK(g.weight == weights && found == expected);
    CHECK(g.neighbour.size() == 2 * expected.size());
    CHECK(g.connected_pairs() == !expected.empty());
  }
}

TEST(order_of_factors) {
  const Structure s = structures::crossed(1, 60, {{4, {1}}, {3, {2}}, {2, {1}}});
  const Stages stages(s);
  CHECK((mm::factor_order(*stages.A.pattern, {0, 1, 2}) == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
  CHECK((mm::factor_order(*stages.A.pattern, {2, 0, 1}) == std::vector<int>{7, 8, 0, 1, 2, 3, 4, 5, 6}));
}

TEST(nested_designs_have_no_fill) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    check::at("seed " + std::to_string(seed));
    const Structure s = structures::nested(seed, 400, {{80, {2}}, {20, {1, 1}}, {5, {3}}});
    const Stages stages(s);
    CHECK(stages.symbolic.elimination.fill.nnz == nnz_of(stages.graph));
    CHECK(stages.symbolic.elimination.name == "factors");
  }
}

TEST(the_cheapest_order_is_chosen) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    check::at("seed " + std::to_string(seed));
    const Structure s = structures::random(seed);
    const Stages stages(s);
    std::vector<int> factors(s.factors.size());
    std::iota(factors.begin(), factors.end(), 0);
    const double given = mm::eliminate(stages.graph, mm::factor_order(*stages.A.pattern, factors), "").fill.flops;
    const double degree = mm::eliminate(stages.graph, mm::minimum_degree(stages.graph), "").fill.flops;
    CHECK(stages.symbolic.elimination.fill.flops <= std::min(given, degree) * (1 + 1e-12));
  }
  const Structure s = structures::partially_crossed(1, 300, 60, 3, 1);
  const Stages stages(s);
  CHECK(stages.symbolic.elimination.fill.flops <=
        mm::eliminate(stages.graph, mm::factor_order(*stages.A.pattern, {0, 1, 2}), "").fill.flops);
}

}  // namespace
