#include "factor/symbolic.hpp"

#include <algorithm>
#include <numeric>

#include "kernels/interrupt.hpp"
#include "kernels/memory.hpp"

namespace mixedmodels {

namespace {

// Smallest and largest number of columns of a supernode, and the number of supernodes that a wide run is divided into
// between these.
constexpr std::int64_t kPiece = 128, kWidestPiece = 256, kPieces = 12;
// A subtree with more than 1 / kTopShare of the work belongs to the top; a chunk has about 1 / kChunks of the rest.
constexpr double kTopShare = 24, kChunks = 64;

// Supernodes while they are found: columns [first, last] in the order of nodes.
struct Run {
  int first, last;
  std::int64_t width;
  std::int64_t below;  // weight of the rows under the run
  double zeros;        // entries of the panel that are not in L
};

// Runs of columns each of which is the parent of the one before and loses only that column.
std::vector<Run> exact_runs(const LevelGraph& graph, const Elimination& e) {
  std::vector<Run> runs;
  for (int k = 0; k < graph.nodes; ++k) {
    const int weight = graph.weight[e.order[k]];
    if (!runs.empty() && e.parent[k - 1] == k && e.below[k - 1] == e.below[k] + weight) {
      runs.back().last = k;
      runs.back().width += weight;
      runs.back().below = e.below[k];
    } else {
      runs.push_back({k, k, weight, e.below[k], 0.0});
    }
  }
  return runs;
}

double panel_entries(const Run& r) {
  const double w = static_cast<double>(r.width);
  return w * (w + 1) / 2 + w * static_cast<double>(r.below);
}

// A child run that ends where its parent begins may be stored with it: a few zeros buy larger dense blocks.
bool worth_merging(const Run& child, const Run& parent, double zeros, const Run& merged) {
  const double fresh = zeros - child.zeros - parent.zeros;
  if (fresh == 0) return true;
  const double share = merged.width < 16 ? 0.3 : merged.width < 64 ? 0.15 : 0.08;
  return fresh <= 0.5 * panel_entries(child) && zeros <= share * panel_entries(merged);
}

std::vector<Run> merge_runs(const std::vector<Run>& exact, const Elimination& e) {
  std::vector<Run> stack;
  for (const Run& next : exact) {
    Run parent = next;
    while (!stack.empty() && e.parent[stack.back().last] >= parent.first &&
           e.parent[stack.back().last] <= parent.last) {
      const Run& child = stack.back();
      const Run merged{child.first, parent.last, child.width + parent.width, parent.below, 0.0};
      const double lost = static_cast<double>(parent.width + parent.below - child.below);
      const double zeros = child.zeros + parent.zeros + static_cast<double>(child.width) * lost;
      if (!worth_merging(child, parent, zeros, merged)) break;
      parent = merged;
      parent.zeros = zeros;
      stack.pop_back();
    }
    stack.push_back(parent);
  }
  return stack;
}

// Cuts wide runs into pieces (of one node at least).
std::vector<Run> split_runs(const LevelGraph& graph, const Elimination& e, const std::vector<Run>& runs) {
  std::vector<Run> out;
  for (const Run& run : runs) {
    const std::int64_t widest = std::clamp(run.width / kPieces, kPiece, kWidestPiece);
    std::int64_t left = run.width;
    Run piece{run.first, run.first, 0, 0, 0.0};
    for (int k = run.first; k <= run.last; ++k) {
      const int weight = graph.weight[e.order[k]];
      if (piece.width > 0 && piece.width + weight > widest) {
        out.push_back(piece);
        piece = Run{k, k, 0, 0, 0.0};
      }
      piece.last = k;
      piece.width += weight;
      left -= weight;
      piece.below = run.below + left;
    }
    out.push_back(piece);
  }
  return out;
}

// Rows (nodes) below every supernode: its columns' own neighbours and what its children pass on.
std::vector<std::vector<int>> rows_of_runs(const LevelGraph& graph, const Elimination& e, const std::vector<Run>& runs,
                                           const std::vector<int>& run_of) {
  const int n = graph.nodes;
  std::vector<int> position(n), mark(n, -1);
  for (int k = 0; k < n; ++k) position[e.order[k]] = k;
  std::vector<std::vector<int>> rows(runs.size()), children(runs.size());
  for (std::size_t s = 0; s < runs.size(); ++s) {
    auto add = [&](int k) {
      if (k <= runs[s].last || mark[k] == static_cast<int>(s)) return;
      mark[k] = static_cast<int>(s);
      rows[s].push_back(k);
    };
    for (int k = runs[s].first; k <= runs[s].last; ++k) {
      const int v = e.order[k];
      check_interrupt(5.0 * static_cast<double>(graph.start[v + 1] - graph.start[v]));
      for (std::int64_t t = graph.start[v]; t < graph.start[v + 1]; ++t) add(position[graph.neighbour[t]]);
    }
    for (int child : children[s]) {
      check_interrupt(5.0 * static_cast<double>(rows[child].size()));
      for (int k : rows[child]) add(k);
    }
    std::sort(rows[s].begin(), rows[s].end());
    if (!rows[s].empty()) children[run_of[rows[s].front()]].push_back(static_cast<int>(s));
  }
  return rows;
}

// Row of a position in the panel of a supernode that contains it.
int local_row(const Symbolic& S, const Supernode& target, int row) {
  if (target.solid || row < target.first + target.width) return row - target.first;
  const int* begin = S.rows.data() + target.rows;
  return target.width + static_cast<int>(std::lower_bound(begin, begin + target.below, row) - begin);
}

void place_supernodes(const LevelGraph& graph, const std::vector<Run>& runs, const std::vector<std::vector<int>>& rows,
                      Symbolic& S) {
  const Elimination& e = S.elimination;
  std::vector<int> scalar(graph.nodes + 1, 0);  // first position of the k-th node eliminated
  for (int k = 0; k < graph.nodes; ++k) scalar[k + 1] = scalar[k] + graph.weight[e.order[k]];
  S.q = scalar[graph.nodes];
  S.position.resize(graph.nodes);
  for (int k = 0; k < graph.nodes; ++k) S.position[e.order[k]] = scalar[k];
  for (std::size_t s = 0; s < runs.size(); ++s) {
    Supernode node;
    node.first = scalar[runs[s].first];
    node.width = static_cast<int>(runs[s].width);
    node.panel = S.panel_size;
    node.rows = static_cast<std::int64_t>(S.rows.size());
    for (int k : rows[s])
      for (int r = scalar[k]; r < scalar[k + 1]; ++r) S.rows.push_back(r);
    node.below = static_cast<int>(static_cast<std::int64_t>(S.rows.size()) - node.rows);
    node.solid = node.below == 0 || S.rows.back() == node.first + node.leading() - 1;
    S.panel_size += std::int64_t{node.leading()} * node.width;
    S.max_below = std::max(S.max_below, node.below);
    S.supernodes.push_back(node);
  }
}

// Adds to S.local the rows of a list, ascending as those of the supernode are, in its panel.
void place_rows(Symbolic& S, const Supernode& target, const int* rows, int count) {
  const int *begin = S.rows.data() + target.rows, *at = begin, *end = begin + target.below;
  const bool step = target.below < 8 * std::int64_t{count};  // through all of them, rather than search
  for (int i = 0; i < count; ++i) {
    const int row = rows[i];
    if (row < target.first + target.width) {
      S.local.push_back(row - target.first);
      continue;
    }
    if (step)
      while (*at < row) ++at;
    else
      at = std::lower_bound(at, end, row);
    S.local.push_back(target.width + static_cast<int>(at - begin));
  }
}

void place_updates(const std::vector<int>& supernode_at, Symbolic& S) {
  for (Supernode& node : S.supernodes) {
    node.update_begin = static_cast<std::int64_t>(S.updates.size());
    const int* rows = S.rows.data() + node.rows;
    for (int begin = 0; begin < node.below;) {
      Update update;
      update.target = supernode_at[rows[begin]];
      const Supernode& target = S.supernodes[update.target];
      update.begin = begin;
      update.end = begin;
      while (update.end < node.below && rows[update.end] < target.first + target.width) ++update.end;
      if (target.solid) {
        update.contiguous = rows[node.below - 1] - rows[begin] == node.below - 1 - begin;
      } else {
        update.local = static_cast<std::int64_t>(S.local.size());
        grow_within_memory(S.local, node.below - begin, "The pattern of the factor", "places of updates");
        place_rows(S, target, rows + begin, node.below - begin);
        update.contiguous = S.local.back() - S.local[update.local] == node.below - 1 - begin;
      }
      check_interrupt(10.0 * (target.solid ? update.end - begin : node.below - begin));
      begin = update.end;
      grow_within_memory(S.updates, 1, "The pattern of the factor", "updates");
      S.updates.push_back(update);
    }
    node.update_end = static_cast<std::int64_t>(S.updates.size());
  }
}

double cost(const Supernode& node) {
  const double w = node.width, m = node.below;
  return w * w * w / 3 + w * w * m + w * m * m + 20 * w * (w + m) + 200;
}

void divide_work(Symbolic& S) {
  const int n = static_cast<int>(S.supernodes.size());
  std::vector<double> subtree(n);
  std::vector<int> parent(n, -1);
  for (int s = 0; s < n; ++s) {
    const Supernode& node = S.supernodes[s];
    subtree[s] += cost(node);
    S.work += cost(node);
    if (node.update_begin == node.update_end) continue;
    parent[s] = S.updates[node.update_begin].target;
    subtree[parent[s]] += subtree[s];
  }
  double chunk_work = 0, outside = 0;
  for (int s = 0; s < n; ++s) {
    S.supernodes[s].top = subtree[s] > S.work / kTopShare;
    if (!S.supernodes[s].top) outside += cost(S.supernodes[s]);
  }
  std::vector<int> top_index(n, -1);
  bool open = false;  // the last chunk may take another subtree
  for (int s = 0; s < n; ++s) {
    Supernode& node = S.supernodes[s];
    if (node.top) {
      top_index[s] = static_cast<int>(S.top.size());
      S.top.push_back(s);
      continue;
    }
    if (!open) {
      S.chunks.emplace_back();
      chunk_work = 0;
      open = true;
    }
    S.chunks.back().push_back(s);
    chunk_work += cost(node);
    node.product = S.product_size;
    S.product_size += std::int64_t{node.below} * node.width;
    const bool root = parent[s] < 0 || S.supernodes[parent[s]].top;
    if (root && chunk_work > outside / kChunks) open = false;
  }
  S.pulls.resize(S.top.size());
  for (const std::vector<int>& chunk : S.chunks)
    for (int s : chunk)
      for (std::int64_t t = S.supernodes[s].update_begin; t < S.supernodes[s].update_end; ++t) {
        Update& u = S.updates[t];
        u.deferred = S.supernodes[u.target].top;
        if (u.deferred) S.pulls[top_index[u.target]].push_back({s, t});
      }
}

void place_products(const Pattern& pattern, const std::vector<int>& supernode_at, Symbolic& S) {
  S.diagonal_at.resize(static_cast<std::size_t>(pattern.nodes));
  S.leading.resize(static_cast<std::size_t>(pattern.nodes));
  S.permuted.resize(static_cast<std::size_t>(pattern.q));
  auto place = [&](int row, int column) {
    const Supernode& node = S.supernodes[supernode_at[column]];
    return node.panel + std::int64_t{column - node.first} * node.leading() + local_row(S, node, row);
  };
  for (const FactorShape& f : pattern.factors)
    for (std::int32_t l = 0; l < f.levels; ++l) {
      const int at = S.position[f.first_node + l];
      S.diagonal_at[f.first_node + l] = place(at, at);
      S.leading[f.first_node + l] = S.supernodes[supernode_at[at]].leading();
      for (int c = 0; c < f.width; ++c) S.permuted[f.offset + std::int64_t{l} * f.width + c] = at + c;
    }
  std::vector<int> below(static_cast<std::size_t>(S.q));  // of the rows of one supernode, their places in its panel
  for (const PairPattern& pair : pattern.pairs) {
    const std::int64_t first_a = pattern.factors[pair.a].first_node, first_b = pattern.factors[pair.b].first_node;
    std::vector<std::int64_t> at(pair.level_b.size());
    for (std::int32_t l = 0; l < pattern.factors[pair.a].levels; ++l) {
      check_interrupt(30.0 * static_cast<double>(pair.start[l + 1] - pair.start[l]));
      const int a = S.position[first_a + l];
      const Supernode& node = S.supernodes[supernode_at[a]];
      const std::int64_t column = node.panel + std::int64_t{a - node.first} * node.leading();
      // Where a level meets many others it is less work to lay out all rows of its supernode than to search for each.
      const bool laid_out = !node.solid && node.below < 4 * (pair.start[l + 1] - pair.start[l]);
      for (int i = 0; laid_out && i < node.below; ++i) below[S.rows[node.rows + i]] = node.width + i;
      for (std::int64_t t = pair.start[l]; t < pair.start[l + 1]; ++t) {
        const int b = S.position[first_b + pair.level_b[t]];
        if (b < a)
          at[t] = ~place(a, b);
        else if (laid_out && b >= node.first + node.width)
          at[t] = column + below[b];
        else
          at[t] = column + local_row(S, node, b);
      }
    }
    S.pair_at.push_back(std::move(at));
  }
}

}  // namespace

Symbolic analyze(const Pattern& pattern, const LevelGraph& graph, Elimination elimination) {
  Symbolic S;
  S.elimination = std::move(elimination);
  const std::vector<Run> whole = merge_runs(exact_runs(graph, S.elimination), S.elimination);
  const std::vector<Run> runs = split_runs(graph, S.elimination, whole);
  S.supernode_of.resize(graph.nodes);
  for (std::size_t s = 0; s < runs.size(); ++s)
    for (int k = runs[s].first; k <= runs[s].last; ++k) S.supernode_of[k] = static_cast<int>(s);
  double below = 0;
  for (const Run& run : runs) below += static_cast<double>(run.below);
  require_memory("The pattern of the factor", {{"rows of its columns", 8 * below}});
  const auto rows = rows_of_runs(graph, S.elimination, runs, S.supernode_of);
  place_supernodes(graph, runs, rows, S);
  std::vector<int> supernode_at(S.q);
  for (std::size_t s = 0; s < S.supernodes.size(); ++s)
    std::fill_n(supernode_at.begin() + S.supernodes[s].first, S.supernodes[s].width, static_cast<int>(s));
  place_updates(supernode_at, S);
  divide_work(S);
  place_products(pattern, supernode_at, S);
  return S;
}

FactorPattern factor_pattern(const LevelGraph& graph, const Symbolic& S) {
  const Elimination& e = S.elimination;
  const int n = graph.nodes;
  std::vector<int> position(n), mark(n, -1);
  for (int k = 0; k < n; ++k) position[e.order[k]] = k;
  require_memory("The pattern of the factor", {{"rows and places", 24.0 * static_cast<double>(e.fill.nnz)}});
  std::vector<std::vector<int>> columns(n);  // nodes below, ascending because rows are visited in order
  for (int i = 0; i < n; ++i) {
    mark[i] = i;
    const int v = e.order[i];
    for (std::int64_t t = graph.start[v]; t < graph.start[v + 1]; ++t) {
      int j = position[graph.neighbour[t]], steps = 0;
      if (j >= i) continue;
      for (; mark[j] != i; j = e.parent[j], ++steps) {
        columns[j].push_back(i);
        mark[j] = i;
      }
      check_interrupt(10.0 * steps);
    }
  }
  FactorPattern out;
  out.start.push_back(0);
  for (int k = 0; k < n; ++k) {
    const Supernode& node = S.supernodes[S.supernode_of[k]];
    const int at = S.position[e.order[k]], weight = graph.weight[e.order[k]];
    for (int c = at; c < at + weight; ++c) {
      const std::int64_t column = node.panel + std::int64_t{c - node.first} * node.leading();
      auto add = [&](int row) {
        out.row.push_back(row);
        out.place.push_back(column + local_row(S, node, row));
      };
      check_interrupt(10.0 * static_cast<double>(columns[k].size()));
      for (int r = c; r < at + weight; ++r) add(r);
      for (int i : columns[k]) {
        const int below = S.position[e.order[i]];
        for (int r = below; r < below + graph.weight[e.order[i]]; ++r) add(r);
      }
      out.start.push_back(static_cast<std::int64_t>(out.row.size()));
    }
  }
  return out;
}

}  // namespace mixedmodels
