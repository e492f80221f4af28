// Purpose: the connected components of the graph of levels (a district with its schools and classes, say) and the order
// of the random effects in one. Z'V^-1Z is block-diagonal over them, V being the covariance of y.
#pragma once

#include <vector>

#include "factor/order.hpp"
#include "products/crossprod.hpp"

namespace mixedmodels {

// Nodes of every component, ascending, so that the levels of a factor stand together.
std::vector<std::vector<int>> components(const LevelGraph& graph);

// Rows of a component: first those of the factor that has most of them, the lead, then the rest.
struct Layout {
  // The levels of one factor: rows first .. first + levels * width.
  struct Part {
    std::vector<std::int32_t> levels;
    int first = 0, width = 0;
    int rows() const { return static_cast<int>(levels.size()) * width; }
  };
  std::vector<Part> parts;
  int lead = 0, own = 0, rest = 0;  // the lead factor, its rows, all other rows
  int q() const { return own + rest; }

  Layout(const CrossProducts& A, const std::vector<int>& nodes) { assign(A, nodes); }
  void assign(const CrossProducts& A, const std::vector<int>& nodes);

  // The first random effect of a level in the order of the cross-products.
  static std::int64_t effect(const FactorBlock& block, std::int32_t level) {
    return block.offset + std::int64_t{level} * block.width;
  }
};

}  // namespace mixedmodels
