// What is made from the pieces of T: rows of its parts and products with it.
#include <algorithm>
#include <iterator>

#include "criterion/ztviz.hpp"
#include "kernels/blas.hpp"
#include "kernels/instruction_sets.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/level_blocks.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

constexpr int kSmall = 12;  // beyond it BLAS is worth its call

// `columns` columns of panel E', `tile` rows of them at a time.
template <int tile, int columns>
inline void gather_columns(int rows, int from, int count, const int* index, const double* weights, const double* panel,
                           double* out) {
  double sum[columns][tile] = {};
  for (int i = 0; i < count; ++i) {
    const double* column = panel + static_cast<std::size_t>(index[i]) * rows + from;
    for (int c = 0; c < columns; ++c) {
      const double w = weights[i + c * count];
      for (int r = 0; r < tile; ++r) sum[c][r] += w * column[r];
    }
  }
  for (int c = 0; c < columns; ++c)
    for (int r = 0; r < tile; ++r) out[from + r + static_cast<std::ptrdiff_t>(c) * rows] = sum[c][r];
}

template <int columns>
inline void combine(int rows, int count, const int* index, const double* weights, const double* panel, double* out) {
  constexpr int kWide = (columns == 1 ? 4 : 2) * ZtViZ::kTile;
  int r = 0;
  for (; r + kWide <= rows; r += kWide) gather_columns<kWide, columns>(rows, r, count, index, weights, panel, out);
  for (; r < rows; r += ZtViZ::kTile) gather_columns<ZtViZ::kTile, columns>(rows, r, count, index, weights, panel, out);
}

MIXEDMODELS_CLONES
void combine_columns(int rows, int count, int columns, const int* index, const double* weights, const double* panel,
                     double* out) {
  for (; columns >= 2; columns -= 2, weights += 2 * count, out += 2 * static_cast<std::ptrdiff_t>(rows))
    combine<2>(rows, count, index, weights, panel, out);
  if (columns == 1) combine<1>(rows, count, index, weights, panel, out);
}

}  // namespace

void ZtViZ::rows_of_R(int first, int n, int height, double* out) const {
  for (int j = 0; j < layout_.rest; ++j)
    std::copy_n(R_.data() + first + static_cast<std::size_t>(j) * layout_.rest, n,
                out + static_cast<std::size_t>(j) * height);
}

void ZtViZ::rows_of_Ut(int first, int n, int height, double* out) const {
  check_interrupt(1.0 * n * layout_.rest);
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < layout_.rest; ++j)
      out[i + static_cast<std::size_t>(j) * height] = U_[j + static_cast<std::size_t>(first + i) * layout_.rest];
}

// S_2^-1 - S_2^-1 R S_2^-1, or else F U.
void ZtViZ::rows_of_T22(int first, int n, int columns, int height, double* out) const {
  const int rest = layout_.rest;
  if (!divides_rest_) {
    blas::gemm('T', 'N', n, columns, rest, 1.0, F_.data() + static_cast<std::size_t>(first) * rest, rest, U_.data(),
               rest, 0.0, out, height);
    return;
  }
  for (const RestLevel& level : rest_levels_) {
    const auto [f, s, at] = level;
    if (at >= columns) break;
    const double *R = R_.data() + first + static_cast<std::size_t>(at) * rest, *inverse = inverse_of_S_[f].data();
    for (int c = 0; c < s; ++c) {
      double* to = out + static_cast<std::size_t>(at + c) * height;
      std::fill_n(to, n, 0.0);
      for (int i = 0; i < s; ++i) small::axpy(n, -inverse[i + c * s], R + static_cast<std::size_t>(i) * rest, to);
    }
  }
  for (int at = first; at < std::min(first + n, columns); at += level_at(at)->width)
    for (int c = 0, s = level_at(at)->width; c < s; ++c)
      out[at - first + c + static_cast<std::size_t>(at + c) * height] += 1;
  divide_rows(first, n, columns, height, out);
}

const ZtViZ::RestLevel* ZtViZ::level_at(int row) const {
  return &*std::prev(std::upper_bound(rest_levels_.begin(), rest_levels_.end(), row,
                                      [](int r, const RestLevel& level) { return r < level.first; }));
}

void ZtViZ::divide_rows(int first, int n, int columns, int height, double* values) const {
  const auto [f, s, at] = *level_at(first);
  const double* inverse = inverse_of_S_[f].data();
  std::vector<double> old(s);
  check_interrupt(1.0 * n * columns * s);
  for (int c = 0; c < columns; ++c, values += height)
    for (int row = 0; row < n; row += s) {
      std::copy_n(values + row, s, old.begin());
      for (int r = 0; r < s; ++r) values[row + r] = small::dot(s, inverse + r * s, old.data());
    }
}

void ZtViZ::times_links(int rows, const double* panel, int levels, std::vector<double>& scratch, double* out) const {
  const int s = layout_.parts[layout_.lead].width;
  for (const Batch& batch : batches_) {
    if (batch.first >= levels) break;
    const int k = batch.count, columns = (std::min(batch.last, levels) - batch.first) * s;
    const int* index = index_.data() + batch.rows;
    double* to = out + static_cast<std::size_t>(batch.first) * s * rows;
    if (k <= kSmall || columns < kSmall) {
      check_interrupt(1.0 * rows * k * columns);
      combine_columns(rows, k, columns, index, links_.data() + batch.at, panel, to);
      continue;
    }
    scratch.resize(std::max(scratch.size(), static_cast<std::size_t>(rows) * k));
    for (int i = 0; i < k; ++i)
      std::copy_n(panel + static_cast<std::size_t>(index[i]) * rows, rows,
                  scratch.data() + static_cast<std::size_t>(i) * rows);
    blas::gemm('N', 'N', rows, columns, k, 1.0, scratch.data(), rows, links_.data() + batch.at, k, 0.0, to, rows);
  }
}

void ZtViZ::links_product(int a, int b, int k, const double* Y, std::vector<double>& scratch, double* N) const {
  const int s = layout_.parts[layout_.lead].width, rest = layout_.rest, size = rest + k;
  std::fill_n(N, static_cast<std::size_t>(size) * size, 0.0);
  for (const Batch& batch : batches_) {
    const int count = batch.count, levels = batch.last - batch.first;
    if (count == 0) continue;
    const int* rows = index_.data() + batch.rows;
    const double *of_a = links_.data() + batch.at + static_cast<std::ptrdiff_t>(a) * count,
                 *of_b = links_.data() + batch.at + static_cast<std::ptrdiff_t>(b) * count;
    if (count <= kSmall && k == 0) {
      check_interrupt(1.0 * levels * count * count);
      for (int l = 0; l < levels; ++l)
        for (int c = 0; c < count; ++c) {
          double* column = N + static_cast<std::size_t>(rows[c]) * size;
          const double weight = of_b[c + static_cast<std::ptrdiff_t>(l) * s * count];
          for (int r = 0; r < count; ++r)
            column[rows[r]] += weight * of_a[r + static_cast<std::ptrdiff_t>(l) * s * count];
        }
      continue;
    }
    const int wide = count + k;
    scratch.resize(std::max(scratch.size(), static_cast<std::size_t>(count) * wide * 2));
    double *both = scratch.data(), *of_Y = both + static_cast<std::size_t>(count) * count;
    double* to_Y = of_Y + static_cast<std::size_t>(count) * k;
    const double *Y_a = Y + static_cast<std::ptrdiff_t>(batch.first * s + a) * k,
                 *Y_b = Y + static_cast<std::ptrdiff_t>(batch.first * s + b) * k;
    blas::gemm('N', 'T', count, count, levels, 1.0, of_a, s * count, of_b, s * count, 0.0, both, count);
    if (k > 0) {
      blas::gemm('N', 'T', count, k, levels, 1.0, of_a, s * count, Y_b, s * k, 0.0, of_Y, count);
      blas::gemm('N', 'T', k, count, levels, 1.0, Y_a, s * k, of_b, s * count, 0.0, to_Y, k);
    }
    for (int c = 0; c < count; ++c) {
      double* column = N + static_cast<std::size_t>(rows[c]) * size;
      for (int r = 0; r < count; ++r) column[rows[r]] += both[r + c * count];
      for (int r = 0; r < k; ++r) column[rest + r] += to_Y[r + c * k];
    }
    for (int c = 0; c < k; ++c) {
      double* column = N + static_cast<std::size_t>(rest + c) * size;
      for (int r = 0; r < count; ++r) column[rows[r]] += of_Y[r + c * count];
    }
  }
  if (k > 0)
    blas::gemm('N', 'T', k, k, layout_.own / s, 1.0, Y + static_cast<std::ptrdiff_t>(a) * k, s * k,
               Y + static_cast<std::ptrdiff_t>(b) * k, s * k, 0.0, N + rest + static_cast<std::size_t>(rest) * size,
               size);
}

void ZtViZ::times_R(int k, int columns, const double* in, double* out) const {
  const int rest = layout_.rest, size = rest + k;
  blas::gemm('N', 'N', rest, columns, rest, 1.0, R_.data(), rest, in, size, 0.0, out, size);
  for (int c = 0; c < columns; ++c)
    std::copy_n(in + rest + static_cast<std::size_t>(c) * size, k, out + rest + static_cast<std::size_t>(c) * size);
}

void ZtViZ::own_share(const Batch& batch, int level, double* w) const {
  const int s = layout_.parts[layout_.lead].width, count = batch.count;
  const int* rows = index_.data() + batch.rows;
  const double* E = links_.data() + batch.at + static_cast<std::ptrdiff_t>(level - batch.first) * s * count;
  std::fill_n(w, s * s, 0.0);
  check_interrupt(1.0 * s * count * count);
  for (int j = 0; j < count; ++j) {
    const double* column = R_.data() + static_cast<std::size_t>(rows[j]) * layout_.rest;
    for (int a = 0; a < s; ++a) {
      double sum = 0;
      for (int i = 0; i < count; ++i) sum += E[i + a * count] * column[rows[i]];
      for (int b = 0; b < s; ++b) w[a + b * s] += sum * E[j + b * count];
    }
  }
}

// out = in T for k numbers per row of the rest, T on the diagonal for every level.
void ZtViZ::times_blocks(const Templates& T, int k, const double* in, double* out) const {
  std::fill_n(out, static_cast<std::size_t>(k) * layout_.rest, 0.0);
  for (const auto& [f, s, first] : rest_levels_) {
    check_interrupt(1.0 * k * s * s);
    const std::size_t at = static_cast<std::size_t>(first) * k;
    blocks::add_product(k, s, s, in + at, T[f].data(), out + at);
  }
}

void ZtViZ::multiply(int k, const double* in, double* out) {
  const int own = layout_.own, rest = layout_.rest, s = layout_.parts[layout_.lead].width;
  const double* in2 = in + static_cast<std::size_t>(own) * k;
  double* out2 = out + static_cast<std::size_t>(own) * k;
  std::fill_n(out, static_cast<std::size_t>(own) * k, 0.0);
  for (int row = 0; row < own; row += s) {
    check_interrupt(1.0 * k * s * s);
    const std::size_t at = static_cast<std::size_t>(row) * k;
    blocks::add_product(k, s, s, in + at, B_.data() + static_cast<std::size_t>(row) * s, out + at);
  }
  if (rest == 0) return;
  const auto size = static_cast<std::size_t>(k) * rest;
  met_.assign(size, 0.0);  // in_1 E
  back_.resize(size);      // what goes back through E'
  for (const Batch& batch : batches_) {
    const int count = batch.count, columns = (batch.last - batch.first) * s;
    const double *from = in + static_cast<std::size_t>(batch.first) * s * k, *links = links_.data() + batch.at;
    scratch_.resize(std::max(scratch_.size(), static_cast<std::size_t>(k) * count));
    blas::gemm('N', 'T', k, count, columns, 1.0, from, k, links, count, 0.0, scratch_.data(), k);
    for (int i = 0; i < count; ++i)
      small::axpy(k, 1.0, scratch_.data() + static_cast<std::size_t>(i) * k,
                  met_.data() + static_cast<std::size_t>(index_[batch.rows + i]) * k);
  }
  if (divides_rest_) {  // with D = in_1 E - in_2 S^-1: D R goes on, by S^-1, and back
    half_.resize(std::max(half_.size(), size));
    times_blocks(inverse_of_S_, k, in2, half_.data());
    for (std::size_t i = 0; i < size; ++i) met_[i] -= half_[i];
    blas::gemm('N', 'N', k, rest, rest, 1.0, met_.data(), k, R_.data(), rest, 0.0, back_.data(), k);
    times_blocks(inverse_of_S_, k, back_.data(), out2);
    for (std::size_t i = 0; i < size; ++i) out2[i] += half_[i], back_[i] = -back_[i];
  } else {
    blas::gemm('N', 'T', k, rest, rest, 1.0, in2, k, U_.data(), rest, 0.0, back_.data(), k);
    blas::gemm('N', 'N', k, rest, rest, -1.0, met_.data(), k, R_.data(), rest, 1.0, back_.data(), k);
    blas::gemm('N', 'N', k, rest, rest, 1.0, in2, k, F_.data(), rest, 1.0, met_.data(), k);
    blas::gemm('N', 'N', k, rest, rest, 1.0, met_.data(), k, U_.data(), rest, 0.0, out2, k);
  }
  for (const Batch& batch : batches_) {
    const int count = batch.count, columns = (batch.last - batch.first) * s;
    for (int i = 0; i < count; ++i)
      std::copy_n(back_.data() + static_cast<std::size_t>(index_[batch.rows + i]) * k, k,
                  scratch_.data() + static_cast<std::size_t>(i) * k);
    blas::gemm('N', 'N', k, columns, count, 1.0, scratch_.data(), k, links_.data() + batch.at, count, 1.0,
               out + static_cast<std::size_t>(batch.first) * s * k, k);
  }
}

void ZtViZ::gather(int k, const double* in, double* out) const {
  for (std::size_t f = 0; f < layout_.parts.size(); ++f) {
    const Layout::Part& part = layout_.parts[f];
    double* to = out + static_cast<std::size_t>(part.first) * k;
    for (std::int32_t l : part.levels)
      to = std::copy_n(in + Layout::effect(A_.factors[f], l) * k, static_cast<std::size_t>(part.width) * k, to);
  }
}

}  // namespace mixedmodels
