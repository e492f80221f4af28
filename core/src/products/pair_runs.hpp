// Purpose: sums over the pairs of levels of two factors that occur, when the pairs are not known beforehand.
// A batch of rows is sorted by its pairs and becomes a run: ascending pairs, each with its sums. Runs of about the same
// length are merged, so that there are few of them and a pair is touched about log2(pairs / batch) times. A run never
// changes once it is made, and values share runs. Neither the rows nor more than the pairs that occur is held.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/raw_array.hpp"
#include "products/rows.hpp"

namespace mixedmodels {

struct PairRun {
  std::size_t size = 0;
  RawArray<std::uint64_t> key;  // ascending, each once; see PairRuns::key
  RawArray<double> value;       // as the values of a PairBlock
};

class PairRuns {
 public:
  // The runs of factors a < b with these widths and numbers of levels.
  PairRuns(int a, int b, int width_a, int width_b, std::int32_t levels_a, std::int32_t levels_b);

  int a() const { return a_; }
  int b() const { return b_; }
  int width_a() const { return width_a_; }
  int width_b() const { return width_b_; }
  int block() const { return width_a_ * width_b_; }

  std::uint64_t key(std::int32_t level_a, std::int32_t level_b) const {
    return static_cast<std::uint64_t>(level_a) << bits_b_ | static_cast<std::uint32_t>(level_b);
  }
  std::int32_t level_a(std::uint64_t key) const { return static_cast<std::int32_t>(key >> bits_b_); }
  std::int32_t level_b(std::uint64_t key) const {
    return static_cast<std::int32_t>(key & ((std::uint64_t{1} << bits_b_) - 1));
  }

  void add(const Rows& rows);
  void push(std::shared_ptr<const PairRun> run);
  // Merges all runs into one, null where there are none.
  const PairRun* pack();
  const std::shared_ptr<const PairRun>& packed() const { return runs_.front(); }  // after pack, of a number above zero
  std::size_t size() const;  // of all runs; after pack the number of pairs

 private:
  std::shared_ptr<const PairRun> merged(const PairRun& one, const PairRun& other) const;

  int a_, b_, width_a_, width_b_, bits_a_, bits_b_;
  std::vector<std::shared_ptr<const PairRun>> runs_;  // each more than twice as long as the next
};

}  // namespace mixedmodels
