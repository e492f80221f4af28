// Purpose: elimination orders on the graph of levels, and what each of them costs.
// A node is one level of one grouping factor and weighs as many coefficients as the level has; two nodes are
// adjacent when the pattern has their pair. No numbers here.
// Reference for the minimum degree order: Amestoy, Davis, Duff (1996), SIAM J. Matrix Anal. Appl. 17(4).
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "products/pattern.hpp"

namespace mixedmodels {

struct LevelGraph {
  int nodes = 0;
  std::vector<int> weight;
  std::vector<std::int64_t> start;  // nodes + 1
  std::vector<int> neighbour;
  bool connected_pairs() const { return !neighbour.empty(); }
};

LevelGraph level_graph(const Pattern& pattern);

// Orders are lists of nodes in the sequence of their elimination.
std::vector<int> factor_order(const Pattern& pattern, const std::vector<int>& factors);
// Empty when it would look at more than `most_work` entries of lists.
std::vector<int> minimum_degree(const LevelGraph& graph, double most_work = std::numeric_limits<double>::infinity());

// The elimination tree of an order, in positions of that order; -1 for a root. Liu (1990).
std::vector<int> elimination_tree(const LevelGraph& graph, const std::vector<int>& order);

// Reorders an elimination so that every subtree is contiguous and, if `below` is not empty, the child with most rows
// comes last.
std::vector<int> postorder(const std::vector<int>& parent, const std::vector<std::int64_t>& below);

// Weight of the rows below the diagonal in every column of the factor.
std::vector<std::int64_t> column_counts(const LevelGraph& graph, const std::vector<int>& order,
                                        const std::vector<int>& parent);

struct Fill {
  std::int64_t nnz = 0;  // entries of L, diagonal included
  double flops = 0;      // of one factorization
};
Fill fill_of(const LevelGraph& graph, const std::vector<int>& order, const std::vector<std::int64_t>& below);

// An order with its tree and costs, postordered.
struct Elimination {
  std::string name;
  std::vector<int> order;
  std::vector<int> parent;
  std::vector<std::int64_t> below;
  Fill fill;
};
Elimination eliminate(const LevelGraph& graph, std::vector<int> order, std::string name);

// The cheaper of the order of the factors as given and a minimum degree order. The latter is not tried when the
// former has no fill, and given up when finding it would cost a good part of what a whole fit costs without it, or
// would look at more than `most_work` entries of lists.
Elimination cheapest_elimination(const Pattern& pattern, const LevelGraph& graph,
                                 double most_work = std::numeric_limits<double>::infinity());

}  // namespace mixedmodels
