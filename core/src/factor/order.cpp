#include "factor/order.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "kernels/interrupt.hpp"
#include "kernels/memory.hpp"

namespace mixedmodels {

LevelGraph level_graph(const Pattern& pattern) {
  LevelGraph g;
  g.nodes = static_cast<int>(pattern.nodes);
  g.weight.reserve(pattern.nodes);
  for (const FactorShape& f : pattern.factors) g.weight.insert(g.weight.end(), f.levels, f.width);
  g.start.assign(static_cast<std::size_t>(g.nodes) + 1, 0);
  auto each_pair = [&](auto&& visit) {
    for (const PairPattern& pair : pattern.pairs) {
      const auto first_a = pattern.factors[pair.a].first_node, first_b = pattern.factors[pair.b].first_node;
      for (std::int32_t l = 0; l < pattern.factors[pair.a].levels; ++l)
        for (std::int64_t t = pair.start[l]; t < pair.start[l + 1]; ++t)
          visit(static_cast<int>(first_a + l), static_cast<int>(first_b + pair.level_b[t]));
    }
  };
  each_pair([&](int a, int b) { ++g.start[a + 1], ++g.start[b + 1]; });
  for (int v = 0; v < g.nodes; ++v) g.start[v + 1] += g.start[v];
  require_memory("The order of elimination",
                 {{"the graph of the levels", 4.0 * static_cast<double>(g.start[g.nodes])}});
  g.neighbour.resize(static_cast<std::size_t>(g.start[g.nodes]));
  std::vector<std::int64_t> next(g.start.begin(), g.start.end() - 1);
  each_pair([&](int a, int b) { g.neighbour[next[a]++] = b, g.neighbour[next[b]++] = a; });
  return g;
}

std::vector<int> factor_order(const Pattern& pattern, const std::vector<int>& factors) {
  std::vector<int> order;
  order.reserve(pattern.nodes);
  for (int f : factors)
    for (std::int32_t l = 0; l < pattern.factors[f].levels; ++l)
      order.push_back(static_cast<int>(pattern.factors[f].first_node + l));
  return order;
}

std::vector<int> elimination_tree(const LevelGraph& graph, const std::vector<int>& order) {
  const int n = graph.nodes;
  std::vector<int> parent(n, -1), ancestor(n, -1), position(n);
  for (int k = 0; k < n; ++k) position[order[k]] = k;
  for (int k = 0; k < n; ++k) {
    const int v = order[k];
    check_interrupt(10.0 * static_cast<double>(graph.start[v + 1] - graph.start[v]));
    for (std::int64_t t = graph.start[v]; t < graph.start[v + 1]; ++t) {
      int i = position[graph.neighbour[t]];
      while (i != -1 && i < k) {  // walk to the root of i's subtree, compressing the path on the way
        const int next = ancestor[i];
        ancestor[i] = k;
        if (next == -1) parent[i] = k;
        i = next;
      }
    }
  }
  return parent;
}

// Row i of L is the subtree of the elimination tree that row i of the matrix spans. Its weight is counted in once at
// every leaf of the subtree, out where two branches meet and out above its root, so that the sums over the descendants
// of a column are right, and only entries of the matrix are looked at. Gilbert, Ng and Peyton (1994), SIAM J. Matrix
// Anal. Appl. 15(4).
std::vector<std::int64_t> column_counts(const LevelGraph& graph, const std::vector<int>& order,
                                        const std::vector<int>& parent) {
  const int n = graph.nodes;
  std::vector<std::int64_t> sums(n, 0);
  struct Row {
    int highest = -1, last_leaf = -1;  // of its subtree: the first descendants seen, and the leaf before
    int weight = 0;
  };
  std::vector<Row> rows(n);
  std::vector<int> position(n), first(n, -1), ancestor(n);
  const std::vector<int> post = postorder(parent, {});
  for (int k = 0; k < n; ++k) {
    position[order[k]] = k;
    ancestor[k] = k;
    rows[k].weight = graph.weight[order[k]];
    for (int j = post[k]; j != -1 && first[j] == -1; j = parent[j]) first[j] = k;
  }
  auto meeting_point = [&](int j) {
    int root = j;
    while (ancestor[root] != root) root = ancestor[root];
    while (j != root) j = std::exchange(ancestor[j], root);
    return root;
  };
  for (int k = 0; k < n; ++k) {
    const int j = post[k], v = order[j], own = rows[j].weight;
    if (first[j] == k) sums[j] += own;
    if (parent[j] != -1) sums[parent[j]] -= own;
    check_interrupt(10.0 * static_cast<double>(graph.start[v + 1] - graph.start[v]));
    for (std::int64_t t = graph.start[v]; t < graph.start[v + 1]; ++t) {
      const int i = position[graph.neighbour[t]];
      if (i <= j) continue;
      Row& row = rows[i];
      if (first[j] <= row.highest) continue;
      row.highest = first[j];
      const int before = std::exchange(row.last_leaf, j);
      sums[j] += row.weight;
      if (before != -1) sums[meeting_point(before)] -= row.weight;
    }
    if (parent[j] != -1) ancestor[j] = parent[j];
  }
  for (int j : post)
    if (parent[j] != -1) sums[parent[j]] += sums[j];
  for (int j = 0; j < n; ++j) sums[j] -= rows[j].weight;
  return sums;
}

std::vector<int> postorder(const std::vector<int>& parent, const std::vector<std::int64_t>& below) {
  const int n = static_cast<int>(parent.size());
  std::vector<int> by_rows(n);
  std::iota(by_rows.begin(), by_rows.end(), 0);
  if (!below.empty())
    std::stable_sort(by_rows.begin(), by_rows.end(), [&](int i, int j) { return below[i] < below[j]; });
  // Children lists in descending order of rows, so that the stack below pops the fewest rows first.
  std::vector<int> head(n + 1, -1), next(n, -1);
  for (int v : by_rows) {
    const int owner = parent[v] < 0 ? n : parent[v];
    next[v] = head[owner];
    head[owner] = v;
  }
  std::vector<int> order, stack;
  order.reserve(n);
  auto push_children = [&](int v) {
    for (int child = head[v]; child != -1; child = next[child]) stack.push_back(child);
    head[v] = -1;
  };
  push_children(n);
  while (!stack.empty()) {
    const int v = stack.back();
    if (head[v] != -1) {
      push_children(v);
      continue;
    }
    stack.pop_back();
    order.push_back(v);
  }
  return order;
}

Fill fill_of(const LevelGraph& graph, const std::vector<int>& order, const std::vector<std::int64_t>& below) {
  Fill out;
  for (std::size_t k = 0; k < order.size(); ++k) {
    const double w = graph.weight[order[k]], m = static_cast<double>(below[k]);
    out.nnz += static_cast<std::int64_t>(w * m + w * (w + 1) / 2);
    out.flops += w * w * w / 3 + w * w * m + w * m * (m + 1);
  }
  return out;
}

Elimination eliminate(const LevelGraph& graph, std::vector<int> order, std::string name) {
  Elimination out;
  out.name = std::move(name);
  const std::vector<int> parent = elimination_tree(graph, order);
  const std::vector<std::int64_t> below = column_counts(graph, order, parent);
  const std::vector<int> post = postorder(parent, below);
  const int n = graph.nodes;
  std::vector<int> position(n);
  for (int k = 0; k < n; ++k) position[post[k]] = k;
  out.order.resize(n);
  out.parent.resize(n);
  out.below.resize(n);
  for (int k = 0; k < n; ++k) {
    out.order[k] = order[post[k]];
    out.parent[k] = parent[post[k]] < 0 ? -1 : position[parent[post[k]]];
    out.below[k] = below[post[k]];
  }
  out.fill = fill_of(graph, out.order, out.below);
  return out;
}

Elimination cheapest_elimination(const Pattern& pattern, const LevelGraph& graph, double most_work) {
  std::vector<int> natural(graph.nodes);
  std::iota(natural.begin(), natural.end(), 0);
  Elimination given = eliminate(graph, std::move(natural), "factors");
  std::int64_t nnz_A = 0;
  for (const FactorShape& f : pattern.factors) nnz_A += std::int64_t{f.levels} * f.width * (f.width + 1) / 2;
  for (const PairPattern& pair : pattern.pairs)
    nnz_A +=
        static_cast<std::int64_t>(pair.level_b.size()) * pattern.factors[pair.a].width * pattern.factors[pair.b].width;
  if (given.fill.nnz == nnz_A) return given;
  // An entry looked at costs about as much as a hundred flops of a factorization, of which a fit makes fifteen.
  const double pays = std::min(3e-2 * given.fill.flops, 1.2e7 + 1e-3 * given.fill.flops) + 1e5;
  std::vector<int> order = minimum_degree(graph, std::min(pays, most_work));
  if (order.empty()) return given;
  Elimination degree = eliminate(graph, std::move(order), "minimum degree");
  return degree.fill.flops < given.fill.flops ? degree : given;
}

}  // namespace mixedmodels
