#include "kernels/level_blocks.hpp"

#include <algorithm>

#include "kernels/blas.hpp"
#include "kernels/instruction_sets.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels::blocks {

MIXEDMODELS_CLONES
void left(int s, const double* lam, int columns, const double* value, double* out) {
  for (int c = 0; c < columns; ++c)
    for (int r = 0; r < s; ++r) {
      double sum = 0;
      for (int i = r; i < s; ++i) sum += lam[i + r * s] * value[i + c * s];
      out[r + c * s] = sum;
    }
}

MIXEDMODELS_CLONES
void left_transposed(int s, const double* lam, int columns, const double* value, double* out) {
  for (int c = 0; c < columns; ++c)
    for (int r = 0; r < s; ++r) {
      double sum = 0;
      for (int i = r; i < s; ++i) sum += lam[i + r * s] * value[c + i * columns];
      out[r + c * s] = sum;
    }
}

MIXEDMODELS_CLONES
void add_right(int rows, int s, const double* value, const double* lam, double* out, int lead) {
  for (int c = 0; c < s; ++c)
    for (int j = c; j < s; ++j) {
      const double factor = lam[j + c * s];
      for (int r = 0; r < rows; ++r) out[r + static_cast<long>(c) * lead] += value[r + j * rows] * factor;
    }
}

MIXEDMODELS_CLONES
void add_transposed_product(int rows, int columns_a, int columns_b, const double* a, const double* b, double* out) {
  for (int c = 0; c < columns_b; ++c)
    for (int r = 0; r < columns_a; ++r) {
      double sum = 0;
      for (int i = 0; i < rows; ++i) sum += a[i + r * rows] * b[i + c * rows];
      out[r + c * columns_a] += sum;
    }
}

MIXEDMODELS_CLONES
void add_product(int rows, int inner, int columns, const double* a, const double* b, double* out) {
  for (int c = 0; c < columns; ++c)
    for (int i = 0; i < inner; ++i) {
      const double factor = b[i + c * inner];
      for (int r = 0; r < rows; ++r) out[r + c * rows] += a[r + i * rows] * factor;
    }
}

void add_outer(int size, int count, const double* a, const double* b, double* out) {
  constexpr int kSmall = 9;  // beyond it BLAS is worth its call
  if (size > kSmall) return blas::gemm('N', 'T', size, size, count, 1.0, a, size, b, size, 1.0, out, size);
  for (; count > 0; --count, a += size, b += size)
    for (int c = 0; c < size; ++c) small::axpy(size, b[c], a, out + c * size);
}

}  // namespace mixedmodels::blocks
