// Purpose: one model as the core has it: its rows, what was made from them once, and what theta means.
// A copy shares the cross-products, the graph and the analysis. What works with other numbers (another response, fewer
// rows) takes a copy, gives it cross-products of its own and changes the numbers of these.
// Whatever is made from a model refers to it: the model must outlive that, and its parts must stay where they are.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "criterion/structures.hpp"
#include "factor/symbolic.hpp"
#include "products/axes.hpp"
#include "products/basis.hpp"
#include "products/crossprod.hpp"

namespace mixedmodels {

struct Model {
  Rows rows;
  OrthogonalBasis basis;
  std::shared_ptr<const CrossProducts> A;
  std::shared_ptr<const LevelGraph> graph;
  std::shared_ptr<const Symbolic> symbolic;
  std::vector<ThetaEntry> entries;  // term by term, each a lower triangle by columns unless stated otherwise

  std::shared_ptr<const Structures> structures = nullptr;  // where terms are not free triangles

  // What a search moves beside the parameters of a distribution: theta, or what it is a function of.
  const std::vector<ThetaEntry>& parameters() const { return structures ? structures->parameters() : entries; }
  int m() const { return static_cast<int>(parameters().size()); }
};

// The same model with other cross-products.
inline Model with_products(Model model, std::shared_ptr<const CrossProducts> A) {
  model.A = std::move(A);
  return model;
}

}  // namespace mixedmodels
