#include "products/crossprod.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/blas.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/memory.hpp"
#include "kernels/workers.hpp"
#include "products/codes.hpp"

namespace mixedmodels {

namespace {

constexpr int kBlock = 256;  // rows held at a time: small enough for the first-level cache

CrossProducts empty_blocks(const Rows& rows, int p) {
  CrossProducts A;
  A.n = rows.n;
  A.p = p;
  A.unit = 1 / rows.scale;
  for (const FactorRows& f : rows.factors) {
    FactorBlock block;
    block.levels = f.levels;
    block.width = f.width();
    block.T = f.T;
    block.offset = A.q;
    block.first_node = A.nodes;
    block.diagonal.assign(static_cast<std::size_t>(f.levels) * f.width() * f.width(), 0.0);
    A.q += static_cast<std::int64_t>(f.levels) * f.width();
    A.nodes += f.levels;
    A.factors.push_back(std::move(block));
  }
  A.ZtX.assign(static_cast<std::size_t>(A.q) * A.k(), 0.0);
  A.XtX.assign(static_cast<std::size_t>(A.k()) * A.k(), 0.0);
  return A;
}

// Adds a block of rows to the products of X and y with themselves (upper triangle). `scaled` takes kBlock x k numbers.
// The block is summed by itself first: rounding errors grow with the number of blocks, not of rows.
void add_xtx(const double* xy, const double* w, int count, int k, double* scaled, double* xtx) {
  constexpr int kByBlas = 12;
  if (k < kByBlas) {
    double* sums = scaled;
    std::fill_n(sums, k * k, 0.0);
    for (int i = 0; i < count; ++i) {
      const double* row = xy + static_cast<std::size_t>(i) * k;
      for (int c = 0; c < k; ++c) {
        const double wc = w[i] * row[c];
        double* column = sums + static_cast<std::size_t>(c) * k;
        for (int r = 0; r <= c; ++r) column[r] += wc * row[r];
      }
    }
    for (int e = 0; e < k * k; ++e) xtx[e] += sums[e];
    return;
  }
  for (int i = 0; i < count; ++i) {
    const double root = std::sqrt(w[i]);
    for (int j = 0; j < k; ++j)
      scaled[j + static_cast<std::size_t>(i) * k] = root * xy[j + static_cast<std::size_t>(i) * k];
  }
  blas::syrk('U', 'N', k, count, 1.0, scaled, k, 1.0, xtx, k);
}

// Adds a block of rows to a factor's own block and to Z'W [X, y].
void add_factor(const FactorRows& f, const FactorBlock& block, std::int64_t first, int count, const double* xy,
                const double* w, int k, double* diagonal, double* ztx) {
  const int s = block.width;
  for (int i = 0; i < count; ++i) {
    const std::int64_t row = first + i;
    const std::int64_t level = f.codes[row];
    const double* x = xy + static_cast<std::size_t>(i) * k;
    double* d = diagonal + level * s * s;
    double* target = ztx + (block.offset + level * s) * k;
    for (int c = 0; c < s; ++c) {
      const double wz = w[i] * f.z[c][row];
      for (int r = 0; r < s; ++r) d[r + c * s] += wz * f.z[r][row];
      for (int j = 0; j < k; ++j) target[c * k + j] += wz * x[j];
    }
  }
}

void sort_pairs(std::int32_t* levels, double* values, std::size_t count, std::size_t block, std::vector<int>& order,
                std::vector<std::int32_t>& level_copy, std::vector<double>& value_copy) {
  if (std::is_sorted(levels, levels + count)) return;
  order.resize(count);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int i, int j) { return levels[i] < levels[j]; });
  level_copy.assign(levels, levels + count);
  value_copy.assign(values, values + count * block);
  for (std::size_t i = 0; i < count; ++i) {
    levels[i] = level_copy[order[i]];
    std::copy_n(value_copy.data() + order[i] * block, block, values + i * block);
  }
}

// The pairs of levels first_level .. last_level of factor a with those of b, `start` counting from 0.
PairBlock pair_range(const Rows& rows, int a, int b, const RowsByLevel& by_a, std::int32_t first_level,
                     std::int32_t last_level) {
  const FactorRows &fa = rows.factors[a], &fb = rows.factors[b];
  const int sa = fa.width(), sb = fb.width();
  const std::size_t size = static_cast<std::size_t>(sa) * sb;
  PairBlock out;
  std::vector<std::int32_t> stamp(fb.levels, -1);
  std::vector<std::int64_t> where(fb.levels, 0);
  std::vector<int> order;
  std::vector<std::int32_t> level_copy;
  std::vector<double> value_copy;
  for (std::int32_t l = first_level; l < last_level; ++l) {
    const std::size_t begin = out.level_b.size();
    check_interrupt(static_cast<double>(by_a.start[l + 1] - by_a.start[l]) * static_cast<double>(size + 8));
    for (std::int64_t i = by_a.start[l]; i < by_a.start[l + 1]; ++i) {
      const std::int64_t row = by_a.row_order.empty() ? i : by_a.row_order[i];
      const std::int32_t m = fb.codes[row];
      if (stamp[m] != l) {
        grow_within_memory(out.values, size, "The cross-products of two grouping factors", "blocks of pairs of levels");
        stamp[m] = l;
        where[m] = static_cast<std::int64_t>(out.values.size());
        out.level_b.push_back(m);
        out.values.resize(out.values.size() + size, 0.0);
      }
      double* v = out.values.data() + where[m];
      const double w = rows.w(row);
      for (int c = 0; c < sa; ++c) {
        const double wz = w * fa.z[c][row];
        for (int r = 0; r < sb; ++r) v[r + c * sb] += wz * fb.z[r][row];
      }
    }
    out.start.push_back(static_cast<std::int64_t>(out.level_b.size()));
    sort_pairs(out.level_b.data() + begin, out.values.data() + begin * size, out.level_b.size() - begin, size, order,
               level_copy, value_copy);
  }
  return out;
}

PairBlock pair_block(const Rows& rows, int a, int b, const RowsByLevel& by_a, Workers& workers) {
  const std::int32_t levels = rows.factors[a].levels;
  const RowRanges ranges(rows.n, 2);
  std::vector<PairBlock> parts(static_cast<std::size_t>(ranges.count()));
  // Ranges of levels with about as many rows each.
  auto level_at = [&](int part) {
    if (part == ranges.count()) return levels;
    const auto at = std::lower_bound(by_a.start.begin(), by_a.start.end(), ranges.begin(part));
    return static_cast<std::int32_t>(std::min<std::int64_t>(at - by_a.start.begin(), levels));
  };
  workers.run(ranges.count(),
              [&](int part, int) { parts[part] = pair_range(rows, a, b, by_a, level_at(part), level_at(part + 1)); });
  PairBlock out;
  out.a = a;
  out.b = b;
  out.start.push_back(0);
  for (PairBlock& part : parts) {
    const auto shift = static_cast<std::int64_t>(out.level_b.size());
    for (std::int64_t end : part.start) out.start.push_back(shift + end);
    if (out.level_b.empty()) {
      out.level_b = std::move(part.level_b);
      out.values = std::move(part.values);
    } else {
      out.level_b.insert(out.level_b.end(), part.level_b.begin(), part.level_b.end());
      out.values.insert(out.values.end(), part.values.begin(), part.values.end());
      part = PairBlock{};
    }
  }
  return out;
}

// Everything but the pairs, over one range of rows.
void add_rows(const Rows& rows, const OrthogonalBasis& basis, std::int64_t begin, std::int64_t end, CrossProducts& A) {
  const int k = A.k();
  BasisRows basis_rows(rows, basis, kBlock);
  std::vector<double> scaled(static_cast<std::size_t>(kBlock) * k);
  double w[kBlock];
  for (std::int64_t first = begin; first < end; first += kBlock) {
    const int count = static_cast<int>(std::min<std::int64_t>(kBlock, end - first));
    const double* xy = basis_rows.block(first, count);
    check_interrupt(1.0 * count * k * k);
    for (int i = 0; i < count; ++i) {
      w[i] = rows.w(first + i);
      if (rows.weight.base) A.sum_log_weights += std::log(w[i]);
    }
    add_xtx(xy, w, count, k, scaled.data(), A.XtX.data());
    for (std::size_t f = 0; f < A.factors.size(); ++f)
      add_factor(rows.factors[f], A.factors[f], first, count, xy, w, k, A.factors[f].diagonal.data(), A.ZtX.data());
  }
}

void add_to(std::vector<double>& total, const std::vector<double>& part) {
  for (std::size_t i = 0; i < total.size(); ++i) total[i] += part[i];
}

}  // namespace

double CrossProducts::bytes() const {
  double numbers = static_cast<double>(ZtX.size() + XtX.size());
  for (const FactorBlock& f : factors) numbers += static_cast<double>(f.diagonal.size());
  for (const PairBlock& pair : pairs) numbers += static_cast<double>(pair.values.size() + pair.level_b.size());
  return bytes_of_numbers(numbers);
}

CrossProducts cross_products(const Rows& rows, const OrthogonalBasis& basis, int threads) {
  Workers workers(threads);
  const int p = basis.p(), k = p + 1;
  const RowRanges ranges(rows.n, k);
  std::vector<CrossProducts> parts(static_cast<std::size_t>(ranges.count()));
  double q = 0, blocks = 0;
  for (const FactorRows& f : rows.factors) {
    q += static_cast<double>(f.levels) * f.width();
    blocks += static_cast<double>(f.levels) * f.width() * f.width();
  }
  require_memory("The cross-products",
                 {{"blocks of the levels", bytes_of_numbers(ranges.count() * blocks)},
                  {"products of fixed and random effects", bytes_of_numbers(ranges.count() * q * k)},
                  {"products of fixed effects", bytes_of_numbers(ranges.count() * 1.0 * k * k)}});
  workers.run(ranges.count(), [&](int part, int) {
    parts[part] = empty_blocks(rows, p);
    add_rows(rows, basis, ranges.begin(part), ranges.end(part), parts[part]);
  });
  CrossProducts A = std::move(parts[0]);
  for (std::size_t part = 1; part < parts.size(); ++part) {
    add_to(A.XtX, parts[part].XtX);
    add_to(A.ZtX, parts[part].ZtX);
    for (std::size_t f = 0; f < A.factors.size(); ++f) add_to(A.factors[f].diagonal, parts[part].factors[f].diagonal);
    A.sum_log_weights += parts[part].sum_log_weights;
    parts[part] = CrossProducts{};
  }
  for (int j = 0; j < p; ++j) A.logdet_R2 += 2 * std::log(basis.R[j * (p + 1)]);
  for (int c = 0; c < k; ++c)
    for (int r = 0; r < c; ++r) A.XtX[c + static_cast<std::size_t>(r) * k] = A.XtX[r + static_cast<std::size_t>(c) * k];
  const int factors = static_cast<int>(rows.factors.size());
  for (int a = 0; a + 1 < factors; ++a) {
    const RowsByLevel by_a = rows_by_level(rows.factors[a].codes, rows.factors[a].levels, rows.n);
    for (int b = a + 1; b < factors; ++b) A.pairs.push_back(pair_block(rows, a, b, by_a, workers));
  }
  return A;
}

void renew_response(const Rows& rows, OrthogonalBasis& basis, CrossProducts& A) {
  const int p = A.p, k = A.k();
  BasisRows basis_rows(rows, basis, kBlock);
  std::vector<double> sums(static_cast<std::size_t>(k)), total(sums.size());
  // Into `total` go the products of y with [X, y], a block summed by itself first as in `add_xtx`.
  auto sum_rows = [&](auto&& each_row) {
    std::fill(total.begin(), total.end(), 0.0);
    for (std::int64_t first = 0; first < rows.n; first += kBlock) {
      const int count = static_cast<int>(std::min<std::int64_t>(kBlock, rows.n - first));
      const double* xy = basis_rows.block(first, count);
      check_interrupt(1.0 * count * k);
      std::fill(sums.begin(), sums.end(), 0.0);
      for (int i = 0; i < count; ++i) {
        const double* x = xy + static_cast<std::size_t>(i) * k;
        const double wy = rows.w(first + i) * x[p];
        for (int j = 0; j < k; ++j) sums[j] += wy * x[j];
        each_row(first + i, wy);
      }
      for (int j = 0; j < k; ++j) total[j] += sums[j];
    }
  };
  std::fill(basis.c.begin(), basis.c.end(), 0.0);
  for (int pass = 0; pass < 2; ++pass) {  // the second takes what rounding left of a response far from zero
    sum_rows([](std::int64_t, double) {});
    for (int j = 0; j < p; ++j) basis.c[j] += total[j];
  }
  for (std::int64_t i = 0; i < A.q; ++i) A.ZtX[i * k + p] = 0;
  sum_rows([&](std::int64_t row, double wy) {
    for (std::size_t f = 0; f < A.factors.size(); ++f) {
      const FactorRows& rows_f = rows.factors[f];
      double* level = A.ZtX.data() + (A.factors[f].offset + std::int64_t{rows_f.codes[row]} * A.factors[f].width) * k;
      for (int c = 0; c < A.factors[f].width; ++c) level[c * k + p] += wy * rows_f.z[c][row];
    }
  });
  for (int j = 0; j < k; ++j)
    A.XtX[p + static_cast<std::size_t>(j) * k] = A.XtX[j + static_cast<std::size_t>(p) * k] = total[j];
}

ReferencePoint reference_point(const Rows& rows, const OrthogonalBasis& basis, const CrossProducts& A, const double* b,
                               const double* beta) {
  const int p = A.p, k = A.k();
  ReferencePoint out;
  out.b.assign(b, b + A.q);
  out.beta.assign(beta, beta + p);
  out.Ztr.assign(static_cast<std::size_t>(A.q), 0.0);
  out.Xtr.assign(static_cast<std::size_t>(p), 0.0);
  BasisRows basis_rows(rows, basis, kBlock);
  for (std::int64_t first = 0; first < rows.n; first += kBlock) {
    const int count = static_cast<int>(std::min<std::int64_t>(kBlock, rows.n - first));
    const double* xy = basis_rows.block(first, count);
    check_interrupt(3.0 * count * k);
    double rtr = 0;
    for (int i = 0; i < count; ++i) {
      const std::int64_t row = first + i;
      const double* x = xy + static_cast<std::size_t>(i) * k;
      double r = x[p];
      for (int j = 0; j < p; ++j) r -= x[j] * beta[j];
      for (std::size_t f = 0; f < A.factors.size(); ++f) {
        const FactorRows& rows_f = rows.factors[f];
        const double* level = b + A.factors[f].offset + std::int64_t{rows_f.codes[row]} * A.factors[f].width;
        for (int c = 0; c < A.factors[f].width; ++c) r -= rows_f.z[c][row] * level[c];
      }
      const double wr = rows.w(row) * r;
      rtr += wr * r;
      for (int j = 0; j < p; ++j) out.Xtr[j] += wr * x[j];
      for (std::size_t f = 0; f < A.factors.size(); ++f) {
        const FactorRows& rows_f = rows.factors[f];
        double* level = out.Ztr.data() + A.factors[f].offset + std::int64_t{rows_f.codes[row]} * A.factors[f].width;
        for (int c = 0; c < A.factors[f].width; ++c) level[c] += wr * rows_f.z[c][row];
      }
    }
    out.rtr += rtr;
  }
  return out;
}

}  // namespace mixedmodels
