// Purpose: a few vectors at once, row by row, so that a product with a sparse matrix reads the matrix once for all of
// them. Sums over rows are made part by part and added in the order of the parts: they are the same to the last bit
// for any number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <new>
#include <utility>
#include <vector>

#include "kernels/workers.hpp"

namespace mixedmodels {

// Columns of the widest panel, and the number that the width of every panel is a multiple of.
constexpr int kWidest = 16;
constexpr int kStep = 4;

inline int padded(int columns) { return (columns + kStep - 1) / kStep * kStep; }

// Numbers that begin on a line of the cache, so that a row of eight of them touches one.
template <typename T>
struct OnCacheLine {
  using value_type = T;
  static constexpr std::align_val_t kLine{64};
  OnCacheLine() = default;
  template <typename U>
  explicit OnCacheLine(const OnCacheLine<U>&) {}
  T* allocate(std::size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), kLine)); }
  void deallocate(T* p, std::size_t) { ::operator delete(p, kLine); }
  friend bool operator==(const OnCacheLine&, const OnCacheLine&) { return true; }
};
using Numbers = std::vector<double, OnCacheLine<double>>;

struct Panel {
  std::int64_t rows = 0;
  int width = 0;
  Numbers a;  // rows x width, row-major

  Panel() = default;
  Panel(std::int64_t r, int w) : rows(r), width(w), a(static_cast<std::size_t>(r) * w, 0.0) {}
  double* row(std::int64_t i) { return a.data() + i * width; }
  const double* row(std::int64_t i) const { return a.data() + i * width; }
};

// Rows of a panel in parts of fixed size, worked on by several threads.
class Parts {
 public:
  // Each part ends where `ends` says; ascending, the last one is the number of rows.
  Parts(std::vector<std::int64_t> ends, Workers& workers) : ends_(std::move(ends)), workers_(&workers) {}

  int count() const { return static_cast<int>(ends_.size()); }
  std::int64_t first(int part) const { return part == 0 ? 0 : ends_[part - 1]; }
  std::int64_t last(int part) const { return ends_[part]; }

  // call(first row, last row, part) for every part.
  void each(const std::function<void(std::int64_t, std::int64_t, int)>& call) const;
  // The sum of what call(first row, last row, numbers) adds to `size` numbers.
  std::vector<double> sum(int size, const std::function<void(std::int64_t, std::int64_t, double*)>& call) const;

 private:
  std::vector<std::int64_t> ends_;
  Workers* workers_;
};

// Column by column: x'y.
std::vector<double> dots(const Parts& parts, const Panel& x, const Panel& y);
// y += x diag(a).
void add_scaled(const Parts& parts, const std::vector<double>& a, const Panel& x, Panel& y);

// Orthonormal columns Q of a matrix and products with them, row-major with a padded number of columns.
class Basis {
 public:
  Basis() = default;
  Basis(std::int64_t rows, int columns) : columns_(columns), panel_(rows, padded(columns)) {}

  int columns() const { return columns_; }
  Panel& panel() { return panel_; }
  const Panel& panel() const { return panel_; }

  void orthonormalize(const Parts& parts);
  // Q'x, columns() x x.width, column-major.
  std::vector<double> project(const Parts& parts, const Panel& x) const;
  // x += Q c.
  void add(const Parts& parts, const std::vector<double>& c, Panel& x) const;
  // Q <- Q C for a square C (column-major).
  void rotate(const Parts& parts, const std::vector<double>& C);
  // Q'Y for another matrix of the same form.
  std::vector<double> products(const Parts& parts, const Panel& other) const;

 private:
  int columns_ = 0;
  Panel panel_;
};

}  // namespace mixedmodels
