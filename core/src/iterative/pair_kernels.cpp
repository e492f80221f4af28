#include "iterative/pair_kernels.hpp"

#include <algorithm>

#include "kernels/instruction_sets.hpp"

#if defined(__GNUC__)
#define MIXEDMODELS_INLINE inline __attribute__((always_inline))
#define MIXEDMODELS_APART __restrict__
#define MIXEDMODELS_PREFETCH(address) __builtin_prefetch(address)
#define MIXEDMODELS_VECTOR _Pragma("omp simd")
#else
#define MIXEDMODELS_INLINE inline
#define MIXEDMODELS_APART
#define MIXEDMODELS_PREFETCH(address) static_cast<void>(address)
#define MIXEDMODELS_VECTOR
#endif

namespace mixedmodels::iterative {

namespace {

// Pairs between a row of a panel and the request for it: memory answers as late as that.
constexpr std::int64_t kAhead = 8;

// Asks for the row of the pair some places ahead; lists of pairs are contiguous over the levels.
template <int W>
MIXEDMODELS_INLINE void ask_ahead(const PairList& list, std::int64_t e, std::int64_t end, const double* rows) {
  const double* row = rows + std::int64_t{list.level[e + kAhead < end ? e + kAhead : end - 1]} * list.width * W;
  MIXEDMODELS_PREFETCH(row);
  if (W > 8) MIXEDMODELS_PREFETCH(row + 8);
}

// t += v x.
template <int W>
MIXEDMODELS_INLINE void add(double v, const double* MIXEDMODELS_APART x, double* MIXEDMODELS_APART t) {
  MIXEDMODELS_VECTOR
  for (int j = 0; j < W; ++j) t[j] += v * x[j];
}

template <int W>
MIXEDMODELS_INLINE void gather(const PairList* lists, int count, std::int64_t level, int own, const double* in,
                               double* t) {
  if (own == 1) {
    double sum[W] = {};
    for (int i = 0; i < count; ++i) {
      const PairList& list = lists[i];
      const double* const rows = in + list.row * W;
      const std::int64_t end = list.start[level + 1];
      if (list.width == 1) {
        for (std::int64_t e = list.start[level]; e < end; ++e) {
          ask_ahead<W>(list, e, end, rows);
          add<W>(list.value[e], rows + std::int64_t{list.level[e]} * W, sum);
        }
        continue;
      }
      for (std::int64_t e = list.start[level]; e < end; ++e) {
        const double* x = rows + std::int64_t{list.level[e]} * list.width * W;
        for (int r = 0; r < list.width; ++r, x += W) add<W>(list.value[e * list.width + r], x, sum);
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
        for (int r = 0; r < list.width; ++r) add<W>(block[r + c * list.width], at + r * W, t + c * W);
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
    const std::int64_t end = list.start[level + 1];
    if (own == 1 && list.width == 1) {
      for (std::int64_t e = list.start[level]; e < end; ++e) {
        ask_ahead<W>(list, e, end, rows);
        add<W>(list.value[e], mine, rows + std::int64_t{list.level[e]} * W);
      }
      continue;
    }
    for (std::int64_t e = list.start[level]; e < end; ++e) {
      const double* block = list.value + e * list.width * own;
      double* const at = rows + std::int64_t{list.level[e]} * list.width * W;
      for (int c = 0; c < own; ++c)
        for (int r = 0; r < list.width; ++r) add<W>(block[r + c * list.width], t + c * W, at + r * W);
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
