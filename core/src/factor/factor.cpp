#include "factor/factor.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "factor/sizes.hpp"
#include "kernels/blas.hpp"
#include "kernels/instruction_sets.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/level_blocks.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

constexpr double kWorthThreads = 2e6;  // work of a factorization below which a second thread costs more than it gives
constexpr std::int32_t kStripLevels = 4096;

}  // namespace

Factor::Factor(const CrossProducts& A, const Symbolic& symbolic, int threads)
    : A_(A), S_(symbolic), workers_(symbolic.work > kWorthThreads ? threads : 1) {
  panels_.resize(static_cast<std::size_t>(S_.panel_size));
  std::size_t work = 0;
  for (const Supernode& node : S_.supernodes)
    for (std::int64_t t = node.update_begin; t < node.update_end; ++t) {
      const Update& u = S_.updates[t];
      if (by_blas(node, u) && !u.contiguous)
        work = std::max(work, static_cast<std::size_t>(node.below - u.begin) * (u.end - u.begin));
    }
  work_.assign(static_cast<std::size_t>(workers_.threads()), std::vector<double>(work));
  const auto widest = static_cast<std::size_t>(A_.widest());
  scratch_.assign(static_cast<std::size_t>(workers_.threads()), std::vector<double>(2 * widest * widest));
}

// -- the numbers of M ---------------------------------------------------------------------------------------------

void Factor::assemble_diagonal(const FactorBlock& block, const double* lam, std::int32_t first, std::int32_t last,
                               int thread) {
  const int s = block.width;
  double *half = scratch_[thread].data(), *full = half + s * s;
  InterruptMeter meter;
  for (std::int32_t l = first; l < last; ++l) {
    const std::int64_t node = block.first_node + l;
    double* target = panels_.data() + S_.diagonal_at[node];
    const double* d = block.diagonal.data() + std::int64_t{l} * s * s;
    const double prior = block.prior.diagonal.empty() ? 1.0 : block.prior.diagonal[l];
    if (s == 1) {
      *target = lam[0] * lam[0] * *d + prior;
      continue;
    }
    meter.count(std::int64_t{2} * s * s * s);
    blocks::left(s, lam, s, d, half);
    std::fill_n(full, s * s, 0.0);
    blocks::add_right(s, s, half, lam, full, s);
    for (int c = 0; c < s; ++c) {
      double* column = target + std::int64_t{c} * S_.leading[node];
      for (int r = c; r < s; ++r) column[r] += full[r + c * s];
      column[c] += prior;
    }
  }
}

void Factor::assemble_pairs(std::size_t t, const Templates& lam, std::int32_t first, std::int32_t last, int thread) {
  const PairBlock& pair = A_.pairs[t];
  const FactorBlock &a = A_.factors[pair.a], &b = A_.factors[pair.b];
  const double *lam_a = lam[pair.a].data(), *lam_b = lam[pair.b].data();
  const std::vector<std::int64_t>& at = S_.pair_at[t];
  if (a.width == 1 && b.width == 1) {
    check_interrupt(static_cast<double>(pair.start[last] - pair.start[first]));
    const double scale = lam_a[0] * lam_b[0];
    for (std::int64_t e = pair.start[first]; e < pair.start[last]; ++e)
      panels_[at[e] < 0 ? ~at[e] : at[e]] = scale * pair.values[e];
    if (pair.a == pair.b) add_prior(t, first, last);
    return;
  }
  const int size = a.width * b.width;
  double *half = scratch_[thread].data(), *full = half + size;
  InterruptMeter meter;
  for (std::int32_t l = first; l < last; ++l) {
    meter.count((pair.start[l + 1] - pair.start[l]) * size * (a.width + b.width));
    for (std::int64_t e = pair.start[l]; e < pair.start[l + 1]; ++e) {
      blocks::left(b.width, lam_b, a.width, pair.values.data() + e * size, half);
      if (at[e] >= 0) {
        blocks::add_right(b.width, a.width, half, lam_a, panels_.data() + at[e], S_.leading[a.first_node + l]);
        continue;
      }
      std::fill_n(full, size, 0.0);
      blocks::add_right(b.width, a.width, half, lam_a, full, b.width);
      double* target = panels_.data() + ~at[e];
      const std::int64_t lead = S_.leading[b.first_node + pair.level_b[e]];
      for (int r = 0; r < b.width; ++r)
        for (int c = 0; c < a.width; ++c) target[c + r * lead] += full[r + c * b.width];
    }
  }
  if (pair.a == pair.b) add_prior(t, first, last);
}

// Adds the pairs of a factor with itself: the precision between two levels, the same for every effect.
void Factor::add_prior(std::size_t t, std::int32_t first, std::int32_t last) {
  const PairBlock& pair = A_.pairs[t];
  const FactorBlock& block = A_.factors[pair.a];
  if (block.prior.diagonal.empty()) return;
  const std::vector<std::int64_t>& at = S_.pair_at[t];
  for (std::int32_t l = first; l < last; ++l)
    for (std::int64_t e = pair.start[l]; e < pair.start[l + 1]; ++e) {
      const std::int64_t lead = S_.leading[block.first_node + (at[e] < 0 ? pair.level_b[e] : l)];
      double* target = panels_.data() + (at[e] < 0 ? ~at[e] : at[e]);
      for (int c = 0; c < block.width; ++c) target[c * (lead + 1)] += block.prior.pairs[e];
    }
}

void Factor::assemble(const Templates& lam) {
  constexpr std::int64_t kStripNumbers = 1 << 18;
  workers_.run(parts(S_.panel_size, kStripNumbers), [&](int i, int) {
    check_interrupt(kStripNumbers);
    const auto first = panels_.begin() + i * kStripNumbers;
    std::fill(first, first + std::min<std::int64_t>(kStripNumbers, panels_.end() - first), 0.0);
  });
  for (std::size_t f = 0; f < A_.factors.size(); ++f) {
    const FactorBlock& block = A_.factors[f];
    workers_.run(parts(block.levels, kStripLevels), [&](int i, int thread) {
      assemble_diagonal(block, lam[f].data(), i * kStripLevels, std::min(block.levels, (i + 1) * kStripLevels), thread);
    });
  }
  for (std::size_t t = 0; t < A_.pairs.size(); ++t) {
    const std::int32_t levels = A_.factors[A_.pairs[t].a].levels;
    workers_.run(parts(levels, kStripLevels), [&](int i, int thread) {
      assemble_pairs(t, lam, i * kStripLevels, std::min(levels, (i + 1) * kStripLevels), thread);
    });
  }
}

// -- elimination --------------------------------------------------------------------------------------------------

bool Factor::renew(const Templates& lam) {
  assemble(lam);
  std::atomic<bool> ok{true};
  workers_.run(static_cast<int>(S_.chunks.size()), [&](int i, int thread) {
    InterruptMeter meter;
    for (int s : S_.chunks[i]) {
      const Supernode& node = S_.supernodes[s];
      if (!eliminate(node, meter)) {
        ok = false;
        return;
      }
      for (std::int64_t t = node.update_begin; t < node.update_end; ++t)
        if (!S_.updates[t].deferred) apply(node, S_.updates[t], thread, meter);
    }
  });
  if (!ok) return false;
  workers_.run(static_cast<int>(S_.top.size()), [&](int i, int thread) {
    InterruptMeter meter;
    for (const Pull& pull : S_.pulls[i]) apply(S_.supernodes[pull.node], S_.updates[pull.update], thread, meter);
  });
  InterruptMeter meter;
  return std::all_of(S_.top.begin(), S_.top.end(), [&](int s) { return eliminate_top(S_.supernodes[s], meter); });
}

bool Factor::eliminate(const Supernode& node, InterruptMeter& meter) {
  const int w = node.width, ld = node.leading();
  double* P = panels_.data() + node.panel;
  if (w <= kSmallWidth) {
    meter.count(std::int64_t{w} * w * ld);
    return small::eliminate(w, ld, P);
  }
  if (!blas::potrf('L', w, P, ld)) return false;
  blas::trsm('R', 'L', 'T', node.below, w, P, ld, P + w, ld);
  return true;
}

bool Factor::eliminate_top(const Supernode& node, InterruptMeter& meter) {
  const int w = node.width, ld = node.leading();
  double* P = panels_.data() + node.panel;
  if (node.below <= kStripRows) {
    if (!eliminate(node, meter)) return false;
  } else {
    if (!blas::potrf('L', w, P, ld)) return false;
    workers_.run(parts(node.below, kStripRows), [&](int i, int) {
      const int first = i * kStripRows, rows = std::min(kStripRows, node.below - first);
      blas::trsm('R', 'L', 'T', rows, w, P, ld, P + w + first, ld);
    });
  }
  workers_.run(static_cast<int>(node.update_end - node.update_begin), [&](int i, int thread) {
    InterruptMeter own;
    apply(node, S_.updates[node.update_begin + i], thread, own);
  });
  return true;
}

PanelBlock Factor::block_of(const Supernode& node, const Update& u, double* panels) const {
  const Supernode& target = S_.supernodes[u.target];
  const int* rows = S_.rows.data() + node.rows + u.begin;
  PanelBlock block;
  block.panel = panels + target.panel;
  block.lead = target.leading();
  block.first = target.first;
  block.local = target.solid ? rows : S_.local.data() + u.local;
  block.shift = target.solid ? target.first : 0;
  block.columns = rows;
  block.count = node.below - u.begin;
  block.width = u.end - u.begin;
  block.contiguous = u.contiguous;
  return block;
}

// Takes L_R L_R' from the columns of a later supernode, R the rows below.
void Factor::apply(const Supernode& node, const Update& u, int thread, InterruptMeter& meter) {
  const int w = node.width, ld = node.leading();
  const double* below = panels_.data() + node.panel + w;
  const PanelBlock to = block_of(node, u, panels_.data());
  if (!by_blas(node, u)) {
    meter.count(std::int64_t{to.count} * to.width * w);
    subtract_outer(to, below + u.begin, w, ld);
    return;
  }
  double* block = to.panel + (to.local[0] - to.shift) + std::int64_t{to.columns[0] - to.first} * to.lead;
  double* work = work_[thread].data();
  double* target = u.contiguous ? block : work;
  const int ldt = u.contiguous ? to.lead : to.count;
  const double alpha = u.contiguous ? -1.0 : 1.0, beta = u.contiguous ? 1.0 : 0.0;
  blas::syrk('L', 'N', to.width, w, alpha, below + u.begin, ld, beta, target, ldt);
  blas::gemm('N', 'T', to.count - to.width, to.width, w, alpha, below + u.end, ld, below + u.begin, ld, beta,
             target + to.width, ldt);
  if (u.contiguous) return;
  for (int c = 0; c < to.width; ++c) {
    double* column = to.panel + std::int64_t{to.columns[c] - to.first} * to.lead;
    const double* from = work + static_cast<std::size_t>(c) * to.count;
    for (int i = c; i < to.count; ++i) column[to.local[i] - to.shift] -= from[i];
  }
}

double Factor::logdet2() const {
  double sum = 0;
  for (const Supernode& node : S_.supernodes)
    for (int c = 0; c < node.width; ++c) sum += std::log(panels_[node.panel + std::int64_t{c} * (node.leading() + 1)]);
  return 2 * sum;
}

// -- solves -------------------------------------------------------------------------------------------------------

void Factor::reserve_below(std::size_t size) {
  if (below_.size() < size) below_.resize(size);
}

// Work of a solve with one supernode, on average; those that cost far more are left to BLAS, which counts its own.
double Factor::solve_work(int k) const {
  return static_cast<double>(k) * static_cast<double>(S_.panel_size) / static_cast<double>(S_.supernodes.size());
}

void Factor::solve_L(double* b, int k) {
  if (k == 0) return;
  reserve_below(static_cast<std::size_t>(k) * S_.max_below);
  in_strips(static_cast<std::int64_t>(S_.supernodes.size()), solve_work(k), [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t s = first; s < last; ++s) solve_own_L(S_.supernodes[s], b, k);
  });
}

void Factor::solve_Lt(double* b, int k) {
  if (k == 0) return;
  reserve_below(static_cast<std::size_t>(k) * S_.max_below);
  const auto count = static_cast<std::int64_t>(S_.supernodes.size());
  in_strips(count, solve_work(k), [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t s = first; s < last; ++s) solve_own_Lt(S_.supernodes[count - 1 - s], b, k);
  });
}

inline void Factor::solve_own_L(const Supernode& node, double* b, int k) {
  const int w = node.width, ld = node.leading();
  const double* P = panels_.data() + node.panel;
  const int* rows = S_.rows.data() + node.rows;
  double* own = b + std::int64_t{node.first} * k;
  if (w <= kSmallWidth) {
    small::solve_lower(w, ld, P, own, k);
    for (int c = 0; c < w; ++c) {
      const double *column = P + w + std::int64_t{c} * ld, *x = own + c * k;
      if (k == 1) {
        const double solved = *x;
        for (int i = 0; i < node.below; ++i) b[rows[i]] -= column[i] * solved;
        continue;
      }
      for (int i = 0; i < node.below; ++i) small::axpy(k, -column[i], x, b + std::int64_t{rows[i]} * k);
    }
    return;
  }
  blas::trsm('R', 'L', 'T', k, w, P, ld, own, k);
  blas::gemm('N', 'T', k, node.below, w, 1.0, own, k, P + w, ld, 0.0, below_.data(), k);
  for (int i = 0; i < node.below; ++i)
    small::axpy(k, -1.0, below_.data() + std::int64_t{i} * k, b + std::int64_t{rows[i]} * k);
}

inline void Factor::solve_own_Lt(const Supernode& node, double* b, int k) {
  const int w = node.width, ld = node.leading();
  const double* P = panels_.data() + node.panel;
  const int* rows = S_.rows.data() + node.rows;
  double* own = b + std::int64_t{node.first} * k;
  if (w <= kSmallWidth) {
    for (int c = 0; c < w; ++c) {
      const double* column = P + w + std::int64_t{c} * ld;
      if (k == 1) {  // in registers: a sum in memory waits for itself at every step
        double sum = 0;
        MIXEDMODELS_STRANDS(sum)
        for (int i = 0; i < node.below; ++i) sum += column[i] * b[rows[i]];
        own[c] -= sum;
        continue;
      }
      for (int i = 0; i < node.below; ++i) small::axpy(k, -column[i], b + std::int64_t{rows[i]} * k, own + c * k);
    }
    small::solve_upper(w, ld, P, own, k);
    return;
  }
  for (int i = 0; i < node.below; ++i)
    std::copy_n(b + std::int64_t{rows[i]} * k, k, below_.data() + std::int64_t{i} * k);
  blas::gemm('N', 'N', k, w, node.below, -1.0, below_.data(), k, P + w, ld, 1.0, own, k);
  blas::trsm('R', 'L', 'N', k, w, P, ld, own, k);
}

}  // namespace mixedmodels
