// Purpose: sums over the levels, and the pairs of levels, of G = T - Y'Y (T = Z'V^-1Z; REML's Z'PZ with a Y of its
// own), from which traces of products like tr(S_i G S_j G) are put together, S_i repeating one small block for every
// level. G is made in panels and never stored.
#pragma once

#include <memory>
#include <vector>

#include "criterion/ztviz.hpp"
#include "kernels/workers.hpp"

namespace mixedmodels {

struct PairSums {
  explicit PairSums(const CrossProducts& A);

  void add(const PairSums& other);

  // Sum of G_ll over the levels of f, s x s.
  std::vector<std::vector<double>> own;

  // Sum over levels l of f and m of g of G[(l, a), (m, b)] G[(l, c), (m, d)].
  double product(int f, int g, int a, int b, int c, int d) const;

  // Sum over levels l of f and m of g of tr(S_i G_lm S_j G_ml) with S_i = e_a x' + x e_a' and S_j = e_b y' + y e_b'.
  double trace(int f, int a, const double* x, int g, int b, const double* y) const;

  PairSums zeros() const;
  std::size_t numbers() const;

  std::vector<int> widths;
  std::vector<std::vector<double>> pairs;  // at index(f, g), g <= f; of one factor only levels l after m
  std::vector<std::vector<double>> same;   // a level with itself
  static std::size_t index(int f, int g) { return static_cast<std::size_t>(f) * (f + 1) / 2 + g; }
};

// Workspace of `add_level_sums`, which keeps it from component to component.
struct PanelSpace {
  std::unique_ptr<double[]> back;  // E R, a column for every row of the rest
  std::size_t room = 0;
  struct OfThread {
    std::vector<double> panel, values, scratch, packed;
  };
  std::vector<OfThread> threads;
  // Levels first .. last of a factor.
  struct Panel {
    int factor, first, last;
  };
  std::vector<Panel> panels;
  std::vector<double> products;
};

// What the sums over pairs of the lead's levels cost (flops): pair by pair, or from products of matrices as large as
// the rest and k. `links` are the numbers of E.
struct LeadCost {
  double pairs, products;
  bool by_products() const { return products < pairs; }
};
LeadCost lead_cost(const Layout& layout, double links, int k);

// Y is k x q in the order of the component's layout, or k = 0.
void add_level_sums(const ZtViZ& T, int k, const double* Y, Workers& workers, PanelSpace& space, PairSums& out);

}  // namespace mixedmodels
