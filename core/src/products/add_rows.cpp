// The passes over rows: everything that a row adds to the cross-products, or takes from them.
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "kernels/blas.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/memory.hpp"
#include "kernels/small_dense.hpp"
#include "kernels/workers.hpp"
#include "products/codes.hpp"
#include "products/crossprod.hpp"

namespace mixedmodels {

namespace {

constexpr int kBlock = 256;  // rows held at a time: small enough for the first-level cache

constexpr int kByBlas = 12;  // columns from which BLAS is faster

// Adds a block of rows to the products of X and y with themselves (upper triangle). `scaled` takes k numbers for each
// row, and for kByBlas rows at least.
// The block is summed by itself first: rounding errors grow with the number of blocks, not of rows.
void add_xtx(const double* xy, const double* w, int count, int k, int sign, double* scaled, double* xtx) {
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
    const double root = std::sqrt(std::abs(w[i]));
    for (int j = 0; j < k; ++j)
      scaled[j + static_cast<std::size_t>(i) * k] = root * xy[j + static_cast<std::size_t>(i) * k];
  }
  blas::syrk('U', 'N', k, count, sign, scaled, k, 1.0, xtx, k);
}

// Asks for the memory of a few numbers that are written soon.
inline void prefetch(const double* begin, int count) {
#if defined(__GNUC__)
  for (int i = 0; i < count; i += 8) __builtin_prefetch(begin + i, 1);
  __builtin_prefetch(begin + count - 1, 1);
#else
  (void)begin, (void)count;
#endif
}

// Adds a block of rows to a factor's own blocks and to Z'W [X, y].
template <typename List>
void add_factor(const FactorRows& f, FactorBlock& block, const List& list, std::int64_t first, int count,
                const double* xy, const double* w, int k, double* ztx) {
  constexpr int kAhead = 12;              // rows that are asked for in advance
  constexpr std::int64_t kCached = 4096;  // numbers of products that stay in the cache
  const int s = block.width;
  const bool scattered = std::int64_t{block.levels} * s * k > kCached;
  for (int i = 0; i < count; ++i) {
    if (scattered && i + kAhead < count) {
      const std::int64_t next = f.codes[list[first + i + kAhead]];
      prefetch(block.diagonal.data() + next * s * s, s * s);
      prefetch(ztx + (block.offset + next * s) * k, s * k);
    }
    const std::int64_t row = list[first + i];
    const std::int64_t level = f.codes[row];
    const double* x = xy + static_cast<std::size_t>(i) * k;
    double* d = block.diagonal.data() + level * s * s;
    double* target = ztx + (block.offset + level * s) * k;
    for (int c = 0; c < s; ++c) {
      const double wz = w[i] * f.z[c][row];
      for (int r = 0; r < s; ++r) d[r + c * s] += wz * f.z[r][row];
      for (int j = 0; j < k; ++j) target[c * k + j] += wz * x[j];
    }
  }
}

double* pair_values(PairBlock& pair, int size, std::int32_t level_a, std::int32_t level_b) {
  const std::int64_t at = find_pair(pair.start.data(), pair.level_b.data(), level_a, level_b);
  if (at < 0) throw std::invalid_argument("Rows with a pair of levels that the pattern of the products does not have.");
  return pair.values.data() + at * size;
}

// Adds one row to all pairs, each looked up.
void add_pairs_of_row(const Rows& rows, std::int64_t row, double w, CrossProducts& A) {
  for (PairBlock& pair : A.pairs) {
    const FactorRows &a = rows.factors[pair.a], &b = rows.factors[pair.b];
    if (pair.a == pair.b) continue;
    const int size = a.width() * b.width();
    a.each_member(row, [&](std::int32_t l, double share_a) {
      b.each_member(row, [&](std::int32_t m, double share_b) {
        add_outer(a, b, row, w * share_a * share_b, pair_values(pair, size, l, m));
      });
    });
  }
}

// Adds one row to a factor of which it has several levels: to the blocks of these, to those of every two of them and to
// Z'W [X, y]. A level that is there twice meets itself.
void add_members(const FactorRows& f, int factor, std::int64_t row, double w, const double* x, CrossProducts& A) {
  FactorBlock& block = A.factors[factor];
  const int s = block.width, k = A.k();
  PairBlock* own = nullptr;
  for (PairBlock& pair : A.pairs)
    if (pair.a == factor && pair.b == factor) own = &pair;
  f.each_member(row, [&](std::int32_t l, double share) {
    for (int c = 0; c < s; ++c)
      small::axpy(k, w * share * f.z[c][row], x, A.ZtX.data() + (block.offset + std::int64_t{l} * s + c) * k);
    f.each_member(row, [&](std::int32_t m, double other) {
      if (l > m) return;
      if (l < m && own == nullptr) throw std::invalid_argument("The pattern has no pairs of a factor with itself.");
      add_outer(f, f, row, w * share * other,
                l == m ? block.diagonal.data() + std::int64_t{l} * s * s : pair_values(*own, s * s, l, m));
    });
  });
}

bool any_several(const Rows& rows) {
  return std::any_of(rows.factors.begin(), rows.factors.end(), [](const FactorRows& f) { return f.several(); });
}

// Adds rows list[begin] .. list[end - 1]: everything but the pairs of different factors, or (`pairs`) these as well.
// Of XtX only the upper triangle.
template <typename List>
void add_levels(const Rows& rows, const Frame& frame, const List& list, std::int64_t begin, std::int64_t end, int sign,
                bool pairs, CrossProducts& A) {
  const int k = A.k();
  const auto most = static_cast<int>(std::min<std::int64_t>(kBlock, end - begin));
  BasisRows basis_rows(rows, frame, most);
  std::vector<double> scaled(static_cast<std::size_t>(std::max(most, kByBlas)) * k);
  double w[kBlock];
  for (std::int64_t first = begin; first < end; first += kBlock) {
    const int count = static_cast<int>(std::min<std::int64_t>(kBlock, end - first));
    const double* xy = basis_rows.block(list, first, count);
    check_interrupt(1.0 * count * k * k);
    for (int i = 0; i < count; ++i) {
      const double weight = rows.w(list[first + i]);
      w[i] = sign * weight;
      if (!(weight > 0)) continue;  // rows without weight do not count
      A.n += sign;
      if (rows.weight.base) A.sum_log_weights += sign * std::log(weight);
    }
    add_xtx(xy, w, count, k, sign, scaled.data(), A.XtX.data());
    for (std::size_t f = 0; f < A.factors.size(); ++f) {
      if (!rows.factors[f].several()) {
        add_factor(rows.factors[f], A.factors[f], list, first, count, xy, w, k, A.ZtX.data());
        continue;
      }
      for (int i = 0; i < count; ++i)
        add_members(rows.factors[f], static_cast<int>(f), list[first + i], w[i], xy + static_cast<std::size_t>(i) * k,
                    A);
    }
    if (!pairs) continue;
    for (int i = 0; i < count; ++i) add_pairs_of_row(rows, list[first + i], w[i], A);
  }
}

void mirror(CrossProducts& A) {
  const int k = A.k();
  for (int c = 0; c < k; ++c)
    for (int r = 0; r < c; ++r) A.XtX[c + static_cast<std::size_t>(r) * k] = A.XtX[r + static_cast<std::size_t>(c) * k];
}

// Adds the rows of levels first .. last - 1 of factor a to its pairs with b. Rows are those from `row` on, by level.
void add_pairs_of_levels(const Rows& rows, std::int64_t row, const RowsByLevel& by_a, std::int32_t first,
                         std::int32_t last, int sign, PairBlock& pair) {
  const FactorRows &a = rows.factors[pair.a], &b = rows.factors[pair.b];
  const std::int64_t size = std::int64_t{a.width()} * b.width();
  std::vector<double*> where(static_cast<std::size_t>(b.levels), nullptr);
  for (std::int32_t l = first; l < last; ++l) {
    const std::int64_t begin = by_a.start[l], end = by_a.start[l + 1];
    if (begin == end) continue;
    check_interrupt(static_cast<double>((end - begin) * size + 2 * (pair.start[l + 1] - pair.start[l])));
    for (std::int64_t t = pair.start[l]; t < pair.start[l + 1]; ++t)
      where[pair.level_b[t]] = pair.values.data() + t * size;
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t at = row + (by_a.row_order.empty() ? i : by_a.row_order[i]);
      double* v = where[b.codes[at]];
      if (v == nullptr) v = pair_values(pair, static_cast<int>(size), l, b.codes[at]);  // which throws
      add_outer(a, b, at, sign * rows.w(at), v);
    }
    for (std::int64_t t = pair.start[l]; t < pair.start[l + 1]; ++t) where[pair.level_b[t]] = nullptr;
  }
}

// Adds rows first .. last - 1 to all pairs, level by level of the first factor of each.
void add_pairs(const Rows& rows, std::int64_t first, std::int64_t last, int sign, Workers& workers, CrossProducts& A) {
  RowsByLevel by_level;
  int sorted = -1;
  for (PairBlock& pair : A.pairs) {
    const FactorRows& a = rows.factors[pair.a];
    if (pair.a == pair.b) continue;
    if (sorted != pair.a) by_level = rows_by_level(a.codes + first, a.levels, last - first);
    sorted = pair.a;
    const RowRanges ranges(last - first, 2);
    auto level_at = [&](int part) {
      if (part == ranges.count()) return a.levels;
      const auto at = std::lower_bound(by_level.start.begin(), by_level.start.end(), ranges.begin(part));
      return static_cast<std::int32_t>(std::min<std::int64_t>(at - by_level.start.begin(), a.levels));
    };
    workers.run(ranges.count(), [&](int part, int) {
      add_pairs_of_levels(rows, first, by_level, level_at(part), level_at(part + 1), sign, pair);
    });
  }
}

// Sums by level and of X over one range of rows.
struct Part {
  CrossProducts sums;

  void take(const CrossProducts& A) {
    sums.q = A.q, sums.p = A.p;
    sums.factors.resize(A.factors.size());
    for (std::size_t f = 0; f < A.factors.size(); ++f) {
      static_cast<FactorShape&>(sums.factors[f]) = A.factors[f];
      sums.factors[f].diagonal.assign(A.factors[f].diagonal.size(), 0.0);
    }
    sums.ZtX.assign(A.ZtX.size(), 0.0);
    sums.XtX.assign(A.XtX.size(), 0.0);
  }

  void give(CrossProducts& A) {
    auto add = [](std::vector<double>& total, const std::vector<double>& part) {
      for (std::size_t i = 0; i < total.size(); ++i) total[i] += part[i];
    };
    add(A.XtX, sums.XtX);
    add(A.ZtX, sums.ZtX);
    for (std::size_t f = 0; f < A.factors.size(); ++f) add(A.factors[f].diagonal, sums.factors[f].diagonal);
    A.sum_log_weights += sums.sum_log_weights;
    A.n += sums.n;
    sums = CrossProducts{};
  }
};

void require_room(const Rows& rows, int k, int parts) {
  double q = 0, blocks = 0;
  for (const FactorRows& f : rows.factors) {
    q += static_cast<double>(f.levels) * f.width();
    blocks += static_cast<double>(f.levels) * f.width() * f.width();
  }
  require_memory("The cross-products", {{"blocks of the levels", bytes_of_numbers(parts * blocks)},
                                        {"products of fixed and random effects", bytes_of_numbers(parts * q * k)},
                                        {"products of fixed effects", bytes_of_numbers(parts * 1.0 * k * k)}});
}

// Adds all rows, in a few ranges of them.
void add_all(const Rows& rows, const Frame& frame, int threads, CrossProducts& A) {
  const bool together = any_several(rows);
  const RowRanges ranges(rows.n, A.k());
  if (together || ranges.count() == 1) {
    add_levels(rows, frame, RowRange{}, 0, rows.n, 1, together, A);
  } else {
    std::vector<Part> parts(static_cast<std::size_t>(ranges.count()));
    Workers workers(threads);
    workers.run(ranges.count(), [&](int part, int) {
      parts[part].take(A);
      add_levels(rows, frame, RowRange{}, ranges.begin(part), ranges.end(part), 1, false, parts[part].sums);
    });
    for (Part& part : parts) part.give(A);
  }
  mirror(A);
  if (together) return;
  Workers workers(threads);
  add_pairs(rows, 0, rows.n, 1, workers, A);
}

}  // namespace

CrossProducts cross_products(const Rows& rows, const Frame& frame, int threads) {
  require_room(rows, frame.p() + 1, RowRanges(rows.n, frame.p() + 1).count());
  return cross_products(rows, frame, std::make_shared<const Pattern>(pattern_of(rows, threads)), threads);
}

CrossProducts cross_products(const Rows& rows, const Frame& frame, std::shared_ptr<const Pattern> pattern,
                             int threads) {
  require_room(rows, frame.p() + 1, RowRanges(rows.n, frame.p() + 1).count());
  CrossProducts A = zero_products(std::move(pattern), rows, frame);
  add_all(rows, frame, threads, A);
  return A;
}

void add_rows(const Rows& rows, const Frame& frame, std::int64_t first, std::int64_t last, int sign, CrossProducts& A) {
  // The pairs of a few rows are looked up; for many it is less work to go level by level.
  const bool look_up = any_several(rows) || last - first < A.nodes;
  add_levels(rows, frame, RowRange{}, first, last, sign, look_up, A);
  mirror(A);
  Workers workers(1);
  if (!look_up) add_pairs(rows, first, last, sign, workers, A);
}

void add_rows(const Rows& rows, const Frame& frame, const std::int64_t* which, std::int64_t count, int sign,
              CrossProducts& A) {
  add_levels(rows, frame, RowList{which}, 0, count, sign, true, A);
  mirror(A);
}

namespace {

// Into `total` go the products of y with [X, y], a block summed by itself first as in `add_xtx`; each_row(row, w y) is
// called for every row.
template <typename EachRow>
void sum_response(const Rows& rows, BasisRows& basis_rows, std::vector<double>& total, EachRow&& each_row) {
  const int k = basis_rows.width(), p = k - 1;
  std::vector<double> sums(static_cast<std::size_t>(k));
  total.assign(static_cast<std::size_t>(k), 0.0);
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
}

// Adds w r z of one row to the k-th of `step` columns of a vector over the random effects.
void add_residual(const Rows& rows, const CrossProducts& A, std::int64_t row, double wr, int step, double* out) {
  for (std::size_t f = 0; f < A.factors.size(); ++f) {
    const FactorRows& rows_f = rows.factors[f];
    const FactorBlock& block = A.factors[f];
    rows_f.each_member(row, [&](std::int32_t l, double share) {
      double* level = out + (block.offset + std::int64_t{l} * block.width) * step;
      for (int c = 0; c < block.width; ++c) level[static_cast<std::int64_t>(c) * step] += wr * share * rows_f.z[c][row];
    });
  }
}

}  // namespace

void renew_response(const Rows& rows, Frame& frame, CrossProducts& A) {
  const int p = A.p, k = A.k();
  BasisRows basis_rows(rows, frame, kBlock);
  std::vector<double> total, L(A.XtX);
  if (!blas::potrf('L', p, L.data(), k)) throw std::invalid_argument("The columns of X are dependent in these rows.");
  std::fill(frame.c.begin(), frame.c.end(), 0.0);
  for (int pass = 0; pass < 2; ++pass) {  // the second takes what rounding left of a response far from zero
    sum_response(rows, basis_rows, total, [](std::int64_t, double) {});
    small::solve_lower(p, k, L.data(), total.data(), 1);
    small::solve_upper(p, k, L.data(), total.data(), 1);
    for (int j = 0; j < p; ++j) frame.c[j] += total[j];
  }
  for (std::int64_t i = 0; i < A.q; ++i) A.ZtX[i * k + p] = 0;
  sum_response(rows, basis_rows, total,
               [&](std::int64_t row, double wy) { add_residual(rows, A, row, wy, k, A.ZtX.data() + p); });
  for (int j = 0; j < k; ++j)
    A.XtX[p + static_cast<std::size_t>(j) * k] = A.XtX[j + static_cast<std::size_t>(p) * k] = total[j];
}

ReferencePoint reference_point(const Rows& rows, const Frame& frame, const CrossProducts& A, const double* b,
                               const double* beta) {
  const int p = A.p, k = A.k();
  ReferencePoint out;
  out.b.assign(b, b + A.q);
  out.beta.assign(beta, beta + p);
  out.Ztr.assign(static_cast<std::size_t>(A.q), 0.0);
  out.Xtr.assign(static_cast<std::size_t>(p), 0.0);
  BasisRows basis_rows(rows, frame, kBlock);
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
        rows_f.each_member(row, [&](std::int32_t l, double share) {
          const double* level = b + A.factors[f].offset + std::int64_t{l} * A.factors[f].width;
          for (int c = 0; c < A.factors[f].width; ++c) r -= share * rows_f.z[c][row] * level[c];
        });
      }
      const double wr = rows.w(row) * r;
      rtr += wr * r;
      for (int j = 0; j < p; ++j) out.Xtr[j] += wr * x[j];
      add_residual(rows, A, row, wr, 1, out.Ztr.data());
    }
    out.rtr += rtr;
  }
  return out;
}

}  // namespace mixedmodels
