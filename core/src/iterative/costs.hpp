// Purpose: what an evaluation would cost with the factor and without it, predicted before anything large is allocated.
// A root that will not be factored is never analysed: bounds come first, from the number of its rows and from a sample
// of its density; columns are counted only between these bounds.
#pragma once

#include <memory>

#include "factor/order.hpp"
#include "products/crossprod.hpp"

namespace mixedmodels {

struct Outlook {
  double root = 0;         // random effects of all factors but the first
  double exact_flops = 0;  // of factor and inverse
  double exact_bytes = 0;
  double iterative_flops = 0;
  double iterative_bytes = 0;
  double products_bytes = 0;
  // Whether flops and bytes of the factor were counted; else they are bounds that settle the matter.
  bool counted = false;
  std::shared_ptr<Elimination> elimination;  // with `counted`
};

// For a caller that takes the exact way up to so many flops and bytes. `graph` makes the graph of the levels if needed.
using GraphOf = const LevelGraph& (*)(void* owner);
Outlook predict_costs(const CrossProducts& A, double most_flops, double most_bytes, GraphOf graph, void* owner);

}  // namespace mixedmodels
