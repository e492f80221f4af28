// Right-hand sides, solutions and parts of the inverse by the Schur complement.
#include <algorithm>

#include "iterative/schur.hpp"
#include "iterative/schur_visits.hpp"
#include "kernels/interrupt.hpp"

namespace mixedmodels {

using iterative::pair_kernels;
using iterative::PairKernels;
using iterative::pairs_of;
using iterative::product;
using iterative::times;

// visit(chunk, level, what it gathers) for the levels of the first factor.
template <typename Visit>
void Schur::each_gathered(const Panel& moved, Visit&& visit) {
  const int W = moved.width, s0 = A_.factors[0].width, count = static_cast<int>(lists_[0].size());
  const PairKernels kernels = pair_kernels(W);
  workers_.run(chunks(), [&](int chunk, int) {
    std::vector<double> t(static_cast<std::size_t>(s0) * W);
    InterruptMeter meter;
    for (std::int64_t l = bounds_[0][chunk]; l < bounds_[0][chunk + 1]; ++l) {
      meter.count(2 * pairs_of(lists_[0].data(), count, l) * s0 * W);
      kernels.gather(lists_[0].data(), count, l, s0, moved.a.data(), t.data());
      visit(chunk, l, t.data());
    }
  });
}

void Schur::right_hand_sides(int first_column, int columns, Panel& out) {
  const int k = A_.k(), s0 = A_.factors[0].width, count = static_cast<int>(lists_[0].size());
  const int W = padded(columns);
  if (out.rows != size_ || out.width != W) out = Panel(size_, W);
  const PairKernels kernels = pair_kernels(W);
  sweep(W, [&](int chunk, double* sums) {
    std::vector<double> t(static_cast<std::size_t>(s0) * W, 0.0), scaled(t);
    InterruptMeter meter;
    for (std::int64_t l = bounds_[0][chunk]; l < bounds_[0][chunk + 1]; ++l) {
      meter.count(2 * pairs_of(lists_[0].data(), count, l) * s0 * W);
      for (int c = 0; c < s0; ++c)
        for (int j = 0; j < columns; ++j) t[c * W + j] = -A_.ZtX[(l * s0 + c) * k + first_column + j];
      times(s0, W, K_[0].data() + l * s0 * s0, t.data(), scaled.data(), false);
      kernels.scatter(lists_[0].data(), count, l, s0, scaled.data(), sums);
    }
  });
  parts_.each([&](std::int64_t first, std::int64_t last, int) {
    std::vector<double> sum(static_cast<std::size_t>(last - first) * W, 0.0);
    for (std::int64_t row = first; row < last; ++row)
      for (int j = 0; j < columns; ++j) sum[(row - first) * W + j] = A_.ZtX[(own_ + row) * k + first_column + j];
    add_sums(first, last, W, sum.data());
    each_level(first, last, [&](int f, std::int64_t l, std::int64_t row) {
      const int s = A_.factors[f].width;
      times(s, W, G_[f].data() + l * s * s, sum.data() + (row - first) * W, out.row(row), true);
    });
  });
}

std::vector<double> Schur::eliminated_products() const {
  const int k = A_.k(), s = A_.factors[0].width;
  std::vector<double> out(static_cast<std::size_t>(k) * k, 0.0), scaled(static_cast<std::size_t>(s) * k);
  InterruptMeter meter;
  for (std::int64_t l = 0; l < A_.factors[0].levels; ++l) {
    meter.count(s * k * (k + s));
    const double* z = A_.ZtX.data() + l * s * k;
    times(s, k, K_[0].data() + l * s * s, z, scaled.data(), false);
    for (int r = 0; r < s; ++r)
      for (int c = 0; c < k; ++c)
        for (int i = 0; i < k; ++i) out[i + c * k] += z[r * k + i] * scaled[r * k + c];
  }
  return out;
}

void Schur::modes(const Panel& x, int first_column, int columns, double* u) {
  const int k = A_.k(), W = x.width, s0 = A_.factors[0].width;
  parts_.each([&](std::int64_t first, std::int64_t last, int) {
    std::vector<double> t;
    each_level(first, last, [&](int f, std::int64_t l, std::int64_t row) {
      const int s = A_.factors[f].width;
      t.resize(static_cast<std::size_t>(s) * W);
      times(s, W, C_[f].data() + l * s * s, x.row(row), t.data(), false);
      for (int r = 0; r < s; ++r) std::copy_n(t.data() + r * W, columns, u + (own_ + row + r) * k + first_column);
    });
  });
  into(x, moved_);
  std::vector<LevelBlocks> levels(chunks(), LevelBlocks(s0));
  each_gathered(moved_, [&](int chunk, std::int64_t l, double* t) {
    LevelBlocks& level = levels[chunk];
    level.set(s0, A_.factors[0].diagonal.data() + l * s0 * s0, lam_[0].data());
    for (int r = 0; r < s0; ++r)
      for (int j = 0; j < columns; ++j) {
        double sum = 0;
        for (int c = 0; c < s0; ++c)
          sum += level.J[r + c * s0] * (A_.ZtX[(l * s0 + c) * k + first_column + j] - t[c * W + j]);
        u[(l * s0 + r) * k + first_column + j] = sum;
      }
  });
}

// One pass: the first factor gathers from the others and scatters to them.
void Schur::residuals(const double* u, int first_column, int columns, double* out) {
  const int k = A_.k(), W = padded(columns), s0 = A_.factors[0].width, count = static_cast<int>(lists_[0].size());
  const PairKernels kernels = pair_kernels(W);
  moved_ = Panel(size_, W);
  auto b_of = [&](int f, std::int64_t at, double* b) {  // lambda u of one level
    const int s = A_.factors[f].width;
    for (int r = 0; r < s; ++r)
      for (int j = 0; j < columns; ++j) {
        double sum = 0;
        for (int c = 0; c <= r; ++c) sum += lam_[f][r + c * s] * u[(at + c) * k + first_column + j];
        b[r * W + j] = sum;
      }
  };
  // out = Z'W[X y] - A_l b_l - t.
  auto leave = [&](int f, std::int64_t l, std::int64_t at, const double* b, const double* t) {
    const int s = A_.factors[f].width;
    const double* A = A_.factors[f].diagonal.data() + l * s * s;
    for (int r = 0; r < s; ++r)
      for (int j = 0; j < columns; ++j) {
        double sum = A_.ZtX[(at + r) * k + first_column + j] - t[r * W + j];
        for (int c = 0; c < s; ++c) sum -= A[r + c * s] * b[c * W + j];
        out[(at + r) * k + first_column + j] = sum;
      }
  };
  parts_.each([&](std::int64_t first, std::int64_t last, int) {
    each_level(first, last, [&](int f, std::int64_t, std::int64_t row) { b_of(f, own_ + row, moved_.row(row)); });
  });
  sweep(W, [&](int chunk, double* sums) {
    std::vector<double> t(static_cast<std::size_t>(s0) * W), b(t);
    InterruptMeter meter;
    for (std::int64_t l = bounds_[0][chunk]; l < bounds_[0][chunk + 1]; ++l) {
      meter.count(4 * pairs_of(lists_[0].data(), count, l) * s0 * W);
      kernels.gather(lists_[0].data(), count, l, s0, moved_.a.data(), t.data());
      b_of(0, l * s0, b.data());
      leave(0, l, l * s0, b.data(), t.data());
      kernels.scatter(lists_[0].data(), count, l, s0, b.data(), sums);
    }
    couple_others(moved_, chunk, 1.0);
  });
  parts_.each([&](std::int64_t first, std::int64_t last, int) {
    std::vector<double> sum(static_cast<std::size_t>(last - first) * W, 0.0);
    add_sums(first, last, W, sum.data());
    each_level(first, last, [&](int f, std::int64_t l, std::int64_t row) {
      leave(f, l, own_ + row, moved_.row(row), sum.data() + (row - first) * W);
    });
  });
}

void Schur::exact_inverse(int factor, double* out) const {
  const FactorBlock& block = A_.factors[factor];
  const int s = block.width, size = s * s;
  LevelBlocks level(s);
  std::vector<double> inner(size), left(size), right(size);
  InterruptMeter meter;
  for (std::int64_t l = 0; l < block.levels; ++l) {
    meter.count(10 * size * s);
    level.set(s, block.diagonal.data() + l * size, lam_[factor].data());
    double* target = out + l * size;
    product(s, level.C.data(), level.C.data(), target, true);
    if (factor == 0) {
      std::fill(inner.begin(), inner.end(), 0.0);
      for (const List& list : lists_[0]) {
        meter.count(2 * (list.start[l + 1] - list.start[l]) * size * list.width);
        for (std::int64_t e = list.start[l]; e < list.start[l + 1]; ++e)
          iterative::add_inner(list.width, s, list.value + e * list.width * s,
                               K_[list.factor].data() + std::int64_t{list.level[e]} * list.width * list.width,
                               inner.data());
      }
    } else {
      std::copy_n(F_[factor].data() + l * size, size, inner.data());
    }
    product(s, level.J.data(), inner.data(), left.data());
    product(s, left.data(), level.J.data(), right.data(), true);
    for (int i = 0; i < size; ++i) target[i] += right[i];
  }
}

void Schur::add_inverse(int factor, const Panel& z, const Panel& y, const Panel& raw,
                        const std::vector<double>& weights, double* out) {
  const FactorBlock& block = A_.factors[factor];
  const int s = block.width, size = s * s, W = z.width;
  // target += half of a diag(weights) b' and of its transpose.
  auto add = [&](const double* a, const double* b, double* target) {
    for (int c = 0; c < s; ++c)
      for (int r = 0; r < s; ++r) {
        double sum = 0;
        for (int j = 0; j < W; ++j) sum += weights[j] * (a[r * W + j] * b[c * W + j] + a[c * W + j] * b[r * W + j]);
        target[r + c * s] += 0.5 * sum;
      }
  };
  if (factor > 0) {
    const std::int64_t from = block.offset - own_;
    parts_.each([&](std::int64_t first, std::int64_t last, int) {
      LevelBlocks level(s);
      std::vector<double> a(static_cast<std::size_t>(s) * W), b(a);
      each_level(first, last, [&](int f, std::int64_t l, std::int64_t row) {
        if (f != factor) return;
        level.set(s, block.diagonal.data() + l * size, lam_[f].data());
        times(s, W, level.C.data(), y.row(row), a.data(), false);
        times(s, W, level.J.data(), raw.row(row), b.data(), false);
        add(a.data(), b.data(), out + (row - from) / s * size);
      });
    });
    return;
  }
  Panel moved;
  into(z, moved_);
  into(y, moved);
  const int count = static_cast<int>(lists_[0].size());
  const PairKernels kernels = pair_kernels(W);
  std::vector<LevelBlocks> levels(chunks(), LevelBlocks(s));
  std::vector<std::vector<double>> other(chunks(), std::vector<double>(static_cast<std::size_t>(s) * W));
  std::vector<std::vector<double>> a(other), b(other);
  each_gathered(moved_, [&](int chunk, std::int64_t l, double* t) {
    kernels.gather(lists_[0].data(), count, l, s, moved.a.data(), other[chunk].data());
    levels[chunk].set(s, block.diagonal.data() + l * size, lam_[0].data());
    times(s, W, levels[chunk].J.data(), t, a[chunk].data(), false);
    times(s, W, levels[chunk].J.data(), other[chunk].data(), b[chunk].data(), false);
    add(a[chunk].data(), b[chunk].data(), out + l * size);
  });
}

}  // namespace mixedmodels
