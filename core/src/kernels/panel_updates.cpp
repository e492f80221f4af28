#include "kernels/panel_updates.hpp"

#include <algorithm>

#include "kernels/instruction_sets.hpp"

namespace mixedmodels {

namespace {

constexpr int kStrip = 256;  // rows gathered at a time

const double* column_of(const PanelBlock& block, int c) {
  return block.panel + std::int64_t{block.columns[c] - block.first} * block.lead;
}

// N columns from column c on, each from where row 0 of the panel would be: a row is read once for all of them.
template <int N>
struct Columns {
  double* at[N];

  Columns(const PanelBlock& block, int c) {
    for (int j = 0; j < N; ++j) at[j] = const_cast<double*>(column_of(block, c + j)) - block.shift;
  }
};

template <int N>
inline void subtract_outer_here(const PanelBlock& block, int c, const double* b) {
  const Columns<N> columns(block, c);
  const int* local = block.local;
  for (int j = 0; j < N; ++j)
    for (int i = j; i < N; ++i) columns.at[j][local[c + i]] -= b[c + i] * b[c + j];
  if (block.contiguous) {
    for (int j = 0; j < N; ++j) {
      double* column = columns.at[j] + local[0];
      const double factor = b[c + j];
#pragma omp simd
      for (int i = c + N; i < block.count; ++i) column[i] -= b[i] * factor;
    }
    return;
  }
  for (int i = c + N; i < block.count; ++i)
    for (int j = 0; j < N; ++j) columns.at[j][local[i]] -= b[i] * b[c + j];
}

template <int N>
inline void multiply_symmetric_here(const PanelBlock& block, int c, const double* y, double* out) {
  const Columns<N> columns(block, c);
  const int* local = block.local;
  double sums[N] = {};
  for (int i = c + N; i < block.count; ++i) {
    double row = 0;
    for (int j = 0; j < N; ++j) {
      const double value = columns.at[j][local[i]];
      row += value * y[c + j];
      sums[j] += value * y[i];
    }
    out[i] += row;
  }
  for (int j = 0; j < N; ++j) {
    out[c + j] += sums[j] + columns.at[j][local[c + j]] * y[c + j];
    for (int i = j + 1; i < N; ++i) {
      const double value = columns.at[j][local[c + i]];
      out[c + i] += value * y[c + j];
      out[c + j] += value * y[c + i];
    }
  }
}

// Of one column b or y, as most supernodes outside of the top have it.
MIXEDMODELS_CLONES void subtract_outer_of_vector(const PanelBlock& block, const double* b) {
  int c = 0;
  for (; c + 4 <= block.width; c += 4) subtract_outer_here<4>(block, c, b);
  if (c + 3 == block.width) return subtract_outer_here<3>(block, c, b);
  if (c + 2 == block.width) return subtract_outer_here<2>(block, c, b);
  if (c + 1 == block.width) subtract_outer_here<1>(block, c, b);
}

MIXEDMODELS_CLONES void multiply_symmetric_by_vector(const PanelBlock& block, const double* y, double* out) {
  int c = 0;
  for (; c + 4 <= block.width; c += 4) multiply_symmetric_here<4>(block, c, y, out);
  if (c + 3 == block.width) return multiply_symmetric_here<3>(block, c, y, out);
  if (c + 2 == block.width) return multiply_symmetric_here<2>(block, c, y, out);
  if (c + 1 == block.width) multiply_symmetric_here<1>(block, c, y, out);
}

}  // namespace

MIXEDMODELS_CLONES
void subtract_outer(const PanelBlock& block, const double* b, int w, int ld) {
  if (w == 1) return subtract_outer_of_vector(block, b);
  double strip[kStrip];
  for (int c = 0; c < block.width; ++c) {
    double* column = const_cast<double*>(column_of(block, c));
    for (int from = c; from < block.count; from += kStrip) {
      const int size = std::min(kStrip, block.count - from);
      const double factor = b[c];
      for (int i = 0; i < size; ++i) strip[i] = b[from + i] * factor;
      for (int k = 1; k < w; ++k) {
        const double* bk = b + std::int64_t{k} * ld;
        const double fk = bk[c];
        for (int i = 0; i < size; ++i) strip[i] += bk[from + i] * fk;
      }
      const int* local = block.local + from;
      for (int i = 0; i < size; ++i) column[local[i] - block.shift] -= strip[i];
    }
  }
}

MIXEDMODELS_CLONES
void multiply_symmetric(const PanelBlock& block, const double* y, int w, int ldy, double* out, int ldo) {
  if (w == 1) return multiply_symmetric_by_vector(block, y, out);
  double strip[kStrip];
  for (int c = 0; c < block.width; ++c) {
    const double* column = column_of(block, c);
    const double pivot = column[block.local[c] - block.shift];
    for (int k = 0; k < w; ++k) out[c + std::int64_t{k} * ldo] += pivot * y[c + std::int64_t{k} * ldy];
    for (int from = c + 1; from < block.count; from += kStrip) {
      const int size = std::min(kStrip, block.count - from);
      const int* local = block.local + from;
      for (int i = 0; i < size; ++i) strip[i] = column[local[i] - block.shift];
      for (int k = 0; k < w; ++k) {
        const double* yk = y + from + std::int64_t{k} * ldy;
        double* ok = out + from + std::int64_t{k} * ldo;
        const double factor = y[c + std::int64_t{k} * ldy];
        double sum = 0;
        MIXEDMODELS_STRANDS(sum)
        for (int i = 0; i < size; ++i) {
          ok[i] += strip[i] * factor;
          sum += strip[i] * yk[i];
        }
        out[c + std::int64_t{k} * ldo] += sum;
      }
    }
  }
}

}  // namespace mixedmodels
