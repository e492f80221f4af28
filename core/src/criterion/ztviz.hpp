// Purpose: T = Z'V^-1Z of one connected component of the levels, V being the covariance of y over sigma^2, in pieces
// from which products and sums over all its levels are made; nothing has n rows.
// Method: the lead factor, of which no level meets another, is eliminated level by level, so that only the others make
// dense matrices. With A = Z'WZ in blocks of the lead (1) and the rest (2), S = Lambda Lambda',
//   B = (A_11^-1 + S_1)^-1 (block-diagonal), E = (I + A_11 S_1)^-1 A_12 (where levels meet),
//   F = A_22 - A_21 S_1 E, R = Lambda_2 (Lambda_2'F Lambda_2 + I)^-1 Lambda_2', U = I - R F,
// T_11 = B - E R E', T_12 = E U, T_22 = F U. A zero in a template needs no case of its own; where templates are large
// forms are taken that do not lose their digits.
#pragma once

#include <algorithm>
#include <vector>

#include "criterion/connected.hpp"
#include "criterion/profiled_deviance.hpp"

namespace mixedmodels {

// False for templates that are very large, or large where others are singular: T would come out of a difference that
// has lost its digits.
bool keeps_digits(const CrossProducts& A, const Templates& lam);

class ZtViZ {
 public:
  // At the templates of the last update of `pls`. `alone`: the caller holds `pls` exclusively, so that large parts of
  // M^-1 may be made and read there.
  ZtViZ(ProfiledDeviance& pls, bool alone);

  // Takes the component of these nodes. The lead's levels are in an order of their own afterwards: those that meet the
  // same levels stand together.
  void renew(const std::vector<int>& nodes, Workers& workers);

  const Layout& layout() const { return layout_; }
  double links() const { return static_cast<double>(links_.size()); }  // numbers of E
  const std::vector<double>& B() const { return B_; }                  // s x s for every level of the lead

  // Rows `first` .. of the rest, n of them and whole levels, as the leading n rows of matrices of `height` rows:
  // of R and of U' (all columns), of T_22 (so many columns).
  void rows_of_R(int first, int n, int height, double* out) const;
  void rows_of_Ut(int first, int n, int height, double* out) const;
  void rows_of_T22(int first, int n, int columns, int height, double* out) const;
  // Whether U = R S_2^-1, so that rows of U'E' are those of S_2^-1 times R E'; the latter in place.
  bool divides() const { return divides_rest_; }
  void divide_rows(int first, int n, int columns, int height, double* values) const;

  // out (rows x levels * s) = panel E' for the first `levels` of the lead, `panel` being rows x rest; rows a multiple
  // of kTile.
  static constexpr int kTile = 8;
  void times_links(int rows, const double* panel, int levels, std::vector<double>& scratch, double* out) const;

  // N = sum over the lead's levels of e_a e_b', e_a standing for [column a of E'; column a of Y], Y being k x q in the
  // order of the layout: (rest + k) x (rest + k).
  void links_product(int a, int b, int k, const double* Y, std::vector<double>& scratch, double* N) const;
  // out = [R 0; 0 I] in, `columns` columns of rest + k numbers.
  void times_R(int k, int columns, const double* in, double* out) const;
  // w (s x s) = E_l R E_l' for a level of the lead, one after the other.
  template <typename Visit>
  void for_each_own_share(const Visit& visit) const {
    const int s = layout_.parts[layout_.lead].width;
    std::vector<double> w(static_cast<std::size_t>(s) * s);
    for (const Batch& batch : batches_)
      for (int l = batch.first; l < batch.last; ++l) {
        own_share(batch, l, w.data());
        visit(l, w.data());
      }
  }

  // out = in T, both k x q column-major in the order of the layout.
  void multiply(int k, const double* in, double* out);

  // The k numbers of every random effect (k x q column-major), from the order of the cross-products to the layout's.
  void gather(int k, const double* in, double* out) const;

 private:
  // Levels of the lead that meet the same rows of the rest: E' there is one matrix, count x (last - first) * s.
  struct Batch {
    int first, last, count;
    std::size_t rows, at;  // where the rows begin in index_, the matrix in links_
  };
  // Levels that meet: rows `row` .. of the rest and one of the lead.
  struct Link {
    int row, width;
    const double* values;
    bool by_lead;  // the values are s x width, else width x s
  };
  // Rows first .. first + width of the rest.
  struct RestLevel {
    int factor, width, first;
  };

  void collect_links();
  void find_links();
  void collect_rest();
  void eliminate_lead();
  void divide_lead(const double* L, int height, int k, double* B, double* C);
  void subtract_from_rest(const Batch& batch, const double* J);
  bool read_inverse();
  void eliminate_rest(Workers& workers);
  void congruence(const Templates& T, double* X, Workers& workers) const;
  void times_blocks(const Templates& T, int k, const double* in, double* out) const;
  const RestLevel* level_at(int row) const;
  void own_share(const Batch& batch, int level, double* w) const;

  const CrossProducts& A_;
  const Templates& lam_;
  ProfiledDeviance* pls_;  // null when not alone
  Templates inverse_lam_, transposed_lam_, inverse_of_S_;
  std::vector<bool> divides_;
  std::vector<int> place_;  // node -> its first row
  Layout layout_;
  std::vector<RestLevel> rest_levels_;
  bool divides_rest_ = false, read_ = false;
  std::vector<std::size_t> start_;  // of the links of every level of the lead, in the order of the component's nodes
  std::vector<Link> found_;
  std::vector<Batch> batches_;
  std::vector<int> index_, where_;
  std::vector<double> links_;
  std::vector<double> B_, F_, R_, U_;
  std::vector<double> scratch_, half_, met_, back_, AL_, panel_, divided_;
};

// Adds up what all components give. `make(alone)` makes something with a Marginal and add(nodes, workers, sums), where
// `workers` are for one component; `Sums` have add(other) and numbers(). One that is large is shared by the workers,
// many small ones are shared out among them, in groups that do not depend on how many there are.
template <typename Sums, typename Make>
void over_components(const std::vector<std::vector<int>>& components, Workers& workers, const Make& make, Sums& sums) {
  constexpr std::size_t kGroups = 32, kNumbers = 4'000'000, kNodes = 500;
  std::size_t all = 0, largest = 0;
  for (const std::vector<int>& nodes : components) all += nodes.size(), largest = std::max(largest, nodes.size());
  const auto add = [&](auto& adder, std::size_t first, std::size_t last, Workers& of_one, Sums& to) {
    for (std::size_t i = first; i < last; ++i) adder.add(components[i], of_one, to);
  };
  if (2 * largest > all) return add(*make(true), 0, components.size(), workers, sums);
  const std::size_t most = std::clamp<std::size_t>(kNumbers / sums.numbers(), 2, kGroups);
  const std::size_t groups = std::min({components.size(), most, 1 + all / kNodes});
  std::vector<Sums> of_group(groups, sums);
  std::vector<decltype(make(false))> adders(static_cast<std::size_t>(workers.threads()));
  workers.run(static_cast<int>(groups), [&](int group, int thread) {
    Workers single(1);
    if (!adders[thread]) adders[thread] = make(false);
    add(*adders[thread], group * components.size() / groups, (group + 1) * components.size() / groups, single,
        of_group[group]);
  });
  for (const Sums& one : of_group) sums.add(one);
}

}  // namespace mixedmodels
