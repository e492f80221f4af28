// Purpose: the rows of a design as the core sees them: pointers into the caller's arrays, nothing copied.
// The owner of the arrays keeps them alive for as long as a `Rows` value is used.
#pragma once

#include <cstdint>
#include <vector>

namespace mixedmodels {

// One column of a model matrix; stride 0 is a constant column.
struct Column {
  const double* base = nullptr;
  std::int64_t stride = 0;
  double operator[](std::int64_t row) const { return base[row * stride]; }
};

struct FactorRows {
  const std::int32_t* codes = nullptr;
  std::int32_t levels = 0;
  std::vector<Column> z;       // the columns of all terms on this factor, side by side
  std::vector<double> T = {};  // z is T' times the caller's columns (see axes.hpp); width x width, or empty: identity
  // Where rows have several levels (memberships): row i those in codes[start[i]] .. codes[start[i + 1] - 1], each with
  // its weight. nullptr: every row has one.
  const std::int64_t* start = nullptr;
  Column member_weight = {};  // of every entry of `codes`; base == nullptr: all ones

  int width() const { return static_cast<int>(z.size()); }
  bool several() const { return start != nullptr; }
  std::int64_t entries(std::int64_t n) const { return several() ? start[n] : n; }

  // visit(level, weight) for every level of a row; a level that is there twice counts with both weights.
  template <typename Visit>
  void each_member(std::int64_t row, Visit&& visit) const {
    if (!several()) {
      visit(codes[row], 1.0);
      return;
    }
    for (std::int64_t e = start[row]; e < start[row + 1]; ++e)
      visit(codes[e], member_weight.base ? member_weight[e] : 1.0);
  }

  std::vector<std::int64_t> rows_of_entries(std::int64_t n) const {
    std::vector<std::int64_t> out;
    out.reserve(static_cast<std::size_t>(entries(n)));
    for (std::int64_t row = 0; row < n; ++row) each_member(row, [&](std::int32_t, double) { out.push_back(row); });
    return out;
  }
};

struct Rows {
  std::int64_t n = 0;
  std::vector<FactorRows> factors;
  std::vector<Column> x;
  Column y;
  Column weight;     // base == nullptr: all ones
  Column offset;     // base == nullptr: all zeros
  double scale = 1;  // of the response, a power of two that makes what the fixed part leaves of it about 1 in size

  // False where only the number of rows is left of them: products were made from sums over rows.
  bool present() const { return y.base != nullptr; }
  int p() const { return static_cast<int>(x.size()); }
  double w(std::int64_t i) const { return weight.base ? weight[i] : 1.0; }
  double response(std::int64_t i) const { return scale * (offset.base ? y[i] - offset[i] : y[i]); }
};

// Rows first, first + 1, ..., or those of a list.
struct RowRange {
  std::int64_t first = 0;
  std::int64_t operator[](std::int64_t i) const { return first + i; }
};
struct RowList {
  const std::int64_t* which = nullptr;
  std::int64_t operator[](std::int64_t i) const { return which[i]; }
};

// The rows in a few ranges for as many tasks. The ranges depend on the problem and not on the number of threads, so
// that sums over rows come out the same for any.
class RowRanges {
 public:
  // `per_row`: numbers read in every row; small problems stay in one range.
  RowRanges(std::int64_t n, int per_row) : n_(n), count_(n * per_row > 400000 ? 4 : 1) {}
  int count() const { return count_; }
  std::int64_t begin(int part) const { return n_ * part / count_; }
  std::int64_t end(int part) const { return n_ * (part + 1) / count_; }

 private:
  std::int64_t n_;
  int count_;
};

}  // namespace mixedmodels
