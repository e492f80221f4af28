#include "kernels/panel_updates.hpp"

#include <algorithm>

#include "kernels/instruction_sets.hpp"

namespace mixedmodels {

namespace {

constexpr int kStrip = 256;  // rows gathered at a time

const double* column_of(const PanelBlock& block, int c) {
  return block.panel + std::int64_t{block.columns[c] - block.first} * block.lead;
}

}  // namespace

MIXEDMODELS_CLONES
void subtract_outer(const PanelBlock& block, const double* b, int w, int ld) {
  double strip[kStrip];
  for (int c = 0; c < block.width; ++c) {
    double* column = const_cast<double*>(column_of(block, c));
    if (w == 1) {
      const double factor = b[c];
      if (block.contiguous) {
        double* target = column + (block.local[0] - block.shift);
        for (int i = c; i < block.count; ++i) target[i] -= b[i] * factor;
      } else {
        for (int i = c; i < block.count; ++i) column[block.local[i] - block.shift] -= b[i] * factor;
      }
      continue;
    }
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
