// Purpose: everything about the sparse Cholesky factor that does not depend on theta: the order, the supernodes,
// where every cross-product goes and where every update goes, and how the work divides.
//
// A supernode is a run of columns of L with the same rows below; its numbers form one dense column-major panel of
// (width + below) x width. Rows are positions of single coefficients in the permuted order. A wide run is cut into
// supernodes of bounded width, so that a dense trailing block can be processed in parallel.
//
// Supernodes whose subtree holds a good part of all the work are the *top*; what hangs below them falls apart into
// subtrees that are independent of each other, grouped in chunks of similar work. Updates from a chunk to the top wait
// until all chunks are done and are then taken target by target (`pulls`). The division is one of the model, not of
// the number of threads, so the numbers agree for any count up to rounding.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "factor/order.hpp"

namespace mixedmodels {

// The part of a supernode's rows that lies in the columns of one later supernode: rows [begin, end) of it.
// `local` is where the list begins that gives, for rows begin .. below, their rows in the target's panel; a *solid*
// target, whose rows are consecutive positions, needs none: a row of its panel is the position less its first.
struct Update {
  int target = 0;
  int begin = 0, end = 0;
  std::int64_t local = -1;
  bool contiguous = false;  // the local rows are consecutive
  bool deferred = false;    // from a chunk to the top
};

struct Supernode {
  int first = 0, width = 0, below = 0;
  std::int64_t panel = 0;  // where its panel starts
  std::int64_t rows = 0;   // where its list of rows below starts
  std::int64_t update_begin = 0, update_end = 0;
  std::int64_t product = 0;  // where its below x width numbers of intermediate products start, for those not in the top
  bool top = false;
  bool solid = false;
  int leading() const { return width + below; }
};

// An update of a supernode in the top, by a supernode of a chunk.
struct Pull {
  int node;
  std::int64_t update;
};

struct Symbolic {
  Elimination elimination;
  std::vector<int> position;  // node -> position of its first coefficient in the permuted order
  std::vector<Supernode> supernodes;
  std::vector<int> supernode_of;  // by position in the order of nodes
  std::vector<int> rows;
  std::vector<Update> updates;
  std::vector<int> local;
  std::vector<std::int64_t> diagonal_at;           // node -> its diagonal block in the panels
  std::vector<std::vector<std::int64_t>> pair_at;  // per pair of levels: its block; ~place when transposed
  std::vector<int> leading;                        // node -> leading dimension of the panel with its columns
  std::vector<int> permuted;                       // position in the permuted order of every coefficient of b
  std::vector<int> top;                            // supernodes of the top, ascending
  std::vector<std::vector<int>> chunks;            // the others, ascending in every chunk and over the chunks
  std::vector<std::vector<Pull>> pulls;            // for every supernode of the top, by ascending source
  std::int64_t panel_size = 0, product_size = 0;
  double work = 0;  // rough cost of one factorization, memory included
  int q = 0;
  int max_below = 0;
};

Symbolic analyze(const Pattern& pattern, const LevelGraph& graph, Elimination elimination);

// The pattern of L in the permuted order by single coefficients (compressed columns, rows ascending, diagonal
// first), with the place of every entry in the panels.
struct FactorPattern {
  std::vector<std::int64_t> start;
  std::vector<int> row;
  std::vector<std::int64_t> place;
};
FactorPattern factor_pattern(const LevelGraph& graph, const Symbolic& symbolic);

}  // namespace mixedmodels
