// Purpose: cross-products as a value that grows: rows are added batch by batch, sums of parts are merged, and products
// are made of them when there are no more. Sums are a commutative monoid up to rounding: the frame is fixed before any
// row is summed, so that merging is addition. What is added in the same order and merged in the same tree is the same
// to the last bit. Neither rows nor pairs of levels that do not occur are held.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "products/basis.hpp"
#include "products/crossprod.hpp"
#include "products/gram.hpp"
#include "products/pair_runs.hpp"

namespace mixedmodels {

// The frame of X and y, and the axes of the columns of every factor's terms.
struct SumsFrame {
  Frame fixed;
  std::vector<std::vector<int>> widths;  // of the terms of every factor
  std::vector<std::vector<double>> T;    // by factor, as in FactorRows; never empty

  bool operator==(const SumsFrame& other) const;
  int width(std::size_t factor) const;
};

// Of some rows for many; the frame's response has a unit of its own. Throws std::invalid_argument for a number that is
// not finite.
SumsFrame pilot_sums_frame(Rows pilot, std::vector<std::vector<int>> widths);

// Rows that stand for several each: their numbers, and what the rows themselves had.
struct Cells {
  std::int64_t n = 0;
  double sum_log_weights = 0;
};

// What sums are made of, as plain numbers: for files, and for other processes.
struct SumsState {
  std::vector<std::int64_t> levels, widths, terms;  // by factor; all terms' widths; terms of every factor
  std::vector<double> R, c, T;                      // of the frame
  std::vector<std::int64_t> counts;                 // rows with a weight above zero, all rows
  std::vector<double> numbers;                      // the frame's unit, sum of weights, of their logarithms, within
  std::vector<double> XtX, ZtX, diagonal;
  std::vector<std::int64_t> level_counts;
  std::vector<std::int64_t> pair_counts;  // of every two factors
  std::vector<std::int32_t> level_a, level_b;
  std::vector<double> pair_values;
};

// The part of it that is the frame's, and the frame of such a part. Throws std::invalid_argument where `part` is not
// one.
SumsState state_of(const SumsFrame& frame);
SumsFrame frame_from_state(const SumsState& state);

struct FinishedSums {
  OrthogonalBasis basis;
  std::shared_ptr<const CrossProducts> A;
};

class Sums {
 public:
  // None of nothing. Throws std::invalid_argument where the frame is not one of as many factors.
  Sums(std::vector<std::int32_t> levels, SumsFrame frame);

  // Adds rows as the caller has them, each with one level of every factor: codes in range, columns and widths as the
  // frame's. Throws std::invalid_argument where a number is not finite or a weight negative; nothing is added then.
  // `within`: squares of the response about what the rows stand for, with the weights. After any other exception the
  // sums are not usable.
  void add(const Rows& rows, double within = 0, const Cells* cells = nullptr);

  // A new value. Throws std::invalid_argument where frames or levels differ.
  Sums merged(const Sums& other) const;

  // Makes one run of the pairs of every two factors; whatever reads the pairs does so first.
  void pack();

  std::int64_t n() const { return A_.n; }            // with a weight above zero
  std::int64_t rows() const { return count_.rows; }  // all
  std::size_t pairs() const;                         // after pack those that occur
  double bytes() const;
  const SumsFrame& frame() const { return frame_; }
  const std::vector<std::int32_t>& levels() const { return levels_; }
  const std::vector<std::int64_t>& level_counts(std::size_t factor) const { return level_counts_.at(factor); }

  struct Condition {
    double frame = 1;     // of the frame's columns in these rows; digits lost: its square
    double response = 1;  // squares of the response in the frame over those left after a fit by least squares
  };
  Condition condition() const;
  // The frame of these rows, for another pass over them.
  SumsFrame better_frame() const;

  // Products in the orthogonal basis, along the axes of the rows. Packs.
  FinishedSums finish();

  SumsState state();
  // Throws std::invalid_argument, saying what is wrong, for a state that `state` does not give.
  static Sums from_state(SumsState state);

 private:
  void add_chunk(const Rows& rows);
  void require_usable() const;
  void set_pairs(const SumsState& state);

  std::vector<std::int32_t> levels_;
  SumsFrame frame_;
  CrossProducts A_;  // in the frame, without pairs
  RowCount count_;
  double within_ = 0;
  std::vector<std::vector<std::int64_t>> level_counts_;
  std::vector<PairRuns> pairs_;
  bool usable_ = true;
};

}  // namespace mixedmodels
