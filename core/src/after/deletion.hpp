// Purpose: fits one model again and again, each time without some of its rows, in parallel over these sets of rows.
// The products of the rows left are those of all rows less those of the rows taken out; where so much goes that the
// difference would lose its digits, or columns of X become dependent, they are formed anew. Order and pattern stay: a
// level without rows is a block of zeros in Z'WZ, of the identity in M, and adds nothing to criterion or gradient.
#pragma once

#include <cstdint>
#include <vector>

#include "after/bench.hpp"
#include "search/forward.hpp"
#include "search/quasi_newton.hpp"

namespace mixedmodels {

// Sets of rows to leave out, the i-th being rows[start[i]] .. rows[start[i + 1] - 1], no row twice in a set.
struct RowSets {
  std::vector<std::int64_t> start, rows;
  int count() const { return static_cast<int>(start.size()) - 1; }
};

// One step instead of a search: by -inverse * gradient, inverse being m x m, column-major.
struct NewtonStep {
  std::vector<double> inverse;
  ForwardStep axes;
};

struct Deletions : Fits {
  std::vector<double> std_error;      // sets x p, as beta
  std::vector<double> decrement;      // what the criterion may still fall, by the search's own model
  std::vector<std::int64_t> n;        // rows left
  std::vector<std::int32_t> levels;   // sets x factors, levels left
  std::vector<std::int32_t> rebuilt;  // whether the products were formed anew

  Deletions(const Model& model, int sets);
};

// Rows that sets refer to, of a model that has none itself: in the coordinates of its products, with the number of rows
// that each level of all rows has, factor after factor.
struct RowsElsewhere {
  Rows rows;
  std::vector<std::vector<double>> along_axes;  // numbers of the columns of Z that the rows point into
  std::vector<std::int64_t> of_levels;

  // Puts `rows` into the coordinates of a model; `widths` has the columns of every term of each factor.
  RowsElsewhere(const Model& model, Rows given, const std::vector<std::vector<int>>& widths,
                std::vector<std::int64_t> of_levels);
};

// Searches start at `start`, where a diagonal entry of it is zero at moments of the rows left. With `newton`
// there is no search but that step from `start`. Without rows of its own a model cannot form products anew: NaN there.
Deletions fit_without(const Model& model, const RowSets& sets, const std::vector<double>& start, Likelihood likelihood,
                      const SearchSettings& settings, const NewtonStep* newton, int threads,
                      const RowsElsewhere* elsewhere = nullptr);

// Takes the products of some rows out of A, those of a model of `n` rows. False when what is left has lost too many
// digits, and A is not usable then. `left` holds the rows left of every level, factor after factor.
bool subtract_rows(const Model& all, const Rows& rows, std::int64_t n, const std::int64_t* which, std::int64_t count,
                   const std::vector<std::int64_t>& left, CrossProducts& A);

}  // namespace mixedmodels
