#include "kernels/dense_inverse.hpp"

#include <algorithm>
#include <memory>

#include "kernels/blas.hpp"
#include "kernels/memory.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

constexpr int kSmall = 12;  // up to here loops are faster than BLAS
constexpr int kTile = 128;
constexpr int kMirrored = 64;

// Tiles of the lower triangle; `at` gives the corner of one.
struct Tiles {
  int n;
  int count() const { return (n + kTile - 1) / kTile; }
  int size(int i) const { return std::min(kTile, n - i * kTile); }
  int below(int i) const { return n - i * kTile; }  // rows from tile i on
  double* at(double* X, int i, int j) const { return X + i * kTile + static_cast<std::size_t>(j) * kTile * n; }
};

// X <- L, column of tiles by column of tiles.
bool factorize(const Tiles& tiles, double* X, Workers& workers) {
  const int n = tiles.n;
  for (int j = 0; j < tiles.count(); ++j) {
    workers.run(tiles.count() - j, [&](int task, int) {
      const int i = j + task;
      blas::gemm('N', 'T', tiles.size(i), tiles.size(j), j * kTile, -1.0, tiles.at(X, i, 0), n, tiles.at(X, j, 0), n,
                 1.0, tiles.at(X, i, j), n);
    });
    if (!blas::potrf('L', tiles.size(j), tiles.at(X, j, j), n)) return false;
    workers.run(tiles.count() - j - 1, [&](int task, int) {
      const int i = j + 1 + task;
      blas::trsm('R', 'L', 'T', tiles.size(i), tiles.size(j), tiles.at(X, j, j), n, tiles.at(X, i, j), n);
    });
  }
  return true;
}

}  // namespace

void mirror(int n, double* X) {
  for (int first = 0; first < n; first += kMirrored)
    for (int second = first; second < n; second += kMirrored)
      for (int c = first; c < std::min(n, first + kMirrored); ++c)
        for (int r = std::max(c + 1, second); r < std::min(n, second + kMirrored); ++r)
          X[c + static_cast<std::size_t>(r) * n] = X[r + static_cast<std::size_t>(c) * n];
}

bool invert_positive_definite(int n, double* X, Workers& workers) {
  if (n <= kSmall) {
    if (!small::eliminate(n, n, X)) return false;
    small::invert_from_factor(n, n, X);
  } else if (n <= 2 * kTile) {
    if (!blas::potrf('L', n, X, n) || !blas::potri('L', n, X, n)) return false;
  } else {
    const Tiles tiles{n};
    require_memory("A dense inverse", {{"the inverse of its factor", bytes_of_numbers(1.0 * n * n)}});
    if (!factorize(tiles, X, workers)) return false;
    const auto inverse = std::make_unique_for_overwrite<double[]>(static_cast<std::size_t>(n) * n);  // of L
    workers.run(tiles.count(), [&](int j, int) {
      for (int c = 0; c < tiles.size(j); ++c) {
        double* column = tiles.at(inverse.get(), j, j) + static_cast<std::size_t>(c) * n;
        std::fill_n(column, tiles.below(j), 0.0);
        column[c] = 1;
      }
      blas::trsm('L', 'L', 'N', tiles.below(j), tiles.size(j), tiles.at(X, j, j), n, tiles.at(inverse.get(), j, j), n);
    });
    workers.run(tiles.count() * (tiles.count() + 1) / 2, [&](int task, int) {
      int i = 0;
      while ((i + 1) * (i + 2) / 2 <= task) ++i;
      const int j = task - i * (i + 1) / 2;
      blas::gemm('T', 'N', tiles.size(i), tiles.size(j), tiles.below(i), 1.0, tiles.at(inverse.get(), i, i), n,
                 tiles.at(inverse.get(), i, j), n, 0.0, tiles.at(X, i, j), n);
    });
  }
  mirror(n, X);
  return true;
}

}  // namespace mixedmodels
