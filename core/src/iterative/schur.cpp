#include "iterative/schur.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "iterative/schur_visits.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

using iterative::pair_kernels;
using iterative::PairKernels;
using iterative::PairList;
using iterative::pairs_of;
using iterative::product;
using iterative::times;

// Chunks of the pairs, each with sums of its own. Adding these up must cost less than reading the pairs.
constexpr int kMostChunks = 16;
constexpr std::int64_t kPairsPerRow = 4;   // of the pairs of a chunk over the rows of its sums
constexpr std::int64_t kFewPairs = 20000;  // one chunk below
constexpr std::int64_t kPartRows = 1024, kMostParts = 64;

// Where each of `count` chunks begins, so that all have about as many pairs.
std::vector<std::int64_t> balanced(const std::vector<PairList>& lists, std::int32_t levels, int count) {
  std::int64_t all = levels;
  for (const PairList& list : lists) all += list.start[levels];
  std::vector<std::int64_t> out{0};
  std::int64_t level = 0, seen = 0;
  for (int chunk = 1; chunk < count; ++chunk) {
    for (; level < levels && seen < all * chunk / count; ++level)
      seen += 1 + pairs_of(lists.data(), static_cast<int>(lists.size()), level);
    out.push_back(level);
  }
  out.push_back(levels);
  return out;
}

std::vector<std::int64_t> part_ends(const CrossProducts& A) {
  const std::int64_t own = std::int64_t{A.factors[0].levels} * A.factors[0].width, size = A.q - own;
  const std::int64_t rows = std::max(kPartRows, size / kMostParts);
  std::vector<std::int64_t> out;
  for (std::size_t f = 1; f < A.factors.size(); ++f) {
    const std::int64_t s = A.factors[f].width, from = A.factors[f].offset - own,
                       step = std::max<std::int64_t>(rows / s, 1);
    for (std::int64_t l = 0; l < A.factors[f].levels; l += step)
      out.push_back(from + s * std::min<std::int64_t>(l + step, A.factors[f].levels));
  }
  if (out.empty()) out.push_back(0);
  return out;
}

}  // namespace

double Schur::bytes(const CrossProducts& A) {
  double sum = 0, pairs = 0;
  for (const FactorBlock& f : A.factors) sum += 4.0 * static_cast<double>(f.levels) * f.width * f.width;
  for (const PairBlock& pair : A.pairs) pairs += static_cast<double>(pair.level_b.size());
  const double own = 1.0 * A.factors[0].levels * A.factors[0].width, size = static_cast<double>(A.q) - own;
  const double chunks = std::clamp(pairs / (kPairsPerRow * std::max(size, 1.0)), 1.0, 1.0 * kMostChunks);
  return 8.0 * (sum + chunks * size * kWidest);
}

Schur::Schur(const CrossProducts& A, Workers& workers) : A_(A), workers_(workers), parts_(part_ends(A), workers) {
  require_independent_levels(A, "An iterative evaluation");
  own_ = std::int64_t{A.factors[0].levels} * A.factors[0].width;
  size_ = A.q - own_;
  const std::size_t factors = A.factors.size();
  lists_.resize(factors);
  std::int64_t pairs = 0;
  for (const PairBlock& pair : A.pairs) {
    const FactorBlock& other = A.factors[pair.b];
    lists_[pair.a].push_back(
        {pair.start.data(), pair.level_b.data(), pair.values.data(), other.offset - own_, other.width, pair.b});
    pairs += static_cast<std::int64_t>(pair.level_b.size());
  }
  const std::int64_t most = pairs / (kPairsPerRow * std::max<std::int64_t>(size_, 1));
  const int chunks = pairs < kFewPairs ? 1 : static_cast<int>(std::clamp<std::int64_t>(most, 1, kMostChunks));
  sums_.resize(chunks);
  for (std::size_t f = 0; f < factors; ++f) {
    const FactorBlock& block = A.factors[f];
    bounds_.push_back(balanced(lists_[f], block.levels, chunks));
    const std::size_t numbers = block.diagonal.size();
    K_.emplace_back(numbers);
    C_.emplace_back(f == 0 ? 0 : numbers);
    G_.emplace_back(f == 0 ? 0 : numbers);
    F_.emplace_back(f == 0 ? 0 : numbers);
    exact_.emplace_back(static_cast<std::size_t>(block.width) * block.width);
  }
}

bool Schur::set(const std::vector<std::vector<double>>& lam) {
  lam_ = lam;
  logdet_ = 0;
  LevelBlocks level(A_.widest());
  InterruptMeter meter;
  for (std::size_t f = 0; f < A_.factors.size(); ++f) {
    const FactorBlock& block = A_.factors[f];
    const int s = block.width, size = s * s;
    for (std::int64_t l = 0; l < block.levels; ++l) {
      meter.count(8 * size * s);
      if (!level.set(s, block.diagonal.data() + l * size, lam[f].data())) return false;
      logdet_ += level.logdet;
      std::copy_n(level.K.data(), size, K_[f].data() + l * size);
      if (f == 0) continue;
      std::copy_n(level.C.data(), size, C_[f].data() + l * size);
      product(s, lam[f].data(), level.C.data(), G_[f].data() + l * size);
    }
  }
  exact_moments();
  add_exact_traces();
  return std::isfinite(logdet_) && std::isfinite(trace_);
}

void Schur::add_sums(std::int64_t first, std::int64_t last, int width, double* out) const {
  const std::int64_t from = first * width, count = (last - first) * width;
  for (const Numbers& sums : sums_)
    for (std::int64_t i = 0; i < count; ++i) out[i] += sums[from + i];
}

// The diagonal blocks of F, and by the same pass what the first factor needs of A_0R K A_R0.
void Schur::exact_moments() {
  const FactorBlock& own = A_.factors[0];
  const int s0 = own.width, size0 = s0 * s0;
  std::vector<std::int64_t> first(A_.factors.size() + 1, 0);  // of each factor's numbers in the sums
  for (std::size_t f = 1; f < A_.factors.size(); ++f) first[f + 1] = first[f] + static_cast<std::int64_t>(F_[f].size());
  std::vector<std::vector<double>> found(chunks());
  std::vector<std::vector<double>> traces(chunks(), std::vector<double>(size0, 0.0));
  workers_.run(chunks(), [&](int chunk, int) {
    std::vector<double>& sums = found[chunk];
    sums.assign(static_cast<std::size_t>(first.back()), 0.0);
    LevelBlocks level(s0);
    std::vector<double> inner(size0), left(size0), right(size0);
    InterruptMeter meter;
    for (std::int64_t l = bounds_[0][chunk]; l < bounds_[0][chunk + 1]; ++l) {
      const double* K = K_[0].data() + l * size0;
      std::fill(inner.begin(), inner.end(), 0.0);
      for (const List& list : lists_[0]) {
        const int s = list.width, size = s * s;
        meter.count(4 * (list.start[l + 1] - list.start[l]) * s * s0 * (s + s0));
        for (std::int64_t e = list.start[l]; e < list.start[l + 1]; ++e) {
          const std::int64_t j = list.level[e];
          const double* P = list.value + e * s * s0;
          iterative::add_outer(s, s0, P, K, sums.data() + first[list.factor] + j * size);
          iterative::add_inner(s, s0, P, K_[list.factor].data() + j * size, inner.data());
        }
      }
      level.set(s0, own.diagonal.data() + l * size0, lam_[0].data());
      product(s0, level.J.data(), inner.data(), left.data());
      product(s0, left.data(), level.N.data(), right.data());
      for (int i = 0; i < size0; ++i) traces[chunk][i] -= right[i];
    }
  });
  trace_ = 0;
  std::fill(exact_[0].begin(), exact_[0].end(), 0.0);
  for (const std::vector<double>& sums : traces)
    for (int i = 0; i < size0; ++i) exact_[0][i] += sums[i];
  for (std::size_t f = 1; f < A_.factors.size(); ++f) {
    for (std::size_t i = 0; i < F_[f].size(); ++i) {
      double sum = 0;
      for (const std::vector<double>& sums : found) sum += sums[first[f] + static_cast<std::int64_t>(i)];
      F_[f][i] = sum;
      trace_ += sum * K_[f][i];
    }
  }
}

// J A_l of every level, and for the others less J F_ll N.
void Schur::add_exact_traces() {
  const int widest = A_.widest();
  LevelBlocks level(widest);
  std::vector<double> left(widest * widest), right(left);
  InterruptMeter meter;
  for (std::size_t f = 0; f < A_.factors.size(); ++f) {
    const FactorBlock& block = A_.factors[f];
    const int s = block.width, size = s * s;
    if (f > 0) std::fill(exact_[f].begin(), exact_[f].end(), 0.0);
    for (std::int64_t l = 0; l < block.levels; ++l) {
      meter.count(12 * size * s);
      const double* A = block.diagonal.data() + l * size;
      level.set(s, A, lam_[f].data());
      product(s, level.J.data(), A, left.data());
      for (int i = 0; i < size; ++i) exact_[f][i] += left[i];
      if (f == 0) continue;
      product(s, level.J.data(), F_[f].data() + l * size, left.data());
      product(s, left.data(), level.N.data(), right.data());
      for (int i = 0; i < size; ++i) exact_[f][i] -= right[i];
    }
  }
}

// out = G in.
void Schur::into(const Panel& in, Panel& out) {
  if (out.rows != in.rows || out.width != in.width) out = Panel(in.rows, in.width);
  parts_.each([&](std::int64_t first, std::int64_t last, int) {
    check_interrupt(4.0 * static_cast<double>(last - first) * in.width);
    each_level(first, last, [&](int f, std::int64_t l, std::int64_t row) {
      const int s = A_.factors[f].width;
      times(s, in.width, G_[f].data() + l * s * s, in.row(row), out.row(row), false);
    });
  });
}

// Pairs of the other factors among each other, times `sign`.
void Schur::couple_others(const Panel& moved, int chunk, double sign) {
  const PairKernels kernels = pair_kernels(moved.width);
  const int W = moved.width;
  std::vector<double> t;
  InterruptMeter meter;
  for (std::size_t f = 1; f < A_.factors.size(); ++f) {
    if (lists_[f].empty()) continue;
    const int s = A_.factors[f].width, count = static_cast<int>(lists_[f].size());
    const std::int64_t from = A_.factors[f].offset - own_;
    t.resize(static_cast<std::size_t>(s) * W);
    for (std::int64_t l = bounds_[f][chunk]; l < bounds_[f][chunk + 1]; ++l) {
      meter.count(4 * pairs_of(lists_[f].data(), count, l) * s * W);
      kernels.gather(lists_[f].data(), count, l, s, moved.a.data(), t.data());
      double* mine = sums_[chunk].data() + (from + l * s) * W;
      for (int i = 0; i < s * W; ++i) mine[i] += sign * t[i];
      const double* own = moved.row(from + l * s);
      for (int i = 0; i < s * W; ++i) t[i] = sign * own[i];
      kernels.scatter(lists_[f].data(), count, l, s, t.data(), sums_[chunk].data());
    }
  }
}

void Schur::multiply(const Panel& in, Panel& out, Panel* raw) {
  const int W = in.width, s0 = A_.factors[0].width, count = static_cast<int>(lists_[0].size());
  if (out.rows != in.rows || out.width != W) out = Panel(in.rows, W);
  if (raw && (raw->rows != in.rows || raw->width != W)) *raw = Panel(in.rows, W);
  into(in, moved_);
  const PairKernels kernels = pair_kernels(W);
  sweep(W, [&](int chunk, double* sums) {
    std::vector<double> t(static_cast<std::size_t>(s0) * W), scaled(t);
    InterruptMeter meter;
    for (std::int64_t l = bounds_[0][chunk]; l < bounds_[0][chunk + 1]; ++l) {
      meter.count(4 * pairs_of(lists_[0].data(), count, l) * s0 * W);
      kernels.gather(lists_[0].data(), count, l, s0, moved_.a.data(), t.data());
      times(s0, W, K_[0].data() + l * s0 * s0, t.data(), scaled.data(), false);
      kernels.scatter(lists_[0].data(), count, l, s0, scaled.data(), sums);
    }
    couple_others(moved_, chunk, -1.0);
  });
  parts_.each([&](std::int64_t first, std::int64_t last, int) {
    std::vector<double> sum(static_cast<std::size_t>(last - first) * W, 0.0);
    add_sums(first, last, W, sum.data());
    if (raw) std::copy(sum.begin(), sum.end(), raw->row(first));
    each_level(first, last, [&](int f, std::int64_t l, std::int64_t row) {
      const int s = A_.factors[f].width;
      times(s, W, G_[f].data() + l * s * s, sum.data() + (row - first) * W, out.row(row), true);
    });
  });
}

std::vector<std::vector<double>> Schur::remaining(const Panel& z, const Panel& y, const Panel& raw) {
  const int W = z.width;
  std::vector<std::vector<double>> out;
  for (const FactorBlock& f : A_.factors) out.emplace_back(static_cast<std::size_t>(W) * f.width * f.width, 0.0);
  for (std::size_t f = 1; f < A_.factors.size(); ++f) {
    const int s = A_.factors[f].width, size = s * s;
    const std::int64_t from = A_.factors[f].offset - own_, end = from + std::int64_t{s} * A_.factors[f].levels;
    out[f] = parts_.sum(W * size, [&](std::int64_t first, std::int64_t last, double* sums) {
      LevelBlocks level(s);
      std::vector<double> a(static_cast<std::size_t>(s) * W), b(a);
      InterruptMeter meter;
      for (std::int64_t row = std::max(first, from); row < std::min(last, end); row += s) {
        meter.count(4 * size * W);
        const std::int64_t l = (row - from) / s;
        level.set(s, A_.factors[f].diagonal.data() + l * size, lam_[f].data());
        times(s, W, level.C.data(), y.row(row), a.data(), false);
        times(s, W, level.N.data(), raw.row(row), b.data(), true);
        for (int c = 0; c < s; ++c)
          for (int r = 0; r < s; ++r)
            for (int j = 0; j < W; ++j) sums[j * size + r + c * s] += a[r * W + j] * b[c * W + j];
      }
    });
  }
  // The first factor gathers from both panels, side by side.
  const int s0 = A_.factors[0].width, size0 = s0 * s0, count = static_cast<int>(lists_[0].size());
  Panel moved;
  into(z, moved_);
  into(y, moved);
  const PairKernels kernels = pair_kernels(W);
  std::vector<std::vector<double>> sums(chunks(), std::vector<double>(static_cast<std::size_t>(W) * size0, 0.0));
  workers_.run(chunks(), [&](int chunk, int) {
    LevelBlocks level(s0);
    std::vector<double> t(static_cast<std::size_t>(s0) * W), u(t), a(t), b(t);
    InterruptMeter meter;
    double* const sum = sums[chunk].data();
    for (std::int64_t l = bounds_[0][chunk]; l < bounds_[0][chunk + 1]; ++l) {
      meter.count(4 * pairs_of(lists_[0].data(), count, l) * s0 * W);
      kernels.gather(lists_[0].data(), count, l, s0, moved_.a.data(), t.data());
      kernels.gather(lists_[0].data(), count, l, s0, moved.a.data(), u.data());
      level.set(s0, A_.factors[0].diagonal.data() + l * size0, lam_[0].data());
      times(s0, W, level.J.data(), u.data(), a.data(), false);
      times(s0, W, level.N.data(), t.data(), b.data(), true);
      for (int c = 0; c < s0; ++c)
        for (int r = 0; r < s0; ++r)
          for (int j = 0; j < W; ++j) sum[j * size0 + r + c * s0] += a[r * W + j] * b[c * W + j];
    }
  });
  for (const std::vector<double>& sum : sums)
    for (std::size_t i = 0; i < sum.size(); ++i) out[0][i] += sum[i];
  return out;
}

}  // namespace mixedmodels
