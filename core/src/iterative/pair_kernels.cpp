#include "iterative/pair_kernels.hpp"

#include <algorithm>

#include "kernels/instruction_sets.hpp"

#if defined(__GNUC__)
#define MIXEDMODELS_INLINE inline __attribute__((always_inline))
#else
#define MIXEDMODELS_INLINE inline
#endif

namespace mixedmodels::iterative {

namespace {

template <int W>
MIXEDMODELS_INLINE void gather(const PairList* lists, int count, std::int64_t level, int own, const double* in,
                               double* t) {
  if (own == 1) {
    double sum[W] = {};
    for (int i = 0; i < count; ++i) {
      const PairList& list = lists[i];
      const double* const rows = in + list.row * W;
      for (std::int64_t e = list.start[level]; e < list.start[level + 1]; ++e) {
        const double* x = rows + std::int64_t{list.level[e]} * list.width * W;
        for (int r = 0; r < list.width; ++r, x += W) {
          const double v = list.value[e * list.width + r];
          for (int j = 0; j < W; ++j) sum[j] += v * x[j];
        }
      }
    }
    std::copy_n(sum, W, t);
    return;
  }
  std::fill_n(t, own * W, 0.0);
  for (int i = 0; i < count; ++i) {
    const PairList& list = lists[i];
    const double* const rows = in + list.row * W;
    for (std::int64_t e = list.start[level]; e < list.start[level + 1]; ++e) {
      const double* block = list.value + e * list.width * own;
      const double* const at = rows + std::int64_t{list.level[e]} * list.width * W;
      for (int c = 0; c < own; ++c)
        for (int r = 0; r < list.width; ++r) {
          const double v = block[r + c * list.width];
          for (int j = 0; j < W; ++j) t[c * W + j] += v * at[r * W + j];
        }
    }
  }
}

template <int W>
MIXEDMODELS_INLINE void scatter(const PairList* lists, int count, std::int64_t level, int own, const double* t,
                                double* out) {
  double mine[W];
  std::copy_n(t, W, mine);
  for (int i = 0; i < count; ++i) {
    const PairList& list = lists[i];
    double* const rows = out + list.row * W;
    for (std::int64_t e = list.start[level]; e < list.start[level + 1]; ++e) {
      const double* block = list.value + e * list.width * own;
      double* const at = rows + std::int64_t{list.level[e]} * list.width * W;
      for (int r = 0; r < list.width; ++r) {
        const double v = block[r];
        for (int j = 0; j < W; ++j) at[r * W + j] += v * mine[j];
      }
      for (int c = 1; c < own; ++c)
        for (int r = 0; r < list.width; ++r) {
          const double v = block[r + c * list.width];
          for (int j = 0; j < W; ++j) at[r * W + j] += v * t[c * W + j];
        }
    }
  }
}

#define MIXEDMODELS_PAIR_KERNELS(W)                                                                               \
  MIXEDMODELS_CLONES                                                                                              \
  void gather_##W(const PairList* lists, int count, std::int64_t level, int own, const double* in, double* t) {   \
    gather<W>(lists, count, level, own, in, t);                                                                   \
  }                                                                                                               \
  MIXEDMODELS_CLONES                                                                                              \
  void scatter_##W(const PairList* lists, int count, std::int64_t level, int own, const double* t, double* out) { \
    scatter<W>(lists, count, level, own, t, out);                                                                 \
  }

MIXEDMODELS_PAIR_KERNELS(4)
MIXEDMODELS_PAIR_KERNELS(8)
MIXEDMODELS_PAIR_KERNELS(12)
MIXEDMODELS_PAIR_KERNELS(16)

}  // namespace

PairKernels pair_kernels(int panel_width) {
  switch (panel_width) {
    case 4:
      return {gather_4, scatter_4};
    case 8:
      return {gather_8, scatter_8};
    case 12:
      return {gather_12, scatter_12};
    default:
      return {gather_16, scatter_16};
  }
}

}  // namespace mixedmodels::iterative
