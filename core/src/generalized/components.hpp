// Purpose: the connected components of a generalized model's levels with their rows, and one of them with its matrices
// as dense squares. Effects of different components do not meet in M, so that sums over pairs of levels are sums over
// components: one level each with one grouping factor, a subtree each with nested ones, all levels with crossed ones.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "criterion/model.hpp"
#include "generalized/weighted_rows.hpp"

namespace mixedmodels {

class Components {
 public:
  Components(const LevelGraph& graph, const CrossProducts& A, const WeightedRows& rows);

  std::size_t count() const { return nodes_.size(); }
  const std::vector<int>& nodes(std::size_t c) const { return nodes_[c]; }
  std::span<const std::int64_t> rows(std::size_t c) const {
    return {row_list_.data() + row_start_[c], row_list_.data() + row_start_[c + 1]};
  }
  int size(std::size_t c) const { return sizes_[c]; }  // effects
  int largest() const { return largest_; }
  // Where the effects of a node begin among those of its component.
  int place(std::int64_t node) const { return place_[node]; }

 private:
  std::vector<std::vector<int>> nodes_;
  std::vector<std::int64_t> row_start_, row_list_;
  std::vector<int> sizes_, place_;
  int largest_ = 0;
};

// Lists of templates, squares of the factors' widths.
using Squares = std::vector<std::vector<double>>;

// One component at a point: Z'WZ and M^-1, dense and column-major.
class DenseComponent {
 public:
  // A level: its factor, and where its effects stand in the component and among all.
  struct Level {
    int factor, first, width;
    std::int64_t effect;
  };

  DenseComponent(const CrossProducts& A, const WeightedRows& rows, const Components& components);

  // False where M is not positive definite in floating point.
  bool assign(std::size_t c, const Squares& lam);

  int q() const { return q_; }
  const std::vector<Level>& levels() const { return levels_; }
  std::span<const std::int64_t> rows() const { return components_.rows(c_); }
  const std::vector<double>& ZtWZ() const { return A_; }
  const std::vector<double>& inverse() const { return inverse_; }        // M^-1
  const std::vector<double>& covariance() const { return covariance_; }  // Lambda M^-1 Lambda'

  // x <- Lambda x, or Lambda'x, for k columns of q numbers.
  void apply(const Squares& lam, bool transposed, double* x, int k) const;
  // For every factor the place of a row's effects, and the row's numbers there: call(factor, place, width, z).
  template <typename Call>
  void for_each_effect(std::int64_t row, Call&& call) const {
    for (std::size_t f = 0; f < all_.factors.size(); ++f)
      call(components_.place(all_.factors[f].first_node + rows_.codes(static_cast<int>(f))[row]), all_.factors[f].width,
           rows_.z(static_cast<int>(f), row));
  }
  // Z_i'x of a row, and x += a Z_i.
  double dot(std::int64_t row, const double* x) const;
  void add(std::int64_t row, double a, double* x) const;

 private:
  void fill();

  const CrossProducts& all_;
  const WeightedRows& rows_;
  const Components& components_;
  std::size_t c_ = 0;
  int q_ = 0;
  std::vector<Level> levels_;
  std::vector<double> A_, inverse_, covariance_;
};

}  // namespace mixedmodels
